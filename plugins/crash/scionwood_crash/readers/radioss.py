"""Read starter decks of Radioss and OpenRadioss as a mesh before the impact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np

from scionwood import ReadError, WriteError
from scionwood.authoring import atomic_path
from scionwood_crash.parts.units import LENGTHS, MASSES, TIMES
from scionwood_crash.readers.deck_content import Deck, Joint, Node, fitted
from scionwood_crash.readers.deck_include import located
from scionwood_crash.readers.deck_joints import BODY, SPOTWELD
from scionwood_crash.readers.deck_reader import DeckReader
from scionwood_crash.readers.deck_sets import NODES, SURFACES
from scionwood_crash.readers.deck_table import RADIOSS_KEYWORDS, DeckRow, Keyword
from scionwood_crash.readers.radioss_write import write_mesh_deck
from scionwood_crash.readers.sample import sample_series

_SOLIDS = ("BRICK", "BRIC20", "TETRA4", "TETRA10", "PENTA6", "SHEL16", "SPHCEL")
_OTHERS: tuple[str, ...] = (*_SOLIDS, "QUAD", "TRUSS", "BEAM", "SPRING", "XELEM")
_MESH = ("BEGIN", "NODE", "SHELL", "SH3N", "BCS")
_SETS = ("GRNOD", "SURF", "GRSHEL", "GRSH3N")
_SILENT: tuple[str, ...] = (
    "",
    "TITLE",
    "TH",
    "IOFLAG",
    "ANALY",
    "SPMD",
    "END",
    "RANDOM",
    "DEF_SHELL",
    "DEF_SOLID",
)
_SILENT += ("SUBSET", "VERS", "ANIM", "TFILE", "PRINT", "RUN", "DT")
_DEEPEST = 16
_NAMES = {"mg": "t", "mus": "us", "µs": "us"}


@final
class RadiossReader(DeckReader):
    """Reads nodes, shells, parts and thickness of a starter deck (`NAME_0000.rad`).

    The blocks are /BEGIN with its units, /NODE, /SHELL, /SH3N, /PART and /PROP/SHELL (/PROP/TYPE1).
    Other elements are left out with a warning. The thickness of a shell is that of its own line,
    else of its part's property, else `thickness`. Results of Radioss come as VTK: convert animation
    files with the program anim_to_vtk, and list them in a PVD file.

    Args:
        path: the deck.
        units: such as `mm, ms, kg`; `None` means those of /BEGIN.
        thickness: thickness of shells that have none in the deck.

    Shapes: positions, (node, xyz) float64, including nodes without a shell.

    Units: those of /BEGIN.

    Raises: ReadError, for a truncated deck (without /END), a damaged line, an include, a shell with
        missing nodes, no shells, or missing thickness.

    Source: Altair Radioss, "Reference Guide", Starter input, block format.
    """

    suffixes = (".rad",)
    format = "Radioss deck (.rad)"

    @classmethod
    def write_sample(cls, path: Path) -> None:
        """Write a strip of three parts with triangles."""
        write_mesh_deck(sample_series().mesh, path, overwrite=True)

    def _read_deck(self) -> Deck:
        deck = Deck(node_sets=NODES)
        self._lines: list[int] = []
        self._read(self.path, deck, 0)
        if not deck.ended:
            rule = f"{self.format}: /END is missing"
            raise ReadError(str(self.path), rule, "Is it truncated? Copy it again")
        names = dict(enumerate(deck.nodes))
        if len({node.number for node in deck.nodes}) < len(names):
            counts = Counter(node.number for node in deck.nodes)
            rule = f"{self.format}: node {counts.most_common(1)[0][0]} occurs twice"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again")
        return deck

    def _read(self, path: Path, deck: Deck, depth: int) -> None:
        """Read a file and those that it includes, which lie in the folder of the deck and below."""
        name, lines = [""], list[tuple[int, str]]()
        for number, line in enumerate([*path.read_bytes().decode("latin-1").split("\n"), "/"], 1):
            if line.startswith("#include"):
                file = located(line[8:].strip(), path, self.path.parent.resolve(), [])
                if depth >= _DEEPEST:
                    rule = f"{self.format}: line {number} includes {file.name} too deep"
                    raise ReadError(str(path), rule, "Does it include itself?")
                self._take(deck, name, lines, path)
                name, lines = [""], []
                self._read(file, deck, depth + 1)
            elif line.startswith("/"):
                self._take(deck, name, lines, path)
                deck.ended = deck.ended or line.startswith("/END")
                name, lines = [part.strip() for part in line[1:].upper().split("/")], []
                if deck.ended:
                    break
            elif line.strip() and not line.startswith("#"):
                lines.append((number, line.rstrip("\r")))

    def _take(self, deck: Deck, name: list[str], lines: list[tuple[int, str]], path: Path) -> None:
        if not lines:
            return
        number = lines[0][0]
        try:
            if name[0] == "BEGIN" and len(lines) > 2:
                words = [_NAMES.get(word.lower(), word) for word in lines[2][1].split()[:3]]
                if all(any(word in names for names in (LENGTHS, TIMES, MASSES)) for word in words):
                    deck.units = ", ".join(words)
                else:
                    deck.faults.append(f"its units {' '.join(words)} are not known")
            elif name[0] == "NODE":
                for number, line in lines:
                    x, y, z = (float(line[at : at + 20] or 0) for at in (10, 30, 50))
                    node = Node(int(line[:10]), (x, y, z), number - 1, path, (10, 20, 20, 20))
                    deck.nodes.append(node)
            elif name[0] in ("SHELL", "SH3N"):
                for number, line in lines:  # noqa: B007 - named in the error below
                    deck.shells.append(_shell(line, int(name[1]), 4 if name[0] == "SHELL" else 3))
            elif name[0] in _SETS:
                words = [word for _, line in lines[1:] for word in line.split()]
                rows: list[tuple[int, ...]] = [(abs(int(word)),) for word in words]
                if name[1] == "SEG":
                    rows = [tuple(map(int, line.split()[-4:])) for _, line in lines[1:]]
                deck.sets[int(name[-1]), f"{name[0]}/{name[1]}"] = rows
            elif not self._read_by_table(deck, name, lines) and name[0] in _OTHERS:
                deck.others[name[0]] = deck.others.get(name[0], 0) + len(lines)
        except (ValueError, IndexError) as error:
            rule = f"{self.format}: line {number} (/{'/'.join(name)}) cannot be read ({error})"
            raise ReadError(str(self.path), rule, "Is it damaged? Copy it again") from error
        if name[0] not in _SILENT:
            bare = [part for part in name if not part.isdigit()]
            is_read = name[0] in (*_MESH, *_SETS) or _keyword(name) is not None
            (deck.understood if is_read else deck.left)["/".join(bare)] += 1

    def _read_by_table(self, deck: Deck, name: list[str], lines: list[tuple[int, str]]) -> bool:
        """Add what the table reads of a block, and return whether it knows it."""
        keyword = _keyword(name)
        if name[0] == "BCS":
            words = lines[1][1].split()  # such as `011 111 0 20`, or `0 1 1 1 1 1 0 20`
            words = words if len(words) < 8 else ["".join(words[:3]), "", *words[6:]]
            if len(words) < 4:
                return False
            fixed = {
                f"d{letter}": float(digit) for letter, digit in zip("xyz", words[0], strict=False)
            }
            deck.records.append(DeckRow("held", "BCS", {**fixed, "set": float(words[3])}))
            return True
        if keyword is None:
            return False
        cards = [line for _, line in lines[0 if keyword.kind == "weld" else 1 :]]

        def fields(card: int, widths: Sequence[int]) -> list[float]:
            ends = np.cumsum(widths).tolist()
            texts = [
                cards[card][end - width : end] for end, width in zip(ends, widths, strict=True)
            ]
            return [float(text.strip() or 0) for text in texts]

        for record in keyword.records(len(cards), fields):
            number = int(name[-1]) if name[-1].isdigit() else 0
            _add(deck, record, number)
        return True

    def _replace(self, target: Path, states: Iterator[np.ndarray], overwrite: bool) -> None:
        if any(node.file != self.path for node in self._deck.nodes):
            rule = "its nodes are in included files, which cannot be rewritten"
            raise WriteError(str(self.path), rule, "Write the deck out as one file")
        (after,) = list(states)
        lines = self.path.read_bytes().decode("latin-1").split("\n")
        for node, xyz in zip(self._deck.nodes, after.tolist(), strict=True):
            if node.xyz != tuple(xyz):
                at, text = node.line, "".join(fitted(value, 20) for value in xyz)
                lines[at] = lines[at][:10].ljust(10) + text + lines[at][70:]
        with atomic_path(target, overwrite=overwrite) as part:
            part.write_bytes("\n".join(lines).encode("latin-1"))


def _keyword(name: list[str]) -> Keyword | None:
    return RADIOSS_KEYWORDS.get("/".join(name[:2])) or RADIOSS_KEYWORDS.get(name[0])


def _add(deck: Deck, record: DeckRow, number: int) -> None:
    """Add what a row of the table says; `number` is that of its block."""
    values = {**record.values, "number": float(number)}
    if record.kind == "part":
        deck.sections[number], deck.materials[number] = (
            int(record["section"]),
            int(record["material"]),
        )
    elif record.kind == "section":
        deck.thickness[number] = record["thickness"]
    elif record.kind == "weld":
        deck.joints.append(Joint(SPOTWELD, (int(record["a"]), int(record["b"]))))
    elif record.kind == "tie":
        sides = ((int(record["set"]), NODES), (int(record["surface"]), SURFACES))
        deck.joints.append(Joint("INTER/TYPE2", sides=sides))
    else:
        if record.keyword.startswith("RWALL") and record["node"]:  # it moves with a node
            names = ("mass", "vx", "vy", "vz")
            values |= dict(zip(names, (record[name] for name in "xyzw"), strict=True))
        deck.records.append(replace(record, values=values))
    if record.kind == "body":
        deck.joints.append(Joint(BODY, sides=((int(record["set"]), NODES),)))


def _shell(line: str, part: int, count: int) -> tuple[int, int, tuple[int, ...], float]:
    """Return element number, part, nodes and the element's own thickness, or 0."""
    fields = [int(line[at : at + 10]) for at in range(0, 10 * (count + 1), 10)]
    nodes = fields[1:] if count == 4 else [*fields[1:], fields[3]]
    return fields[0], part, tuple(nodes), float(line[80:100].strip() or 0)
