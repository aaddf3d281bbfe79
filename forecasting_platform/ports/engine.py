"""Runs a pure function on blocks of series, where there are cores and memory for it.

Promises that every adapter keeps; the contract suite has a test for each:

1. Results come in the order of the blocks, each made from the rows of its series alone, ordered by key.
2. Every adapter gives the same bits.
3. A worker that is killed is replaced, and its block done again; after `MAX_ATTEMPTS` the call raises
   `UnavailableError`.
4. What the function raises on a block ends the call, with its message.
5. Memory holds one block a worker, besides the results that the caller keeps.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.table import Table

T = TypeVar("T")
Files = Mapping[str, bytes]
MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class BlockWork(Generic[T]):
    """What is done to each block.

    Attributes:
        run: gets the block's number, from 0, and its rows of each table that is read, in their order. A function of a
            module, or a partial of one: it is sent to other processes.
        encode: the result as files by name, to cross processes without a pickle.
        decode: the result from its files, the same to the last bit.
    """

    run: Callable[..., T]
    encode: Callable[[T], Files]
    decode: Callable[[Files], T]


@dataclass(frozen=True, slots=True)
class Read:
    """The rows that each block is given of a table: those of its series.

    Attributes:
        days: of the rows; all without.
    """

    table: Table
    days: DateRange | None = None


class Engine(Protocol):
    """Maps work over blocks of series of some tables."""

    def map_blocks(self, work: BlockWork[T], reads: Sequence[Read], blocks: Sequence[Sequence[str]]) -> Iterator[T]:
        """The result of each block, in order.

        Args:
            reads: one for each frame that `work` is given.
            blocks: the series of each block; a series without rows gives none.

        Raises:
            StoreUnavailableError: the table cannot be read, or a task failed.
            UnavailableError: workers were killed too often.
        """
        ...
