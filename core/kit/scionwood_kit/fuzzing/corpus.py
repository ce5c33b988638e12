"""Keep damaged files that had a fault, small enough for a repository, and read them again."""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from scionwood.errors import ReadError
from scionwood_kit.fuzzing.edits import Edit, changed
from scionwood_kit.fuzzing.reading import Probe, Reading
from scionwood_kit.fuzzing.samples import Sample, written_sample
from scionwood_sandbox import Limits
from scionwood_sandbox.files import atomic_path

_LARGEST = 12_000  # characters of a file's packed content; larger ones are kept as edits
_FAULT = 300


@dataclass(frozen=True)
class Case:
    """A damaged sample.

    Attributes:
        reader: `plugin/reader`.
        reference: the class of the reader as `module:attribute`.
        suffix: the ending for which the reader writes its sample.
        main: the path that the reader opens, relative to the folder of the sample.
        fault: what happened when it was found.
        sample: the digest of the undamaged sample.
        edits: how to damage it.
        content: the damaged files themselves, packed, unless they are large. They stay damaged in
            the same way when a later version of a library writes another sample.
    """

    reader: str
    reference: str
    suffix: str
    main: str
    fault: Reading
    sample: str
    edits: tuple[Edit, ...]
    content: dict[str, str]

    @property
    def name(self) -> str:
        """The name of its file: the reader, the fault and a hash of its cause."""
        cause = sha256(f"{self.reader}{self.suffix}{self.fault.cause}".encode()).hexdigest()[:6]
        words = re.sub(r"[^A-Za-z0-9]+", "-", f"{self.reader}{self.suffix}-{self.fault.cause}")
        return f"{words[:60].strip('-').lower()}-{cause}.json"

    def save(self, folder: Path) -> Path:
        """Write the case into a folder, and return its path."""
        folder.mkdir(parents=True, exist_ok=True)
        record = {
            "reader": self.reader,
            "reference": self.reference,
            "suffix": self.suffix,
            "main": self.main,
            "fault": [self.fault.kind, self.fault.detail[:_FAULT]],
            "sample": self.sample,
            "edits": [edit.to_json() for edit in self.edits],
            "content": self.content,
        }
        path = folder / self.name
        with atomic_path(path, overwrite=True) as part:
            part.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
        return path


def case_of(sample: Sample, edits: Sequence[Edit], fault: Reading) -> Case:
    """Return the case of a mutation: small damaged files as they are, large ones as edits."""
    packed = {name: _packed(data) for name, data in changed(sample.tree, edits).items()}
    small = sum(map(len, packed.values())) <= _LARGEST
    return Case(
        sample.reader,
        sample.reference,
        sample.suffix,
        sample.main,
        fault,
        sample.digest,
        tuple(edits),
        packed if small else {},
    )


def load_case(path: Path) -> Case:
    """Read a case that `Case.save` wrote.

    Raises:
        ReadError: the file is no case.
    """
    try:
        record = json.loads(path.read_text("utf-8"))
        edits = tuple(map(Edit.from_json, record["edits"]))
        fault = Reading(*record["fault"])
        places = record["reader"], record["reference"], record["suffix"], record["main"]
        return Case(*places, fault, record["sample"], edits, record["content"])
    except (ValueError, KeyError, TypeError) as error:
        rule = f"it is no case of a fuzz corpus ({type(error).__name__}: {error})"
        raise ReadError(str(path), rule, "Give a file that scionwood check --fuzz wrote") from error


def replay(path: Path, *, service: bool = True, limits: Limits | None = None) -> Reading:
    """Read the damaged sample of a case again.

    Args:
        path: the file of the case.
        service: read in the reader service; else in this process, which the file may kill.
        limits: how much the child may use; `None` means the limits of the service.

    Returns:
        What became of it; `equal` says that it was read.

    Raises:
        ReadError: the file is no case, or the reader now writes another sample and the case holds
            edits alone.

    Example:
        @pytest.mark.parametrize("path", sorted(CORPUS.glob("*.json")), ids=lambda p: p.stem)
        def test_a_case_is_harmless(path):
            assert not replay(path).is_fault
    """
    case = load_case(path)
    files = {name: _unpacked(text) for name, text in case.content.items()}
    before = {} if case.main in files else _sample_of(case, path).tree
    damaged = {**before, **(files or changed(before, case.edits))}
    with (
        TemporaryDirectory() as folder,
        Probe(case.reference, Path(folder), service=service, limits=limits) as probe,
    ):
        for name, content in damaged.items():
            place = Path(folder) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        return probe.read(Path(folder) / case.main)


def _sample_of(case: Case, path: Path) -> Sample:
    sample = written_sample(case.reader, case.reference, case.suffix)
    if not case.content and sample.digest != case.sample:
        rule = "the reader writes another sample now, and the case holds edits alone"
        raise ReadError(str(path), rule, "Delete the case, and fuzz the reader again")
    return sample


def _packed(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data, 9)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text))
