"""Choose how to fit labels, by a validation split: `scionwood atoms choose`."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, final

from scionwood import TrainingError
from scionwood.authoring import (
    InputPath,
    atomic_folder,
    changing,
    check_target,
    print_table,
    prints,
)

if TYPE_CHECKING:
    from scionwood_atoms.evaluation.arms import Arm, Trials

Rates = dict[str, dict[float, float | None]]

CLOSE = 1.05  # Errors within 5 % of each other: other seeds may turn their order
FEW = 5  # Validation structures below which the choice is a guess


@final
@dataclass(frozen=True)
class Choice:
    """What each way to fit the labels gives on the validation split.

    Attributes:
        run: the chosen run.
        arms: each way with its best rate, the smallest error first.
        rates: the force error at each rate, meV/A, by way; `None` where it diverged.
        structures: structures of the training and of the validation.
        steps: the steps of each fit.
        advice: what to use, and why.
    """

    run: Path
    arms: tuple[Arm, ...]
    rates: Rates
    structures: tuple[int, int]
    steps: int
    advice: str


def _print_choice(choice: Choice, *, json: bool = False) -> None:
    """Print the advice and a table of all ways.

    Args:
        choice: the result.
        json: print JSON.
    """
    if json:
        print(_as_json(choice))
        return
    print(choice.advice)
    has_stress = any(arm.stress is not None for arm in choice.arms)
    names = ["model", "rate", "force, meV/A", "energy, meV/atom"]
    names += ["stress, GPa"] * has_stress + ["seconds", "kB", "drift, meV/A", "at other rates"]
    rows: list[list[str | float | None]] = []
    row: list[str | float | None]
    for arm in choice.arms:
        tried = choice.rates.get(arm.model, {}).items()
        others = (f"{r:g}: {e:.3g}" if e else f"{r:g}: diverged" for r, e in tried if r != arm.rate)
        row = [arm.model, arm.rate or None, round(arm.force, 1), round(arm.energy, 2)]
        row += [*[arm.stress and round(arm.stress, 3)] * has_stress]
        row += [round(arm.seconds), round(arm.size / 1000), arm.drift and round(arm.drift, 1)]
        rows.append([*row, ", ".join(others)])
    train, val = choice.structures
    print_table(
        names, rows, title=f"validation, {val} structures; {train} to train, {choice.steps} steps"
    )
    print(f"the chosen run: {choice.run}")


@prints(_print_choice)
def choose(
    structures: list[InputPath],
    *,
    run: Path = Path("runs/chosen"),
    isolated: list[Path] | None = None,
    test: list[Path] | None = None,
    base: str = "sevennet/0",
    budget: float = 30.0,
    steps: int | None = None,
    arms: list[Literal["frozen", "ia3", "lora", "full"]] | None = None,
    reference: Literal["element", "composition"] = "element",
    energy: str = "energy",
    forces: str = "forces",
    n: int | None = None,
    share: float = 0.1,
    replay: int = 0,
    seed: int = 0,
    force: bool = False,
) -> Choice:
    """Fit labels in several ways, and choose one by the force error on a validation split.

    The ways are the frozen model with reference energies, magnitudes (IA3), LoRA and full tuning,
    each with three rates and the same number of steps. Where all structures are one molecule, a
    kernel model (sGDML) stands beside them: if it is best, the advice says so, and the chosen run
    is the best network. An interrupted call goes on where it stopped: finished fits are in
    `RUN-arms`.

    Args:
        structures: extended XYZ, databases of ase, OUTCAR or vasprun.xml, with labels.
        run: the folder of the chosen run, which also holds `choice.json`.
        isolated: files with isolated atoms.
        test: files with labels that no fit may see; without them a share of the others is left out.
        base: the potential to start from.
        budget: minutes for all fits.
        steps: the steps of each fit instead of a budget.
        arms: the ways to try; all of them by default.
        reference: as of `atoms/files`.
        energy: the key of the energy.
        forces: the column of the forces in extended XYZ.
        n: training structures; all by default.
        share: the share of the validation, and of the test if it is cut.
        replay: crystals with labels of the frozen base in the training.
        seed: the seed of the draw and of the fits.
        force: replace the run, and fits of other options.

    Returns:
        The errors of each way, and what to use.

    Raises:
        OutputExistsError: the run exists, or its arms have other options, and `force` is false.
        RecipeError: the budget is too small, or there is no such base.
        LabelError: the labels cannot be trained on.
        OffsetError: the labels do not fix the reference energies.
        TrainingError: each fit diverged.

    Example:
        >>> choice = choose(["train.xyz"], base="sevennet/tiny", steps=2, arms=["frozen"])
        >>> [arm.model for arm in choice.arms]
        ['frozen', 'sGDML']
    """
    from scionwood_atoms.data.files import Files
    from scionwood_atoms.evaluation.arms import RATES, Trials, run_arms

    check_target(run, force)
    options: dict[str, Any] = {
        "source": [str(path) for path in structures],
        "isolated": [str(path) for path in isolated or ()],
        "test": [str(path) for path in test or ()],
        **dict(base=base, energy=energy, forces=forces, reference=reference),
        **dict(n=n, share=share, replay=replay, seed=seed),
    }
    data = Files(**options)
    data.setup("fit")  # bad labels end here, before any fit
    read = [Path(name).read_bytes() for name in (*data.source, *data.isolated, *data.test)]
    digests = [sha256(content).hexdigest() for content in read]
    shared: dict[str, Any] = {"data": options, "sha256": digests, "steps": steps or 0}
    shared |= {"budget": None if steps else budget, "fixed": steps}
    record = Trials(Path(f"{run}-arms"), shared)
    record.read(force=force)
    record.folder.mkdir(parents=True, exist_ok=True)
    run_arms(record, data, list(arms or RATES), budget)
    return _chosen(record.arms, record, run, data.card["structures"], force)


def _chosen(
    arms: list[Arm], record: Trials, run: Path, structures: dict[str, int], force: bool
) -> Choice:
    """Copy the run of the best network, and write what was tried beside it."""
    best: dict[str, Arm] = {}
    for arm in sorted(arms, key=lambda one: one.force):
        if not arm.failure:
            best.setdefault(arm.model, arm)
    ranked = tuple(best.values())
    networks = [arm for arm in ranked if arm.model != "sGDML"]
    if not networks:
        raise TrainingError("choose", f"each fit failed: {arms[-1].failure}", "Check the labels")
    rates: Rates = {}
    for arm in arms:
        if arm.rate:
            rates.setdefault(arm.model, {})[arm.rate] = None if arm.failure else arm.force
    sizes = structures["train"], structures["val"]
    advice = advised(ranked, networks[0], rates, sizes[1])
    choice = Choice(run, ranked, rates, sizes, record.options["steps"], advice)
    with atomic_folder(run, overwrite=force) as part:
        shutil.copytree(record.folder / networks[0].name, part, dirs_exist_ok=True)
        with changing(part, ["choice.json"]):
            (part / "choice.json").write_text(_as_json(choice) + "\n", "utf-8")
    return choice


def advised(ranked: tuple[Arm, ...], network: Arm, rates: Rates, structures: int) -> str:
    """Return what to use, and why."""
    first = ranked[0]
    others = [f"{arm.force:.3g} of {arm.model}" for arm in ranked[1:]]
    against = f", against {', '.join(others)}" if others else ""
    error = f"{first.force:.3g} meV/A on the validation, {structures} structures{against}"
    if first.model == "sGDML":
        return (
            f"Use a kernel model (sGDML) for this molecule: {error}. It knows no other molecule; "
            f"for others take the chosen run, {network.name}. Its code is "
            "scionwood_atoms.evaluation.kernel.fit_kernel; it is not saved."
        )
    if first.model == "frozen":
        return f"Use the frozen model with its reference energies: {error}. No fit is better."
    notes = [f"Use {first.model} at rate {first.rate:g}: {error}."]
    close = [a.model for a in ranked[1:] if a.force < CLOSE * first.force]
    if close:
        notes.append(f"{' and '.join(close)} within 5 %: another seed may turn the order.")
    if structures < FEW:
        notes.append(f"{structures} structures of validation decide little: raise --share.")
    if lost := [name for name, tried in rates.items() if not any(tried.values())]:
        notes.append(f"{' and '.join(lost)} diverged at each rate.")
    if first.rate in (min(rates[first.model]), max(rates[first.model])):
        notes.append("The rate is at the edge of the search.")
    return " ".join(notes)


def _as_json(choice: Choice) -> str:
    return dumps(asdict(choice), indent=1, default=str)
