"""The rules, one module each: beside this file in a wheel, in the top-level ``rules`` folder of a checkout."""

from pathlib import Path

_checkout = Path(__file__).resolve().parent.parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "rules").is_dir():
    __path__.append(str(_checkout / "rules"))
