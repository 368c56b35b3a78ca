"""What a rule says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnlint.finding import Applicability, Severity

Value = bool | int | float | str
Options = Mapping[str, Value]


@dataclass(frozen=True)
class Option:
    """A key in the configuration's table of a rule; a value has the type of ``default`` and is one of ``choices``, if there are any."""

    name: str
    default: Value
    help: str = ""
    choices: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A rule's metadata.

    ``fix`` says how safe its fix is, if it has one; ``supersedes`` lists the codes that yield to a finding of this rule with
    the same cause. A pedantic rule runs only where it is selected by its full code or name. A rule with ``options``
    takes them, all keys present, as the second argument of ``check``; ``pedantic`` may be among them.
    """

    code: str
    name: str
    severity: Severity
    fix: Applicability | None = None
    supersedes: tuple[str, ...] = ()
    pedantic: bool = False
    options: tuple[Option, ...] = ()
