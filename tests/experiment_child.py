"""Answers jobs, a line of JSON each, with verdicts: a child process without limits, for the tests of experiments."""

from __future__ import annotations

import json
import os
import sys

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
os.dup2(1, 2)
if sys.argv[1] == "2":
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    import tf_keras

    sys.modules["keras"] = tf_keras
import keras  # noqa: F401
import tf_keras

from bnlint.verify.jobs import Job, verdict_to_json
from bnlint.verify.perform import perform

for line in sys.stdin:
    verdicts = [verdict_to_json(verdict) for _, verdict in perform(Job.from_json(line), lambda index: None)]
    ANSWERS.write(json.dumps(verdicts) + "\n")
    ANSWERS.flush()
