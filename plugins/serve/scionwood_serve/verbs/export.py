"""Write a folder for a container or for vLLM: `scionwood serve export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import find_run
from scionwood.authoring import OutputPath, prints
from scionwood_serve.verbs.references import named_run


def _print_start(folder: Path, *, kind: str) -> None:
    is_vllm = kind == "vllm"
    step = (
        f"start it with {folder / 'serve.sh'}"
        if is_vllm
        else f"build it with docker build {folder}"
    )
    print(f"{folder}: {step}")


@prints(_print_start)
def export(
    kind: Literal["dockerfile", "vllm"],
    runs: list[str],
    folder: OutputPath,
    *,
    base: str = "",
    force: bool = False,
) -> Path:
    """Write a folder for a container, or for vLLM.

    Args:
        kind: `dockerfile` for a container with the runs in it; `vllm` for language runs with plain
            LoRA, as folders that its resolver finds by name.
        runs: the runs, each as RUN or NAME=RUN.
        folder: the folder to write.
        base: for vLLM, the model as it is to load it; by default as the adapters name it.
        force: replace an existing folder.

    Raises:
        ServingError: a name is no part of a URL, or vLLM would not compute the adapter as trained.
        TrainingError: a run is not finished.
        OutputExistsError: the folder exists and `force` is false.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import export
        >>> folder = export("dockerfile", ["seismic/denoise"], Path("container"))
        >>> sorted(path.name for path in folder.iterdir())
        ['Dockerfile', 'README.md', 'runs', 'wheels']
    """
    places: dict[str, str | Path] = {}
    for text in runs:
        name, run = named_run(text)
        place = find_run(run)
        places[name or place.resolve().name.lower()] = place
    if kind == "vllm":
        from scionwood_serve.exports.vllm import export_vllm

        return export_vllm(places, folder, base=base, force=force)
    from scionwood_serve.exports.container import export_container

    return export_container(places, folder, force=force)
