"""Files that are no honest models, each with words that the error has to have."""

from __future__ import annotations

import io
import json
import os
import socket
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

HOSTILE: dict[str, tuple[Callable[[Path], Path], str]] = {}
Maker = Callable[[Path], Path]
CONFIG = {"class_name": "Sequential", "config": {"name": "s", "layers": []}}


def hostile(words: str) -> Callable[[Maker], Maker]:
    """Register what makes a file in a folder."""

    def register(maker: Maker) -> Maker:
        HOSTILE[maker.__name__] = (maker, words)
        return maker

    return register


def weights(edit: Callable[[h5py.File], None] | None = None) -> bytes:
    """A file of weights with one batch normalization."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        group = file.create_group("layers/batch_normalization/vars")
        for index, value in enumerate((1.0, 0.0, 0.3, 0.7)):
            group[str(index)] = np.full(4, value, "float32")
        if edit:
            edit(file)
    return content.getvalue()


def archive(path: Path, members: dict[str, bytes | str], compression: int = zipfile.ZIP_STORED) -> Path:
    """A .keras file; given members replace those of an honest one."""
    honest: dict[str, bytes | str] = {"metadata.json": "{}", "config.json": json.dumps(CONFIG), "model.weights.h5": weights()}
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in (honest | members).items():
            file.writestr(name, content)
    return path


def _write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _edited(folder: Path, edit: Callable[[h5py.File], None]) -> Path:
    return _write(folder / "edited.weights.h5", weights(edit))


@hostile("the file is empty")
def empty(folder: Path) -> Path:
    return _write(folder / "model.keras", b"")


@hostile("no format that Keras saves in")
def wrong_magic(folder: Path) -> Path:
    return _write(folder / "model.h5", b"\x00\x01\x02\x03" * 100)


@hostile("page of text")
def page_of_a_failed_download(folder: Path) -> Path:
    return _write(folder / "model.h5", b"<!DOCTYPE html><html>404</html>")


@hostile("Git LFS")
def pointer_of_git_lfs(folder: Path) -> Path:
    return _write(folder / "model.keras", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12345\n")


@hostile("pickle")
def pickle(folder: Path) -> Path:
    return _write(folder / "model.h5", b"\x80\x04cos\nsystem\n(S'touch marker_of_execution'\ntR.")


@hostile("pickle")
def pickle_in_the_zip(folder: Path) -> Path:
    return archive(folder / "m.keras", {"data.pkl": b"cos\nsystem\n(S'touch marker_of_execution'\ntR."})


@hostile("without config.json")
def zip_of_something_else(folder: Path) -> Path:
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "<a/>")
    return path


@hostile("model.weights.h5")
def zip_without_weights(folder: Path) -> Path:
    path = folder / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(CONFIG))
    return path


@hostile("leads out of it")
def path_traversal(folder: Path) -> Path:
    return archive(folder / "m.keras", {"../../marker_of_execution": b"x"})


@hostile("leads out of it")
def absolute_path(folder: Path) -> Path:
    return archive(folder / "m.keras", {"/tmp/marker_of_execution": b"x"})


@hostile("symbolic link")
def symbolic_link_in_the_zip(folder: Path) -> Path:
    path = archive(folder / "m.keras", {})
    entry = zipfile.ZipInfo("model.weights.h5.link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as file:
        file.writestr(entry, "/etc/passwd")
    return path


@hostile("cut off")
def truncated_zip(folder: Path) -> Path:
    path = archive(folder / "m.keras", {})
    return _write(path, path.read_bytes()[:-40])


@hostile("cut off")
def truncated_hdf5(folder: Path) -> Path:
    return _write(folder / "m.weights.h5", weights()[:-2000])


@hostile("cannot be opened")
def hdf5_of_a_signature_alone(folder: Path) -> Path:
    return _write(folder / "m.weights.h5", b"\x89HDF\r\n\x1a\n")


@hostile("more than the")
def bomb_as_configuration(folder: Path) -> Path:
    return archive(folder / "m.keras", {"config.json": b" " * (1 << 25)}, zipfile.ZIP_DEFLATED)


@hostile("damaged")
def bomb_that_hides_its_size(folder: Path) -> Path:
    path = archive(folder / "m.keras", {"config.json": b" " * (1 << 25)}, zipfile.ZIP_DEFLATED)
    return _write(path, path.read_bytes().replace(struct.pack("<I", 1 << 25), struct.pack("<I", 100)))


@hostile("more than the")
def bomb_as_weights(folder: Path) -> Path:
    path = archive(folder / "m.keras", {"model.weights.h5": b"\0" * (1 << 21)}, zipfile.ZIP_DEFLATED)
    return _write(path, path.read_bytes().replace(struct.pack("<I", 1 << 21), struct.pack("<I", 0xFFFFFFF0)))


@hostile("nested deeper")
def deeply_nested_json(folder: Path) -> Path:
    return archive(folder / "m.keras", {"config.json": "[" * 1_000_000})


@hostile("nested deeper")
def deeply_nested_models(folder: Path) -> Path:
    text = '{"class_name":"Sequential","config":{"layers":[' * 2000 + "]}}" * 2000
    return archive(folder / "m.keras", {"config.json": text})


@hostile("no valid JSON")
def broken_json(folder: Path) -> Path:
    return archive(folder / "m.keras", {"config.json": '{"class_name": '})


@hostile("not the configuration")
def json_of_something_else(folder: Path) -> Path:
    return archive(folder / "m.keras", {"config.json": "[1, 2]"})


@hostile("link to another file")
def external_link(folder: Path) -> Path:
    return _edited(folder, lambda file: file.__setitem__("layers/dense", h5py.ExternalLink("/etc/passwd", "/")))


@hostile("link to another place")
def soft_link(folder: Path) -> Path:
    return _edited(folder, lambda file: file.__setitem__("layers/dense", h5py.SoftLink("/layers")))


@hostile("from other files")
def external_storage(folder: Path) -> Path:
    def edit(file: h5py.File) -> None:
        del file["layers/batch_normalization/vars/0"]
        file.create_dataset(
            "layers/batch_normalization/vars/0", (4,), "float32", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
        )

    return _edited(folder, edit)


@hostile("virtual dataset")
def virtual_dataset(folder: Path) -> Path:
    def edit(file: h5py.File) -> None:
        del file["layers/batch_normalization/vars/0"]
        layout = h5py.VirtualLayout((4,), "float32")
        layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
        file.create_virtual_dataset("layers/batch_normalization/vars/0", layout)

    return _edited(folder, edit)


@hostile("numbers; this is no batch normalization")
def absurd_shape(folder: Path) -> Path:
    def edit(file: h5py.File) -> None:
        del file["layers/batch_normalization"]
        for index in range(4):
            file.create_dataset(f"layers/batch_normalization/vars/{index}", (1 << 50,), "float32", chunks=(1024,))

    return _edited(folder, edit)


@hostile("chunks of")
def absurd_chunks(folder: Path) -> Path:
    def edit(file: h5py.File) -> None:
        del file["layers/batch_normalization"]
        for index in range(4):
            path = f"layers/batch_normalization/vars/{index}"
            file.create_dataset(path, (4,), "float32", chunks=(1 << 29,), maxshape=(None,), compression="gzip")

    return _edited(folder, edit)


@hostile("deeper ones")
def deep_groups(folder: Path) -> Path:
    def edit(file: h5py.File) -> None:
        group = file
        for _ in range(300):
            group = group.create_group("g")

    return _edited(folder, edit)


@hostile("none of the layouts")
def hdf5_of_something_else(folder: Path) -> Path:
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["image"] = np.zeros((3, 3))
    return _write(folder / "data.h5", content.getvalue())


@hostile("holds no weights")
def hdf5_of_nothing(folder: Path) -> Path:
    content = io.BytesIO()
    h5py.File(content, "w").close()
    return _write(folder / "data.h5", content.getvalue())


@hostile("a named pipe")
def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "m.keras")
    return folder / "m.keras"


@hostile("a named pipe")
def link_to_a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    (folder / "m.keras").symlink_to(folder / "pipe")
    return folder / "m.keras"


@hostile("a device")
def link_to_a_device(folder: Path) -> Path:
    (folder / "m.keras").symlink_to("/dev/zero")
    return folder / "m.keras"


@hostile("symbolic links")
def link_to_itself(folder: Path) -> Path:
    (folder / "m.keras").symlink_to(folder / "m.keras")
    return folder / "m.keras"


@hostile("cannot be read: no such device or address")
def listening_socket(folder: Path) -> Path:
    socket.socket(socket.AF_UNIX).bind(str(folder / "m.keras"))
    return folder / "m.keras"


@hostile("no such file")
def nothing(folder: Path) -> Path:
    return folder / "m.keras"


@hostile("no saved_model.pb")
def folder_of_something_else(folder: Path) -> Path:
    return folder


def _saved_model(folder: Path, index: bytes) -> Path:
    (folder / "sm/variables").mkdir(parents=True)
    _write(folder / "sm/saved_model.pb", b"")
    _write(folder / "sm/variables/variables.index", index)
    return folder / "sm"


FOOTER = bytes.fromhex("57fb808b247547db")


@hostile("not those of a checkpoint")
def saved_model_of_another_magic(folder: Path) -> Path:
    return _saved_model(folder, b"x" * 100)


@hostile("lies outside of it")
def saved_model_whose_block_lies_outside(folder: Path) -> Path:
    return _saved_model(folder, b"\0" * 60 + b"\0\0\xff\xff\xff\x7f\xff\xff\x7f".ljust(40, b"\0") + FOOTER)


@hostile("cannot be read: no such file")
def saved_model_without_variables(folder: Path) -> Path:
    path = _saved_model(folder, b"")
    (path / "variables/variables.index").unlink()
    return path


@hostile("a named pipe")
def saved_model_with_a_pipe(folder: Path) -> Path:
    path = saved_model_without_variables(folder)
    os.mkfifo(path / "variables/variables.index")
    return path
