"""Where a run came from: the file `origin.json` of shipped and pulled runs, and the run's card."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from scionwood.errors import ReadError
from scionwood.recipes.recipe_file import load_yaml
from scionwood.runs.layout import CARD, ORIGIN
from scionwood_sandbox.files import atomic_path, reading

_LONGEST = 64 << 10  # characters of the metadata
_MAX_TEXT = 200  # characters of a text


def metadata(folder: Path) -> dict[str, Any]:
    """Return the metadata of a card: the YAML between two lines `---` at its top.

    Returns:
        The mapping; an empty one if there is no card, no metadata, or nothing readable.
    """
    path = folder / CARD
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", errors="replace") as file:
        head = re.match(r"---\n(.*?)\n---\n", file.read(_LONGEST), re.S)
    try:
        facts = load_yaml(head[1]) if head else {}
    except (yaml.YAMLError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def scope_and_score(folder: Path) -> tuple[str, str]:
    """Return the data of a run and its first metric, from the `model-index` of its card.

    Returns:
        Two texts, such as `seismic/synthetic` and `val_snr 14.1`; empty where the card is silent.
    """
    scope = score = ""
    match metadata(folder).get("model-index"):
        case [{"results": [{"dataset": {"name": str(scope)}, **result}, *_]}, *_]:
            match result.get("metrics"):
                case [{"value": int() | float() as value, **metric}, *_]:
                    score = f"{metric.get('name') or metric.get('type') or ''} {value:.4g}"
    return one_line(scope), one_line(score)


def one_line(text: str) -> str:
    """Return a stranger's text as one short line without control characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:_MAX_TEXT].strip()


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
        digest: the SHA-256 of its weights; see `scionwood.runs.layout`.
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
