"""Which recipes the decisions on Postgres compared: a few numbers of their evidence, for `ledger`."""

from datetime import datetime

from forecasting_platform.adapters.postgres.connections import PostgresConnection
from forecasting_platform.forecasting.promotion.tries import ComparedRecipes, name_recipe, read_tries

# Of the evidence only these: the losses of two backtests are most of it.
_READ_COMPARED = """
SELECT decided_at,
    evidence #>> '{inputs,challenger,recipe_fingerprint}', evidence #>> '{inputs,challenger,version}',
    evidence #>> '{inputs,champion,recipe_fingerprint}', evidence #>> '{inputs,champion,version}',
    (evidence #>> '{statistics,p_better}')::float8, nullif(evidence #> '{inputs,tries}', 'null')
FROM promotion_decisions
WHERE decided_at >= %s AND jsonb_typeof(evidence #> '{statistics,p_better}') = 'number'
ORDER BY decision_id
"""


def select_compared(connection: PostgresConnection, since: datetime) -> list[ComparedRecipes]:
    """See `Ledger.compared_recipes`."""
    rows = connection.execute(_READ_COMPARED, [since]).fetchall()
    return [
        ComparedRecipes(
            at, name_recipe(challenger, version), name_recipe(champion, of_champion), p_better, read_tries(tries)
        )
        for at, challenger, version, champion, of_champion, p_better, tries in rows
    ]
