"""Jobs are done by worker processes, a few at a time, and every question gets its verdict whatever the workers do."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from time import monotonic

from bnlint.finding import Verdict
from bnlint.verify import words
from bnlint.verify.child import Child, Message, make_folder
from bnlint.verify.jobs import Environment, Job, verdict_from_json
from bnlint.verify.limits import MEMORY
from bnlint.verify.worker import Orders

TIMEOUT = 60.0
WORKERS = 2
PERFORM = "bnlint.verify.perform:perform"
_START_TIMEOUT = 120.0  # importing Keras from a slow disk is not the project's fault
_PATIENCE = 2.0  # for a process that closed its pipe to be gone, which takes a while with gigabytes of memory
_MOST_LOST = 2
_GLANCE = 0.5
_STATUSES = ("confirmed", "refuted", "inconclusive")

Answer = tuple[Job, int, Verdict]


def run_jobs(
    jobs: Iterable[Job],
    *,
    timeout: float = TIMEOUT,
    workers: int | None = None,
    memory: int = MEMORY,
    gpu: bool = False,
    perform: str = PERFORM,
) -> Iterator[Answer]:
    """The verdicts on all questions of the jobs, in order of arrival, each as (job, index of the question, verdict).

    ``timeout`` is in seconds, for building a job's models and for each question anew; ``memory`` in bytes, for each worker.
    ``perform`` names, as ``module:function``, what does a job in the worker. Two workers are the default, one where there is one core.
    A question whose run dies is inconclusive, with the reason; the others of its job are asked again in another process.
    """
    pool = _Pool(workers or min(WORKERS, os.cpu_count() or 1), timeout, memory, gpu, perform)
    try:
        yield from pool.run(jobs)
    finally:
        pool.close()


@dataclass
class _Task:
    """A job, or what is left of it: the indices of its questions that are still open, and those answered in this run."""

    job: Job
    open: list[int]
    asked: Job = field(init=False)  # the job with its open questions alone, as the worker sees it
    order: list[int] = field(init=False)
    lost: int = 0  # runs in a row that ended without an answer
    begun: int | None = None
    progress: bool = False

    def __post_init__(self) -> None:
        self.order = list(self.open)
        self.asked = replace(self.job, questions=tuple(self.job.questions[index] for index in self.open))


class _Worker:
    """A place for a child, and what the child is at."""

    def __init__(self) -> None:
        self.child: Child | None = None
        self.ready = False
        self.task: _Task | None = None
        self.number = 0
        self.deadline = 0.0
        self.was_gone = False


class _Pool:
    def __init__(self, workers: int, timeout: float, memory: int, gpu: bool, perform: str) -> None:
        self.timeout, self.memory, self.gpu, self.perform = timeout, memory, gpu, perform
        self.workers = [_Worker() for _ in range(workers)]
        self.threads = max(1, (os.cpu_count() or 1) // workers)
        self.events: queue.Queue[tuple[Child, Message]] = queue.Queue(maxsize=256)
        self.waiting: deque[_Task] = deque()
        self.unusable: dict[Environment, str] = {}
        self.failed_starts: dict[Environment, int] = {}
        self.number = 0

    def run(self, jobs: Iterable[Job]) -> Iterator[Answer]:
        self.waiting.extend(_Task(job, list(range(len(job.questions)))) for job in jobs if job.questions)
        while True:
            yield from self._give_up()
            for worker in self.workers:
                self._occupy(worker)
            busy = [worker for worker in self.workers if worker.task]
            if not busy:
                return
            yield from self._hear(busy)

    def close(self) -> None:
        for worker in self.workers:
            if worker.child:
                worker.child.end()
                worker.child = None

    # Giving out work

    def _give_up(self) -> Iterator[Answer]:
        """Answer what no worker can be started for."""
        for task in [task for task in self.waiting if task.job.environment in self.unusable]:
            self.waiting.remove(task)
            yield from _all(task, self.unusable[task.job.environment])

    def _occupy(self, worker: _Worker) -> None:
        """Give an idle worker something to do, of its own environment if there is such."""
        if worker.task or not self.waiting:
            return
        same = [task for task in self.waiting if worker.child and task.job.environment == worker.child.environment]
        worker.task = same[0] if same else self.waiting[0]
        self.waiting.remove(worker.task)
        if worker.child and not same:
            self._dismiss(worker)
        if worker.child is None:
            self._start(worker, worker.task.job.environment)
        elif worker.ready:
            self._give(worker)

    def _start(self, worker: _Worker, environment: Environment) -> None:
        orders = Orders(make_folder(), environment, self.perform, self.memory, self.gpu)
        worker.child, worker.ready, worker.was_gone = Child(orders, self.threads, self.events), False, False
        worker.deadline = monotonic() + _START_TIMEOUT

    def _give(self, worker: _Worker) -> None:
        assert worker.child and worker.task
        self.number += 1
        worker.number = self.number
        seconds = self.timeout * self.threads * (len(worker.task.order) + 1)
        worker.deadline = monotonic() + self.timeout
        worker.child.give(worker.number, worker.task.asked, seconds)

    def _dismiss(self, worker: _Worker, patience: float = 0.0) -> str:
        assert worker.child
        reason = worker.child.end(patience)
        worker.child, worker.ready = None, False
        return reason

    # Hearing what came of it

    def _hear(self, busy: list[_Worker]) -> Iterator[Answer]:
        first = min(worker.deadline for worker in busy)
        try:
            child, message = self.events.get(timeout=min(_GLANCE, max(0.0, first - monotonic())))
        except queue.Empty:
            for worker in busy:
                yield from self._missed(worker)
        else:
            for worker in self.workers:
                if worker.child is child:
                    yield from self._heard(worker, message)
        for worker in busy:
            if worker.task and worker.deadline <= monotonic():
                yield from self._expired(worker)

    def _missed(self, worker: _Worker) -> Iterator[Answer]:
        """Nobody said anything for a while: see to a process that is gone, with its pipe held open by another that it started.

        What it said at last may still be on its way at first sight.
        """
        assert worker.child
        if worker.was_gone:
            yield from self._died(worker, None)
        else:
            worker.was_gone = worker.child.is_gone

    def _heard(self, worker: _Worker, message: Message) -> Iterator[Answer]:
        event, task = message["event"], worker.task
        worker.deadline = monotonic() + self.timeout
        if event == "ready" and not worker.ready:
            worker.ready = True
            if task:
                self._give(worker)
        elif event == "unusable" and not worker.ready:
            self._unusable(worker, str(message.get("reason")))
        elif task and worker.ready and message.get("job") == worker.number and _valid(task, message):
            yield from self._progress(worker, task, message)
        else:
            yield from self._died(
                worker, None if message.get("event") == "end" and not message.get("garbage") else words.NONSENSE
            )

    def _progress(self, worker: _Worker, task: _Task, message: Message) -> Iterator[Answer]:
        if message["event"] == "begin":
            task.begun = task.order[message["index"]]
        elif message["event"] == "verdict":
            index = task.order[message["index"]]
            task.open.remove(index)
            task.begun, task.progress = None, True
            yield task.job, index, verdict_from_json(message["verdict"])
        else:
            worker.task = None
            if message.get("retire") or message.get("fault"):
                self._dismiss(worker)
            if message.get("fault"):
                yield from self._broken(task, str(message["fault"]))
            else:
                yield from _all(task, "nothing was measured")

    def _expired(self, worker: _Worker) -> Iterator[Answer]:
        task, ready = worker.task, worker.ready
        assert task
        worker.task = None
        self._dismiss(worker)
        if ready:
            yield from self._broken(task, words.too_long(self.timeout))
        else:
            self._failed_start(task, f"Keras is not imported within {_START_TIMEOUT:g} seconds")

    def _died(self, worker: _Worker, fault: str | None) -> Iterator[Answer]:
        """The child is gone, or has a fault and has to go."""
        task, ready, worker.task = worker.task, worker.ready, None
        child = worker.child
        reason = self._dismiss(worker, 0.0 if fault else _PATIENCE)
        reason = fault or reason
        if task and ready:
            yield from self._broken(task, reason)
        elif task:
            assert child
            self._failed_start(task, f"the process in which Keras is imported did not start: {child.last_line or reason}")

    def _broken(self, task: _Task, reason: str) -> Iterator[Answer]:
        """A run has ended before its time: the question in progress is lost, the others are asked again if that gets on.

        A second run in a row that is lost with its first question shows what becomes of the others.
        """
        lost = 0 if task.progress else task.lost + 1
        if task.begun is not None:
            task.open.remove(task.begun)
            yield task.job, task.begun, Verdict("inconclusive", reason)
        if lost == _MOST_LOST or (lost and task.begun is None):
            yield from _all(task, reason)
        elif task.open:
            self.waiting.appendleft(_Task(task.job, task.open, lost))

    def _unusable(self, worker: _Worker, reason: str) -> None:
        assert worker.child and worker.task
        self.unusable[worker.child.environment] = reason
        self.waiting.appendleft(worker.task)
        worker.task = None
        self._dismiss(worker)

    def _failed_start(self, task: _Task, reason: str) -> None:
        """Try once more; a second failure of the same kind of worker is final."""
        environment = task.job.environment
        self.failed_starts[environment] = self.failed_starts.get(environment, 0) + 1
        if self.failed_starts[environment] > 1:
            self.unusable[environment] = reason
        self.waiting.appendleft(task)


def _all(task: _Task, reason: str) -> Iterator[Answer]:
    for index in task.open:
        yield task.job, index, Verdict("inconclusive", reason)


def _valid(task: _Task, message: Message) -> bool:
    """Whether a message is one that a worker at this task may send now."""
    event, index = message["event"], message.get("index")
    if event == "done":
        return True
    if event not in ("begin", "verdict") or type(index) is not int or not 0 <= index < len(task.order):
        return False
    if task.order[index] not in task.open or (event == "begin" and task.begun is not None):
        return False
    return event == "begin" or _is_verdict(message.get("verdict"))


def _is_verdict(data: object) -> bool:
    if not isinstance(data, dict) or data.get("status") not in _STATUSES or not isinstance(data.get("reason"), str):
        return False
    measured = data.get("measured")
    return isinstance(measured, dict) and all(isinstance(value, int | float) for value in measured.values())
