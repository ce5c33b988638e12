"""The command `scionwood serve export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from scionwood import find_run
from scionwood.authoring import OutputPath
from scionwood_serve.cli.references import named_run


def export(
    kind: Literal["dockerfile", "vllm"],
    runs: list[str],
    folder: OutputPath,
    *,
    base: str = "",
    force: bool = False,
) -> None:
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
    """
    found: dict[str, str | Path] = {}
    for text in runs:
        name, run = named_run(text)
        place = find_run(run)
        found[name or place.resolve().name.lower()] = place
    if kind == "vllm":
        from scionwood_serve.exports.vllm import export_vllm

        export_vllm(found, folder, base=base, force=force)
        print(f"{folder}: start it with {folder / 'serve.sh'}")
        return
    from scionwood_serve.exports.container import export_container

    export_container(found, folder, force=force)
    print(f"{folder}: build it with docker build {folder}")
