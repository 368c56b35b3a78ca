"""A rule's page: the docstring of its module, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bnlint.names import shown

_CODES = r"BN\d{3}(?:[ \t,]+BN\d{3})*"
_MARK = re.compile(
    rf"[ \t]*#[ \t]*(?=BN|later:)(?P<now>{_CODES})?(?:[ \t]*(?:#[ \t]*)?later:[ \t]*(?P<later>{_CODES}))?[ \t]*$", re.MULTILINE
)
_NAMES = re.compile(r"\{names:\s+([a-z -]+)\}")
_FENCE = re.compile(r"^```python[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Page:
    """Title, first sentence of "What it does", and the sections in their order."""

    title: str
    sections: dict[str, str]

    @property
    def summary(self) -> str:
        """What the rule does, in one sentence."""
        text = " ".join(self.sections.get("What it does", self.title).split())
        return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]

    def examples(self, section: str) -> list[str]:
        """The code blocks of a section, with their marks."""
        return [block[1] for block in _FENCE.finditer(self.sections.get(section, ""))]

    def text(self) -> str:
        """The page as markdown, with the marks taken from the examples."""
        parts = [f"# {self.title}"]
        for name, body in self.sections.items():
            parts.append(f"## {name}\n{_FENCE.sub(lambda block: without_marks(block[0]), body)}")
        return "\n\n".join(parts) + "\n"


def parse_page(docstring: str) -> Page:
    """Split a docstring at its ``## `` headings; ``{names: evaluation}`` stands for the words of a group of names."""
    text = _NAMES.sub(lambda each: shown(each[1]), docstring.strip())
    head, *rest = re.split(r"^## +", text + "\n", flags=re.MULTILINE)
    sections = {}
    for part in rest:
        name, _, body = part.partition("\n")
        sections[name.strip()] = body.strip()
    title = head.strip().splitlines()[0] if head.strip() else ""
    return Page(title.lstrip("# ").rstrip("."), sections)


def marks(text: str) -> set[tuple[int, str]]:
    """The (line, code) pairs that marks such as ``# BN301`` at line ends ask for."""
    return _marks(text, "now")


def later_marks(text: str) -> set[tuple[int, str]]:
    """The pairs of rules that are still to come: ``# later: BN304``."""
    return _marks(text, "later")


def _marks(text: str, kind: str) -> set[tuple[int, str]]:
    lines = enumerate(re.split(r"\r\n|\r|\n", text), 1)
    found = ((number, mark[kind] or "") for number, line in lines if (mark := _MARK.search(line)))
    return {(number, code) for number, codes in found for code in re.findall(r"BN\d{3}", codes)}


def without_marks(text: str) -> str:
    """The text without the marks at its line ends."""
    return _MARK.sub("", text)
