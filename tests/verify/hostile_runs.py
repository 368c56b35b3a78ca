"""Hostile modules, and what surrounds a run of them: something to delete, a port to connect to."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bnlint.finding import Verdict

FOLDER = Path(__file__).parent / "hostile"
NAMES = sorted(path.stem for path in FOLDER.glob("*.py"))


@dataclass
class Surroundings:
    """What hostile code aims at, and the verdicts on it by the module's name."""

    victim: Path
    port: int
    listener: socket.socket
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A hostile module that aims at these surroundings."""
        return self._filled((FOLDER / f"{name}.py").read_text())

    def check(self, name: str) -> None:
        """The verdict on a module is the one that its first lines promise."""
        status, reason = (line.partition(": ")[2] for line in self.text(name).splitlines()[:2])
        verdict = self.verdicts[name]
        assert re.fullmatch(status, verdict.status) and re.search(reason, verdict.reason), verdict

    def are_untouched(self) -> bool:
        """Whether nothing was changed, and nobody connected."""
        file = self.victim / "file"
        if [path.name for path in self.victim.parent.iterdir()] != [self.victim.name] or list(self.victim.iterdir()) != [file]:
            return False
        try:
            self.listener.accept()
        except BlockingIOError:
            return file.read_text() == "precious" and file.stat().st_mode & 0o777 == 0o644
        return False

    def _filled(self, text: str) -> str:
        return text.replace("{victim}", str(self.victim)).replace("{port}", str(self.port))


@contextmanager
def surroundings(folder: Path) -> Iterator[Surroundings]:
    """Something to aim at in a folder that is empty."""
    victim = folder / "victim"
    victim.mkdir(parents=True)
    (victim / "file").write_text("precious")
    (victim / "file").chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield Surroundings(victim, listener.getsockname()[1], listener)


def without_keras(text: str) -> str:
    """A hostile module without its model, so that it needs no Keras."""
    head, _, _ = text.partition("inputs = keras.Input")
    return re.sub(r"(?m)^(import keras|from keras import layers)$", "", head) + "misbehave()\n"
