"""Write a damaged sample, read it, and reduce a mutation to what is needed for its effect."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from scionwood_kit.fuzzing.edits import Edit, changed
from scionwood_kit.fuzzing.reading import Probe, Reading
from scionwood_kit.fuzzing.samples import Sample

_TRIES = {"time": 4, "memory": 12}
_MOST_TRIES = 40


class Trial:
    """One sample in a folder, damaged and mended again and again.

    Args:
        sample: the sample.
        folder: an empty folder.
        probe: reads its main file.
    """

    def __init__(self, sample: Sample, folder: Path, probe: Probe) -> None:
        self.sample, self.folder, self.probe = sample, folder, probe
        self.path = sample.write(folder)

    def run(self, edits: Sequence[Edit]) -> Reading:
        """Read the sample with these edits; afterwards the folder is as before."""
        files = changed(self.sample.tree, edits)
        for name, content in files.items():
            self._put(name, content)
        try:
            return self.probe.read(self.path)
        finally:
            for name in files:
                if name in self.sample.tree:
                    self._put(name, self.sample.tree[name])
                else:
                    (self.folder / name).unlink()

    def reduced(self, edits: Sequence[Edit], reading: Reading) -> list[Edit]:
        """Return fewer and smaller edits with the same effect, after a bounded search."""

        def same(fewer: Sequence[Edit]) -> bool:
            return self.run(fewer).cause == reading.cause

        return minimised(edits, same, _TRIES.get(reading.kind, _MOST_TRIES))

    def _put(self, name: str, content: bytes) -> None:
        # A new file: a decoder may still map the old one.
        part = self.folder / ".part"
        part.write_bytes(content)
        os.replace(part, self.folder / name)


def minimised(
    edits: Sequence[Edit], same: Callable[[Sequence[Edit]], bool], tries: int
) -> list[Edit]:
    """Return edits of which none can be left out or shortened, as far as the tries last.

    Args:
        edits: the mutation.
        same: whether fewer edits have the same effect.
        tries: how often `same` may be asked.
    """
    current_edits, start = list(edits), 0
    while start < len(current_edits) and tries > 0 and len(current_edits) > 1:
        fewer = current_edits[:start] + current_edits[start + 1 :]
        tries -= 1
        if same(fewer):
            current_edits = fewer
        else:
            start += 1
    for at, edit in enumerate(current_edits):
        for smaller in _smaller(edit):
            shorter = [*current_edits[:at], smaller, *current_edits[at + 1 :]]
            tries -= 1
            if tries >= 0 and same(shorter):
                current_edits = shorter
                break
    return current_edits


def _smaller(edit: Edit) -> list[Edit]:
    out = [replace(edit, times=times) for times in (1, 16, 256) if times < edit.times]
    if len(edit.insert) > 16:
        out.append(replace(edit, insert=edit.insert[:8]))
    return out
