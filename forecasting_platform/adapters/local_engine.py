"""Runs blocks of series in processes of this machine, as many as it has cores; a single block in this process."""

import logging
import multiprocessing
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from typing import TypeVar

import pandas as pd

from forecasting_platform.errors import UnavailableError
from forecasting_platform.ports.engine import MAX_ATTEMPTS, BlockWork, Files, Read
from forecasting_platform.ports.table_store import TableStore

T = TypeVar("T")
MIN_CELLS = 1_000_000
"""Series times days below which the processes would cost more than they take off this one, such as one more day of a
thousand series."""
AHEAD = 2
"""Blocks a worker that are done or begun before the caller asks for them: a result that waits takes memory."""

_logger = logging.getLogger(__name__)
_opened: list[TableStore] = []
"""The store of a worker process."""


class LocalEngine:
    """The `Engine` port on any table store.

    Args:
        reopen: opens the same store in a worker process; sent there.
        workers: processes at once; as many as this process may use cores by default.
        min_cells: series times days, of the table with most, from which processes are started; without days, each
            series counts once.
    """

    def __init__(
        self,
        table_store: TableStore,
        reopen: Callable[[], TableStore],
        *,
        workers: int | None = None,
        min_cells: int = MIN_CELLS,
    ) -> None:
        self._store = table_store
        self._reopen = reopen
        self._workers = workers or _cores()
        self._min_cells = min_cells

    def map_blocks(self, work: BlockWork[T], reads: Sequence[Read], blocks: Sequence[Sequence[str]]) -> Iterator[T]:
        """See `Engine`."""
        cells = sum(map(len, blocks)) * max(len(read.days) if read.days else 1 for read in reads)
        if min(self._workers, len(blocks)) < 2 or cells < self._min_cells:
            for number, block in enumerate(blocks):
                yield work.run(number, *_frames(self._store, reads, block))
            return
        done = lost = 0
        while done < len(blocks):
            try:
                # One that was killed may have lacked memory, of which fewer at once need less.
                workers = max(1, self._workers >> lost)
                for files in self._files(work, reads, list(enumerate(blocks))[done:], workers):
                    yield work.decode(files)
                    done, lost = done + 1, 0
                    _logger.info("block %d of %d is done", done, len(blocks))
            except BrokenProcessPool as error:
                lost += 1
                _logger.warning("a worker process was killed at block %d or later", done + 1)
                if lost == MAX_ATTEMPTS:
                    problem = f"one was killed {lost} times at block {done + 1}, maybe for lack of memory"
                    raise UnavailableError("the worker processes", problem) from error

    def _files(
        self,
        work: BlockWork[T],
        reads: Sequence[Read],
        blocks: list[tuple[int, Sequence[str]]],
        workers: int,
    ) -> Iterator[Files]:
        with self._pool(min(workers, len(blocks))) as pool:
            waiting, begun = iter(blocks), deque[Future[Files]]()
            while True:
                for number, block in islice(waiting, AHEAD * workers - len(begun)):
                    begun.append(pool.submit(_run, work, reads, number, block))
                if not begun:
                    return
                yield begun.popleft().result()

    def _pool(self, workers: int) -> ProcessPoolExecutor:
        # Not forked from here: libraries that hold threads do not survive it.
        context = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")
        if sys.platform == "linux":
            context.set_forkserver_preload([__name__, "forecasting_platform.forecasting.block_training"])
        return ProcessPoolExecutor(workers, context, initializer=_open, initargs=(self._reopen,))


def _open(reopen: Callable[[], TableStore]) -> None:
    _opened.append(reopen())


def _frames(store: TableStore, reads: Sequence[Read], block: Sequence[str]) -> list[pd.DataFrame]:
    # Sums over a frame depend on how it lies in memory, in which stores differ.
    return [read.table.conform(store.read(read.table, read.days, unique_ids=block)) for read in reads]


def _run(work: BlockWork[T], reads: Sequence[Read], number: int, block: Sequence[str]) -> Files:
    return work.encode(work.run(number, *_frames(_opened[0], reads, block)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
