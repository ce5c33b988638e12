"""Which traces of a stream form one gather."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Header:
    """What grouping looks at.

    Attributes:
        name: the channel; empty where the format has no names.
        samples: how many.
        dt: the sample interval, s.
        start: when the first sample was taken, s from any origin that the traces share.
    """

    name: str
    samples: int
    dt: float
    start: float


@dataclass
class _Group:
    first: Header
    members: list[int] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def takes(self, header: Header, block: int) -> bool:
        together = abs(header.start - self.first.start) <= 0.5 * header.dt
        another = not header.name or header.name not in self.names
        return together and another and len(self.members) < block


def group(headers: Sequence[Header], block: int) -> list[list[int]]:
    """The gathers of a stream, as indices in its order; each trace is in one of them.

    Traces of one length and sampling interval that start together, within half a sample, belong
    together. Segments of one channel never do, so that what follows a gap is a gather of its own.

    Args:
        headers: of the traces.
        block: the most traces of a gather.
    """
    groups: list[_Group] = []
    alike: dict[tuple[int, float], list[_Group]] = {}
    for i, header in enumerate(headers):
        candidates = alike.setdefault((header.samples, header.dt), [])
        found = next((g for g in candidates if g.takes(header, block)), None)
        if found is None:
            found = _Group(header)
            candidates.append(found)
            groups.append(found)
        found.members.append(i)
        found.names.add(header.name)
    return [g.members for g in groups]
