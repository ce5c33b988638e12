"""Choose how to fit labels, by a validation split: `scionwood atoms choose`."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from hashlib import sha256
from json import dumps, loads
from pathlib import Path
from typing import Any, Literal, final

from scionwood import TrainingError
from scionwood.authoring import (
    InputPath,
    atomic_folder,
    changing,
    check_target,
    print_table,
    prints,
    read_utf8,
)

Method = Literal["ia3", "lora", "full"]
ADAPTERS: dict[Method, dict[str, Any]] = {
    "ia3": {"name": "ia3", "feedforward_modules": []},  # peft would ask for a transformer's
    "lora": {"name": "lora", "r": 4, "lora_alpha": 4},
    "full": {"name": "full"},
}
CLOSE = 1.05  # Errors within 5 % of each other: other seeds may turn their order
FEW = 5  # Validation structures below which the choice is a guess
STRESS_WEIGHT = 257.0  # To 10 of the forces, as SevenNet was trained; see `PotentialTask`


@final
@dataclass(frozen=True)
class Way:
    """One way to fit the labels, at its best rate, measured on the validation split."""

    model: str  # `frozen`, `ia3`, `lora`, `full` or `sGDML`
    force: float  # the root mean square of the force error, meV/A
    energy: float  # that of the energy, meV/atom
    stress: float | None = None  # that of the stress, GPa
    rate: float | None = None
    steps: int = 0
    seconds: float = 0.0
    size: float = 0.0  # of what the fit stores beside the base, kB
    drift: float | None = None  # the change of forces on other crystals, meV/A
    run: str = ""


@final
@dataclass(frozen=True)
class Choice:
    """What each way to fit the labels gives on the validation split."""

    run: Path  # the chosen one
    ways: tuple[Way, ...]  # the smallest force error first
    structures: tuple[int, int]  # of the training and of the validation
    advice: str  # what to use, and why


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
    names = ["model", "force, meV/A", "energy, meV/atom", "stress, GPa", "rate", "steps"]
    names += ["seconds", "kB", "drift, meV/A"]
    rows: list[list[Any]] = [
        [float(f"{v:.3g}") if isinstance(v, float) else v for v in list(asdict(one).values())[:-1]]
        for one in choice.ways
    ]
    title = "validation, {1} structures; {0} to train".format(*choice.structures)
    print_table(names, rows, title=title)
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
    methods: list[Method] | None = None,
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
    the last three with three rates and equal seconds each, by `scionwood study`. Where all
    structures are one molecule, a kernel model (sGDML) stands beside them: if it is best, the
    advice says so, and the chosen run is the best network. An interrupted call goes on where it
    stopped: finished fits, with their errors at all rates, are in the
    folder `RUN-study-...`.

    Args:
        structures: extended XYZ, databases of ase, OUTCAR or vasprun.xml, with labels.
        run: the folder of the chosen run, which also holds `choice.json`.
        isolated: files with isolated atoms.
        test: files with labels that no fit may see; without them a share of the others is left out.
        base: the potential to start from.
        budget: minutes for all fits.
        steps: the steps of each fit instead of a budget.
        methods: the fits to try; all of them by default.
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
        ScionwoodError: the labels cannot be trained on, the budget is too small, a target exists
            and `force` is false, or each fit diverged.

    Example:
        >>> choice = choose(["train.xyz"], base="sevennet/tiny", steps=2, methods=["lora"])
        >>> sorted(way.model for way in choice.ways)
        ['frozen', 'lora', 'sGDML']
    """
    from scionwood_atoms.backbones import potential
    from scionwood_atoms.data.files import Files
    from scionwood_atoms.evaluation.of_run import kernel_errors, measured
    from scionwood_atoms.tasks.potential import has_stress
    from scionwood_methods import study

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
    backbone, _, version = base.partition("/")
    change: dict[str, Any] = {
        "backbone": {"name": f"atoms/{backbone}", "model": version},
        "data": {"name": "atoms/files", **options},
        "task.stress_weight": STRESS_WEIGHT if has_stress(data) else 0.0,
        "seed": seed,
    }
    read = b"".join(Path(p).read_bytes() for p in (*data.source, *data.isolated, *data.test))
    folder = Path(f"{run}-study-{sha256(read).hexdigest()[:8]}")  # other labels, another folder
    targets, arms = "blocks" if backbone == "chgnet" else "all", list[Any]()
    for method in (names := [*methods] if methods else [*ADAPTERS]):
        adapter = ADAPTERS[method] | ({"targets": targets} if method != "full" else {})
        text = [f"{key}={dumps(value)}" for key, value in {**change, "adapter": adapter}.items()]
        shared: dict[str, Any] = dict(budget=budget / len(names), steps=steps, force=force)
        fits = study("atoms/few_shot", folder / method, methods=[method], override=text, **shared)
        arms += fits.arms
    assert data.reference is not None
    parts, model = data.parts, potential(base).eval()
    rows = [measured("frozen", model, parts["val"], data.reference)[0]]
    rows += kernel_errors(parts["train"], parts["val"], parts["val"])
    ways, lost = [Way(row.model, row.force, row.energy) for row in rows], []
    for arm in arms:
        if arm.validation is None:
            lost.append(f"{arm.method} failed: {arm.failure}")
            continue
        name = f"{arm.method}/{arm.name}"
        card = loads(read_utf8(folder / name / "drift.json"))
        wrong, drift = card["validation"], card["crystals"].get("force")
        errors = (wrong["force"], wrong["energy"], wrong["stress"])
        spent = (arm.rate, arm.steps, arm.seconds)
        ways.append(Way(arm.method, *errors, *spent, arm.size / 1000, drift, name))
    ranked = tuple(sorted(ways, key=lambda one: one.force))
    networks = [way.run for way in ranked if way.run]
    if not networks:
        raise TrainingError("choose", " ".join(lost), "Check the labels")
    sizes = len(data.parts["train"]), len(data.parts["val"])
    choice = Choice(run, ranked, sizes, " ".join([advised(ranked, sizes[1]), *lost]))
    with atomic_folder(run, overwrite=force) as part:
        shutil.copytree(folder / networks[0], part, dirs_exist_ok=True)
        with changing(part, ["choice.json"]):
            (part / "choice.json").write_text(_as_json(choice) + "\n", "utf-8")
    return choice


def advised(ranked: tuple[Way, ...], structures: int) -> str:
    """Return what to use, and why."""
    first, network = ranked[0], next(way for way in ranked if way.run)
    others = ", ".join(f"{way.force:.3g} of {way.model}" for way in ranked[1:])
    error = f"{first.force:.3g} meV/A on the validation, {structures} structures, against {others}"
    if first.model == "sGDML":
        return (
            f"Use a kernel model (sGDML) for this molecule: {error}. It knows no other molecule; "
            f"for others take the chosen run, {network.run}. Its code is "
            "scionwood_atoms.evaluation.kernel.fit_kernel; it is not saved."
        )
    if first.model == "frozen":
        return f"Use the frozen model with its reference energies: {error}. No fit is better."
    notes = [f"Use {first.model} at rate {first.rate:g}: {error}."]
    if close := [way.model for way in ranked[1:] if way.force < CLOSE * first.force]:
        notes.append(f"{' and '.join(close)} within 5 %: another seed may turn the order.")
    if structures < FEW:
        notes.append(f"{structures} structures of validation decide little: raise --share.")
    return " ".join(notes)


def _as_json(choice: Choice) -> str:
    return dumps(asdict(choice), indent=1, default=str)
