"""Simulations in worker processes, which run ahead of the training up to a bounded FIFO."""

from __future__ import annotations

import multiprocessing
import pickle
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from queue import Queue
from threading import Thread
from typing import Any, Literal, final

import torch

from scionwood import TrainingError
from scionwood_pde.online.simulator import Frames, Simulator
from scionwood_pde.online.source import Source

PATIENCE = 5.0
"""Seconds that a worker has to stop."""


@final
class Workers(Source):
    """Processes that simulate in turn: of n workers, number w runs w, w + n, w + 2n ...

    They are never forked, because threads and CUDA do not survive a fork.

    Args:
        simulator: a simulator on the CPU.
        count: number of processes.
        depth: simulations that each process keeps ready.
        method: how the processes are started.
    """

    def __init__(
        self,
        simulator: Simulator,
        *,
        count: int = 1,
        depth: int = 2,
        method: Literal["forkserver", "spawn"] = "forkserver",
    ) -> None:
        super().__init__(simulator)
        self.count, self.depth, self.method = count, depth, method
        self.processes: list[BaseProcess] = []
        self._ends: list[Connection] = []

    def start(self, index: int) -> None:
        """Start the processes; see `Source.start`."""
        self.close()
        context: Any = multiprocessing.get_context(self.method)  # its stub lacks Process
        for number in range(self.count):
            receiver, sender = context.Pipe(duplex=False)
            work = (sender, self.simulator, index + number, self.count, self.depth)
            process = context.Process(target=serve, args=work, daemon=True)
            process.start()
            sender.close()  # so that reading fails at once if the worker dies
            self.processes.append(process)
            self._ends.append(receiver)
        self._turn = 0

    def take(self) -> Frames:
        """See `Source.take`.

        Raises:
            TrainingError: the next worker has stopped or failed.
        """
        worker = self._turn % self.count
        self._turn += 1
        try:
            received = pickle.loads(self._ends[worker].recv_bytes())
        except (EOFError, OSError) as error:  # OSError if it died while writing
            raise _ended(self.processes[worker], worker) from error
        if isinstance(received, str):
            rule = f"it failed with {received}"
            raise TrainingError(f"simulation worker {worker}", rule, "Correct the data's options")
        assert isinstance(received, Frames)
        return received

    def close(self) -> None:
        """Stop the processes."""
        for end in self._ends:
            end.close()
        for process in self.processes:
            process.terminate()
            process.join(PATIENCE)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
        self.processes, self._ends = [], []


def serve(end: Connection, simulator: Simulator, first: int, step: int, depth: int) -> None:
    """Run a worker: simulate into a FIFO, and send its entries as fast as they are read.

    Args:
        end: the end of the pipe to write to.
        simulator: a simulator on the CPU.
        first: number of the first simulation.
        step: difference between consecutive numbers.
        depth: capacity of the FIFO.
    """
    torch.set_num_threads(1)
    fifo: Queue[Frames | str] = Queue(depth)
    Thread(target=_solve, args=(fifo, simulator, first, step), daemon=True).start()
    while True:
        ready = fifo.get()
        try:
            end.send_bytes(pickle.dumps(ready))
        except (BrokenPipeError, ConnectionResetError):
            return  # the training process has stopped
        if isinstance(ready, str):
            return


def _solve(fifo: Queue[Frames | str], simulator: Simulator, index: int, step: int) -> None:
    try:
        while True:
            fifo.put(simulator(index))
            index += step
    except Exception as error:  # of any kind; the training process raises it
        fifo.put(f"{type(error).__name__}: {error}")


def _ended(process: BaseProcess, number: int) -> TrainingError:
    process.join(PATIENCE)
    rule = f"it stopped with exit code {process.exitcode}, and the stream needs its simulations"
    remedy = "Resume the run; if memory ran out, lower n_points or workers"
    return TrainingError(f"simulation worker {number}", rule, remedy)
