"""What a sensor waits for ends before Dagster ends the sensor."""

import dagster as dg
import pytest

from forecasting_platform.adapters.feeds.several_feeds import GRACE_SECONDS
from forecasting_platform.orchestration import resources
from forecasting_platform.orchestration.resources import SENSOR_FEED_SECONDS, build_resources
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.dagster_internals import DEFAULT_SENSOR_GRPC_TIMEOUT


def test_the_deadlines_of_a_sensor_are_nested() -> None:
    """Both feeds at once, then reading and comparing the table, within what Dagster gives a sensor."""
    assert SENSOR_FEED_SECONDS + GRACE_SECONDS < DEFAULT_SENSOR_GRPC_TIMEOUT - 15


@pytest.mark.parametrize(("in_sensor", "seconds"), [(True, SENSOR_FEED_SECONDS), (False, 300.0)])
def test_a_sensor_waits_for_a_feed_no_longer_than_it_may(
    monkeypatch: pytest.MonkeyPatch, in_sensor: bool, seconds: float
) -> None:
    feed = build_resources(Settings(feed_timeout_seconds=300))["observation_feed"]
    parts = {"observation_feed": feed}
    found: list[float] = []
    monkeypatch.setattr(resources, "feed_of", lambda settings: found.append(settings.feed_timeout_seconds))

    @dg.op(required_resource_keys={"observation_feed"})
    def use() -> None:
        pass

    if in_sensor:
        with dg.build_resources(parts):
            pass
    else:
        dg.GraphDefinition("use", node_defs=[use]).to_job().execute_in_process(resources=parts)
    assert found == [seconds]
