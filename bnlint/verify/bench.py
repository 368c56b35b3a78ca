"""What an experiment works with, in the child process: the live objects of a finding."""

from __future__ import annotations


class Bench:
    """The live layers, models and events that belong to one finding."""
