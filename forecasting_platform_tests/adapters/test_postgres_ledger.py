from collections.abc import Iterator

import psycopg
import pytest

from forecasting_platform.adapters.postgres_ledger import PostgresLedger
from forecasting_platform.adapters.postgres_table_store import PostgresTableStore
from forecasting_platform_tests.contracts.ledger_contract import ALERT, DECISION, RemoteLedgerContract

pytestmark = pytest.mark.slow


@pytest.fixture
def prepared(postgres_dsn: str) -> Iterator[PostgresLedger]:
    ledger = PostgresLedger(postgres_dsn)
    ledger.prepare()
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
    prepared: PostgresLedger, postgres_dsn: str, statement: str
) -> None:
    prepared.append_decision(DECISION)
    with (
        psycopg.connect(postgres_dsn) as owner,
        pytest.raises(psycopg.Error, match="promotion_decisions is append-only"),
    ):
        owner.execute(statement)
    assert [decision.verdict for decision in prepared.decisions()] == ["promote"]


def test_evidence_can_be_queried_as_json(prepared: PostgresLedger, postgres_dsn: str) -> None:
    prepared.append_decision(DECISION)
    with psycopg.connect(postgres_dsn) as connection:
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
