"""Appends every answered forecast to `PREDICTION_LOG` in the background.

A request never waits for the store: answers wait in memory, up to a number of rows and of answers; further ones are
dropped, counted and logged. While the store is down the same rows are tried again. Only one writer at a time takes
answers out of the queue, so that each is either written once or counted as dropped.
"""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.models.trained.forecasts import Forecasts
from forecasting_platform.forecasting.series.frames import PREDICTION_LOG
from forecasting_platform.ports.table_store import TableStore
from serve.forecasts.precomputed import RenderedForecasts
from serve.periodic_task import PeriodicTask

MAX_ROWS_WAITING = 200_000
MAX_ANSWERS_WAITING = 20_000
"""Small answers need a limit of their own: even one with a single row takes 2.5 kB."""
BATCH_ROWS = 20_000
"""Rows written at once: while a large frame is built, no other thread of the process answers."""
WRITE_SECONDS = 0.25
"""Often and little: writing a second of full load at once would take Postgres a core, which answers then lack.

And not at once: a transaction for each few answers takes more of the processor than the answers."""

_log = logging.getLogger("serve.telemetry.prediction_log")


ServedForecasts = Forecasts | RenderedForecasts
"""Forecasts, as arrays of one length."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The forecasts of one request, in parts.

    Attributes:
        given_inputs: whether the request gave the input rows itself, so that they need not be of a real day.
    """

    request_id: str
    served_at: datetime
    model_version: str
    forecasts: tuple[ServedForecasts, ...]
    given_inputs: bool = False

    def __len__(self) -> int:
        return sum(len(part.ds) for part in self.forecasts)


class PredictionLog:
    """Queues answers and writes them soon.

    Args:
        store: where they are written; without one nothing is kept.
        capacity: maximum number of waiting rows.
    """

    def __init__(self, store: TableStore | None, *, capacity: int = MAX_ROWS_WAITING) -> None:
        self._store = store
        self._capacity = capacity
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._answers: deque[Answer] = deque()
        self._thread = PeriodicTask("prediction-log", WRITE_SECONDS, self.write)
        self._is_stopped = False
        self.waiting = 0
        self.dropped = 0
        self._reported = 0

    def offer(self, answer: Answer) -> None:
        """Queue an answer, or count its rows as dropped when too many wait or the log has stopped."""
        if self._store is None:
            return
        rows = len(answer)
        with self._lock:
            is_full = self.waiting + rows > self._capacity or len(self._answers) >= MAX_ANSWERS_WAITING
            if is_full or self._is_stopped:
                self.dropped += rows
                return
            self._answers.append(answer)
            self.waiting += rows

    def start(self) -> None:
        """Begin to write, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """End, after one more try to write what waits; what is left is dropped.

        A write that hangs is not waited for, and no second one starts beside it.
        """
        self._thread.stop()
        if not self._writing.locked():
            self._thread.run_once()
        with self._lock:
            self._is_stopped = True
            left = list(self._answers)
            self._answers.clear()
        self._drop(left, "the app ended before the store took them")

    def write(self) -> None:
        """Write what waits; rows that the store refuses are dropped.

        Raises:
            StoreUnavailableError: the store does not answer; everything goes on waiting.
        """
        self._report_dropped()
        if self._store is None:
            return
        with self._writing:
            # Answers that arrive meanwhile wait for the next turn: otherwise each few of them would be a transaction.
            is_more = True
            while is_more and (batch := self._take()):
                is_more = _count_rows(batch) >= BATCH_ROWS
                self._write_batch(self._store, batch)

    def _take(self) -> list[Answer]:
        """The oldest answers, out of the queue, of `BATCH_ROWS` together where there are so many."""
        batch, rows = [], 0
        with self._lock:
            while self._answers and rows < BATCH_ROWS:
                batch.append(self._answers.popleft())
                rows += len(batch[-1])
        return batch

    def _write_batch(self, store: TableStore, batch: Sequence[Answer]) -> None:
        try:
            store.append(PREDICTION_LOG, log_rows(batch))
        except StoreUnavailableError as error:
            self._put_back(batch, str(error))
            raise
        except Exception as error:
            self._drop(batch, str(error))
            raise
        with self._lock:
            self.waiting -= _count_rows(batch)

    def _put_back(self, batch: Sequence[Answer], reason: str) -> None:
        with self._lock:
            if not self._is_stopped:
                self._answers.extendleft(reversed(batch))
                return
        self._drop(batch, reason)

    def _drop(self, answers: Sequence[Answer], reason: str) -> None:
        rows = _count_rows(answers)
        if not rows:
            return
        with self._lock:
            self.waiting -= rows
            self.dropped += rows
            self._reported += rows
        _log.warning("predictions were not logged", extra={"rows": rows, "reason": reason})

    def _report_dropped(self) -> None:
        # Once per write, not once per answer: while the store is down every answer is dropped.
        with self._lock:
            rows, self._reported = self.dropped - self._reported, self.dropped
        if rows:
            reason = f"over {self._capacity} rows or {MAX_ANSWERS_WAITING} answers wait for the store"
            _log.warning("predictions were not logged", extra={"rows": rows, "reason": reason})


def _count_rows(answers: Sequence[Answer]) -> int:
    return sum(map(len, answers))


def log_rows(answers: Sequence[Answer]) -> pd.DataFrame:
    """Rows of `PREDICTION_LOG`, one a forecast; at least one answer is expected."""
    sizes = [len(answer) for answer in answers]
    parts = [part for answer in answers for part in answer.forecasts]
    return pd.DataFrame(
        {
            "request_id": np.repeat(np.array([answer.request_id for answer in answers], dtype=object), sizes),
            "served_at": pd.DatetimeIndex([answer.served_at for answer in answers]).repeat(sizes),
            "unique_id": np.concatenate([part.unique_id for part in parts]),
            "cutoff": np.concatenate([part.cutoff for part in parts]).astype("datetime64[ns]"),
            "ds": np.concatenate([part.ds for part in parts]).astype("datetime64[ns]"),
            "model_version": np.repeat(np.array([answer.model_version for answer in answers], dtype=object), sizes),
            "y_hat": np.concatenate([part.y_hat for part in parts]),
            "given_inputs": np.repeat([answer.given_inputs for answer in answers], sizes),
        }
    )
