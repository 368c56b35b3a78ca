"""A rule's page: the docstring of its module, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MARK = re.compile(r"[ \t]*#[ \t]*(?:later:[ \t]*)?(BN\d{3}(?:[ \t,]+BN\d{3})*)[ \t]*$", re.MULTILINE)
_LATER = re.compile(r"#[ \t]*later:")
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
        return re.split(r"(?<=[.:])\s", text, maxsplit=1)[0].rstrip(":")

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
    """Split a docstring at its ``## `` headings."""
    head, *rest = re.split(r"^## +", docstring.strip() + "\n", flags=re.MULTILINE)
    sections = {}
    for part in rest:
        name, _, body = part.partition("\n")
        sections[name.strip()] = body.strip()
    title = head.strip().splitlines()[0] if head.strip() else ""
    return Page(title.lstrip("# ").rstrip("."), sections)


def marks(text: str) -> set[tuple[int, str]]:
    """The (line, code) pairs that the marks at line ends ask for; those of rules to come are in :func:`later_marks`."""
    return _marks(text, later=False)


def later_marks(text: str) -> set[tuple[int, str]]:
    """The pairs marked ``# later: BNnnn``."""
    return _marks(text, later=True)


def _marks(text: str, later: bool) -> set[tuple[int, str]]:
    found = set()
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        rest = line
        while mark := _MARK.search(rest):
            if bool(_LATER.search(mark[0])) == later:
                found |= {(number, code) for code in re.findall(r"BN\d{3}", mark[1])}
            rest = rest[: mark.start()]
    return found


def without_marks(text: str) -> str:
    """The text without the marks at its line ends."""
    while _MARK.search(text):
        text = _MARK.sub("", text)
    return text
