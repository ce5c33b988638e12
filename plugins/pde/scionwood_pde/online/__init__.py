"""Online learning: training data are simulated while the network trains, and never stored.

    solver -> FIFO -> crop, split by field, normalise -> FIFO -> cache that evicts the most used

The order of everything is set by counts and seeds, never by what is ready first: one seed gives
one stream of samples, whether simulations run here, in worker processes or on a side stream. A
worker that is slow makes the trainer wait, and the wait is measured.

Source: the loop is that of Tadpole, arXiv:2605.15284, after the figure of its repository; a
reconstruction, since its code is not published.
"""

from scionwood_pde.online.loop import OnlineLoop, Schedule
from scionwood_pde.online.preprocess import Cropper
from scionwood_pde.online.reservoir import ReuseCache
from scionwood_pde.online.simulator import BRANCHES, Frames, Simulator
from scionwood_pde.online.source import Here, SideStream, Source
from scionwood_pde.online.workers import Workers

__all__ = [
    "BRANCHES",
    "Cropper",
    "Frames",
    "Here",
    "OnlineLoop",
    "ReuseCache",
    "Schedule",
    "SideStream",
    "Simulator",
    "Source",
    "Workers",
]
