"""Write a folder for vLLM: `scionwood serve export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import find_run
from scionwood.authoring import OutputPath, prints
from scionwood_serve.verbs.references import named_run


def _print_start(folder: Path) -> None:
    print(f"{folder}: start it with {folder / 'serve.sh'}")


@prints(_print_start)
def export(
    kind: Literal["vllm"],
    runs: list[str],
    folder: OutputPath,
    *,
    base: str = "",
    force: bool = False,
) -> Path:
    """Write language runs with plain LoRA as a folder for vLLM, whose resolver finds them by name.

    Args:
        kind: `vllm`.
        runs: the runs, each as RUN or NAME=RUN.
        folder: the folder to write.
        base: the model as vLLM is to load it; by default as the adapters name it.
        force: replace an existing folder.

    Raises:
        ServingError: a name is no part of a URL, or vLLM would not compute the adapter as trained.
        TrainingError: a run is not finished.
        OutputExistsError: the folder exists and `force` is false.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import export
        >>> folder = export("vllm", ["bangla/register_tiny"], Path("vllm"), base="my/model")
        >>> sorted(path.name for path in folder.iterdir())
        ['adapters', 'serve.sh']
    """
    from scionwood_serve.exports.vllm import export_vllm

    places: dict[str, str | Path] = {}
    for text in runs:
        name, run = named_run(text)
        place = find_run(run)
        places[name or place.resolve().name.lower()] = place
    return export_vllm(places, folder, base=base, force=force)
