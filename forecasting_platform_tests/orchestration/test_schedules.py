"""When loads and trainings are asked for."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest

from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.orchestration import schedules
from forecasting_platform.orchestration.names import tag_key
from forecasting_platform.orchestration.partitions import RANGE_END, RANGE_START
from forecasting_platform.orchestration.schedules import (
    CYCLE,
    build_schedules,
    days_to_load,
)
from forecasting_platform.settings import Settings


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as real:
        yield real


Answer = dg.RunRequest | dg.SkipReason
daily_load_schedule, training_schedule = build_schedules(Settings())


def tick(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance | None, day: date) -> Answer:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    answer = schedule(dg.build_schedule_context(instance=instance, scheduled_execution_time=at), settings=Settings())
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


def test_two_years_of_ticks_train_exactly_every_15_days() -> None:
    # The function without Dagster's resources, which make an instance for each call.
    instance = dg.DagsterInstance.ephemeral()
    asked = []
    for day in (date(2024, 1, 1) + timedelta(days=offset) for offset in range(731)):
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at)
        if isinstance(schedules.training_schedule(context, Settings()), dg.RunRequest):
            asked.append(day)
    gaps = {later - earlier for earlier, later in pairwise(asked)}
    assert gaps == {timedelta(days=15)}
    assert len(asked) >= 48


def test_the_training_schedule_is_no_monthly_cron() -> None:
    assert training_schedule.cron_schedule == "0 1 * * *"


def test_a_missed_training_is_made_up_for_the_next_day(instance: dg.DagsterInstance) -> None:
    instance.add_run(dg.DagsterRun("training_job", tags={tag_key("", CYCLE): "2023-12-16"}))
    request = tick(training_schedule, instance, date(2024, 1, 2))
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "training-2023-12-31"
    instance.add_run(dg.DagsterRun("training_job", tags=dict(request.tags)))
    assert isinstance(tick(training_schedule, instance, date(2024, 1, 3)), dg.SkipReason)


@dg.job(name="training_job", executor_def=dg.in_process_executor)
def trains_or_not() -> None:
    @dg.op(config_schema=bool)
    def train(context: dg.OpExecutionContext) -> None:
        assert context.op_config

    train()


def run_of(request: Answer, instance: dg.DagsterInstance, *, succeeds: bool) -> None:
    assert isinstance(request, dg.RunRequest)
    config = {"ops": {"train": {"config": succeeds}}}
    ran = trains_or_not.execute_in_process(config, instance, tags=dict(request.tags), raise_on_error=False)
    assert ran.success == succeeds


def test_a_training_that_failed_is_asked_for_again_each_day_until_one_succeeds(instance: dg.DagsterInstance) -> None:
    days = [date(2023, 12, 31) + timedelta(days=offset) for offset in range(15)]
    keys = []
    for day in days[:3]:
        request = tick(training_schedule, instance, day)
        run_of(request, instance, succeeds=False)
        keys.append(request.run_key if isinstance(request, dg.RunRequest) else None)
    assert keys == ["training-2023-12-31", "training-2023-12-31-2024-01-01", "training-2023-12-31-2024-01-02"]
    run_of(tick(training_schedule, instance, days[3]), instance, succeeds=True)
    for day in days[4:]:
        assert isinstance(tick(training_schedule, instance, day), dg.SkipReason)
    assert isinstance(tick(training_schedule, instance, date(2024, 1, 15)), dg.RunRequest)


@pytest.mark.parametrize(
    ("status", "asks"),
    [
        (dg.DagsterRunStatus.NOT_STARTED, False),
        (dg.DagsterRunStatus.STARTING, False),
        (dg.DagsterRunStatus.STARTED, False),
        (dg.DagsterRunStatus.CANCELING, False),
        (dg.DagsterRunStatus.SUCCESS, False),
        (dg.DagsterRunStatus.CANCELED, True),
        (dg.DagsterRunStatus.FAILURE, True),
    ],
)
def test_a_training_is_never_asked_for_beside_one_in_progress(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, asks: bool
) -> None:
    instance.add_run(dg.DagsterRun("training_job", status=status, tags={tag_key("", CYCLE): "2023-12-31"}))
    assert isinstance(tick(training_schedule, instance, date(2024, 1, 2)), dg.RunRequest) == asks


def test_the_daily_load_runs_at_midnight_for_yesterday_and_a_look_back(instance: dg.DagsterInstance) -> None:
    assert daily_load_schedule.cron_schedule == "0 0 * * *"
    request = tick(daily_load_schedule, instance, date(2023, 7, 31))
    assert isinstance(request, dg.RunRequest)
    assert (request.tags[RANGE_START], request.tags[RANGE_END]) == ("2023-06-30", "2023-07-30")


YESTERDAY = date(2023, 7, 30)
JULY = [date(2023, 7, day) for day in range(1, 31)]


@pytest.mark.parametrize(
    ("loaded", "start"),
    [
        ([], date(2023, 6, 30)),  # nothing loaded: no silent load of years
        (JULY[:-1], date(2023, 6, 30)),  # up to date: the look-back window
        (JULY[:-4], date(2023, 6, 27)),  # three ticks were missed: the window before the first of them
        ([date(2020, 1, 31), *JULY], date(2020, 1, 2)),  # a gap, however old, is closed once
        ([*JULY, date(2023, 7, 31)], date(2023, 6, 30)),  # days to come change nothing
    ],
    ids=["nothing", "up to date", "three days down", "an old gap", "a day to come"],
)
def test_a_load_reaches_a_look_back_before_the_first_day_that_is_missing(loaded: list[date], start: date) -> None:
    assert days_to_load(YESTERDAY, loaded, Settings()) == DateRange(start, YESTERDAY)


def test_no_load_asks_for_days_before_the_first_partition() -> None:
    assert days_to_load(date(2018, 1, 5), [], Settings()).start == date(2018, 1, 1)
