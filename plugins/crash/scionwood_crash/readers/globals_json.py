"""Numbers of whole runs in PhysicsNeMo's `global_features.json`, by run and name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from scionwood import ReadError
from scionwood.authoring import atomic_path

NAME = "global_features.json"


def read_features(path: Path) -> dict[str, float]:
    """Return the numbers of a run from the JSON file beside its data; without file, none.

    A run is named after its file, or after its folder if the JSON file lies beside that folder.

    Args:
        path: data of the run; its stem is the name of the run.

    Raises:
        ReadError: the JSON file is damaged, or a value is not a number.
    """
    path = path.absolute()
    return _of_run(path.with_name(NAME), path.stem) or _of_run(
        path.parent.with_name(NAME), path.parent.name
    )


def _of_run(file: Path, run: str) -> dict[str, float]:
    if not run or not file.is_file():
        return {}
    try:
        numbers = json.loads(file.read_text()).get(run, {})
        return {str(name): float(value) for name, value in numbers.items()}
    except (ValueError, AttributeError, TypeError, RecursionError) as error:
        rule = f"it is not JSON with numbers by run and name ({error})"
        raise ReadError(str(file), rule, "Such as {'run1': {'velocity_x': 10}}") from error


def write_features(folder: Path, runs: Mapping[str, Mapping[str, float]]) -> Path:
    """Write the numbers of runs, and keep those of other runs in the file.

    Args:
        folder: folder of the runs' data.
        runs: numbers by run and name; a run without numbers is removed.

    Raises:
        ReadError: the file exists and is not JSON.
    """
    file = Path(folder) / NAME
    features_by_run: dict[str, Mapping[str, float]] = {}
    if file.is_file():
        try:
            features_by_run = dict(json.loads(file.read_text()))
        except (ValueError, TypeError) as error:
            raise ReadError(
                str(file), f"it is not JSON ({error})", "Repair or remove it"
            ) from error
    features_by_run = {
        run: numbers for run, numbers in {**features_by_run, **runs}.items() if numbers
    }
    with atomic_path(file) as part:
        part.write_text(json.dumps(features_by_run, indent=1, sort_keys=True))
    return file
