import threading
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.errors import InvalidFrameError, StoreUnavailableError
from forecasting_platform.forecasting.series.frames import PREDICTION_LOG
from forecasting_platform.forecasting.series.table import Table
from serve.forecasts.precomputed import RenderedForecasts
from serve.service import service_of
from serve.telemetry.prediction_log import MAX_ANSWERS_WAITING, MAX_ROWS_WAITING, Answer, PredictionLog


class Store(MemoryTableStore):
    """A store in memory that fails as told."""

    failure: Exception | None = None

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        if self.failure:
            raise self.failure
        return super().append(table, rows)


def answer(request_id: str, days: int = 3) -> Answer:
    ds = np.arange(np.datetime64("2023-07-01"), np.datetime64("2023-07-01") + days)
    ids = np.array(["a"] * days, dtype=object)
    text, begins = b",".join([b"{}"] * days), 3 * np.arange(days + 1)
    served = RenderedForecasts(
        ids, np.full(days, np.datetime64("2023-06-30")), ds, np.arange(days) / 3, text, begins, ""
    )
    return Answer(request_id, datetime.now(UTC), "1", (served,))


def logged(store: MemoryTableStore) -> list[str]:
    return sorted(set(store.read(PREDICTION_LOG)["request_id"]))


def test_what_was_answered_is_logged_with_its_request(make_app: Any, store: MemoryTableStore) -> None:
    app = make_app()
    reply = app.test_client().post("/predict", json={"start": "2023-07-01", "end": "2023-07-03"})
    service_of(app).stop()
    rows = store.read(PREDICTION_LOG)
    assert set(rows["request_id"]) == {reply.headers["X-Request-ID"]}
    answered = [(row["unique_id"], row["ds"], row["y_hat"]) for row in reply.json["forecasts"]]
    assert list(zip(rows["unique_id"], rows["ds"].dt.strftime("%Y-%m-%d"), rows["y_hat"], strict=True)) == answered


def test_a_store_that_is_down_gets_the_rows_when_it_is_back() -> None:
    store = Store()
    log = PredictionLog(store)
    log.offer(answer("first"))
    store.failure = StoreUnavailableError("the store", "gone")
    with pytest.raises(StoreUnavailableError):
        log.write()
    log.offer(answer("second"))
    store.failure = None
    log.write()
    assert logged(store) == ["first", "second"]
    assert (log.waiting, log.dropped) == (0, 0)


def test_what_does_not_fit_is_dropped_and_counted() -> None:
    store = Store()
    log = PredictionLog(store, capacity=5)
    for request_id in ("first", "second"):
        log.offer(answer(request_id))
    assert (log.waiting, log.dropped) == (3, 3)
    log.write()
    log.offer(answer("third"))
    log.write()
    assert logged(store) == ["first", "third"]


def test_without_a_word_200_000_rows_wait_and_no_more() -> None:
    log = PredictionLog(Store())
    for number in range(201):
        log.offer(answer(f"{number}", days=1000))
    assert (log.waiting, log.dropped) == (200_000, 1000)


def test_rows_the_store_refuses_do_not_block_those_that_follow() -> None:
    store = Store()
    log = PredictionLog(store)
    log.offer(answer("first"))
    store.failure = InvalidFrameError("prediction_log", "wrong")
    with pytest.raises(InvalidFrameError):
        log.write()
    store.failure = None
    log.offer(answer("second"))
    log.write()
    assert (logged(store), log.dropped) == (["second"], 3)


def test_answers_that_arrive_during_a_write_are_the_next_ones_and_no_transaction_each() -> None:
    written = []

    class Busy(MemoryTableStore):
        def append(self, table: Table, rows: pd.DataFrame) -> int:
            written.append(list(rows["request_id"].unique()))
            log.offer(answer(f"during write {len(written)}"))
            return super().append(table, rows)

    log = PredictionLog(Busy())
    log.offer(answer("first"))
    log.write()
    assert written == [["first"]]
    log.write()
    assert written == [["first"], ["during write 1"]]


def test_without_a_store_nothing_is_kept() -> None:
    log = PredictionLog(None)
    log.offer(answer("first"))
    log.write()
    assert (log.waiting, log.dropped) == (0, 0)


def test_what_was_dropped_is_said_once_a_try_and_not_once_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    log = PredictionLog(store, capacity=3)
    store.failure = StoreUnavailableError("the store", "gone")
    for request_id in ("kept", "dropped", "dropped too"):
        log.offer(answer(request_id))
    for _ in range(2):
        with pytest.raises(StoreUnavailableError):
            log.write()
    (said,) = [record for record in caplog.records if record.message == "predictions were not logged"]
    assert vars(said)["rows"] == 6
    assert "over 3 rows or 20000 answers wait" in vars(said)["reason"]


def test_many_answers_are_written_in_batches_and_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve.telemetry.prediction_log.BATCH_ROWS", 5)
    store = Store()
    log = PredictionLog(store)
    for number in range(7):
        log.offer(answer(f"{number}"))
    log.write()
    assert logged(store) == [f"{number}" for number in range(7)]
    assert len(store.read(PREDICTION_LOG)) == 21
    assert (log.waiting, log.dropped) == (0, 0)


class HangingStore(Store):
    """A store whose writes wait until they may go on; what it was asked to write, request by request."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.written: list[str] = []

    def append(self, table: Table, rows: pd.DataFrame) -> int:
        self.written += rows["request_id"].unique().tolist()
        self.begun.set()
        self.goes_on.wait()
        return super().append(table, rows)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for no write under way."""
    monkeypatch.setattr("serve.periodic_task.PeriodicTask.stop.__defaults__", (0.0,))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("recovers", [True, False])
def test_a_stop_during_a_write_writes_nothing_twice_and_counts_what_is_lost(recovers: bool) -> None:
    store = HangingStore()
    log = PredictionLog(store)
    log.offer(answer("under way"))
    log.start()
    store.begun.wait()
    log.offer(answer("waits"))
    log.stop()
    log.offer(answer("too late"))
    assert store.written == ["under way"]
    if not recovers:
        store.failure = StoreUnavailableError("the store", "gone")
    store.goes_on.set()
    log._thread._thread.join()
    assert logged(store) == (["under way"] if recovers else [])
    assert (log.waiting, log.dropped) == (0, 6 if recovers else 9)


def test_a_stop_writes_what_waits_and_drops_what_a_store_that_is_away_does_not_take(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Store()
    log = PredictionLog(store)
    log.offer(answer("first"))
    log.stop()
    assert (logged(store), log.waiting, log.dropped) == (["first"], 0, 0)
    store.failure = StoreUnavailableError("the store", "gone")
    log = PredictionLog(store)
    log.offer(answer("second"))
    log.stop()
    assert (log.waiting, log.dropped) == (0, 3)
    (said,) = [record for record in caplog.records if record.message == "predictions were not logged"]
    assert vars(said)["rows"] == 3


def test_writers_and_askers_at_once_write_each_answer_once_in_order() -> None:
    store = HangingStore()
    store.goes_on.set()
    log = PredictionLog(store)
    threads = [threading.Thread(target=log.write) for _ in range(4)]
    for number in range(500):
        log.offer(answer(f"{number:03}"))
    for thread in threads:
        thread.start()
    for number in range(500, 1000):
        log.offer(answer(f"{number:03}"))
    for thread in threads:
        thread.join()
    log.write()
    assert store.written == [f"{number:03}" for number in range(1000)]
    assert (log.waiting, log.dropped) == (0, 0)


def test_no_more_rows_wait_than_memory_is_meant_for() -> None:
    log = PredictionLog(Store())
    month, rows = answer("a month", 31), 0
    while rows + 31 <= MAX_ROWS_WAITING:
        log.offer(month)
        rows += 31
    assert (log.waiting, log.dropped) == (rows, 0)
    log.offer(month)
    assert (log.waiting, log.dropped) == (rows, 31)
    log = PredictionLog(Store())
    for _ in range(MAX_ANSWERS_WAITING + 7):
        log.offer(answer("a day", 1))
    assert (log.waiting, log.dropped) == (MAX_ANSWERS_WAITING, 7)
