"""The end of a series opens one incident, which ends by itself; coming back opens none."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
import numpy as np
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.forecasting.monitoring.alert_messages import Route
from forecasting_platform.forecasting.monitoring.evaluations import apply_evaluations
from forecasting_platform.forecasting.monitoring.incidents import Alert, Evaluation, Result
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE
from forecasting_platform.orchestration.checks.feature_table import every_series_goes_on
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform_tests.support.example_series import END, features_of, observations, seasonal

ENDED = date(2023, 5, 1)
SINCE = 200
LATER = timedelta(minutes=5)
NAME = "feature_table:every_series_goes_on"


@pytest.fixture(scope="module")
def store() -> MemoryTableStore:
    """One series that goes on, and one that ended on the first of May and came back on 25 June."""
    values = seasonal(SINCE)
    paused = values.copy()
    first, back = SINCE - 1 - (END - ENDED).days, SINCE - 1 - (END - date(2023, 6, 25)).days
    paused[first + 1 : back] = np.nan
    features = features_of(observations({"goes on": values, "road": paused}))
    made = MemoryTableStore()
    made.replace(FEATURE_TABLE, features, DateRange(features["ds"].min().date(), END))
    return made


def told_on(store: MemoryTableStore, day: date) -> dg.AssetCheckEvaluation:
    definitions = build_definitions(resources={"table_store": store})
    selection = dg.AssetSelection.checks(every_series_goes_on)
    job = dg.define_asset_job("goes_on", selection).resolve(asset_graph=definitions.resolve_asset_graph())
    resolved = dg.Definitions(
        asset_checks=[every_series_goes_on], assets=definitions.assets, jobs=[job], resources=definitions.resources
    )
    result = resolved.resolve_job_def("goes_on").execute_in_process(tags=range_tags(DateRange(day, day)))
    return result.get_asset_check_evaluations()[0]


def test_the_end_of_a_series_is_one_incident_that_ends_by_itself(store: MemoryTableStore) -> None:
    alerts: dict[str, Alert] = {}
    # By their keys: the outbox holds a message once, however often it is queued.
    messages, failed = {}, []
    for number, day in enumerate(
        (date(2023, 6, 1), date(2023, 6, 2), date(2023, 6, 8), date(2023, 6, 9), END), start=1
    ):
        found, at = told_on(store, day), datetime(day.year, day.month, day.day, tzinfo=UTC)
        result: Result = "passed" if found.passed else "failed"
        evaluation = Evaluation(NAME, number, result, "warning", at, "")
        changed, queued = apply_evaluations(list(alerts.values()), [evaluation], at + LATER, routes=[Route("a")])
        alerts |= {alert.alert_id: alert for alert in changed}
        messages |= {message.key: message.kind for message in queued if message.kind != "REMINDER"}
        failed += [day] if not found.passed else []
        assert found.passed or "road (2023-05-01)" in str(found.description)
    assert failed == [date(2023, 6, 2), date(2023, 6, 8)]
    assert list(messages.values()) == ["FIRING", "RESOLVED"]
