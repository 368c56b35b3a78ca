"""The pytest plug-in: a fixture that audits a live Keras model. Nothing is imported before a test uses it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from bnlint.finding import Finding

_IGNORE = "bn_audit_ignore"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declares the option of pytest's configuration file."""
    parser.addini(_IGNORE, "rules that bn_audit does not report: codes, prefixes or names", type="args", default=[])


class BatchNormAudit:
    """What the fixture ``bn_audit`` gives: call it with a model, and the test fails where batch normalization is at fault."""

    def __init__(self, ignore: Iterable[str] = ()) -> None:
        self._ignore = tuple(ignore)

    def __call__(self, model: Any, data: Any = None, ignore: Iterable[str] = ()) -> None:
        """Fails the test with all findings as its text. The arguments are those of :func:`bnlint.verify.audit`."""
        __tracebackhide__ = True
        from bnlint.verify.auditing import report

        found = self.findings(model, data, ignore)
        if found:
            pytest.fail(report(found), pytrace=False)

    def findings(self, model: Any, data: Any = None, ignore: Iterable[str] = ()) -> list[Finding]:
        """The findings, for a test that wants to look at them itself."""
        from bnlint.verify.auditing import audit

        return audit(model, data, ignore=(*self._ignore, *ignore))


@pytest.fixture
def bn_audit(request: pytest.FixtureRequest) -> BatchNormAudit:
    """Audits live Keras models: ``bn_audit(model, (x, y))`` fails the test where batch normalization is at fault."""
    return BatchNormAudit(request.config.getini(_IGNORE))
