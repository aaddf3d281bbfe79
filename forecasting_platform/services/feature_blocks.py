"""Builds the features of one block of series: the pure function that an engine runs, and how its result is sent."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from forecasting_platform.forecasting.series.covariates.exogenous import Exogenous
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.forecasting.series.days.series_calendars import Calendars, without_zeros_of_closed_days
from forecasting_platform.forecasting.series.features.feature_table import build_features
from forecasting_platform.forecasting.series.frames import HELD_OBSERVATIONS, OBSERVATIONS
from forecasting_platform.forecasting.series.quality.holding import Accepted, held_observations, without_held
from forecasting_platform.ports.engine import Files


@dataclass(frozen=True, slots=True)
class BuiltBlock:
    """What came of a block.

    Attributes:
        features: rows of `FEATURE_TABLE`.
        held: rows of `HELD_OBSERVATIONS`, of the judged days.
        plausible: the other observations; not sent on.
        as_of: when the newest of the observations became known; None where there are none.
    """

    features: pd.DataFrame
    held: pd.DataFrame
    plausible: pd.DataFrame
    as_of: pd.Timestamp | None


@dataclass(frozen=True, slots=True)
class FeatureBuild:
    """What the features of every block are built by.

    Attributes:
        judged: days whose observations may be held back.
        days: of the features.
        held_before: held observations of other days.
        exogenous_observations: of the exogenous series, which every series may look at.
        versions: of values that are known by target day.
    """

    judged: DateRange
    days: DateRange
    country: str
    exogenous: Sequence[Exogenous]
    accepted: Accepted | None
    calendars: Calendars
    moment: datetime
    held_before: pd.DataFrame
    versions: pd.DataFrame | None
    exogenous_observations: pd.DataFrame

    def __call__(self, number: int, rows: pd.DataFrame) -> BuiltBlock:
        """Build a block from every version of its observations, ordered by key."""
        newest = rows.drop_duplicates(["unique_id", "ds"], keep="last", ignore_index=True)
        known = without_zeros_of_closed_days(newest, self.calendars)
        held = held_observations(known, self.judged, self.accepted, calendars=self.calendars, moment=self.moment)
        plausible = without_held(known, pd.concat([self.held_before, held]))
        seen = pd.concat([plausible, self.exogenous_observations]) if self.exogenous else plausible
        features = build_features(seen, self.days, self.country, self.exogenous, self.calendars, self.versions)
        as_of = known["available_at"].max() if len(known) else None
        return BuiltBlock(features, held, plausible, as_of)


def encode_block(block: BuiltBlock) -> Files:
    """A block as files, without what is not sent on."""
    as_of = "" if block.as_of is None else block.as_of.isoformat()
    return {"features": _feather(block.features), "held": _feather(block.held), "as_of": as_of.encode()}


def decode_block(files: Files) -> BuiltBlock:
    """The block of `encode_block`."""
    features, held = (pd.read_feather(io.BytesIO(files[name])) for name in ("features", "held"))
    as_of = files["as_of"].decode()
    # Features are checked where they are written: to do so here would take as long as reading them.
    return BuiltBlock(
        features,
        HELD_OBSERVATIONS.conform(held),
        OBSERVATIONS.empty(),
        pd.Timestamp(as_of) if as_of else None,
    )


def _feather(rows: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    rows.reset_index(drop=True).to_feather(content, compression="uncompressed")
    return content.getvalue()
