"""The child process: warmed once with Keras, it does one job after the other, fenced, and puts its state back between them."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from bnlint.finding import Verdict
from bnlint.verify import fence, landlock, legacy, limits, words
from bnlint.verify.jobs import Environment, Job, verdict_to_json
from bnlint.verify.state import State

Perform = Callable[[Job, Callable[[int], None]], Iterator[tuple[int, Verdict]]]


@dataclass(frozen=True)
class Orders:
    """What a worker is started with: the environment of its jobs, its folder, its limit of memory in bytes, who does the jobs."""

    folder: str
    environment: Environment
    perform: str
    memory: int = limits.MEMORY
    gpu: bool = False

    def to_json(self) -> str:
        """The orders as a line of JSON."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(line: str) -> Orders:
        """The orders that :meth:`to_json` wrote."""
        data = json.loads(line)
        return Orders(**data | {"environment": Environment(**data["environment"])})


class Channel:
    """The lines to and from the parent, on descriptors of their own: stdin and stdout are nothing's from now on."""

    def __init__(self) -> None:
        self._source, self._target = os.dup(0), os.dup(1)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.close(nothing)
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115 - for the life of the process
        sys.stdout = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115
        sys.stderr = open(os.devnull, "w", encoding="utf-8", errors="replace")  # noqa: SIM115

    def send(self, write: Callable[[int, bytes], int] = os.write, **message: Any) -> None:
        """One message to the parent; without a parent the process ends."""
        data = json.dumps(message).encode() + b"\n"
        try:
            while data:
                data = data[write(self._target, data) :]
        except OSError:
            os._exit(1)

    def orders(self) -> Iterator[dict[str, Any]]:
        """What the parent asks for, until it has nothing more."""
        with open(self._source, "rb") as lines:
            for line in lines:
                yield json.loads(line)


def main() -> None:
    """Serve until the parent closes the connection; the orders are the first argument."""
    channel = Channel()
    orders = Orders.from_json(sys.argv[1])
    limits.limit(orders.memory)
    landlock.restrict([orders.folder, *(["/dev"] if orders.gpu else [])], [os.devnull])
    limits.watch(orders.memory)
    try:
        _import_keras(orders.environment.generation)
        module, _, name = orders.perform.partition(":")
        perform: Perform = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        channel.send(event="unusable", reason=f"{error.name} is not installed")
        return
    except Exception as error:  # noqa: BLE001 - whatever is wrong with the installation, the parent has to know
        channel.send(event="unusable", reason=f"the process that measures cannot start: {words.raised(error)}")
        return
    fence.install()
    fence.guard_native()
    state = State()
    gc.freeze()
    channel.send(event="ready")
    for order in channel.orders():
        _Run(orders, channel, state, perform, order).run()


def _import_keras(generation: str) -> None:
    """Import Keras as the environment has it: none for no generation."""
    if generation == "2":
        importlib.import_module("tensorflow")
        importlib.import_module("tf_keras")
        legacy.install()
    if generation:
        importlib.import_module("keras")


class _Run:
    """One job: a fresh folder, the fence up, its answers sent as they come."""

    def __init__(self, orders: Orders, channel: Channel, state: State, perform: Perform, order: dict[str, Any]) -> None:
        self.orders, self.channel, self.state, self.perform = orders, channel, state, perform
        self.number: int = order["job"]
        self.cpu: float = order["cpu"]
        self.faults: list[str] = []
        with open(order["file"], encoding="utf-8") as file:
            self.job = Job.from_json(file.read())
        self.folder = os.path.join(orders.folder, f"job{self.number}")

    def run(self) -> None:
        fault = None
        fence.down()
        limits.limit_cpu(self.cpu)
        self._settle()
        fenced = fence.up(self.orders.folder)  # it stays up between jobs, for the sake of threads that are left behind
        try:
            for index, verdict in self.perform(self.job, self._begin):
                self.faults += self.state.restore_builtins()
                self._answer(index, words.with_refused(verdict, fenced.tried))
        except BaseException as error:  # noqa: BLE001 - sys.exit in the project's code is one
            self.faults += self.state.restore_builtins()
            fault = words.with_refused(Verdict("inconclusive", words.raised(error)), fenced.tried).reason
        faults = self.faults + self._restore()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.channel.send(event="done", job=self.number, fault=fault, retire="; ".join(faults) or None)

    def _begin(self, index: int) -> None:
        self.channel.send(event="begin", job=self.number, index=index)

    def _answer(self, index: int, verdict: Verdict) -> None:
        plain = Verdict(verdict.status, verdict.reason, {name: float(value) for name, value in verdict.measured.items()})
        self.channel.send(event="verdict", job=self.number, index=index, verdict=verdict_to_json(plain))

    def _settle(self) -> None:
        """Work in a folder that is new, and that everything with a folder of its own takes for it."""
        home = os.path.join(self.folder, "home")
        temporary = os.path.join(self.folder, "tmp")
        work = os.path.join(self.folder, "work")
        for folder in (home, temporary, work):
            os.makedirs(folder)
        os.chdir(work)
        os.environ.update(folders_of(home, temporary))
        sys.argv = [self.job.path]
        tempfile.tempdir = temporary

    def _restore(self) -> list[str]:
        package = self.job.module.partition(".")[0]
        try:
            return self.state.restore(package)
        except BaseException as error:  # noqa: BLE001 - what the code left behind may do anything
            with contextlib.suppress(OSError):
                os.chdir(self.orders.folder)
            return [f"its state could not be put back: {words.raised(error)}"]


def folders_of(home: str, temporary: str) -> dict[str, str]:
    """The environment variables by which libraries find the folders that they write to."""
    below = {"KERAS_HOME": ".keras", "XDG_CACHE_HOME": ".cache", "XDG_CONFIG_HOME": ".config", "XDG_DATA_HOME": ".data"}
    below |= {"MPLCONFIGDIR": ".matplotlib", "TFDS_DATA_DIR": "datasets", "TFHUB_CACHE_DIR": "tfhub", "HF_HOME": ".huggingface"}
    below |= {"TORCH_HOME": ".torch", "NUMBA_CACHE_DIR": ".numba", "SCIKIT_LEARN_DATA": "sklearn", "KAGGLEHUB_CACHE": ".kaggle"}
    homes = {name: os.path.join(home, folder) for name, folder in below.items()}
    return homes | {"HOME": home, "USERPROFILE": home} | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), temporary)
