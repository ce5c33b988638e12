"""Map positions of a normalised text to lines and columns of its file."""

from __future__ import annotations

from bisect import bisect_right
from difflib import SequenceMatcher


class Places:
    """Maps positions of the normalised text to positions of the file.

    Args:
        text: the normalised text.
        original: the text of the file.
    """

    def __init__(self, text: str, original: str) -> None:
        self.original = original.replace("\r\n", "\n").replace("\r", "\n")
        self._lines = [0]
        self._lines += [at + 1 for at, letter in enumerate(self.original) if letter == "\n"]
        self._blocks = [(0, 0, len(text))] if text == self.original else _align(text, self.original)

    def offset(self, at: int) -> int:
        """Return the position in the file of a position in the normalised text."""
        block = max(0, bisect_right(self._blocks, (at, len(self.original), 0)) - 1)
        start, original_start, length = self._blocks[block]
        return min(original_start + min(at - start, length), len(self.original))

    def line_and_column(self, at: int) -> tuple[int, int]:
        """Return the line and the column in the file, both from 1.

        Args:
            at: the index of a character in the normalised text.
        """
        offset = self.offset(at)
        line = bisect_right(self._lines, offset)
        return line, offset - self._lines[line - 1] + 1


def _align(text: str, original: str) -> list[tuple[int, int, int]]:
    # Line by line, since the time of SequenceMatcher grows with the square of the length.
    text_lines, original_lines = text.split("\n"), original.split("\n")
    if len(text_lines) != len(original_lines):
        text_lines, original_lines = [text], [original]
    blocks, at, original_at = [], 0, 0
    for line, other in zip(text_lines, original_lines, strict=True):
        matched = SequenceMatcher(None, line, other, autojunk=False).get_matching_blocks()
        blocks += [(at + block.a, original_at + block.b, block.size) for block in matched]
        at, original_at = at + len(line) + 1, original_at + len(other) + 1
    return blocks or [(0, 0, 0)]
