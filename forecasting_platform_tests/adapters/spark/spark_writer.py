"""A process that is to be killed: `python -m forecasting_platform_tests.adapters.spark.spark_writer FOLDER`.

It says on its first line what an earlier writer left, then writes on, a line for each write that returned.
"""

import itertools
import json
import sys
from datetime import timedelta

from forecasting_platform.adapters.spark.options import SparkOptions
from forecasting_platform.adapters.spark.table_store import SparkTableStore
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, OBSERVATIONS, QUARANTINED_OBSERVATIONS
from forecasting_platform_tests.contracts.table_store_rows import JANUARY, MONDAY, features, observations, refused

CONF = {
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.codegen.wholeStage": "false",
}


def held(store: SparkTableStore) -> dict[str, list[float]]:
    """Per table the values in it, once for each row."""
    return {
        "features": store.read(FEATURE_TABLE)["y"].tolist(),
        "observations": store.read(OBSERVATIONS)["y"].tolist(),
        "refused": sorted(float(raw) for raw in store.read(QUARANTINED_OBSERVATIONS)["raw"]),
    }


def write(store: SparkTableStore, value: int) -> None:
    """The same value everywhere: a load of one day with one refusal, and a month of features."""
    store.record_observations(
        observations(("a", "2020-01-01", value)),
        JANUARY,
        available_at=MONDAY + timedelta(seconds=value),
        quarantined=refused((None, None, "no object", str(value))),
    )
    store.replace(FEATURE_TABLE, features(JANUARY, value=float(value)), JANUARY)


def say(what: object) -> None:
    """One line to whoever kills us."""
    sys.stdout.write(f"{json.dumps(what)}\n")
    sys.stdout.flush()


def main() -> None:
    """See the module."""
    store = SparkTableStore(SparkOptions(sys.argv[1], conf=CONF), compact_at=3)
    store.prepare()
    found = held(store)
    say(found)
    for value in itertools.count(int(max(found["observations"], default=0)) + 1):
        write(store, value)
        say(value)


if __name__ == "__main__":
    main()
