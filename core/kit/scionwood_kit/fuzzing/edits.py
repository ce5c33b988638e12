"""A mutation is a list of edits: each replaces some bytes of a file, or of a member inside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from scionwood_kit.fuzzing import containers


@dataclass(frozen=True)
class Edit:
    r"""Replace `remove` bytes at `at` by `insert`, repeated `times`.

    Attributes:
        file: the file, relative to the folder of the sample.
        inside: the members to open first, such as `("zip:2",)`; see `containers`.
        at: the first byte.
        remove: how many bytes go.
        insert: the bytes that come, in hexadecimal digits.
        times: how often they come.

    Example:
        >>> from scionwood_kit.fuzzing.edits import Edit
        >>> Edit("a.bin", at=1, remove=2, insert="ff").applied(b"abcd")
        b'a\xffd'
    """

    file: str
    inside: tuple[str, ...] = ()
    at: int = 0
    remove: int = 0
    insert: str = ""
    times: int = 1

    def applied(self, data: bytes) -> bytes:
        """Return the bytes of the file after this edit.

        An edit whose member is gone, because of an edit before it, changes nothing.
        """
        try:
            return self._applied(data, self.inside)
        except containers.NotThere:
            return data

    def _applied(self, data: bytes, inside: tuple[str, ...]) -> bytes:
        if inside:
            inner = self._applied(containers.member(data, inside[0]), inside[1:])
            return containers.replaced(data, inside[0], inner)
        new = bytes.fromhex(self.insert) * self.times
        return data[: self.at] + new + data[self.at + self.remove :]

    def to_json(self) -> dict[str, Any]:
        """Return the edit as JSON holds it."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Edit:
        """Return the edit that `to_json` wrote."""
        return cls(**{**record, "inside": tuple(record["inside"])})


Tree = Mapping[str, bytes]
"""The files of a sample: their content by their name, relative to its folder."""


def changed(tree: Tree, edits: Iterable[Edit]) -> dict[str, bytes]:
    """Return the files that edits change or add, with their new content."""
    out: dict[str, bytes] = {}
    for edit in edits:
        out[edit.file] = edit.applied(out.get(edit.file, tree.get(edit.file, b"")))
    return out
