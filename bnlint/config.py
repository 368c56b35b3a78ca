"""The configuration: ``[tool.bnlint]`` in pyproject.toml, or bnlint.toml."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bnlint.registry import RegistryError, UnknownRule, codes_named, did_you_mean, load, names
from bnlint.rule import Option, Options, Rule

OUTPUT_FORMATS = ("concise", "full", "json")
_LISTS = ("select", "extend-select", "ignore", "exclude", "extend-exclude")
_KEYS = (*_LISTS, "per-file-ignores", "keras-version", "output-format", "baseline", "verify")
_VERIFY_KEYS = ("timeout", "memory")
_TARGET = re.compile(r"(\w+\.)*\w+:(\w+\.)*\w+")
_VERSION = re.compile(r"auto|[23](\.\d+){0,2}")


class ConfigError(Exception):
    """The configuration, or what the command line puts in its place, is wrong; one sentence says where and what to do."""


@dataclass(frozen=True)
class Verify:
    """How findings are measured: seconds for each model and question, gigabytes of memory, arguments by ``module:function``."""

    timeout: float | None = None
    memory: float | None = None
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Config:
    """One configuration; ``file`` is where it was read, ``folder`` what its patterns are relative to."""

    file: str | None = None
    folder: str = ""
    select: tuple[str, ...] | None = None
    extend_select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    per_file_ignores: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] | None = None
    extend_exclude: tuple[str, ...] = ()
    keras_version: str = "auto"
    output_format: str | None = None
    baseline: str | None = None
    verify: Verify = Verify()
    rule_options: Mapping[str, Options] = field(default_factory=dict)
    command_line_exclude: tuple[str, tuple[str, ...]] = ("", ())

    def options_of(self, rule: Rule) -> Options:
        """All of a rule's options, with the defaults of those that are not configured."""
        return {option.name: option.default for option in rule.options} | dict(self.rule_options.get(rule.name, {}))

    @cached_property
    def selected(self) -> frozenset[str]:
        """The codes that the configuration asks for; the more exact selector wins, and ``ignore`` wins a tie."""
        pedantic = {code for code, each in load().items() if each.rule.pedantic}
        chosen = _exactness(("BN",) if self.select is None else self.select, pedantic)
        for code, exactness in _exactness(self.extend_select, pedantic).items():
            chosen[code] = max(exactness, chosen.get(code, 0))
        ignored = _exactness(self.ignore, frozenset())
        return frozenset(code for code, exactness in chosen.items() if exactness > ignored.get(code, 0))

    @cached_property
    def ignores_unparsable(self) -> bool:
        """Whether BN000, which is reported whatever is selected, is ignored by its own code or name."""
        return not {"BN000", "unparsable-file"}.isdisjoint(self.ignore)

    def excludes(self, path: str) -> bool:
        """Whether a file is excluded by the configuration's own patterns."""
        return any(patterns.covers(path) for patterns in self._excluded)

    @cached_property
    def _excluded(self) -> list[Any]:
        from bnlint.ignore import Patterns

        own = (self.folder, (*(self.exclude or ()), *self.extend_exclude))
        return [Patterns(folder, patterns) for folder, patterns in (own, self.command_line_exclude) if patterns]

    def ignored_in(self, path: str) -> frozenset[str]:
        """The codes that ``per-file-ignores`` leaves out in a file."""
        return frozenset(code for patterns, codes in self._per_file if patterns.covers(path) for code in codes)

    @cached_property
    def _per_file(self) -> list[tuple[Any, frozenset[str]]]:
        from bnlint.ignore import Patterns

        return [
            (Patterns(self.folder, [pattern]), frozenset(_exactness(selectors, frozenset())))
            for pattern, selectors in self.per_file_ignores.items()
        ]


def _exactness(selectors: tuple[str, ...], hidden: frozenset[str] | set[str]) -> dict[str, int]:
    """How exactly each code is selected; a prefix does not reach the hidden ones."""
    found: dict[str, int] = {}
    for selector in selectors:
        codes, exactness = codes_named(selector)
        for code in codes:
            if exactness == 99 or code not in hidden:
                found[code] = max(exactness, found.get(code, 0))
    return found


class Configurations:
    """Finds the configuration of each file: the one given, none, or the nearest upward."""

    def __init__(self, file: str | None = None, isolated: bool = False) -> None:
        self._only = read_config(file) if file else Config(folder=os.getcwd()) if isolated else None
        self._of_folder: dict[str, Config] = {}

    def of_file(self, path: str) -> Config:
        """The configuration that holds for a file."""
        return self.of_folder(os.path.dirname(path))

    def of_folder(self, folder: str) -> Config:
        """The configuration that holds in a folder."""
        if self._only:
            return self._only
        if folder not in self._of_folder:
            parent = os.path.dirname(folder)
            found = _config_in(folder)
            self._of_folder[folder] = found or (Config(folder=folder) if parent == folder else self.of_folder(parent))
        return self._of_folder[folder]


def _config_in(folder: str) -> Config | None:
    for name in ("bnlint.toml", "pyproject.toml"):
        path = os.path.join(folder, name)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError):
            continue
        if name == "bnlint.toml" or b"bnlint" in data:
            table = _table(path, data)
            if table is not None:
                return _read(path, table)
    return None


def read_config(path: str) -> Config:
    """The configuration in a file named outright."""
    path = os.path.abspath(path)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    return _read(path, _table(path, data) or {})


def _table(path: str, data: bytes) -> dict[str, Any] | None:
    """The table that is bnlint's; none where the file has none."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        document: dict[str, Any] = tomllib.loads(data.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    if os.path.basename(path) != "pyproject.toml":
        return document
    tool = document.get("tool")
    table = tool.get("bnlint") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: [tool.bnlint] must be a table")
    return table


def _read(path: str, table: dict[str, Any]) -> Config:
    reader = _Reader(path)
    known = names()
    for key, value in table.items():
        if key in _KEYS:
            continue
        if key not in (*known, *known.values()) or not isinstance(value, dict):
            hint = did_you_mean(key, [*_KEYS, *known.values()])
            raise ConfigError(f"{reader.where(key)}: unknown key{hint}")
    return Config(
        file=path,
        folder=os.path.dirname(path),
        select=reader.selectors(table, "select") if "select" in table else None,
        extend_select=reader.selectors(table, "extend-select"),
        ignore=reader.selectors(table, "ignore"),
        per_file_ignores=reader.per_file_ignores(table),
        exclude=reader.strings(table, "exclude") if "exclude" in table else None,
        extend_exclude=reader.strings(table, "extend-exclude"),
        keras_version=reader.checked_version(table),
        output_format=reader.one_of(table, "output-format", OUTPUT_FORMATS),
        baseline=reader.string(table, "baseline"),
        verify=reader.verify(table),
        rule_options={
            known.get(key, key): reader.rule_options(known.get(key, key), table[key]) for key in table if key not in _KEYS
        },
    )


class _Reader:
    """Reads values of a configuration file, and says where a wrong one stands."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.section = "[tool.bnlint] " if os.path.basename(path) == "pyproject.toml" else ""

    def where(self, key: str) -> str:
        return f"{self.path}: {self.section}{key}"

    def strings(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise ConfigError(f"{self.where(key)}: must be a list of strings")
        return tuple(value)

    def selectors(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        return check_selectors(self.strings(table, key), self.where(key))

    def string(self, table: dict[str, Any], key: str) -> str | None:
        value = table.get(key)
        if value is not None and not isinstance(value, str):
            raise ConfigError(f"{self.where(key)}: must be a string")
        return value

    def one_of(self, table: dict[str, Any], key: str, choices: tuple[str, ...]) -> str | None:
        value = self.string(table, key)
        if value is not None and value not in choices:
            raise ConfigError(f'{self.where(key)}: "{value}" is not one of {", ".join(choices)}')
        return value

    def checked_version(self, table: dict[str, Any]) -> str:
        return check_version(self.string(table, "keras-version") or "auto", self.where("keras-version"))

    def table(self, table: dict[str, Any], key: str) -> dict[str, Any]:
        value = table.get(key, {})
        if not isinstance(value, dict):
            raise ConfigError(f"{self.where(key)}: must be a table")
        return value

    def verify(self, table: dict[str, Any]) -> Verify:
        arguments = {}
        for key, value in (inner := self.table(table, "verify")).items():
            where = self.where(f"verify.{key}" if ":" not in key else f'verify "{key}"')
            if key in _VERIFY_KEYS:
                if type(value) not in (int, float) or not 0 < value < math.inf:
                    raise ConfigError(f"{where}: must be a number above 0, of {'seconds' if key == 'timeout' else 'gigabytes'}")
            elif not _TARGET.fullmatch(key):
                hint = did_you_mean(key, _VERIFY_KEYS) or '; a function or class is written as "package.module:name"'
                raise ConfigError(f"{where}: unknown key{hint}")
            elif not isinstance(value, dict) or not all(name.isidentifier() and _is_plain(each) for name, each in value.items()):
                raise ConfigError(f"{where}: must be a table of arguments, such as {{num_classes = 10}}")
            else:
                arguments[key] = value
        return Verify(inner.get("timeout"), inner.get("memory"), arguments)

    def per_file_ignores(self, table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
        key = "per-file-ignores"
        found = {}
        for pattern in (inner := self.table(table, key)):
            if not isinstance(inner[pattern], list):
                raise ConfigError(f'{self.where(key)}: "{pattern}" must have a list of rules')
            found[pattern] = check_selectors(self.strings(inner, pattern), self.where(f'{key} "{pattern}"'))
        return found

    def rule_options(self, name: str, table: dict[str, Any]) -> Options:
        code = next(code for code, known in names().items() if known == name)
        try:
            options = {option.name: option for option in load()[code].rule.options}
        except RegistryError as error:
            raise ConfigError(str(error)) from error
        for key, value in table.items():
            if key not in options:
                hint = did_you_mean(key, options) or f"; {name} has {', '.join(options) or 'no options'}"
                raise ConfigError(f"{self.where(f'{name}.{key}')}: unknown key{hint}")
            if fault := _fault(options[key], value):
                raise ConfigError(f"{self.where(f'{name}.{key}')}: {fault}")
        return table


def _is_plain(value: object) -> bool:
    """Whether an argument can be handed to another process: no dates."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    return isinstance(value, str | int | float)


def _fault(option: Option, value: object) -> str | None:
    expected = type(option.default)
    fits = type(value) is expected or (expected is float and type(value) is int)
    if not fits:
        kind = {bool: "true or false", int: "an integer", float: "a number", str: "a string"}[expected]
        return f"must be {kind}"
    if option.choices and value not in option.choices:
        return f'"{value}" is not one of {", ".join(map(str, option.choices))}'
    return None


def check_selectors(selectors: tuple[str, ...], where: str) -> tuple[str, ...]:
    """The selectors, if each names a rule."""
    for selector in selectors:
        try:
            codes_named(selector)
        except UnknownRule as error:
            raise ConfigError(f"{where}: {error}") from None
    return selectors


def check_version(version: str, where: str) -> str:
    """The Keras version, if it is one."""
    if not _VERSION.fullmatch(version):
        raise ConfigError(f'{where}: "{version}" is no Keras version; write "auto", "2", "3" or one such as "3.8"')
    return version
