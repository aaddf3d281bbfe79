"""Retries a scheduled load when a service does not answer, so that a restart of the store costs no night."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar, cast

import dagster as dg

from forecasting_platform.errors import UnavailableError
from forecasting_platform.settings import Settings

RETRIES = 2
LATER_WAIT_FACTOR = 4
# Dagster's tags of runs that no person started.
UNATTENDED_TAGS = {"dagster/schedule_name", "dagster/sensor_name"}

P = ParamSpec("P")
Result = TypeVar("Result")
Compute = Callable[Concatenate[dg.AssetExecutionContext, P], Result]


def retried_when_unavailable(compute: Compute[P, Result]) -> Compute[P, Result]:
    """Retry an asset's function up to twice when a service does not answer; it must be safe to call again.

    Only in runs of a schedule or a sensor: a person who started one is told at once. It waits `retry_wait_seconds` of
    the argument `settings` before the first repetition and four times that before the second. Dagster's
    `RetryPolicy` would repeat every error, and a document that was refused is the same a minute later.

    Raises:
        dagster.RetryRequested: a part did not answer, and a repetition is left.
        UnavailableError: it did not answer the third time either, or a person waits.
    """

    @wraps(compute)
    def with_retries(context: dg.AssetExecutionContext, /, *args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return compute(context, *args, **kwargs)
        except UnavailableError as error:
            settings = cast("Settings", kwargs["settings"])
            if not any(map(context.op_execution_context.has_tag, UNATTENDED_TAGS)) or context.retry_number >= RETRIES:
                raise
            wait = settings.retry_wait_seconds * LATER_WAIT_FACTOR**context.retry_number
            context.log.warning(f"{error} It is retried in {wait:g} s.")
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error

    return with_retries
