"""Diagnose a run folder."""

from __future__ import annotations

from pathlib import Path

from peft import PeftModel

from scionwood import AdapterError, load_run
from scionwood_methods.diagnosis.meanfield import Diagnosis, diagnose_model


def diagnose_run(run: str | Path) -> Diagnosis:
    """Return mean-field quantities of forgetting for each attention block of a run.

    Args:
        run: the run folder, or another reference to a run; see `scionwood.find_run`.

    Raises:
        TrainingError: the folder is not a finished run.
        AdapterError: the run has no adapter, no attention of a known kind, or no map to compare.

    Example:
        >>> from scionwood_methods import diagnose_run
        >>> len(diagnose_run("seismic/denoise").shifts) > 0
        True
    """
    model = load_run(run).backbone
    if not isinstance(model, PeftModel):
        raise AdapterError(f"run {run}", "it has no adapter", "Train one: scionwood fit")
    return diagnose_model(model)
