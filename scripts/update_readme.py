"""Write the table of rules into README.md, from the rules' own pages."""

from __future__ import annotations

import re
from pathlib import Path

from bnlint.registry import load
from bnlint.report.rule import markdown_table

README = Path(__file__).resolve().parent.parent / "README.md"
TABLE = re.compile(r"(?<=<!-- rules -->\n).*?(?=<!-- end of rules -->)", re.DOTALL)


def updated(text: str) -> str:
    """The text with the table as it should be."""
    return TABLE.sub(lambda _: markdown_table(load().values()), text)


if __name__ == "__main__":
    README.write_text(updated(README.read_text(encoding="utf-8")), encoding="utf-8")
