"""Every question gets its verdict, whatever the process does that runs the code."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from time import monotonic

import pytest

from bnlint.finding import Span, Verdict
from bnlint.verify.jobs import Environment, Job, Question
from bnlint.verify.limits import MEMORY
from bnlint.verify.pool import run_jobs

pytestmark = pytest.mark.needs_keras
HERE = Path(__file__).parent
TIMEOUT = 8.0
WITHOUT_KERAS, KERAS_2, KERAS_3 = Environment(""), Environment("2"), Environment("3")
TELL = "def Q0():\n    import os\n    return {'process': os.getpid()}\n"


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the workers' folders are made; their ways of doing a job are found beside this file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(HERE))
        folder = tmp_path_factory.mktemp("workers")
        patch.setattr(tempfile, "tempdir", str(folder))
        yield folder


def job(text: str = "", questions: str = "Q0", environment: Environment = WITHOUT_KERAS) -> Job:
    codes = questions.split()
    asked = tuple(Question(code, Span("code.py", number, 1, number, 2)) for number, code in enumerate(codes, 1))
    return Job("code.py", dedent(text), "code", (), asked, environment=environment)


def verdicts(
    jobs: list[Job], timeout: float = TIMEOUT, workers: int = 1, memory: int = MEMORY, perform: str = "perform"
) -> list[list[Verdict]]:
    """The verdicts on each job's questions; each is answered once."""
    found: dict[tuple[int, int], Verdict] = {}
    for answered, index, verdict in run_jobs(
        jobs, timeout=timeout, workers=workers, memory=memory, perform=f"stand_in:{perform}"
    ):
        key = [each is answered for each in jobs].index(True), index
        assert key not in found
        found[key] = verdict
    return [[found[at, index] for index in range(len(each.questions))] for at, each in enumerate(jobs)]


def reasons(answers: list[Verdict]) -> list[str]:
    return [verdict.reason for verdict in answers]


# What goes well


def test_one_process_does_several_jobs_with_keras_imported() -> None:
    environments = [KERAS_3, KERAS_2, KERAS_3, KERAS_2]
    answers = verdicts([job(environment=each) for each in environments], perform="teller")
    assert [each[0].measured["keras"] for each in answers] == [3, 2, 3, 2]
    assert len({each[0].measured["process"] for each in answers}) == 2


def test_old_imports_of_keras_work_in_keras_2() -> None:
    text = """
        import keras, keras.backend as K, tf_keras
        from keras.layers import *
        from keras.layers.convolutional import Conv2D
        from keras.layers.normalization import BatchNormalization as B
        from keras.engine.topology import Layer
        from keras.engine import InputSpec
        from keras.utils.np_utils import to_categorical
        from tensorflow.keras.layers import Dense as D
        assert B is tf_keras.layers.BatchNormalization and Dense is D is keras.layers.Dense
        try:
            from keras.layers import NoSuchLayer
        except ImportError:
            pass
        else:
            raise AssertionError
    """
    assert reasons(verdicts([job(text, environment=KERAS_2)])[0]) == ["Q0 was measured"]


def test_the_folders_of_the_workers_are_removed(folder: Path) -> None:
    text = "import os; os.mkdir('kept'); open('kept/file', 'w').close(); os.chmod('kept', 0)"
    verdicts([job(text), job("import os; os.makedirs('deeper/and/deeper'); os.kill(os.getpid(), 9)")])
    assert list(folder.iterdir()) == []


def test_two_processes_work_at_the_same_time() -> None:
    answers = verdicts([job(f"import time; time.sleep(1)\n{TELL}"), job(f"import time; time.sleep(1)\n{TELL}")], workers=2)
    assert answers[0][0].measured["process"] != answers[1][0].measured["process"]


def test_what_a_job_leaves_behind_is_gone_for_the_next() -> None:
    leave = """
        import os, random, signal, sys, types, warnings
        os.environ["LEFT"] = "x"; del os.environ["PATH"]
        sys.path.append("/left"); sys.argv.append("--left"); sys.modules["left"] = types.ModuleType("left")
        signal.signal(signal.SIGTERM, lambda *_: None); signal.alarm(1000)
        warnings.simplefilter("ignore"); random.seed(5)
        open("left", "w").close(); sys.setrecursionlimit(5000); sys.stdout = None
        import builtins; builtins.left = 1
    """
    look = """
        import os, signal, sys, warnings
        assert "LEFT" not in os.environ and "PATH" in os.environ
        assert "/left" not in sys.path and "--left" not in sys.argv and "left" not in sys.modules
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL and signal.alarm(0) == 0
        assert os.listdir() == [] and sys.getrecursionlimit() < 5000 and sys.stdout is not None
        import builtins; assert not hasattr(builtins, "left")
        print("still there")
    """
    first, second = verdicts([job(dedent(leave) + TELL), job(dedent(look) + TELL)])
    assert reasons(second) == ["Q0 was measured"]
    assert first[0].measured == second[0].measured, "the second job was to be done by the same process"


CHANGES = (
    "import builtins; builtins.print = None",
    "import sys; sys.exit = print",
    "import threading, time; threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    "import sys; sys.stdout.close()",
)
CHANGES_OF_KERAS = (
    "import keras; keras.layers.BatchNormalization.call = None",
    "import keras; keras.layers.Layer.added = lambda self: 1",
    "import keras; keras.backend.set_image_data_format('channels_first')",
    "import tensorflow as tf; tf.compat.v1.disable_eager_execution()",
)


@pytest.mark.parametrize(("changes", "environment"), [(CHANGES, WITHOUT_KERAS), (CHANGES_OF_KERAS, KERAS_3)], ids=["", "keras"])
def test_a_process_that_is_not_as_new_is_replaced(changes: tuple[str, ...], environment: Environment) -> None:
    answers = verdicts([job(f"{change}\n{TELL}", environment=environment) for change in (*changes, "")])
    assert {each[0].status for each in answers} == {"confirmed"}
    processes = [each[0].measured["process"] for each in answers]
    assert [change for change, this, following in zip(changes, processes, processes[1:], strict=False) if this == following] == []


def test_a_process_that_has_built_and_trained_a_model_is_as_new() -> None:
    text = """
        import numpy as np, keras, tensorflow as tf
        model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
        model.compile("adam", "mse")
        model.fit(np.zeros((8, 8)), np.zeros((8, 4)), verbose=0)
        model.save("model.keras")
        keras.models.load_model("model.keras")
    """
    answers = verdicts(
        [job(dedent(text) + TELL, environment=environment) for environment in (KERAS_3, KERAS_3, KERAS_2, KERAS_2)]
    )
    first, second, third, fourth = [each[0].measured["process"] for each in answers]
    assert first == second and third == fourth


def test_modules_of_the_project_are_imported_anew(tmp_path: Path) -> None:
    (tmp_path / "own_part.py").write_text("count = 0")
    text = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import own_part; own_part.count += 1\n"
    text += "def Q0():\n    import os\n    return {'count': own_part.count, 'process': os.getpid()}\n"
    first, second = verdicts([job(text), job(text)])
    assert first[0].measured == second[0].measured and first[0].measured["count"] == 1


# What goes wrong


def test_a_question_that_kills_the_process_is_lost_and_the_others_are_asked_again() -> None:
    text = """
        import os
        def Q1(): os._exit(7)
        def Q3():
            while True: pass
        def Q4(): raise KeyboardInterrupt
        def Q5(): return {"value": 5}
    """
    answers = verdicts([job(text, "Q0 Q1 Q2 Q3 Q4 Q5")], timeout=3)[0]
    assert reasons(answers) == [
        "Q0 was measured",
        "the process ended with exit code 7, as with os._exit",
        "Q2 was measured",
        "not done within 3 seconds (--timeout)",
        "KeyboardInterrupt",
        "Q5 was measured",
    ]
    assert answers[5].measured == {"value": 5}


def test_a_file_that_dies_before_any_question_is_not_run_again(tmp_path: Path) -> None:
    text = "import os; print('run'); os._exit(4)"
    assert reasons(verdicts([job(text, "Q0 Q1")])[0]) == ["the process ended with exit code 4, as with os._exit"] * 2


def test_two_questions_lost_in_a_row_tell_for_the_others() -> None:
    text = "import os\ndef Q1(): os._exit(1)\nQ2 = Q3 = Q1\n"
    answers = verdicts([job(text, "Q0 Q1 Q2 Q3 Q4")])[0]
    assert [verdict.status for verdict in answers] == ["confirmed", *["inconclusive"] * 4]
    assert len(set(reasons(answers)[1:])) == 1


@pytest.mark.parametrize("leave", ["pass", "os.setsid()"])
def test_a_process_that_is_gone_is_missed_though_another_holds_its_pipe(leave: str) -> None:
    text = f"""
        import ctypes, os, time
        def Q0():
            if ctypes.CDLL(None).fork() == 0:
                {leave}
                time.sleep(30)
                os._exit(0)
            os._exit(5)
    """
    assert reasons(verdicts([job(text)], timeout=25)[0]) == ["the process ended with exit code 5, as with os._exit"]


def test_the_time_limit_is_that_of_each_question() -> None:
    text = "import time\ndef Q0(): time.sleep(2)\nQ1 = Q2 = Q0\n"
    assert reasons(verdicts([job(text, "Q0 Q1 Q2")], timeout=4)[0]) == ["Q0 was measured", "Q1 was measured", "Q2 was measured"]


def test_a_question_without_an_answer_is_inconclusive() -> None:
    assert reasons(verdicts([job("", "Q0 Q1")], perform="forgetful")[0]) == ["nothing was measured"] * 2


def test_an_answer_to_no_question_ends_the_process() -> None:
    assert reasons(verdicts([job()], perform="lying")[0]) == ["what the process said made no sense to bnlint"]


def test_a_backend_that_is_not_installed_is_named() -> None:
    missing = Environment("3", "nowhere")
    first, second = verdicts([job(environment=missing), job()])
    assert first[0].status == "inconclusive" and "nowhere" in first[0].reason
    assert second[0].status == "confirmed"


def test_a_worker_that_cannot_start_is_given_up(folder: Path) -> None:
    answers = verdicts([job(questions="Q0 Q1"), job()], perform="no_such_function")
    assert all("no_such_function" in verdict.reason for each in answers for verdict in each)


def test_memory_is_limited_as_asked() -> None:
    text = "import numpy as np; np.ones(3 * 2**29, 'uint8')"
    assert reasons(verdicts([job(text)], memory=1 << 30)[0]) == ["the code needs more than 1 GB of memory"]


def test_nothing_is_left_when_the_caller_stops_early(folder: Path) -> None:
    text = "import os\ndef Q0(): return {'process': os.getpid()}\ndef Q1():\n    while True: pass\n"
    run = run_jobs([job(text, "Q0 Q1")], timeout=600, workers=1, perform="stand_in:perform")
    process = int(next(run)[2].measured["process"])
    started = monotonic()
    run.close()  # type: ignore[attr-defined]
    assert monotonic() - started < 60
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    assert list(folder.iterdir()) == []
