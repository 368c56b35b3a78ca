"""A rule's page, and the list of rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from bnlint.registry import LoadedRule
from bnlint.report.text import Painter

_FIX = {"safe": "safe", "unsafe": "unsafe", None: "-"}


def render_list(rules: Iterable[LoadedRule]) -> str:
    """All rules as a table."""
    rows = [("code", "name", "severity", "fix", "what it reports")]
    for each in rules:
        rule = each.rule
        pedantic = " (pedantic)" if rule.pedantic else ""
        rows.append((rule.code, rule.name, rule.severity, _FIX[rule.fix], each.page.title + pedantic))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join([*(row[column].ljust(widths[column]) for column in range(4)), row[4]]) for row in rows]
    return "\n".join(lines) + "\n"


def render_page(loaded: LoadedRule, colour: bool = False) -> str:
    """One rule's page, with its metadata below the title."""
    paint, rule, page = Painter(colour), loaded.rule, loaded.page
    title, _, body = page.text().partition("\n")
    facts = [f"severity: {rule.severity}", f"fix: {rule.fix or 'none'}"]
    if rule.pedantic:
        facts.append("pedantic: runs only when selected by its full code or name")
    head = f"{title} ({rule.code}, {rule.name})"
    options = [
        f"- `{option.name} = {json.dumps(option.default)}`{': ' + option.help if option.help else ''}" for option in rule.options
    ]
    configured = f"\n## Options\nIn `[tool.bnlint.{rule.name}]`:\n" + "\n".join(options) + "\n" if options else ""
    text = f"{head}\n\n{'; '.join(facts)}\n{body}{configured}"
    return re.sub(r"^#+ .*$", lambda match: paint(match[0], "bold"), text, flags=re.MULTILINE) if colour else text


def rules_as_json(rules: Iterable[LoadedRule]) -> str:
    """The rules' metadata and pages as a JSON list."""
    return json.dumps([_as_dict(each) for each in rules], indent=2) + "\n"


def _as_dict(loaded: LoadedRule) -> dict[str, object]:
    rule, page = loaded.rule, loaded.page
    return {
        "code": rule.code,
        "name": rule.name,
        "severity": rule.severity,
        "fix": rule.fix,
        "pedantic": rule.pedantic,
        "supersedes": list(rule.supersedes),
        "options": [
            {"name": each.name, "default": each.default, "choices": list(each.choices), "help": each.help}
            for each in rule.options
        ],
        "title": page.title,
        "summary": page.summary,
        "page": page.text(),
    }


def markdown_table(rules: Iterable[LoadedRule]) -> str:
    """The rules as the table in the README."""
    lines = ["| code | name | severity | fix | what it reports |", "|---|---|---|---|---|"]
    for each in rules:
        rule = each.rule
        summary = each.page.summary + (" *(pedantic)*" if rule.pedantic else "")
        lines.append(f"| {rule.code} | {rule.name} | {rule.severity} | {_FIX[rule.fix]} | {summary} |")
    return "\n".join(lines) + "\n"
