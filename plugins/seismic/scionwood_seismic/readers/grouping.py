"""Group the traces of a stream into gathers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Header:
    """The properties of a trace that decide its gather.

    Attributes:
        name: the channel; empty if the format has no channel names.
        samples: number of samples.
        dt: the sample interval, s.
        start: time of the first sample, s, from an origin that all traces share.
        sensor: what distinguishes sensors, if traces of several do not form one gather.
    """

    name: str
    samples: int
    dt: float
    start: float
    sensor: str = ""


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
    """Assign each trace of a stream to one gather.

    Traces form a gather if they have the same length and sample interval and start within half a
    sample of each other. Two segments of one channel never share a gather, so the segment after a
    gap starts a new one. Traces of different sensors never share one either, if they have any.

    Args:
        headers: the headers of the traces.
        block: the largest number of traces in a gather.

    Returns:
        The trace indices of each gather, in the order of the stream.
    """
    groups: list[_Group] = []
    by_sampling: dict[tuple[int, float, str], list[_Group]] = {}
    for i, header in enumerate(headers):
        candidates = by_sampling.setdefault((header.samples, header.dt, header.sensor), [])
        match = next((g for g in candidates if g.takes(header, block)), None)
        if match is None:
            match = _Group(header)
            candidates.append(match)
            groups.append(match)
        match.members.append(i)
        match.names.add(header.name)
    return [g.members for g in groups]
