"""What happened to a run of the project's code, in words that follow "inconclusive: "."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

from bnlint.finding import Verdict
from bnlint.verify.limits import GIGABYTE, OUT_OF_MEMORY, allowed_memory

NONSENSE = "what the process said made no sense to bnlint"
_LONG = 300
_SIGNALS = {
    "SIGSEGV": "segmentation fault",
    "SIGKILL": "killed",
    "SIGABRT": "aborted",
    "SIGBUS": "bus error",
    "SIGILL": "illegal instruction",
}
_MEMORY = re.compile(
    rf"{OUT_OF_MEMORY}|bad_alloc|MemoryError|[Cc]annot allocate memory|[Ff]ailed to allocate|OOM when allocating|[Oo]ut of memory"
    r"|pthread_create\(\) failed"
)


def raised(error: BaseException) -> str:
    """What an exception means that the project's code raised in this process."""
    if isinstance(error, SystemExit):
        return f"the code called sys.exit({'' if error.code is None else repr(error.code)})"
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError" or _MEMORY.search(text):
        return out_of_memory(allowed_memory())
    if isinstance(error, RecursionError):
        return "the code calls itself without an end (RecursionError)"
    text = text if len(text) <= _LONG else text[:_LONG] + "..."
    if type(error).__name__ == "Refused":
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def ended(code: int | None, tail: str, memory: int) -> str:
    """How a process ended by itself: from its exit code, negative for a signal, and the last of what it wrote to stderr."""
    if code is None:
        return "the code closed the connection to bnlint"
    names = {int(number): number.name for number in signal.Signals}
    name = names.get(-code, "")
    if name == "SIGXCPU":
        return "the code used up its CPU time"
    if code and name in ("", "SIGABRT", "SIGSEGV", "SIGKILL") and _MEMORY.search(tail):
        return out_of_memory(memory)
    if code < 0:
        meaning = _SIGNALS.get(name, name or "unknown")
        return f"the process ended with signal {-code} ({meaning})"
    return f"the process ended with exit code {code}, as with os._exit"


def out_of_memory(memory: int) -> str:
    """The code needs more memory than it may have, in bytes."""
    return f"the code needs more than {memory / GIGABYTE:.3g} GB of memory"


def too_long(seconds: float) -> str:
    """The time limit, in seconds, was over."""
    return f"not done within {seconds:g} seconds (--timeout)"


def with_refused(verdict: Verdict, tried: Sequence[str]) -> Verdict:
    """The verdict, with what the code tried and bnlint refused, as far as its reason does not say so."""
    new = [what for what in tried if what not in verdict.reason]
    if not new:
        return verdict
    more = f" and {len(new) - 3} other things" if len(new) > 3 else ""
    said = f"the code tried to {', to '.join(new[:3])}{more}, which bnlint refused"
    return Verdict(verdict.status, f"{verdict.reason}; {said}", verdict.measured)
