"""The answers about drift by references that are learnt for the days at hand alone, without a store."""

from collections.abc import Callable
from functools import partial

import pandas as pd

from forecasting_platform.forecasting.monitoring.control.drift import judge, learn, reference_until
from forecasting_platform.forecasting.monitoring.control.drift_questions import EARLIER_WEEKS, LEVEL, DriftQuestion
from forecasting_platform.forecasting.monitoring.control.report import ControlReport
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars


def _report(
    question: DriftQuestion,
    features: pd.DataFrame,
    *,
    pages_a_year: float,
    calendars: Calendars = DAILY,
    not_normal: NotNormal = ALL_NORMAL,
) -> ControlReport:
    references = {}
    if len(features):
        until = reference_until(features["ds"].max().date())
        references = learn(question, features, until, calendars, not_normal)
    return judge(question, features, references, pages_a_year=pages_a_year, calendars=calendars, not_normal=not_normal)


drift_report: Callable[..., ControlReport] = partial(_report, LEVEL)
earlier_years_report: Callable[..., ControlReport] = partial(_report, EARLIER_WEEKS)
