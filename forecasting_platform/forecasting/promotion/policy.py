"""The thresholds of a promotion. A decision records all of them with their checksum, so that it can be judged again.

Change a number and raise the version; docs/promotion.md says what each was measured with.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """What it takes to change the champion.

    Attributes:
        recipe_alpha: chance a year that any recipe no better than the champion's is promoted on its backtest, asked
            every 15 days. The recipes of a year share it.
        shadow_alpha: chance that any version no better is promoted on its shadow forecasts, looked at every day. The
            promising recipes of a year share it.
        half_spent_after: number of a year's recipes that share half of these chances; each later one has less.
        promising_p: p-value of a recipe's first backtest below which its shadow forecasts may promote it.
        reject_alpha: chance a year that a recipe no worse is rejected on its backtest. As a rejection moves nothing, it
            is not shared.
        min_gain: the smallest gain in loss worth a change.
        bootstrap_level: a recipe's gain must also survive resampling of blocks of days, at this one-sided level.
        worse_alpha: a series, a group of steps or a season is clearly worse below this chance, shared among all of its
            kind.
        season_cutoffs: cutoffs that a season needs before it is judged.
        refresh_after_days: the same recipe, fitted on newer data, replaces a champion this many days older.
        min_coverage_80: measured coverage of the 80 % interval that is fit to serve, mean over the series that are
            not constant, with the interval's bounds.
        max_coverage_80: the same without the bounds.
        max_loss_to_naive: a challenger's loss may be this many times the better naive forecast's.
        max_load_seconds: what a version may take to load in a clean process.
        max_megabytes: what it may weigh.
        tripwire_rmse_to_naive: a champion is rolled back without a person when, over a week of matured forecasts, its
            RMSE is this many times the naive forecast's.
        tripwire_coverage_95: or its 95 % interval holds less than this share of the actuals.
        max_automatic_rollbacks: at most so many in `cool_down_days`; then it is an alert only.
        sha256: of the other numbers.
    """

    version: int = 3
    recipe_alpha: float = 0.0175
    shadow_alpha: float = 0.01
    half_spent_after: float = 2.0
    promising_p: float = 0.05
    reject_alpha: float = 0.025
    min_gain: float = 0.02
    bootstrap_level: float = 0.95
    worse_alpha: float = 0.01
    season_cutoffs: int = 45
    refresh_after_days: int = 15
    min_coverage_80: float = 0.60
    max_coverage_80: float = 0.95
    max_loss_to_naive: float = 1.05
    max_load_seconds: float = 60
    max_megabytes: float = 500
    tripwire_rmse_to_naive: float = 2.0
    tripwire_coverage_95: float = 0.4
    max_automatic_rollbacks: int = 2
    cool_down_days: int = 30
    sha256: str = ""

    @classmethod
    def packaged(cls) -> Self:
        """The policy this version of the platform comes with."""
        numbers = json.dumps(cls().record(), sort_keys=True)
        return replace(cls(), sha256=hashlib.sha256(numbers.encode()).hexdigest())

    @classmethod
    def recorded(cls, policy: Mapping[str, Any]) -> Self:
        """The policy that a decision recorded."""
        return cls(**policy)

    def record(self) -> dict[str, Any]:
        """What a decision records."""
        return asdict(self)
