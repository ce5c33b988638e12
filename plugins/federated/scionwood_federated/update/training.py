"""Train at a site from what the round starts from."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scionwood import adapters, find_run, load_adapter, load_head, resolve
from scionwood import fit as fit_recipe
from scionwood.authoring import InexactResumeWarning
from scionwood_federated.update.folder import ADAPTER, FEDERATION, HEAD, note_start, read_start
from scionwood_federated.update.hashes import recipe_hash
from scionwood_federated.update.record import FederationError

if TYPE_CHECKING:
    from scionwood_federated.privacy.differential import Privacy

HeldOut = Literal["", "A", "B"]


def train_site(
    recipe: str | Path,
    start: str | Path,
    run: str | Path,
    *,
    overrides: tuple[str, ...] = (),
    hold: HeldOut = "",
    head_of: str | Path | None = None,
    privacy: Privacy | None = None,
) -> Path:
    """Train a recipe at a site, from the weights that all sites of a round start from.

    Args:
        recipe: the recipe that all sites share.
        start: the folder that `begin` or `pool` wrote.
        run: the run folder to write.
        overrides: the options that are the site's own, such as `["data.source=/data/scans"]`.
        hold: the factor of a LoRA that does not move: `A` for the rule `frozen_a`.
        head_of: a run of this site whose head is used, where heads stay at their sites.
        privacy: the budget of differential privacy, which the record of the update then states.

    Returns:
        The run folder.

    Raises:
        FederationError: the recipe is not that of the start, or cannot be trained privately.
        AdapterFileError: the start was made for another base, or is damaged.

    Example:
        >>> import scionwood
        >>> from scionwood_federated import begin_round, train_site
        >>> small = scionwood.resolve("pde/dynamics", smoke=True)
        >>> start = begin_round(small, "round0")
        >>> run = train_site("round0/recipe.yaml", "round0", "runs/north")
        >>> (run / "federation.json").is_file()
        True
    """
    begun = read_start(start)
    resolved: Any = resolve(recipe, list(overrides))
    if recipe_hash(resolved) != begun.about.recipe:
        rule = "its task, backbone or adapter is not that of the start"
        raise FederationError(f"recipe {resolved.name}", rule, f"Use the recipe of {start}")
    import lightning as L

    L.seed_everything(resolved.seed, workers=True, verbose=False)
    saved_modules = resolved.adapter.options.get("modules_to_save") or ()
    folder = Path(start) / ADAPTER
    model: Any = load_adapter(
        resolved.backbone.build(), folder, trainable=True, whole=saved_modules
    )
    heads = Path(start) / HEAD if head_of is None else find_run(head_of) / HEAD
    if heads.is_file():
        load_head(model, heads)
    hold_factor(model, hold)
    if privacy is None:
        run_folder = Path(fit_recipe(resolved, run_dir=run, backbone=model))
        note_start(run_folder, begun, hold)
        return run_folder
    from scionwood_federated.privacy.differential import PrivateTraining

    private = PrivateTraining(privacy)
    with warnings.catch_warnings():  # a private run begins again rather than spend a budget twice
        warnings.simplefilter("ignore", InexactResumeWarning)
        for advice in ("Full backward hook is firing", "grad and param do not obey"):
            warnings.filterwarnings("ignore", message=advice)  # of Opacus's hooks and its gradients
        run_folder = Path(fit_recipe(resolved, run_dir=run, backbone=model, callbacks=[private]))
    note_start(run_folder, begun, hold, private.record())
    return run_folder


def privacy_of(text: str, after: str | Path | None = None) -> Privacy:
    """Return the budget of a text such as `epsilon=8,delta=1e-5,clip=1`.

    Args:
        text: the numbers; what is not named has its default.
        after: the run of the last round of this site, whose spent budget adds up.

    Raises:
        FederationError: a name or a number is wrong.
    """
    from scionwood_federated.privacy.differential import Privacy

    pairs = [part.partition("=") for part in text.split(",") if part]
    try:
        numbers: Any = {name.strip(): float(value) for name, _, value in pairs}
        budget = Privacy(before=(), **numbers)  # another name is a TypeError
    except (ValueError, TypeError) as error:
        remedy = "Give numbers such as epsilon=8,delta=1e-5,clip=1"
        raise FederationError(f"budget {text!r:.80}", "it is no budget", remedy) from error
    if after is None:
        return budget
    spent = adapters.read_json(find_run(after) / FEDERATION).get("privacy") or {}
    history = tuple((float(n), float(r), int(s)) for n, r, s in spent.get("history", ()))
    return replace(budget, before=history)


def hold_factor(model: Any, hold: HeldOut) -> None:
    """Freeze one factor of every LoRA layer.

    Args:
        model: a model with adapters, which is changed in place.
        hold: `A`, `B`, or nothing.

    Raises:
        FederationError: the adapter has no such factor.
    """
    if not hold:
        return
    parts = (f"lora_{hold}", f"lora_embedding_{hold}")
    parameters = [
        parameter
        for name, parameter in model.named_parameters()
        if any(part in name.split(".") for part in parts)
    ]
    if not parameters:
        rule = f"the adapter has no factor {hold}"
        raise FederationError(f"hold {hold}", rule, "Hold a factor of LoRA only")
    for parameter in parameters:
        parameter.requires_grad_(False)
