"""The policies that are compared, and what each led to."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np

from forecasting_platform.forecasting.series.arrays import Floats

Rule = Literal["evidence", "any gain", "always", "never"]
RULES: tuple[Rule, ...] = ("evidence", "any gain", "always", "never")
"""The platform's own rule; the lower loss on the same cutoffs; always the newest version; the first version forever."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy to simulate.

    Attributes:
        train_every_days: days between two trainings.
        rule: when a challenger becomes champion.
        pages_a_year: the budget of false pages.
        incident_days: a lasting page asks for a training, at most one in so many days; 0 for none.
    """

    train_every_days: int = 15
    rule: Rule = "evidence"
    pages_a_year: float = 1.0
    incident_days: int = 0


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a policy led to over the history.

    Attributes:
        pages: times that control would have opened an incident.
        errors: `y_hat - y`; shape (S, C, horizon), NaN where not observed.
        champions: the day of each champion's training, from which on it serves.
    """

    policy: Policy
    trainings: int
    pages: int
    errors: Floats
    champions: tuple[date, ...]

    @property
    def moves(self) -> int:
        """Changes of the champion after the first."""
        return len(self.champions) - 1

    @property
    def rmse(self) -> float:
        """Over all series, cutoffs and steps."""
        return float(np.sqrt(np.nanmean(self.errors**2)))


def policies(
    every_days: Sequence[int] = (15, 30, 91),
    rules: Sequence[Rule] = RULES,
    budgets: Sequence[float] = (0.5, 1.0, 4.0),
    incident_days: Sequence[int] = (0,),
) -> list[Policy]:
    """Every combination. A policy that never promotes is listed once: how often it trains makes no difference.

    >>> len(policies())
    30
    """
    return [
        Policy(days, rule, pages, loop)
        for days, rule, pages, loop in itertools.product(every_days, rules, budgets, incident_days)
        if rule != "never" or (days == max(every_days) and not loop)
    ]
