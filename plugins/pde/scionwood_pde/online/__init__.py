"""Online learning: training data are simulated while the network trains, and never stored.

    solver -> FIFO -> crop, split by field, normalise -> FIFO -> cache that evicts the most used

Counts and seeds determine the order of all samples; it does not depend on what is ready first. One
seed gives one stream of samples, whether simulations run in this process, in workers, or on a side
stream. If a worker is slow, the training waits, and the waiting time is measured.

Source: the loop of Tadpole, arXiv:2605.15284, after the figure in its repository; reconstruction,
since its code is not published.
"""

from scionwood_pde.online.cluster import Cluster
from scionwood_pde.online.loop import OnlineLoop, Schedule
from scionwood_pde.online.preprocess import Cropper
from scionwood_pde.online.reservoir import ReuseCache
from scionwood_pde.online.simulator import BRANCHES, Frames, Simulator
from scionwood_pde.online.source import InProcessSource, SideStream, Source
from scionwood_pde.online.workers import Workers

__all__ = [
    "BRANCHES",
    "Cluster",
    "Cropper",
    "Frames",
    "InProcessSource",
    "OnlineLoop",
    "ReuseCache",
    "Schedule",
    "SideStream",
    "Simulator",
    "Source",
    "Workers",
]
