"""Saved Keras models, looked into without being loaded: nothing that is in the file is run.

:func:`inspect_file` is the whole interface; ``bnlint inspect`` prints what it returns. It reads in a child process, which
alone imports h5py and numpy and has limits on time and memory, so that a crafted file can do no more than end that child.
"""

from bnlint.inspect.results import FileFinding, Inspection, InspectionError, SavedNorm, Spread
from bnlint.inspect.worker import inspect_file

__all__ = ["FileFinding", "Inspection", "InspectionError", "SavedNorm", "Spread", "inspect_file"]
