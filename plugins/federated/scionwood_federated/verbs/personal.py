"""Choose at a site what it uses itself: `scionwood federated personal`."""

from __future__ import annotations

from typing import Literal

from scionwood.authoring import InputPath, OutputPath, RunPath

Kinds = Literal["adapter", "interpolate", "chosen", "shared"]


def personal(
    start: InputPath,
    own: RunPath,
    out: OutputPath,
    *,
    kind: Kinds = "chosen",
    steps: int = 60,
    seed: int = 0,
) -> None:
    """Choose at a site, by its own validation data, the model that it uses itself.

    The candidates are the pooled adapter, the one that the site trained alone, mixes of both, and a
    local adapter beside the pooled one. Nothing of it leaves the site.

    Args:
        start: the folder that `pool` wrote.
        own: the run of this site that trained alone, whose recipe names the site's data.
        out: the run folder to write.
        kind: interpolate for mixes, adapter for a local adapter, chosen for the best of both, or
            shared for the most shared one that is as good as the one trained alone.
        steps: of the local adapter.
        seed: of its training.

    Raises:
        FederationError: the pooled adapter is of another recipe or base, or the kind is adapter
            and the method is no LoRA.
        AdapterFileError: a folder is damaged.
        OutputExistsError: the folder exists.
    """
    from scionwood import find_run, resolve
    from scionwood_federated.simulation.model import SharedModel
    from scionwood_federated.simulation.personal import candidates, pick
    from scionwood_federated.simulation.run import write_model
    from scionwood_federated.simulation.sites import SiteData
    from scionwood_federated.update.folder import read_start, update_of
    from scionwood_federated.update.together import check_same

    everyone, recipe = read_start(start), resolve(find_run(own) / "recipe.yaml")
    model = SharedModel(recipe)
    first = model.state("own", 0, 0, 0)
    remedy = f"Give the folder of the federation of {own}"
    check_same(everyone.about, first.about, ("recipe", "base"), f"start {start}", remedy)
    site, alone = SiteData("own", recipe), update_of(own, samples=1)
    choices = candidates(model, site, everyone, alone, first, kind, steps, seed)
    choice = pick(choices, kind, higher=model.higher_is_better)
    write_model(model, choice.weights, recipe, {"personal": choice.name}, out)
    print(f"{out}: {choice.name}, {choice.validation:.4g} on the validation data of this site")
