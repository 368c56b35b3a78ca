"""The project by its bytes: its root, its files, who imports whom, what concerns a rule."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bnlint.index import Project, imports_of, is_relevant, project_root

BN = "from keras.layers import BatchNormalization\n"


@pytest.fixture
def project(tmp_path: Path) -> Any:
    class Made:
        root = tmp_path / "p"

        def write(self, **files: Any) -> None:
            for name, text in files.items():
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)

        def around(self, name: str) -> Any:
            return Project.around(self.root / name)

        def context(self, *names: Any) -> Any:
            return [
                os.path.relpath(path, self.root) for path in self.around(names[0]).context([self.root / name for name in names])
            ]

        def resolve(self, dotted: Any, importer: Any, level: Any = 0) -> Any:
            found = self.around(importer).module_path(dotted, str(self.root / importer), level)
            return found and os.path.relpath(found, self.root)

    made = Made()
    made.write(**{"setup.py": ""})
    return made


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"import a", [(0, "a", ())]),
        (b"import a.b as c, d", [(0, "a.b", ()), (0, "d", ())]),
        (b"from a.b import c as d, e", [(0, "a.b", ("c", "e"))]),
        (b"from a import (\n  b, # c\n  d as e,\n)\nf", [(0, "a", ("b", "d"))]),
        (b"from . import a", [(1, "", ("a",))]),
        (b"from .. a import b", [(2, "a", ("b",))]),
        (b"from ...a.b import*", [(3, "a.b", ())]),
        (b"from a import b, \\\n  c", [(0, "a", ("b", "c"))]),
        (b"from a \\\n  import b", [(0, "a", ("b",))]),
        (b"try: import a\nexcept E: import b; import c", [(0, "a", ()), (0, "b", ()), (0, "c", ())]),
        (b"x\r\n\tfrom a import b\r\nimport c\rimport d", [(0, "a", ("b",)), (0, "c", ()), (0, "d", ())]),
        (b'  "from a import b\\n",\n  "import c"', [(0, "a", ("b",)), (0, "c", ())]),
        (b'"source": "x = 1\\nimport a\\nfrom b import c\\n"', [(0, "a", ()), (0, "b", ("c",))]),
        (b"reimport = important\nx.import_(y)", []),
    ],
)
def test_imports_are_read_from_the_bytes(text: bytes, expected: Any) -> None:
    assert list(imports_of(text)) == expected


@pytest.mark.parametrize(
    "text",
    ["layers.BatchNormalization()", "SyncBatchNorm", "tf.layers.batch_normalization", "batchnorm = 1", "BATCH_NORM"]
    + [
        f"import keras\n{word}"
        for word in ("keras.applications.VGG16", "load_model(p)", "M.from_preset(x)", "K.learning_phase()")
    ]
    + ["import tensorflow_hub as hub", "import tensorflow as tf\nself.moving_mean = 3"],
)
def test_a_word_that_can_concern_a_rule_makes_a_file_relevant(text: str) -> None:
    assert is_relevant(text.encode())


@pytest.mark.parametrize("text", ["import keras\nkeras.layers.Dense(3)", "applications of the theory", "see github.com/x", ""])
def test_other_files_are_not_relevant(text: str) -> None:
    assert not is_relevant(text.encode())


def test_the_root_is_the_nearest_marked_folder(project: Any) -> None:
    project.write(**{"inner/bnlint.toml": "", "inner/a/b.py": "", "x/y.py": ""})
    assert project_root(str(project.root / "inner/a/b.py")) == (str(project.root / "inner"), None)
    assert project_root(str(project.root / "x/y.py")) == (str(project.root), None)


def test_without_a_mark_the_root_is_above_the_top_package_and_only_that_package_counts(tmp_path: Path) -> None:
    for name in ("pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/a.py", "other/__init__.py", "script.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    if project_root(str(tmp_path / "script.py"))[0] != str(tmp_path):
        pytest.fail("a folder above pytest's temporary one is marked as a project")
    project = Project.around(tmp_path / "pkg/sub/a.py")
    assert (project.root, project.package) == (tmp_path, "pkg")
    assert len(project.files) == 3
    assert len(Project.around(tmp_path / "script.py").files) == 5


def test_in_site_packages_only_the_top_package_counts(project: Any) -> None:
    project.write(**{"lib/site-packages/pkg/a.py": "", "lib/site-packages/pkg/b/c.py": "", "lib/site-packages/other.py": ""})
    found = project.around("lib/site-packages/pkg/b/c.py")
    assert (found.root, found.package) == (project.root / "lib/site-packages", "pkg")
    assert {os.path.basename(path) for path in found.files} == {"a.py", "c.py"}
    assert {os.path.basename(path) for path in project.around("lib/site-packages/other.py").files} == {"other.py"}


def test_a_folder_that_the_project_leaves_out_is_a_project_of_its_own(project: Any) -> None:
    project.write(**{".gitignore": "vendor/\n", "vendor/a.py": "", "vendor/b.py": "", "build/c.py": "", "d.py": ""})
    assert project.around("vendor/a.py").root == project.root / "vendor"
    assert {os.path.basename(path) for path in project.around("vendor/a.py").files} == {"a.py", "b.py"}
    assert project.around("build/c.py").root == project.root / "build"
    assert {os.path.basename(path) for path in project.around("d.py").files} == {"d.py", "setup.py"}


def test_modules_packages_and_namespaces_are_resolved(project: Any) -> None:
    project.write(
        **{
            "pkg/__init__.py": "",
            "pkg/a.py": "",
            "space/deep/b.py": "",
            "src/lib/__init__.py": "",
            "run/c.py": "",
            "run/d.py": "",
        }
    )
    project.write(**{"both.py": "", "both/__init__.py": "", "shadow.py": "", "shadow/data.py": ""})
    for dotted, expected in {
        "pkg": "pkg/__init__.py",
        "pkg.a": "pkg/a.py",
        "pkg.missing": None,
        "space": None,
        "space.deep.b": "space/deep/b.py",
        "lib": "src/lib/__init__.py",
        "d": "run/d.py",
        "both": "both/__init__.py",
        "shadow": "shadow.py",
        "os": None,
    }.items():
        assert project.resolve(dotted, "run/c.py") == expected, dotted


def test_relative_imports_are_resolved_from_the_importing_file(project: Any) -> None:
    project.write(**{"pkg/__init__.py": "", "pkg/a.py": "", "pkg/sub/__init__.py": "", "pkg/sub/b.py": "", "a.py": ""})
    assert project.resolve("a", "pkg/sub/b.py", 2) == "pkg/a.py"
    assert project.resolve("", "pkg/sub/b.py", 1) == "pkg/sub/__init__.py"
    assert project.resolve("sub.b", "pkg/__init__.py", 1) == "pkg/sub/b.py"
    assert project.resolve("a", "pkg/a.py") == "a.py"
    assert project.resolve("a", "a.py", 9) is None


def test_a_module_in_a_package_that_is_called_like_a_library_does_not_hide_it(project: Any) -> None:
    project.write(
        **{"pkg/__init__.py": "", "pkg/keras.py": "", "pkg/mine.py": "", "pkg/a.py": "", "loose/numpy.py": "", "loose/a.py": ""}
    )
    assert project.resolve("keras", "pkg/a.py") is None
    assert project.resolve("mine", "pkg/a.py") == "pkg/mine.py"
    assert project.resolve("numpy", "loose/a.py") == "loose/numpy.py"


def test_module_names_are_dotted_from_the_import_root(project: Any) -> None:
    project.write(**{"pkg/__init__.py": "", "pkg/a.py": "", "src/lib/b.py": "", "notes/c.ipynb": ""})
    names = {
        name: project.around(name).module_name(project.root / name)
        for name in ("pkg/__init__.py", "pkg/a.py", "src/lib/b.py", "notes/c.ipynb")
    }
    assert list(names.values()) == ["pkg", "pkg.a", "lib.b", "notes.c"]


def test_a_file_is_read_with_its_importers_and_all_that_those_import(project: Any) -> None:
    project.write(
        **{"model.py": BN + "import config", "config.py": "", "train.py": "import model, tools", "tools.py": "", "alone.py": ""}
    )
    everything = ["config.py", "model.py", "tools.py", "train.py"]
    assert project.context("model.py") == everything
    assert project.context("train.py") == everything
    assert project.context("tools.py") == everything
    assert project.context("config.py") == everything
    assert project.context("alone.py") == []


def test_a_file_that_imports_nothing_relevant_ends_at_the_index(project: Any) -> None:
    project.write(**{"model.py": BN, "a.py": "import b", "b.py": ""})
    assert project.context("a.py") == []
    assert project.context("a.py", "model.py") == ["model.py"]


def test_a_project_that_never_names_keras_ends_at_the_index(project: Any) -> None:
    project.write(**{"model.py": "import torch\ntorch.nn.BatchNorm2d(3)\n"})
    assert project.context("model.py") == []
    project.write(
        **{"layers.py": "from tensorflow import keras", "model.py": "from layers import keras\nkeras.layers.BatchNormalization()"}
    )
    assert project.context("model.py") == ["layers.py", "model.py"]


def test_a_package_runs_before_its_modules(project: Any) -> None:
    project.write(
        **{
            "pkg/__init__.py": "from .a import x",
            "pkg/a.py": BN,
            "pkg/sub/__init__.py": "",
            "pkg/sub/b.py": "",
            "c.py": "import pkg.sub.b",
        }
    )
    assert project.context("c.py") == ["c.py", "pkg/__init__.py", "pkg/a.py", "pkg/sub/__init__.py", "pkg/sub/b.py"]


def test_imports_in_a_cycle_and_of_oneself_end(project: Any) -> None:
    project.write(**{"a.py": BN + "import b", "b.py": "import a\nimport b"})
    assert project.context("a.py") == ["a.py", "b.py"]


def test_files_without_imports_between_them_are_parted(project: Any) -> None:
    project.write(**{"a.py": BN, "b.py": BN + "import c", "c.py": "", "d.py": "import c", "e.py": BN})
    made = project.around("a.py")
    context = made.context(project.root / name for name in ("a.py", "b.py", "e.py"))
    parts = [[path.name for path in part] for part in made.components(context)]
    assert parts == [["a.py"], ["b.py", "c.py"], ["e.py"]]


def test_notebooks_import_and_are_not_imported(project: Any) -> None:
    project.write(**{"model.py": BN, "use.ipynb": '{"cells": [{"source": [\n"import model\\n"\n]}]}', "other.py": "import use"})
    assert project.context("model.py") == ["model.py", "use.ipynb"]


def test_a_named_file_outside_the_walk_is_part_of_the_project(project: Any) -> None:
    project.write(**{"script": BN, "build/x.py": BN})
    assert project.context("script") == ["script"]


def test_the_overlay_stands_for_the_file_on_disk(project: Any) -> None:
    project.write(**{"a.py": "import b", "b.py": ""})
    path = str(project.root / "b.py")
    overlaid = Project(project.root, overlay={path: BN.encode()})
    assert [each.name for each in overlaid.context([path])] == ["a.py", "b.py"]
    assert overlaid.source(path).text == BN
    assert Project(project.root).context([path]) == []


def test_texts_and_trees_are_read_once(project: Any) -> None:
    project.write(**{"a.py": BN})
    made = project.around("a.py")
    path = project.root / "a.py"
    assert made.read_source(str(path)) is None
    assert made.parsed(path) is made.parsed(str(path))
    assert made.source(path) is made.read_source(str(path))


def test_a_file_that_does_not_parse_says_so_each_time(project: Any) -> None:
    from bnlint.parse import ParseError

    project.write(**{"a.py": "x = ("})
    made = project.around("a.py")
    for _ in range(2):
        with pytest.raises(ParseError):
            made.parsed(project.root / "a.py")
