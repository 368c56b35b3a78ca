"""The codes that bnlint itself reports."""

from __future__ import annotations

from bnlint.rule import Rule

UNPARSABLE = Rule("BN000", "unparsable-file", "error")
UNUSED_SUPPRESSION = Rule("BN001", "unused-suppression", "warning", fix="safe")
CUT_ANALYSIS = Rule("BN002", "cut-analysis", "info")

OWN_RULES = (UNPARSABLE, UNUSED_SUPPRESSION, CUT_ANALYSIS)

OWN_PAGES = {
    "BN000": """Unparsable file

## What it does
Reports a file that could concern a rule and is not valid Python, or whose text cannot be decoded. The other files are
checked as ever. Where the syntax is newer than the Python that runs bnlint, the message says which Python reads it.

## Why is this bad?
Nothing in the file has been checked. It is reported whatever is selected, unless it is ignored by its full code or name.

## Limits
A cell of a notebook that is not Python is left out with a warning; the other cells are checked.
""",
    "BN001": """Unused suppression

## What it does
Reports a suppression comment that suppresses nothing, or that names a rule which does not exist.

## Why is this bad?
The comment claims a fault that is not there any more, and would hide the next one.

## Bad
```python
width = 3  # bnlint: ignore[redundant-bias]  # BN001
```

## Good
```python
width = 3
```

## Fix safety
The fix removes the comment, or the part of it that suppresses nothing. It is safe: the code does not change.

## Limits
A bare `# noqa`, the codes of other tools, and codes that are not selected in the run are left alone.
""",
    "BN002": """Cut analysis

## What it does
Reports, with `--verbose`, where the analysis stopped because the code was too deep, too long or ran too many steps.
What is behind that point is unknown to the rules, which then stay silent about it.

## Why is this bad?
It is not; it says why something may have been overlooked. It never counts for the exit code.
""",
}
