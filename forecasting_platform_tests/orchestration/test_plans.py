"""Plans are loaded once they change, not only at night: when they became known is what they are worth."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.feed_wiring import feed_of
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import PLANNED_VALUES
from forecasting_platform.orchestration.partitions import days_of_tags, range_tags
from forecasting_platform.orchestration.sensors import reconcile_sensor
from forecasting_platform.settings import Settings

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2023, 6, 1), date(2023, 6, 5))
DESCRIPTION = """
day: {format: "%Y-%m-%d"}
covariates: [{unique_id: promotion, known: by_target_day}]
"""


def publish(file: Path, *plan: int) -> None:
    """Sales of five days without a promotion, and the promotions of the days to come."""
    ahead = datetime.now(UTC).date() + timedelta(days=2)
    rows = [f"{day},{day.day},0" for day in DAYS]
    rows += [f"{ahead + timedelta(days=n)},,{value}" for n, value in enumerate(plan)]
    file.write_text("\n".join(["Date,sales,promotion", *rows]), encoding="utf-8")


def test_a_changed_plan_is_loaded_with_the_newest_day_and_once(tmp_path: Path) -> None:
    file, described, store = tmp_path / "feed.csv", tmp_path / "shop.yaml", MemoryTableStore()
    described.write_text(f"source: {{url: '{file.as_uri()}'}}{DESCRIPTION}", encoding="utf-8")
    settings = Settings(feed=described)
    job = build_definitions(settings=settings, resources={"table_store": store}).resolve_job_def("load_job")
    with dg.DagsterInstance.ephemeral() as instance:

        def load(days: DateRange) -> None:
            assert job.execute_in_process(instance=instance, tags=range_tags(days)).success

        def look() -> dg.RunRequest | dg.SkipReason:
            context = dg.build_sensor_context(instance=instance)
            answer = reconcile_sensor(context, observation_feed=feed_of(settings), table_store=store, settings=settings)
            assert isinstance(answer, dg.RunRequest | dg.SkipReason)
            return answer

        publish(file, 0, 0)
        load(DAYS)
        assert isinstance(look(), dg.SkipReason)
        publish(file, 0, 1, 1)
        asked = look()
        assert isinstance(asked, dg.RunRequest)
        newest = DateRange(DAYS.end, DAYS.end)
        assert days_of_tags(asked.tags) == newest
        load(newest)
        assert store.read(PLANNED_VALUES)["y"].tolist() == [0, 0, 1, 1]
        assert isinstance(look(), dg.SkipReason)
