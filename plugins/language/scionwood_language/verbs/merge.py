"""Merge the adapter of a run into its model: `scionwood language merge`."""

from __future__ import annotations

from pathlib import Path

from scionwood.authoring import OutputPath, RunPath, check_target, prints


def _print_use(target: Path) -> None:
    print(f"{target}: use it as backbone.model and data.tokenizer")


@prints(_print_use)
def merge(target: OutputPath, *, run: RunPath, force: bool = False) -> Path:
    """Merge the adapter of a run into its model, and write the model as a folder of transformers.

    Any tool that reads models of transformers can use the folder, such as lm-evaluation-harness.
    Here it can be `backbone.model` and `data.tokenizer` of another recipe.

    Args:
        target: the folder to write.
        run: a run on `language/causal_lm`, as a folder or by its name.
        force: replace the folder if it exists.

    Returns:
        The folder.

    Raises:
        OutputExistsError: the folder exists and `force` is false.
        AdapterError: the adapter method of the run cannot be merged.
        TrainingError: the run is not finished.
        AdapterFileError: the adapter is damaged, or was made for another base.
        WriteError: the folder cannot be written.

    Example:
        >>> from scionwood_language import merge
        >>> merged = merge("merged", run="bangla/register_tiny")
        >>> (merged / "model.safetensors").is_file()
        True
    """
    check_target(target, force)
    from scionwood_language.inference.writer import Writer

    Writer.of_run(run).save_merged(target, overwrite=force)
    return Path(target)
