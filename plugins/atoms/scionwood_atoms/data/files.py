"""Your own structures with first-principles labels, moved to the energy scale of a base."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
import torch

from scionwood import RecipeError, SplitData, TrainingError
from scionwood.authoring import DataFiles, DataLoader, Split
from scionwood_atoms.backbones import potential
from scionwood_atoms.data.frames import graph_of
from scionwood_atoms.data.labels import (
    Frame,
    LabelError,
    chosen,
    read_frames,
    split_frames,
)
from scionwood_atoms.data.replay import replay_structures
from scionwood_atoms.data.scale import check_labels, check_residuals
from scionwood_atoms.model.graph import Labelled, joined, no_stress
from scionwood_atoms.model.potential import Potential, predictions
from scionwood_atoms.model.reference import FILE, OffsetError, Reference, reference

SAMPLES = Path(__file__).parent / "samples"
SHIPPED = {name: str(SAMPLES / f"{name}.xyz") for name in ("acetylacetone", "silicon")}
"""Labels that the package holds, to see that a recipe runs: 30 structures of acetylacetone of
BOTNet-datasets (PBE + D3, MIT), and 16 strained cells of silicon that SevenNet-0 labelled."""

FRAME_LIMIT = 64
"""Frames that the frozen model predicts for reference energies and scales: a minute on one core."""


@final
class Files(SplitData):
    """Structures of your files, with energies, forces and, of crystals, stress.

    The energies of the labels, less a sum of reference energies over the atoms, are on the scale
    of the base. The difference is taken in float64: totals of all-electron codes have steps of
    1 meV in float32. Labels that do not fix the reference energies are refused, as are units and
    signs that the frozen base contradicts. Frames without labels, and duplicates, are dropped.

    Args:
        source: extended XYZ, databases of ase, OUTCAR or vasprun.xml, one or a list; the content
            decides. `acetylacetone` and `silicon` are in the package.
        test: further files for the test split; without them it is cut from `source`.
        isolated: files with isolated atoms, computed as the structures were.
        base: the backbone and its model, such as `sevennet/0`; that of the recipe.
        energy: the key of the energy; `energy` and `free_energy` of VASP and of ase.
        forces: the column of the forces in extended XYZ.
        reference: `element` fixes the energy of each element; `composition` allows labels that do
            not, and the run then gives energies for the compositions of the labels alone.
        split: `block` cuts each file, as a trajectory needs; `composition` keeps the frames of a
            composition together.
        share: the share of the validation split, and of the test split that is cut.
        n: training structures, drawn with the seed; `None` means all.
        n_val: the most validation structures, evenly spaced.
        n_test: the most test structures, evenly spaced; `None` means all.
        replay: crystals with labels of the frozen base, added to the training split; a fit starts
            without a loss on them.
        batch_size: structures of a step.
        on_bad_file: `raise` stops at a file that cannot be read, `skip` leaves it out.
        seed: the seed of the draw and of the split by composition.

    Shapes: a batch is a `Labelled`.

    Units: eV, A, eV/A and eV/A^3.

    Raises:
        RecipeError: the base is not that of the recipe, or a number is out of its range.
        ReadError: a file is damaged.
        LabelError: the labels cannot be trained on together, or have another unit or sign.
        OffsetError: the labels do not fix the reference energies.

    Source: this project; reference energies are those of `model.reference`.
    """

    data_files: DataFiles

    def __init__(
        self,
        *,
        source: str | list[str] = "acetylacetone",
        test: list[str] | None = None,
        isolated: list[str] | None = None,
        base: str = "sevennet/0",
        energy: str = "energy",
        forces: str = "forces",
        reference: Literal["element", "composition"] = "element",
        split: Literal["block", "composition"] = "block",
        share: float = 0.1,
        n: int | None = None,
        n_val: int = 20,
        n_test: int | None = None,
        replay: int = 0,
        batch_size: int = 2,
        on_bad_file: Literal["raise", "skip"] = "raise",
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not 0 < share < 0.5:
            raise RecipeError(f"data.share {share}", "it is above 0 and below 0.5", "Such as 0.1")
        names = [source] if isinstance(source, str) else list(source)
        self.source = [SHIPPED.get(name, name) for name in names]
        self.test, self.isolated, self.base = list(test or ()), list(isolated or ()), base
        self.energy, self.forces, self.by_element = energy, forces, reference == "element"
        self.by, self.share, self.n, self.n_val = split, share, n, n_val
        self.n_test, self.batch_size, self.seed = n_test, batch_size, seed
        self.replay = replay
        self.data_files = DataFiles(on_bad_file, [*self.source, *self.test, *self.isolated])
        self._splits: dict[str, list[Labelled]] = {}
        self.parts: dict[str, list[Frame]] = {}
        self.reference: Reference | None = None
        self.card: dict[str, Any] = {}

    def setup(self, stage: str) -> None:
        """Read, check and split the labels, so that errors appear before training.

        Args:
            stage: of Lightning. A test of a run takes the reference energies of the run.
        """
        self._refuse_other_base()
        if self._splits:
            return
        self.parts = self.frames()
        model = potential(self.base).eval()
        self.reference = self.reference_for(model, self.parts["train"])
        folder = Path(self.trainer.default_root_dir) if self.trainer else None
        if stage == "test" and folder and (folder / FILE).is_file():
            self.reference = Reference.read(folder)
        self._splits = {
            split: [self._labelled(model, frame) for frame in part]
            for split, part in self.parts.items()
        }
        self._splits["train"] += replay_structures(model, self.replay, self.seed)

    def reference_for(
        self, model: Potential, frames: Sequence[Frame], *, check: bool = True
    ) -> Reference:
        """Return the reference energies of frames for a model, fitted or not; see `reference_of`.

        `frames()` comes before.
        """
        return reference_of(model, frames, self._isolated, by_element=self.by_element, check=check)

    def refer_to(self, model: Potential) -> None:
        """Take reference energies for a fitted model, and move the labels to its scale.

        A fit on forces moves the zero of the energies, which no force sees.
        """
        before, frames = self.reference, self.parts["train"]
        assert before is not None
        try:
            self.reference = self.reference_for(model, frames, check=False)
        except OffsetError as error:
            rule = "the energies of the fitted model are not finite"
            raise TrainingError("fit", rule, "Lower task.lr") from error
        for split, part in self.parts.items():
            for at, frame in enumerate(part):
                one, composition = self._splits[split][at], frame.composition
                shift = before.of(composition) - self.reference.of(composition)
                self._splits[split][at] = one._replace(energy=one.energy + shift)

    def frames(self) -> dict[str, list[Frame]]:
        """Return the frames of each split."""
        names = dict.fromkeys(Path(name) for name in (*self.isolated, *self.source, *self.test))
        labels = chosen(chain.from_iterable(self.data_files.readable(names, self._read).values()))
        tests = {Path(name) for name in self.test}
        apart = [frame for frame in labels.frames if frame.path in tests]
        if tests and not apart:
            dropped = ", ".join(f"{count} {reason}" for reason, count in labels.dropped.items())
            rule = f"it has no labels that the source has not: {dropped}"
            raise LabelError(", ".join(self.test), rule, "Name structures of another trajectory")
        labelled = [frame for frame in labels.frames if frame.path not in tests]
        parts = split_frames(
            labelled, self.by, share=self.share, seed=self.seed, with_test=not self.test
        )
        parts["test"] += apart
        if self.n is not None:
            if len(parts["train"]) < self.n:
                rule = f"{len(parts['train'])} training structures remain after the split"
                raise RecipeError(f"data.n {self.n}", rule, "Ask for fewer, or add labels")
            order = np.random.default_rng(self.seed).permutation(len(parts["train"]))
            parts["train"] = [parts["train"][at] for at in order[: self.n]]
        parts["val"] = spaced(parts["val"], self.n_val)
        parts["test"] = spaced(parts["test"], self.n_test)
        self._isolated = labels.isolated
        self.card = {
            "base": self.base,
            "structures": {split: len(part) for split, part in parts.items()},
            "replay": self.replay,
            "compositions": sorted({frame.structure.formula for frame in parts["train"]}),
            "dropped": dict(labels.dropped),
        }
        return parts

    def loader(self, split: Split) -> DataLoader:
        """Return the batches of a split."""
        structures: Any = self._splits[split]
        return DataLoader(structures, self.batch_size, shuffle=split == "train", collate_fn=joined)

    def write(self, folder: str | Path) -> None:
        """Write the reference energies into a run folder."""
        if self.reference is not None:
            self.reference.write(folder, self.card)

    def _read(self, path: Path) -> list[Frame]:
        isolated = path in map(Path, self.isolated)
        forces = "forces" if isolated else self.forces  # atoms need none
        frames = list(read_frames(path, energy=self.energy, forces=forces))
        largest = max((len(frame.structure.symbols) for frame in frames), default=1)
        if isolated and largest > 1:
            rule = f"a file of isolated atoms has single atoms, and one of {largest} is in it"
            raise LabelError(str(path), rule, "Name it in data.source")
        return frames

    def _labelled(self, model: Potential, frame: Frame) -> Labelled:
        assert self.reference is not None
        one = frame.structure
        energy = float(one.energy or 0.0) - self.reference.of(frame.composition)
        forces = torch.tensor(one.forces, dtype=torch.float32)
        stress = no_stress()
        if one.stress is not None and one.pbc.all():
            stress = torch.tensor(one.stress[None], dtype=torch.float32)
        return Labelled(graph_of(model, frame), torch.tensor([energy]).float(), forces, stress)

    def _refuse_other_base(self) -> None:
        task = getattr(getattr(self, "trainer", None), "lightning_module", None)
        card = getattr(getattr(task, "backbone", None), "card", None)
        if card is not None and card["base"] != self.base:
            rule = f"the recipe's backbone is {card['base']}, and labels move to its scale"
            raise RecipeError(f"data.base {self.base}", rule, "Name the same")


def reference_of(
    model: Potential,
    frames: Sequence[Frame],
    isolated: dict[str, float],
    *,
    by_element: bool,
    check: bool = True,
) -> Reference:
    """Return the reference energies of labels for a model, frozen or fitted.

    `isolated` has the label energy of an isolated atom, by element, eV. `check` compares units and
    signs with the model. Labels that do not fix the energies raise `OffsetError`.
    """
    from ase import Atoms

    sample = spaced(frames, FRAME_LIMIT)
    prediction = predictions(model, [graph_of(model, frame) for frame in sample])
    if check:
        check_labels(sample, *prediction, trained=model.card.get("weights") != "random")
    if isolated and model.takes_molecules:
        energies = predictions(model, [model.graph(Atoms(symbol)) for symbol in isolated]).energies
        isolated = dict(zip(isolated, [*isolated.values()] - energies, strict=True))
    result = reference(
        [frame.composition for frame in sample],
        [float(frame.structure.energy or 0.0) for frame in sample],
        prediction.energies.tolist(),
        isolated=isolated,
        by_element=by_element,
    )
    if check:
        check_residuals(sample, prediction.energies, result)
    return result


def spaced(frames: Sequence[Frame], count: int | None) -> list[Frame]:
    """Return at most so many frames, evenly spaced."""
    if count is None or len(frames) <= count:
        return list(frames)
    return [frames[at] for at in np.linspace(0, len(frames) - 1, count).round().astype(int)]
