"""Where a run came from: the file `origin.json` of shipped and pulled runs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from scionwood.errors import ReadError
from scionwood.runs.card import one_line, scope_and_score
from scionwood.runs.layout import ORIGIN
from scionwood_sandbox.files import atomic_path, reading

_HASH = 40  # digits of the shortest commit


@dataclass(frozen=True)
class Origin:
    """Where a run came from, and what it may be used for.

    Attributes:
        name: the reference of the run, such as `seismic/denoise`.
        version: the version of the plugin that ships it, the commit of the repository, or the
            SHA-256 of the archive.
        scope: the data on which it was trained and tested, such as "generated gathers".
        score: the result on held-out data, such as "14.1 dB mean SNR on held-out noise".
        digest: the SHA-256 of its weights; see `scionwood.runs.digest`.
        machine: the processor and the version of torch; with others, training rounds differently.

    Example:
        >>> print(authoring.Origin("hydrology/river", "0.1.0", scope="generated rivers"))
        hydrology/river 0.1.0 (generated rivers)
    """

    name: str
    version: str = ""
    scope: str = ""
    score: str = ""
    digest: str = ""
    machine: str = ""

    def __str__(self) -> str:
        """Return one line: `seismic/denoise 0.1.0 (generated gathers; 14.1 dB on ...)`.

        Of a commit or digest it has the first twelve digits.
        """
        facts = "; ".join(filter(None, (self.scope, self.score)))
        version = self.version[:12] if len(self.version) >= _HASH else self.version
        return f"{self.name} {version}".rstrip() + (f" ({facts})" if facts else "")


def read_origin(folder: Path) -> Origin | None:
    """Return the origin of a run, or None if the folder does not state one (a run made here).

    Raises:
        ReadError: the file is damaged.

    Example:
        >>> run = scionwood.find_run("seismic/denoise", quiet=True)
        >>> authoring.read_origin(run).name
        'seismic/denoise'
    """
    path = folder / ORIGIN
    if not path.is_file():
        return None
    with reading(path, "origin"):
        fields = json.loads(path.read_text("utf-8"))
        if not isinstance(fields, dict) or not all(isinstance(v, str) for v in fields.values()):
            raise ReadError(str(path), "an origin has texts only", "Fetch the run again")
        texts = {key: one_line(fields[key]) for key in Origin.__dataclass_fields__ if key in fields}
        return Origin(**texts)


def known_origin(folder: Path) -> Origin:
    """Return the origin of a run, with what the card says where the origin is silent."""
    origin, (scope, score) = read_origin(folder) or Origin(""), scope_and_score(folder)
    return replace(origin, scope=origin.scope or scope, score=origin.score or score)


def write_origin(folder: Path, origin: Origin) -> None:
    """Write `origin.json` into a run folder."""
    with atomic_path(folder / ORIGIN) as part:
        part.write_text(json.dumps(asdict(origin), indent=2) + "\n", encoding="utf-8")
