"""The time machine against a log kept beside: what was known at any past moment, after revisions of it."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest
from click.testing import CliRunner

from forecasting_platform.adapters.memory.ledger import MemoryLedger
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.cli import main
from forecasting_platform.commands.as_of import data_rows, decision_rows, document
from forecasting_platform.commands.terminal.options import DayOrMoment
from forecasting_platform.forecasting.promotion.decisions import PromotionDecision, Verdict
from forecasting_platform.forecasting.reports.as_of import Snapshot
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FORECASTS
from forecasting_platform.ports.ledger import Ledger
from forecasting_platform.ports.table_store import TableStore
from forecasting_platform.services.as_of import stored_snapshot
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.ledger_contract import ALERT

BEGAN = datetime(2023, 1, 1, tzinfo=UTC)
FIRST, DAYS = date(2023, 1, 1), 25
SERIES = ("a", "b 'quoted'", "ü")
VERDICTS: tuple[Verdict, ...] = ("promote", "hold", "refresh", "reject", "rollback")
QUESTIONS = 300


@dataclass
class Log:
    """What a clerk would have written down, one copy of the whole state after each event."""

    pages: list[tuple[datetime, "Known"]] = field(default_factory=list)

    def at(self, moment: datetime) -> "Known":
        return next((known for when, known in reversed(self.pages) if when <= moment), Known())


@dataclass(frozen=True)
class Known:
    values: dict[tuple[str, date], float] = field(default_factory=dict)
    champion: str | None = None
    verdict: tuple[str, str] | None = None
    forecasts: dict[str, tuple[date, str, float]] = field(default_factory=dict)
    incidents: frozenset[str] = frozenset()


def live(store: TableStore, ledger: Ledger, chance: random.Random) -> Log:
    """Weeks of loads with revisions, decisions, forecasts and incidents, all logged as they happen."""
    log, known, now = Log(), Known(), BEGAN
    versions = 0
    for day in DateRange(FIRST, FIRST + timedelta(days=DAYS - 1)):
        now = datetime.combine(day, datetime.min.time(), UTC) + timedelta(days=1, seconds=chance.randrange(1, 3600))
        known = loaded(store, known, day, now, chance)
        log.pages.append((now, known))
        if chance.random() < 0.4:
            now += timedelta(seconds=chance.randrange(1, 3600))
            versions += 1
            known = decided(ledger, known, versions, day, now, chance)
            log.pages.append((now, known))
        if known.champion and chance.random() < 0.8:
            now += timedelta(seconds=chance.randrange(1, 3600))
            known = issued(store, known, day, now)
            log.pages.append((now, known))
        if chance.random() < 0.3:
            now += timedelta(seconds=chance.randrange(1, 3600))
            known = told(ledger, known, now)
            log.pages.append((now, known))
    return log


def loaded(store: TableStore, known: Known, day: date, now: datetime, chance: random.Random) -> Known:
    """The day's values, and revisions of earlier ones; some series are late."""
    earlier = [key for key in known.values if chance.random() < 0.05]
    keys = [*earlier, *((uid, day) for uid in SERIES if chance.random() < 0.9)]
    if not keys:
        return known
    values = {key: chance.choice([known.values.get(key, 1.0), chance.uniform(-5, 5)]) for key in keys}
    rows = pd.DataFrame(
        [(uid, pd.Timestamp(ds), y) for (uid, ds), y in values.items()], columns=["unique_id", "ds", "y"]
    )
    store.record_observations(rows, DateRange(FIRST, day), available_at=now)
    return replace(known, values=known.values | values)


def decided(ledger: Ledger, known: Known, version: int, day: date, now: datetime, chance: random.Random) -> Known:
    verdict = chance.choice(VERDICTS) if known.champion else "promote"
    decision = PromotionDecision(verdict, f"reason {version}", str(version), known.champion, day, now, "a test")
    ledger.append_decision(decision)
    champion = str(version) if verdict in {"promote", "refresh", "rollback"} else known.champion
    return replace(known, champion=champion, verdict=(str(version), verdict))


def issued(store: TableStore, known: Known, day: date, now: datetime) -> Known:
    assert known.champion
    value = float(day.toordinal())
    present = {uid for uid, ds in known.values if ds == day}
    if not present:
        return known
    row = {column.name: value for column in FORECASTS.columns if column.kind == "float"}
    keys = {"cutoff": pd.Timestamp(day), "model_version": known.champion, "issued_at": pd.Timestamp(now)}
    days = [pd.Timestamp(day) + timedelta(days=step) for step in (1, 2)]
    rows = pd.DataFrame([row | keys | {"unique_id": uid, "ds": ds} for uid in sorted(present) for ds in days])
    store.record_forecasts(rows)
    return replace(known, forecasts=known.forecasts | dict.fromkeys(present, (day, known.champion, value)))


def told(ledger: Ledger, known: Known, now: datetime) -> Known:
    """Open an incident, or resolve the open one."""
    if known.incidents:
        (alert_id,) = known.incidents
        opened = next(alert for alert in ledger.alerts() if alert.alert_id == alert_id)
        ledger.save_alerts([replace(opened, state="RESOLVED", resolved=now, last_seen=now)])
        return replace(known, incidents=frozenset())
    alert_id = f"a:b@{int(now.timestamp())}"
    ledger.save_alerts([replace(ALERT, alert_id=alert_id, fingerprint="a:b", first_seen=now, last_seen=now)])
    return replace(known, incidents=frozenset([alert_id]))


def read(found: Snapshot) -> Known:
    """A snapshot in the words of the log."""
    newest = found.forecasts.drop_duplicates("unique_id")
    return Known(
        values={(row.unique_id, row.ds.date()): row.y for row in found.observations.itertuples()},
        champion=found.champion.challenger_version if found.champion else None,
        verdict=(found.verdict.challenger_version, found.verdict.verdict) if found.verdict else None,
        forecasts={row.unique_id: (row.cutoff.date(), row.model_version, row.y_hat) for row in newest.itertuples()},
        incidents=frozenset(alert.alert_id for alert in found.incidents),
    )


def moments(log: Log, chance: random.Random) -> Iterator[datetime]:
    """Before, between and after the events, and exactly at them."""
    span = (log.pages[-1][0] - BEGAN).total_seconds() + 86_400
    for _ in range(QUESTIONS):
        at_random = BEGAN + timedelta(seconds=chance.uniform(0, span))
        yield chance.choice([at_random, at_random, chance.choice(log.pages)[0]])


def differences(store: TableStore, ledger: Ledger, seed: int) -> list[datetime]:
    chance = random.Random(seed)
    log = live(store, ledger, chance)
    return [m for m in moments(log, chance) if read(stored_snapshot(store, ledger, m, Settings())) != log.at(m)]


@pytest.mark.slow
def test_hundreds_of_questions_are_answered_as_a_log_kept_beside_has_it(prepared_dsn: str) -> None:
    store, ledger = PostgresTableStore(prepared_dsn), PostgresLedger(prepared_dsn)
    assert differences(store, ledger, seed=1) == []
    store.close()
    ledger.close()


def test_before_anything_was_known_nothing_is_said() -> None:
    found = stored_snapshot(MemoryTableStore(), MemoryLedger(), BEGAN, Settings())
    assert (data_rows(found), decision_rows(found)) == ([], [])
    assert json.loads(json.dumps(document(found)))["champion"] is None


@pytest.mark.slow
def test_what_is_shown_names_the_newest_day_its_vintage_and_the_forecast_of_it() -> None:
    store, ledger, chance = MemoryTableStore(), MemoryLedger(), random.Random(3)
    log = live(store, ledger, chance)
    found = stored_snapshot(store, ledger, log.pages[-1][0], Settings())
    rows = {row["unique_id"]: row for row in data_rows(found)}
    known = log.pages[-1][1]
    for uid in SERIES:
        days = [ds for name, ds in known.values if name == uid]
        assert (rows[uid]["known_days"], rows[uid]["newest_day"]) == (len(days), str(max(days)))
        assert (rows[uid]["forecast_cutoff"], rows[uid]["forecast_by"]) == tuple(map(str, known.forecasts[uid][:2]))
    assert decision_rows(found)[0]["version"] == known.champion
    assert len(document(found)["data_fingerprint"]) == 64


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2023-07-01", datetime(2023, 7, 1, 23, 59, 59, 999999, UTC)),
        ("2023-07-01T06:00Z", datetime(2023, 7, 1, 6, tzinfo=UTC)),
    ],
)
def test_a_day_means_its_end_and_a_time_itself(written: str, moment: datetime) -> None:
    assert DayOrMoment().convert(written, None, None) == moment


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["as-of", "2023-13-01"], "is no day; write YYYY-MM-DD"),
        (["as-of", "yesterday"], "is no time; write it as 2023-07-01T06:00Z"),
        (["as-of", "2023-07-01T06:00"], "has no time zone; add Z for UTC"),
        (["backtest-policy", "--start", "2023-07-01"], "give both --start and --end, or neither"),
        (["backtest-policy", "--every", "0"], "0 is not in the range"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error_that_says_so(words: list[str], said: str) -> None:
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    assert said in done.stderr
