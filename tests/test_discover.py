"""From paths to files: .gitignore, excludes, links."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bnlint.discover import discover
from bnlint.ignore import Patterns


class Tree:
    """Files in an empty folder, which is the current one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, **files: str) -> None:
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def found(self, *paths: str) -> list[str]:
        return [os.path.relpath(each, self.root) for each in discover(paths or ["."]).files]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    monkeypatch.chdir(tmp_path)
    return Tree(tmp_path)


def test_sources_and_notebooks_are_found_below_a_folder(tree: Tree) -> None:
    tree(**{"b.py": "", "a/c.ipynb": "", "a/d.txt": "", "e.pyc": "", "f.pyi": ""})
    assert tree.found() == ["a/c.ipynb", "b.py"]


def test_a_file_named_twice_or_below_a_named_folder_counts_once(tree: Tree) -> None:
    tree(**{"a/b.py": ""})
    assert tree.found("a", "a/b.py", "./a/../a/b.py") == ["a/b.py"]


def test_a_file_named_outright_is_taken_whatever_its_suffix(tree: Tree) -> None:
    tree(**{"script": "", ".gitignore": "script"})
    assert tree.found("script") == ["script"]


def test_default_excludes_hold_below_the_path_named_only(tree: Tree) -> None:
    tree(**{"build/lib/build/a.py": "", "build/lib/b.py": "", ".venv/c.py": "", "src/__pycache__/d.py": ""})
    assert tree.found() == []
    assert tree.found("build/lib") == ["build/lib/b.py"]
    assert tree.found(".venv") == [".venv/c.py"]


def test_gitignore_files_count_from_the_repository_down(tree: Tree) -> None:
    tree(**{".git/HEAD": "", ".gitignore": "out/\n*.gen.py\n", "pkg/.gitignore": "!keep.gen.py\n/local.py\n"})
    tree(**{"pkg/keep.gen.py": "", "pkg/drop.gen.py": "", "pkg/local.py": "", "pkg/sub/local.py": "", "pkg/out/a.py": ""})
    assert tree.found() == ["pkg/keep.gen.py", "pkg/sub/local.py"]
    assert tree.found("pkg") == ["pkg/keep.gen.py", "pkg/sub/local.py"]
    assert tree.found("pkg/out") == ["pkg/out/a.py"]


def test_a_folder_that_its_repository_ignores_is_checked_when_it_is_named(tree: Tree) -> None:
    tree(
        **{
            ".git/HEAD": "",
            "env/.gitignore": "*\n",
            "env/lib/pkg/a.py": "",
            "env/lib/pkg/.gitignore": "b.py",
            "env/lib/pkg/b.py": "",
        }
    )
    assert tree.found() == []
    assert tree.found("env/lib/pkg") == ["env/lib/pkg/a.py"]


def test_links_to_files_are_followed_and_links_to_folders_are_not(tree: Tree) -> None:
    tree(**{"a/b.py": "", "c.txt": ""})
    (tree.root / "again").symlink_to("a")
    (tree.root / "up").symlink_to("..")
    (tree.root / "link.py").symlink_to("c.txt")
    assert tree.found() == ["a/b.py", "link.py"]
    assert tree.found("again") == ["again/b.py"]


def test_what_cannot_be_read_is_an_error_where_it_is_named_and_a_warning_where_it_is_met(tree: Tree) -> None:
    (tree.root / "gone.py").symlink_to("nowhere")
    result = discover(["."])
    assert (result.files, result.errors) == ([], [])
    assert result.warnings == [f"{tree.root}/gone.py: no such file or directory"]
    result = discover(["gone.py", "nowhere"])
    assert result.errors == ["gone.py: no such file or directory", "nowhere: no such file or directory"]


NAMES = [
    "a.py",
    "b.py",
    "a/a.py",
    "a/b.py",
    "a/b/c.py",
    "b/a/c.py",
    "x[1].py",
    "a b.py",
    "#a.py",
    "!a.py",
    "a/x/y/b.py",
    "ab/ax.py",
]
PATTERNS = [
    "*.py", "a", "a/", "/a", "/a.py", "a/*", "a/**", "**/a", "**/b.py", "a/**/b.py", "a/*/c.py", "?.py", "[ab].py", "[!a].py", "[^a].py",
    "x\\[1\\].py", "\\#a.py", "\\!a.py", "#a.py", "a b.py", "a\\ b.py", "a.py  ", "*", "**", "/*/", "a*", "a/b", "b/", "/**/c.py", "ab/", "***.py",
    "[a-b]/", "[]a].py", "",
]  # fmt: skip
NEGATIONS = [
    ("*.py", "!a.py"),
    ("a/", "!a/b.py"),
    ("/*", "!/a"),
    ("*", "!*/", "!b.py"),
    ("!a.py", "a.py"),
    ("a.py", "!/a.py", "a/a.py"),
]


@pytest.mark.skipif(not shutil.which("git"), reason="git is not installed")
@pytest.mark.parametrize("patterns", [*((each,) for each in PATTERNS), *NEGATIONS], ids=" ".join)
def test_patterns_mean_what_they_mean_to_git(tree: Tree, patterns: tuple[str, ...]) -> None:
    tree(**dict.fromkeys(NAMES, ""), **{".gitignore": "\n".join(patterns)})
    subprocess.run(["git", "init", "-q", "."], check=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--exclude-standard", "*.py"], check=True, capture_output=True, text=True
    )
    assert tree.found() == sorted(name for name in listed.stdout.split("\0") if name)


def test_patterns_of_the_configuration_cover_what_is_below_a_folder() -> None:
    patterns = Patterns("/p", ["tests", "docs/*.py"])
    covered = [
        path
        for path in ("/p/tests/a/b.py", "/p/docs/a.py", "/p/docs/x/a.py", "/q/tests/a.py", "/p/a.py")
        if patterns.covers(path)
    ]
    assert covered == ["/p/tests/a/b.py", "/p/docs/a.py"]


def test_a_pattern_with_many_stars_takes_no_time() -> None:
    pattern = Patterns("/p", ["*a" * 12 + "b"])
    assert not pattern.covers("/p/" + "a" * 60)
    assert not any(Patterns("/p", ["**/" * 12 + "b"]).covers("/p/" + "/".join(each)) for each in itertools.repeat("a" * 25, 2))
