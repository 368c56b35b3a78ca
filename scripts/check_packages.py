"""Run bnlint on published packages that hold Keras code: how long it takes, what fails, what it reports.

Usage: python scripts/check_packages.py [--json] [NAME[==VERSION] ...]

The packages are downloaded with pip, from the index that pip is set up for, into a temporary folder that is deleted again. They are
read, never installed or imported.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

PACKAGES = (
    "segmentation-models==1.0.1", "image-classifiers==1.0.0", "efficientnet==1.1.1", "keras-applications==1.0.8", "keras-hub==0.32.0",
    "keras-cv==0.9.0", "keras-efficientnet-v2==1.2.2", "keras-cv-attention-models==1.4.3", "keras-unet-collection==0.1.13",
    "keras-resnet==0.2.0", "keras-retinanet==1.0.0", "larq-zoo==2.4.0", "deepctr==0.9.4", "tf-models-official==2.20.0",
    "tf-agents==0.19.0", "spektral==1.3.1", "stardist==0.9.2", "csbdeep==0.8.2", "deepface==0.0.103", "basic-pitch==0.4.0",
    "keras-tuner==1.4.8", "autokeras==3.0.0", "keras-rl2==1.0.5", "tensorflow-addons==0.23.0", "tensorflow-gan==2.1.0", "kapre==0.4.1",
    "keras-tcn==3.5.7", "tf-explain==0.3.1", "deeplabcut==3.0.2", "innvestigate==2.1.2", "mrcnn==0.2", "keras==3.15.1", "tf_keras==2.21.0",
    "keras-nlp==0.32.0", "keras-rl==0.4.2", "keras-vggface==0.6", "mtcnn==1.0.0", "retina-face==0.0.19", "alibi-detect==0.13.0",
    "axelerate==0.7.5", "biggan==1.0.0a1", "deepreg==0.1.2", "deeptrack==2.0.2", "deepvision-toolkit==0.1.6", "deoxys==0.0.11",
    "distnet2d==0.2.6", "dynastes==0.9.3", "easygans==0.4", "efficient-det==0.1.3", "gretel-synthetics==0.22.20",
    "keras-climate==0.1.1", "keras-declarative==0.6.0", "keras-eo==2023.7.14.post2", "keras-fsl==0.2.0", "keras-genomics==0.1.2.1",
    "keras-gym==0.2.17", "keras-maskrcnn==0.2.2", "keras-mobile==1.0.2", "keras-ocr==0.9.3", "keras-segmentation==0.3.0", "n2v==0.3.3",
    "neurite==0.3.4", "nobrainer==1.2.1", "tensorflow-model-optimization==0.8.1", "tensorflow-similarity==0.17.1",
    "tf2-yolov4==0.1.0", "voxelmorph==0.3.4", "ydata-synthetic==2.0.1", "yolov4==3.2.0", "scikit-learn==1.9.1",
)  # fmt: skip


@dataclass
class Result:
    """What bnlint made of one package."""

    package: str
    files: int = 0
    seconds: float = 0.0
    errors: list[str] = field(default_factory=list)
    findings: dict[str, int] = field(default_factory=dict)


def main() -> int:
    """Check the packages; the exit code is 1 if bnlint itself failed on one, or one could not be had."""
    parser = argparse.ArgumentParser(description="Run bnlint on published packages.")
    parser.add_argument("packages", nargs="*", default=list(PACKAGES), help="requirements as pip takes them")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    results = []
    for package in options.packages:
        with tempfile.TemporaryDirectory() as folder:
            results.append(checked(package, Path(folder)))
        if not options.json:
            print(row(results[-1]), flush=True)
    if options.json:
        print(json.dumps([asdict(each) for each in results], indent=2))
    return int(any(each.errors for each in results))


def checked(package: str, folder: Path) -> Result:
    """Download, unpack and check one package."""
    result = Result(package)
    sources = folder / "sources"
    sources.mkdir()
    fault = fetch(package, folder)
    if fault:
        result.errors.append(fault)
        return result
    unpack(folder, sources)
    result.files = sum(1 for _ in sources.rglob("*.py"))
    start = time.perf_counter()
    command = [sys.executable, "-m", "bnlint", "check", "--isolated", "--output-format", "json", str(sources)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    result.seconds = round(time.perf_counter() - start, 1)
    result.errors += internal_errors(process.stderr)
    try:
        result.findings = dict(sorted(Counter(each["code"] for each in json.loads(process.stdout)).items()))
    except json.JSONDecodeError:
        result.errors.append(f"no report (exit code {process.returncode})")
    return result


def fetch(package: str, folder: Path) -> str:
    """Download a package; what went wrong, if anything did."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if process.returncode == 0 else f"pip: {(process.stderr.strip().splitlines() or ['failed'])[-1]}"


def unpack(folder: Path, sources: Path) -> None:
    """Unpack the Python files of what was downloaded."""
    for archive in archives(folder):
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(sources, [name for name in wheel.namelist() if name.endswith(".py")])
        else:
            with tarfile.open(archive) as tar:
                members = [each for each in tar.getmembers() if each.isfile() and each.name.endswith(".py")]
                tar.extractall(sources, members, filter="data")


def archives(folder: Path) -> Iterator[Path]:
    """The archives in a folder."""
    return (each for each in sorted(folder.iterdir()) if each.name.endswith((".whl", ".zip", ".tar.gz", ".tar.bz2")))


def internal_errors(text: str) -> Sequence[str]:
    """The lines in which bnlint says that it failed."""
    return [line for line in text.splitlines() if "internal error" in line]


def row(result: Result) -> str:
    """One line of the table."""
    counts = ", ".join(f"{code} {count}" for code, count in result.findings.items()) or "-"
    errors = "".join(f"\n    {each}" for each in result.errors)
    return f"{result.package:36}{result.files:>6} files{result.seconds:>8.1f} s{len(result.errors):>4} errors   {counts}{errors}"


if __name__ == "__main__":
    sys.exit(main())
