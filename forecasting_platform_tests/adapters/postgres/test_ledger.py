import subprocess
import sys
from collections.abc import Iterator

import psycopg
import pytest

from forecasting_platform.adapters.postgres import ledger as postgres_ledger
from forecasting_platform.adapters.postgres.ledger import PostgresLedger
from forecasting_platform.adapters.postgres.table_store import PostgresTableStore
from forecasting_platform.errors import StoreUnavailableError
from forecasting_platform.forecasting.promotion.decisions import first_break
from forecasting_platform_tests.contracts.ledger_contract import ALERT, DECISION, RemoteLedgerContract
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow


@pytest.fixture
def prepared(prepared_dsn: str) -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(prepared_dsn)
    yield ledger
    ledger.close()


class TestPostgresLedger(RemoteLedgerContract):
    @pytest.fixture
    def ledger(self, prepared: PostgresLedger) -> PostgresLedger:
        return prepared

    @pytest.fixture
    def unreachable_ledger(self) -> PostgresLedger:
        return PostgresLedger("postgresql://someone:secret@127.0.0.1:1/nothing")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE forecasting.promotion_decisions SET verdict = 'reject'",
        "DELETE FROM forecasting.promotion_decisions",
        "TRUNCATE forecasting.promotion_decisions",
    ],
)
def test_postgres_itself_refuses_to_change_a_decision(
    prepared: PostgresLedger, prepared_dsn: str, statement: str
) -> None:
    prepared.append_decision(DECISION)
    with (
        psycopg.connect(prepared_dsn) as owner,
        pytest.raises(psycopg.Error, match="promotion_decisions is append-only"),
    ):
        owner.execute(statement)
    assert [decision.verdict for decision in prepared.decisions()] == ["promote"]


def test_evidence_can_be_queried_as_json(prepared: PostgresLedger, prepared_dsn: str) -> None:
    prepared.append_decision(DECISION)
    with psycopg.connect(prepared_dsn) as connection:
        query = "SELECT (evidence #>> '{rmse,challenger}')::float8 FROM forecasting.promotion_decisions"
        assert connection.execute(query).fetchone() == (5.4,)


def test_the_ledger_and_the_table_store_share_a_schema_in_either_order(postgres_dsn: str) -> None:
    store, ledger = PostgresTableStore(postgres_dsn), PostgresLedger(postgres_dsn)
    ledger.prepare()
    store.prepare()
    ledger.save_alerts([ALERT])
    assert store.read_observations().empty
    assert ledger.alerts() == [ALERT]
    store.close()
    ledger.close()


@pytest.mark.parametrize(
    "change",
    [
        "verdict = 'hold'", "reason = reason || ' '", "decided_by = 'x'", "challenger_cutoff = challenger_cutoff + 1",
        "decided_at = decided_at + interval '1 microsecond'", "champion_version = NULL",
        "evidence = jsonb_set(evidence, '{rmse,challenger}', '5.41')", "entry_hash = repeat('0', 64)",
        "previous_hash = repeat('1', 64)",
    ],
)  # fmt: skip
def test_a_byte_that_a_superuser_changes_is_found(prepared: PostgresLedger, prepared_dsn: str, change: str) -> None:
    entries = [prepared.append_decision(DECISION) for _ in range(3)]
    with psycopg.connect(prepared_dsn) as owner:
        owner.execute("ALTER TABLE forecasting.promotion_decisions DISABLE TRIGGER append_only")
        owner.execute(
            f"UPDATE forecasting.promotion_decisions SET {change} WHERE decision_id = %s", [entries[1].decision_id]
        )
    found = first_break(prepared.decisions())
    assert found is not None
    assert f"decision {entries[1].decision_id} " in found


def test_the_right_to_promote_that_is_not_to_be_had_is_unavailable(
    prepared: PostgresLedger, prepared_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert postgres_ledger.MAX_PROMOTION_WAIT == "10min"
    monkeypatch.setattr(postgres_ledger, "MAX_PROMOTION_WAIT", "200ms")
    other = PostgresLedger(prepared_dsn)
    with prepared.promotion():
        with pytest.raises(StoreUnavailableError, match="then retry"), other.promotion():
            pass
        assert other.decisions() == [], "nobody else waits"
    with other.promotion():
        pass
    other.close()


def test_processes_that_prepare_an_empty_database_at_once_all_succeed(postgres_dsn: str) -> None:
    script = f"""
import sys
from {PostgresLedger.__module__} import PostgresLedger
from {PostgresTableStore.__module__} import PostgresTableStore
parts = PostgresTableStore(sys.argv[1]), PostgresLedger(sys.argv[1])
sys.stdin.readline()
for part in parts:
    part.prepare()
"""
    command = [sys.executable, "-c", script, postgres_dsn]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    ended = [process.communicate("go\n", timeout=PATIENCE_SECONDS)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, ended
    store, ledger = PostgresTableStore(postgres_dsn), PostgresLedger(postgres_dsn)
    assert (store.read_observations().empty, ledger.decisions()) == (True, [])
    store.close()
    ledger.close()
