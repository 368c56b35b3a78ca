"""From files to findings: the stages one after the other."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bnlint.config import Config, Configurations
from bnlint.finding import Finding, Span
from bnlint.index import Project, project_root
from bnlint.own import CUT_ANALYSIS, UNPARSABLE
from bnlint.rule import Options

if TYPE_CHECKING:
    from pathlib import Path

    from bnlint.dependences import Dependences
    from bnlint.program import Program
    from bnlint.registry import LoadedRule
    from bnlint.source import Source


@dataclass
class Report:
    """The result of a run: findings in their order, the sources they stand in, and what else there is to say.

    ``warnings`` are about things left out, ``errors`` about work that could not be done; with an error the exit code is 2.
    """

    findings: list[Finding] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    file_count: int = 0
    projects: list[Project] = field(default_factory=list)
    dependences: dict[tuple[str, Span], Dependences] = field(default_factory=dict)
    """By code and place, what has to run to prove a finding, where that was asked for."""

    def source(self, path: str) -> Source | None:
        """The text of a file that a finding or a related place is in, as far as it was read."""
        for project in self.projects:
            if source := project.read_source(path):
                return source
        return None

    @property
    def exit_code(self) -> int:
        """0 without findings that count, 1 with, 2 where work could not be done; a refuted finding does not count."""
        return 2 if self.errors else int(any(map(_counts, self.findings)))

    def sort(self) -> None:
        """Order the findings by filename, cell, row, column, code."""

        def place(finding: Finding) -> tuple[str, int, int, int, str, str]:
            span = finding.span
            source = self.source(span.path)
            cell, row = source.place(span.line) if source else (None, span.line)
            return span.path, cell or 0, row, span.column, finding.code, finding.message

        self.findings.sort(key=place)


@dataclass(frozen=True)
class Check:
    """What to check and how; ``configure`` lays the command line's options over a file's configuration.

    ``proving`` asks for the dependences of findings, ``forced`` for findings at places where no rule sees a fault.
    """

    configurations: Configurations
    configure: Callable[[Config], Config] = lambda config: config
    overlay: dict[str, bytes] = field(default_factory=dict)
    outright: Collection[str] = ()
    verbose: bool = False
    proving: bool = False
    progress: Callable[[int, int], None] | None = None

    def config_of(self, path: str) -> Config:
        """The configuration that holds for a file in this run."""
        return self.configure(self.configurations.of_file(path))


def check(files: Sequence[str], options: Check) -> Report:
    """The findings in files, each judged as part of its project."""
    report = Report()
    groups: dict[tuple[str, str | None, str], list[str]] = {}
    for path in files:
        config = options.config_of(path)
        if not config.excludes(path):
            groups.setdefault((*project_root(path), config.keras_version), []).append(path)
            report.file_count += 1
    projects: dict[tuple[str, str | None], Project] = {}
    for (root, package, version), named in groups.items():
        if (root, package) not in projects:
            overlay = {path: data for path, data in options.overlay.items() if path in named}
            projects[root, package] = Project(root, package, overlay)
            report.projects.append(projects[root, package])
        _Group(projects[root, package], named, version, options, report).run()
    report.sort()
    return report


class _Group:
    """Named files of one project, read as one version of Keras."""

    def __init__(self, project: Project, named: list[str], version: str, options: Check, report: Report) -> None:
        self.project, self.named, self.version, self.options, self.report = project, named, version, options, report
        self.unreadable: set[str] = set()
        self.live: frozenset[str] = frozenset()

    def run(self) -> None:
        context = self.project.context(self.named)
        self.live = frozenset(self.project.live(self.named)) if context else frozenset()
        for path in self.named:
            if fault := self.project.unreadable.get(path):
                target = self.report.errors if path in self.options.outright else self.report.warnings
                target.append(f"{path}: {fault}")
        readable = self._readable(context)
        live = self.live - self.unreadable
        found = [
            finding
            for part in self.project.components(readable)
            for finding in self._interpret(part, live.intersection(map(str, part)))
        ]
        for path in self.named:
            if path in self.live or _may_hold_suppression(self.project.data(path)):
                self._suppress(path, [finding for finding in found if finding.span.path == path])

    # Parsing

    def _readable(self, context: list[Path]) -> list[Path]:
        progress, done = self.options.progress, 0

        def parsed(path: str) -> None:
            nonlocal done
            done += 1
            if progress:
                progress(done, len(context))

        self.project.on_parsed = parsed
        return [path for path in context if self._parses(str(path))]

    def _parses(self, path: str) -> bool:
        """Whether a file parses; a named one that does not is a finding."""
        from bnlint.parse import ParseError
        from bnlint.source import SourceError

        named = path in self.live
        try:
            self.project.parsed(path)
        except OSError:
            return False
        except (SourceError, ParseError) as error:
            self.unreadable.add(path)
            if named:
                self._report_unparsable(path, error.line, getattr(error, "column", 1), error.message)
            return False
        if named:
            self.report.warnings.extend(self.project.source(path).warnings)
        return True

    def _report_unparsable(self, path: str, line: int, column: int, message: str) -> None:
        config = self.options.config_of(path)
        if config.ignores_unparsable or UNPARSABLE.code in config.ignored_in(path):
            return
        span = Span(path, line, column, line, column)
        finding = Finding(UNPARSABLE.code, UNPARSABLE.name, UNPARSABLE.severity, span, f"the file cannot be read: {message}")
        source = self.project.read_source(path)
        if source:
            from bnlint.suppress import suppress

            self.report.findings += suppress(source, None, [finding], ()).findings
        else:
            self.report.findings.append(finding)

    # Interpreting and judging

    def _interpret(self, context: list[Path], live: frozenset[str]) -> list[Finding]:
        from bnlint.interpreter import collecting_rarely

        if not live:
            return []
        with collecting_rarely():
            return self._interpret_live(context, live)

    def _interpret_live(self, context: list[Path], live: frozenset[str]) -> list[Finding]:
        from bnlint.interpreter import analyse

        try:
            program = analyse(self.project, context, self.version)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the other files are still checked
            if len(live) > 1:  # find the file that it is about, and let the others go on
                return [finding for path in sorted(live) for finding in self._interpret_alone(path)]
            self._internal("the interpretation", next(iter(live)), error)
            return []
        return self._judge(program, context, live)

    def _interpret_alone(self, path: str) -> list[Finding]:
        context = [each for each in self.project.context([path]) if str(each) not in self.unreadable]
        return self._interpret(context, frozenset([path]))

    def _judge(self, program: Program, context: list[Path], live: frozenset[str]) -> list[Finding]:
        """What the rules find in the named files, without what another finding supersedes."""
        from bnlint.registry import load
        from bnlint.supersede import with_superseding, without_superseded

        rules = load()
        selected = {path: self._selected(path) for path in live}
        found: list[Finding] = []
        for code in with_superseding({code for codes in selected.values() for code in codes}, rules):
            found += self._run_rule(rules[code], program, context)
        if self.options.verbose:
            found += [_cut(span, reason) for span, reason in program.cuts]
        kept = [
            finding
            for finding in without_superseded(found, rules)
            if finding.span.path in live and (finding.code in selected[finding.span.path] or finding.code == CUT_ANALYSIS.code)
        ]
        if self.options.proving:
            from bnlint.dependences import dependences

            self.report.dependences.update({(each.code, each.span): dependences(program, each.span) for each in kept})
        return kept

    def _selected(self, path: str) -> frozenset[str]:
        config = self.options.config_of(path)
        return config.selected - config.ignored_in(path)

    def _run_rule(self, rule: LoadedRule, program: Program, context: list[Path]) -> list[Finding]:
        """A rule's findings in the whole context; each file's own configuration gives the options."""
        groups: dict[tuple[object, ...], tuple[Options, set[str]]] = {}
        for path in map(str, context):
            options = self.options.config_of(path).options_of(rule.rule) if rule.rule.options else {}
            groups.setdefault(tuple(options.items()), (options, set()))[1].add(path)
        found: list[Finding] = []
        for options, paths in groups.values():
            try:
                for finding in rule.run(program, options):
                    if finding.span.path in paths:
                        found.append(finding)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong, the other rules still run
                self._internal(f"rule {rule.rule.code} {rule.rule.name}", _place_of(error) or str(self.project.root), error)
        return found

    def _suppress(self, path: str, findings: list[Finding]) -> None:
        from bnlint.source import SourceError
        from bnlint.suppress import suppress

        if path in self.unreadable:
            return
        try:
            source = self.project.source(path)
        except (OSError, SourceError):  # no rule was concerned, so there is nothing to suppress
            return
        tree = self.project.parsed(path).tree if findings else None
        result = suppress(source, tree, findings, self._selected(path))
        self.report.findings += [*result.findings, *result.unused]

    def _internal(self, where: str, place: str, error: Exception) -> None:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        raised = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
        self.report.errors.append(f"internal error in {where} of {place}: {type(error).__name__}: {error}{raised}")
        if self.options.verbose:
            print("".join(traceback.format_exception(error)), file=sys.stderr)


def _counts(finding: Finding) -> bool:
    refuted = finding.verdict is not None and finding.verdict.status == "refuted"
    return finding.code != CUT_ANALYSIS.code and not refuted


def _place_of(error: Exception) -> str | None:
    """The place in the checked code that a failed rule was looking at, from the innermost variable that has a span."""
    found = None
    trace = error.__traceback__
    while trace:
        for value in list(trace.tb_frame.f_locals.values()):
            span = getattr(value, "span", None)
            if isinstance(span, Span):
                found = f"{span.path}:{span.line}"
        trace = trace.tb_next
    return found


def _may_hold_suppression(data: bytes) -> bool:
    return b"bnlint:" in data or (b"noqa" in data.lower() and b"BN" in data.upper())


def _cut(span: Span, reason: str) -> Finding:
    return Finding(CUT_ANALYSIS.code, CUT_ANALYSIS.name, CUT_ANALYSIS.severity, span, f"the analysis was cut off: {reason}")
