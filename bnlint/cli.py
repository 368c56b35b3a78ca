"""Options in, exit code out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from bnlint import __version__

if TYPE_CHECKING:
    from bnlint.config import Config
    from bnlint.run import Check, Report

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")
_FORMATS = ("concise", "full", "json")
_HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Failure(click.ClickException):
    """bnlint cannot do its work; the message is one sentence that says where and what to do."""

    exit_code = 2


@click.group(context_settings=_HELP)
@click.version_option(__version__, prog_name="bnlint", message="%(prog)s %(version)s")
def cli() -> None:
    """Find batch-normalization faults in Keras code by reading it."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line; ends the process with 0, 1 or 2."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        result = cli.main(arguments, prog_name="bnlint", standalone_mode=False)
        sys.stdout.flush()
        sys.exit(result if isinstance(result, int) else 0)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"bnlint: {error.format_message()}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("bnlint: interrupted", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader has gone (``bnlint check | head``): nothing more to say, not even by the interpreter at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(2)


def _listed(context: click.Context, parameter: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    """Options that may be repeated, and hold several values with commas between."""
    return tuple(part.strip() for each in value for part in each.split(",") if part.strip())


def _rules_option(name: str, text: str) -> Callable[[F], F]:
    return click.option(
        name, multiple=True, callback=_listed, metavar="RULES", help=f"{text} Codes, prefixes or names, comma-separated."
    )


_CHECK_OPTIONS = (
    click.argument("paths", nargs=-1),
    _rules_option("--select", "The rules to check instead of the configured ones."),
    _rules_option("--extend-select", "Rules to check beside the others."),
    _rules_option("--ignore", "Rules to leave out."),
    click.option(
        "--exclude",
        multiple=True,
        callback=_listed,
        metavar="PATTERNS",
        help="Files and folders to leave out, as in .gitignore.",
    ),
    click.option("--keras-version", metavar="VERSION", help='"auto", "2", "3" or one such as "3.8".'),
    click.option("--config", metavar="FILE", help="The configuration to use for all files."),
    click.option("--isolated", is_flag=True, help="Use no configuration file."),
    click.option("--output-format", type=click.Choice(_FORMATS), help="How to print the findings; full is the default."),
    click.option("--stdin-filename", metavar="PATH", help='The file that the text on stdin ("-") stands for.'),
    click.option("--verbose", "-v", is_flag=True, help="Say also where the analysis was cut off, and trace internal errors."),
)


def _check_options(command: F) -> F:
    """What ``check`` can be told, and every command that checks first."""
    for option in reversed(_CHECK_OPTIONS):
        command = option(command)
    return command


@cli.command()
@_check_options
def check(paths: tuple[str, ...], **options: Any) -> int:
    """Report the findings in PATHS: files, folders, or - for stdin; the current folder by default.

    Exit code 0 without findings, 1 with findings, 2 where the work could not be done.
    """
    return _checked(paths, options)


@cli.command()
@_check_options
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="How long building a model, and each measurement, may take; 60 by default.",
)
@click.option("--gpu", is_flag=True, help="Measure on the GPU, if there is one.")
def verify(paths: tuple[str, ...], timeout: float | None, gpu: bool, **options: Any) -> int:
    """Check PATHS, then build the models and measure whether each finding is real.

    The code is run, in processes of its own: verify only code that you would run. A finding is confirmed, refuted or
    inconclusive. Exit code 0 without findings, or refuted ones only, 1 with findings, 2 where the work could not be done.
    """
    from bnlint.verify.run import NotInstalled, Settings, backend
    from bnlint.verify.run import verify as measure

    def measured(report: Report, check: Check) -> None:
        settings = Settings(timeout, gpu)
        _with_progress("Measuring", lambda progress: measure(report, check, settings, _say, progress))

    try:
        backend()
        return _checked(paths, options, measured)
    except NotInstalled as error:
        raise Failure(str(error)) from error


def _say(line: str) -> None:
    click.echo(line, err=True)


def _checked(paths: tuple[str, ...], options: dict[str, Any], then: Callable[[Report, Check], None] | None = None) -> int:
    """Check, do something else with what was found, and print it; the exit code."""
    from bnlint.config import ConfigError
    from bnlint.registry import RegistryError

    try:
        return _check(paths, options, then)
    except (ConfigError, RegistryError) as error:
        raise Failure(str(error)) from error


def _check(paths: tuple[str, ...], options: dict[str, Any], then: Callable[[Report, Check], None] | None) -> int:
    from bnlint.config import Configurations
    from bnlint.discover import discover
    from bnlint.registry import names
    from bnlint.run import Check
    from bnlint.run import check as run_check

    names()  # without rules there is nothing to do, and that is no clean result
    if options["config"] and options["isolated"]:
        raise Failure("--config and --isolated exclude each other; give one of them")
    configurations = Configurations(options["config"], options["isolated"])
    override = _overriding(options)
    overlay = _stdin(paths, options["stdin_filename"])
    found = discover(
        [path for path in paths or (".",) if path != "-"],
        lambda folder: override(configurations.of_folder(folder)).exclude is None,
    )
    files = sorted({*found.files, *overlay})
    settings = Check(configurations, override, overlay, found.outright, options["verbose"], proving=then is not None)
    report = _with_progress("Reading", lambda progress: run_check(files, replace(settings, progress=progress)))
    if then:
        then(report, settings)
    report.errors[:0] = found.errors
    report.warnings[:0] = found.warnings
    current = override(configurations.of_folder(os.getcwd()))
    _print(_rendered(report, options["output_format"] or current.output_format or "full"))
    for warning in report.warnings:
        _say(f"warning: {_shown(warning)}")
    for error in report.errors:
        _say(f"error: {_shown(error)}")
    return report.exit_code


def _shown(message: str) -> str:
    from bnlint.report.text import short_path

    return short_path(message)


def _overriding(options: dict[str, Any]) -> Callable[[Config], Config]:
    """What the command line lays over each file's configuration."""
    from bnlint.config import check_selectors, check_version

    for key in ("select", "extend_select", "ignore"):
        check_selectors(options[key], f"--{key.replace('_', '-')}")
    changes: dict[str, Any] = {}
    if options["keras_version"]:
        changes["keras_version"] = check_version(options["keras_version"], "--keras-version")
    if options["select"]:
        changes |= {"select": options["select"], "extend_select": (), "ignore": ()}
    known: dict[int, Config] = {}

    def configure(config: Config) -> Config:
        if id(config) not in known:
            known[id(config)] = _overridden(config, changes, options)
        return known[id(config)]

    return configure


def _overridden(config: Config, changes: dict[str, Any], options: dict[str, Any]) -> Config:
    changed = replace(config, **changes)
    return replace(
        changed,
        extend_select=(*changed.extend_select, *options["extend_select"]),
        ignore=(*changed.ignore, *options["ignore"]),
        command_line_exclude=(os.getcwd(), options["exclude"]),
    )


def _stdin(paths: tuple[str, ...], name: str | None) -> dict[str, bytes]:
    if "-" not in paths:
        if name:
            raise Failure("--stdin-filename goes with the path -, for the text on stdin; add it")
        return {}
    return {os.path.abspath(name or "stdin.py"): sys.stdin.buffer.read()}


def _rendered(report: Report, output_format: str) -> str:
    if output_format == "json":
        from bnlint.report.json import render_json

        return render_json(report)
    from bnlint.report.text import render_concise, render_full

    render = render_full if output_format == "full" else render_concise
    return render(report, colour=_wants_colour())


def _print(text: str) -> None:
    click.echo(text, nl=False, color=_wants_colour())


def _wants_colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (sys.stdout.isatty() and os.environ.get("TERM") != "dumb")


def _with_progress(label: str, work: Callable[[Callable[[int, int], None] | None], T]) -> T:
    """Run something long with a bar on stderr, if stderr is a terminal and it takes longer than a second."""
    if not sys.stderr.isatty():
        return work(None)
    from time import monotonic

    started, bar = monotonic(), None

    def progress(done: int, total: int) -> None:
        nonlocal bar
        if bar is None and monotonic() - started > 1:
            bar = click.progressbar(length=total, label=label, file=sys.stderr)
            bar.__enter__()
        if bar is not None:
            bar.length = max(total, done)
            bar.update(done - bar.pos)

    try:
        return work(progress)
    finally:
        if bar is not None:
            bar.__exit__(None, None, None)


@cli.command()
@click.argument("file", metavar="FILE[:NAME]")
@click.option(
    "--arg", "arguments", multiple=True, metavar="NAME=LITERAL", help="An argument for NAME's parameter; may be repeated."
)
@click.option("--keras-version", metavar="VERSION", help='"auto", "2", "3" or one such as "3.8".')
@click.option(
    "--output-format", type=click.Choice(("text", "json", "mermaid", "dot")), default="text", help="How to print the models."
)
def graph(file: str, arguments: tuple[str, ...], keras_version: str | None, output_format: str) -> int:
    """Show the models recovered from FILE, or the one that NAME, a function or class in it, makes.

    Exit code 0, also without a model; 2 where NAME does not exist or FILE cannot be parsed.
    """
    from bnlint.config import ConfigError, Configurations, check_version
    from bnlint.report.graph import render_graph

    path, name = _file_and_name(file)
    values = dict(_literal(argument) for argument in arguments)
    if values and not name:
        raise Failure("--arg gives an argument for a function or class; name it behind the file, as in model.py:build")
    try:
        version = check_version(keras_version or Configurations().of_file(path).keras_version, "--keras-version")
    except ConfigError as error:
        raise Failure(str(error)) from error
    _print(render_graph(_models(path, name, values, version), output_format, colour=_wants_colour()))
    return 0


def _models(path: str, name: str | None, values: dict[str, object], version: str) -> list[dict[str, Any]]:
    from bnlint.index import Project
    from bnlint.parse import ParseError
    from bnlint.source import SourceError

    project = Project.around(path)
    try:
        project.parsed(path)  # before the interpreter is imported, for the sake of a file that has to be refused
    except OSError as error:
        raise Failure(f"{_shown(path)}: {(error.strerror or str(error)).lower()}") from error
    except (ParseError, SourceError) as error:
        raise Failure(f"{_shown(path)}:{error.line}: the file cannot be read: {error.message}") from error
    from bnlint.graph import NoSuchName, models_of

    try:
        return models_of(project, path, name, values, version)
    except NoSuchName as error:
        raise Failure(f"{_shown(path)}: {error}") from error


def _file_and_name(file: str) -> tuple[str, str | None]:
    path, colon, name = file.rpartition(":")
    if colon and name.replace(".", "_").isidentifier() and not os.path.exists(file):
        return os.path.abspath(path), name
    return os.path.abspath(file), None


def _literal(argument: str) -> tuple[str, object]:
    from ast import literal_eval

    name, equals, text = argument.partition("=")
    try:
        if not equals or not name.isidentifier():
            raise ValueError
        return name, literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise Failure(
            f"--arg {argument}: write NAME=LITERAL with a Python literal, such as weights=None or pooling='avg'"
        ) from None


@cli.command("inspect")
@click.argument("file")
@click.option("--output-format", type=click.Choice(("text", "json")), default="text", help="How to print it.")
@click.option("--picture", metavar="FILE", help="Draw the statistics, too, in a .png or .svg file (needs matplotlib).")
def inspect_saved(file: str, output_format: str, picture: str | None) -> int:
    """Show the batch normalizations of a saved model, and what their statistics say is wrong with them.

    FILE is a .keras, .weights.h5 or .h5 file, a SavedModel folder, or a checkpoint. Nothing in it is run.

    Exit code 0 without findings, 1 with findings, 2 where the file cannot be read.
    """
    from bnlint.inspect import InspectionError, inspect_file
    from bnlint.report.inspection import render_inspection, render_inspection_json
    from bnlint.report.picture import PictureError, check_picture, draw_inspection
    from bnlint.report.text import visible

    try:
        if picture:
            check_picture(picture)
        inspection = inspect_file(file)
        if picture:
            draw_inspection(inspection, picture)
    except (InspectionError, PictureError) as error:
        raise Failure(visible(str(error))) from error
    as_json = output_format == "json"
    _print(render_inspection_json(inspection) if as_json else render_inspection(inspection, colour=_wants_colour()))
    return inspection.exit_code


@cli.command()
@click.argument("rule", required=False, metavar="[CODE|NAME]")
@click.option("--output-format", type=click.Choice(("text", "json")), default="text", help="How to print it.")
def rule(rule: str | None, output_format: str) -> int:
    """Show the page of one rule, or the list of all."""
    from bnlint.registry import RegistryError, UnknownRule, codes_named, load
    from bnlint.report.rule import render_list, render_page, rules_as_json

    try:
        rules = load()
        if rule is None:
            _print(rules_as_json(rules.values()) if output_format == "json" else render_list(rules.values()))
            return 0
        codes, exactness = codes_named(rule)
        if exactness != 99:
            raise UnknownRule(rule)
        one = rules[next(iter(codes))]
    except (UnknownRule, RegistryError) as error:
        raise Failure(str(error)) from error
    _print(rules_as_json([one]) if output_format == "json" else render_page(one, colour=_wants_colour()))
    return 0
