"""What a load's checks stop, what they only tell, and when they run."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pandas as pd
import pytest

from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.memory.model_registry import MemoryModelRegistry
from forecasting_platform.adapters.memory.table_store import MemoryTableStore
from forecasting_platform.definitions import build_definitions
from forecasting_platform.errors import InsufficientHistoryError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.frames import FEATURE_TABLE, HELD_OBSERVATIONS
from forecasting_platform.forecasting.series.quality.data_quality import history_period
from forecasting_platform.orchestration.partitions import range_tags
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.services.feature_table import build_feature_table
from forecasting_platform.settings import Settings
from forecasting_platform_tests.support.in_process_engine import in_process
from forecasting_platform_tests.support.ordinary_values import changed, series

pytestmark = pytest.mark.slow

DAYS = DateRange(date(2023, 7, 1), date(2023, 7, 5))


@dataclass
class Feed:
    values: pd.DataFrame

    def fetch(self, period: DateRange) -> FeedDocument:
        nothing = pd.DataFrame({name: pd.Series(dtype=object) for name in ("unique_id", "ds", "reason", "raw")})
        return FeedDocument("scripted", datetime(2023, 7, 6, tzinfo=UTC), "0" * 64, 1, self.values, nothing)


Loaded = tuple[dg.ExecuteInProcessResult, MemoryTableStore]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[pd.DataFrame], Loaded]:
    """Runs `load_job` for five days of values after three years of ordinary ones."""
    monkeypatch.setenv("FORECASTING_DATA_DOCS_DIR", str(tmp_path / "data docs"))

    def run(values: pd.DataFrame) -> Loaded:
        store, past = MemoryTableStore(), history_period(DAYS)
        store.record_observations(series(past), past, available_at=datetime(2023, 7, 1, tzinfo=UTC))
        resources = {"observation_feed": Feed(values), "table_store": store, "settings": Settings()}
        job = build_definitions(resources=resources).resolve_job_def("load_job")
        return job.execute_in_process(tags=range_tags(DAYS), raise_on_error=False), store

    return run


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {found.check_name: found for found in result.get_asset_check_evaluations()}


def test_an_unusual_load_is_told_and_goes_on(load: Callable[[pd.DataFrame], Loaded], tmp_path: Path) -> None:
    result, store = load(changed(series(DAYS), "2023-07-03", 150.0))
    assert result.success
    assert len(store.read(FEATURE_TABLE, DAYS)) == 5
    told = checks(result)["observations_meet_expectations"]
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "no value is unusually high" in str(told.description)
    assert "| a | 2023-07-03 | 150 |" in str(told.metadata["unexpected_rows"].value)
    page = Path(str(told.metadata["data_docs_file"].value))
    assert page.is_relative_to(tmp_path / "data docs")
    assert "no value is unusually high" in page.read_text(encoding="utf-8")
    # Features do not wait for the suite, whose import takes seconds.
    order = [event.step_key for event in result.all_events if event.is_step_success]
    assert order.index("feature_table") < order.index("raw_observations_observations_meet_expectations")


def test_implausible_values_are_held_back_and_named_and_the_other_series_go_on(
    load: Callable[[pd.DataFrame], Loaded],
) -> None:
    result, store = load(pd.concat([series(DAYS).assign(y=lambda rows: rows["y"] * 1000), series(DAYS, "b")]))
    assert result.success
    assert store.read(FEATURE_TABLE, DAYS)["unique_id"].tolist() == ["b"] * 5
    assert len(store.read_observations(DAYS)) == 10
    assert store.read(HELD_OBSERVATIONS)["unique_id"].tolist() == ["a"] * 5
    told = checks(result)["observations_are_plausible"]
    assert (told.passed, told.severity, told.blocking) == (False, dg.AssetCheckSeverity.ERROR, False)
    assert "5 values are far off and held back, nothing else waits for them: 'a 2023-07-01: 1003" in str(
        told.description
    )
    assert checks(result)["feature_table_has_every_series"].passed


def test_a_day_in_progress_is_held_back_until_it_is_revised(load: Callable[[pd.DataFrame], Loaded]) -> None:
    result, store = load(pd.concat([changed(series(DAYS), "2023-07-05", 4.0), series(DAYS, "b")]))
    newest = store.read_newest(FEATURE_TABLE).set_index("unique_id")["ds"].dt.day
    assert newest.to_dict() == {"a": 4, "b": 5}
    told = checks(result)["newest_values_are_complete"]
    assert (told.passed, told.severity, told.blocking) == (False, dg.AssetCheckSeverity.WARN, False)
    assert "1 values are too low and held back, nothing else waits for them: 'a 2023-07-05: 4'" in str(told.description)
    revised = pd.concat([series(DAYS), series(DAYS, "b")])
    store.record_observations(revised, DAYS, available_at=datetime(2023, 7, 7, tzinfo=UTC))
    build_feature_table(store, in_process(store), DAYS, "IE")
    assert set(store.read_newest(FEATURE_TABLE)["ds"].dt.day) == {5}
    assert store.read(HELD_OBSERVATIONS).empty


def test_nothing_published_is_no_failure(load: Callable[[pd.DataFrame], Loaded]) -> None:
    result, _ = load(series(DAYS).iloc[:0])
    assert result.success
    assert checks(result)["observations_are_plausible"].passed
    assert checks(result)["observations_are_well_formed"].passed
    # Two days are due, the newest three may still come.
    assert checks(result)["observations_meet_expectations"].metadata["rows"].value == 0


LONG = "Series,Date,Value\n" + "".join(
    f"id_{series},{DAYS.start + timedelta(days=day):%d/%m/%Y},{series * 10 + day}\n"
    for series in (1, 2)
    for day in range(5)
)
"""One row a series and day, as most portals publish: read as one column a series, nothing of it can be used."""


@pytest.fixture
def load_file(tmp_path: Path) -> Callable[..., Loaded]:
    """Runs `load_job` for days of a document."""

    def run(content: str, days: DateRange = DAYS) -> Loaded:
        path = tmp_path / "feed.csv"
        path.write_text(content, encoding="utf-8")
        feed = FileFeed(FeedDescription.of_default_shape(path.as_uri()), timeout_seconds=60, max_bytes=1_000_000)
        store = MemoryTableStore()
        resources = {"observation_feed": feed, "table_store": store, "settings": Settings()}
        job = build_definitions(resources=resources).resolve_job_def("load_job")
        return job.execute_in_process(tags=range_tags(days), raise_on_error=False), store

    return run


def document(*cells: object, first: date = DAYS.start, name: str = "a") -> str:
    rows = [f"{first + timedelta(days=day):%d/%m/%Y},{cell}" for day, cell in enumerate(cells)]
    return "\n".join([f"Date,{name}", *rows])


def test_a_document_of_which_nothing_can_be_used_stops_features_and_says_why(load_file: Callable[..., Loaded]) -> None:
    result, store = load_file(LONG)
    assert not result.success
    assert store.read(FEATURE_TABLE).empty
    stopped = checks(result)["feed_document_gives_values"]
    assert (stopped.passed, stopped.severity) == (False, dg.AssetCheckSeverity.ERROR)
    sentence = "0 of 10 rows and 11 of 11 values of the days asked for (100 %) were refused, such as row 1 of 'Series'"
    assert f"{DAYS}: no value of the days asked for could be used: {sentence}" in str(stopped.description)
    shown = result.asset_materializations_for_node("raw_observations")
    assert {str(each.metadata["load_refused"].value) for each in shown} == {stopped.metadata["load_refused"].value}


@pytest.mark.parametrize(("share", "goes_on"), [("0.5", False), ("0.6", True)])
def test_more_refused_than_declared_stops_features(
    load_file: Callable[..., Loaded], monkeypatch: pytest.MonkeyPatch, share: str, goes_on: bool
) -> None:
    monkeypatch.setenv("FORECASTING_MAX_REFUSED_SHARE", share)
    result, store = load_file(document("n/a", "n/a", "n/a", 4, 5))
    assert result.success is goes_on
    assert len(store.read(FEATURE_TABLE)) == (2 if goes_on else 0)
    told = checks(result)["feed_document_gives_values"]
    assert not told.passed, "what is refused is told, whether features wait or not"
    assert told.severity == (dg.AssetCheckSeverity.WARN if goes_on else dg.AssetCheckSeverity.ERROR)
    assert "3 of 5 values of the days asked for (60 %) were refused, such as row 1 of 'a', 'n/a'" in str(
        told.description
    )


@pytest.mark.parametrize(
    "content",
    [
        document(1, 2, 3, first=date(2023, 6, 1)),
        document("", "", "", "", ""),
        document(1, 2, 3, first=date(2023, 8, 1)),
    ],
    ids=["not published yet", "announced without a value", "later days only"],
)
def test_days_that_a_feed_has_no_value_for_are_no_failure(load_file: Callable[..., Loaded], content: str) -> None:
    result, _ = load_file(content)
    assert result.success
    assert checks(result)["feed_document_gives_values"].passed


def test_a_range_of_weeks_without_any_value_is_no_late_day(load_file: Callable[..., Loaded]) -> None:
    result, _ = load_file(document(1, 2, 3, first=date(2023, 5, 1)), DateRange(date(2023, 7, 1), date(2023, 7, 15)))
    assert not result.success
    stopped = checks(result)["feed_document_gives_values"]
    assert "none of the 15 days asked for has a value; the document's rows are of 2023-05-01..2023-05-03" in str(
        stopped.description
    )


def test_a_training_that_finds_nothing_says_what_the_load_found(tmp_path: Path) -> None:
    path = tmp_path / "feed.csv"
    path.write_text(LONG, encoding="utf-8")
    resources = {
        "observation_feed": FileFeed(
            FeedDescription.of_default_shape(path.as_uri()), timeout_seconds=60, max_bytes=1_000_000
        ),
        "table_store": MemoryTableStore(),
        "model_registry": MemoryModelRegistry(),
        "settings": Settings(),
        "mlflow": SimpleNamespace(set_tag=lambda *_: None, end_run=lambda *_: None),
    }
    definitions = build_definitions(resources=resources)
    with dg.DagsterInstance.ephemeral() as instance:
        load_job, training_job = map(definitions.resolve_job_def, ("load_job", "training_job"))
        assert not load_job.execute_in_process(instance=instance, tags=range_tags(DAYS), raise_on_error=False).success
        with pytest.raises(InsufficientHistoryError) as caught:
            training_job.execute_in_process(instance=instance)
    said = str(caught.value)
    assert "no series has any in feature_table" in said
    assert "11 of 11 values of the days asked for (100 %) were refused, such as row 1 of 'Series'" in said
    assert "earlier start date" not in said
