"""Which studies a run was fitted to: their modalities, and how many slices they have."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, final

from scionwood import ReadError
from scionwood.authoring import atomic_path, reading, writing
from scionwood_biomed.readers.volumes import StudyKind

FILE = "studies.json"
_KEYS = {"modalities", "fewest", "most"}


@final
@dataclass(frozen=True)
class StudyKinds:
    """The kinds of the training studies of a run.

    Attributes:
        modalities: the modalities of a study, joined by `+`; NIfTI and pictures state none.
        fewest: slices of the smallest study.
        most: slices of the largest study.
    """

    modalities: tuple[str, ...]
    fewest: int
    most: int

    @classmethod
    def of(cls, studies: Iterable[StudyKind]) -> Self:
        """Return the kinds of at least one study.

        Args:
            studies: the studies.
        """
        kinds = list(studies)
        counts = [kind.slices for kind in kinds]
        return cls(tuple(sorted({kind.modality for kind in kinds})), min(counts), max(counts))

    @classmethod
    def read(cls, folder: Path, slices: int) -> Self:
        """Return the kinds of a run; of one that states none, at least the slices of its network.

        Args:
            folder: the run folder.
            slices: slices that the network of the run takes.

        Raises:
            ReadError: the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return cls((), slices, 1 << 30)
        with reading(path, "kinds of studies"):
            entries = json.loads(path.read_text("utf-8"))
            good = isinstance(entries, dict) and entries.keys() == _KEYS
            if not good or not all(isinstance(entries[key], int) for key in ("fewest", "most")):
                raise ReadError(str(path), "it states no kinds of studies", "Copy the run again")
            return cls(tuple(map(str, entries["modalities"])), entries["fewest"], entries["most"])

    def write(self, folder: str | Path) -> None:
        """Write the kinds into a run folder.

        Args:
            folder: the run folder.

        Raises:
            WriteError: it cannot be written.
        """
        path = Path(folder) / FILE
        with writing(path), atomic_path(path, overwrite=True) as part:
            part.write_text(json.dumps(asdict(self), indent=1) + "\n", "utf-8")

    def check(self, value: str, kind: StudyKind) -> None:
        """Refuse a study of another kind: the network would answer, and mean nothing by it.

        Args:
            value: what an error names.
            kind: the study.

        Raises:
            ReadError: its modality, or its number of slices, is not one of the run.
        """
        if self.modalities and kind.modality not in self.modalities:
            rule = f"it is {kind.modality}, and the run was fitted to {', '.join(self.modalities)}"
            raise ReadError(value, rule, "Give such a study, or fit a run to studies like this one")
        if not self.fewest <= kind.slices <= self.most:
            upper = f" to {self.most}" if self.modalities and self.most > self.fewest else ""
            more = "" if self.modalities else " or more"
            rule = f"it has {kind.slices} slices, and the run takes {self.fewest}{upper}{more}"
            raise ReadError(value, rule, "Give the whole series, or fit a run to such studies")
