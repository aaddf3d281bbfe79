"""How the series of a platform share its budget of false pages, whatever their number and whatever they have in common.

A budget of B pages a year of n series is B / n of each: expected numbers add up, also of series that depend on each
other. Years between pages of one series are then so many that its own reference cannot show them.

So series share how fast evidence grows with rarity. Each has learnt it from its own days, with an error that is known;
as far as series differ by no more than that error, the mean of all is nearer to the truth (empirical Bayes: Efron &
Morris 1975, doi:10.2307/2285814), and what remains uncertain is what whitening each series leaves.

And the threshold is never lower than what the calm days of all series together teach: their rarest evidence, each
series judged by days that it was not learnt from, is the platform's own record of false pages. It holds where errors
have more than an autoregressive process of one spread in them, such as quarters that differ.

Half of a budget is kept for a page of its own: many series that move at once. Evidence that n series each reach
r times a year is reached by m of them at once at most n r / m times a year (Markov's inequality), so that m series
together need far less evidence each than one alone. This is how e-values are merged by their mean, and the series that
are named by the step-up rule of Benjamini & Hochberg (Wang & Ramdas 2022, doi:10.1111/rssb.12489), with two steps.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.monitoring.control.charts import Reference
from forecasting_platform.forecasting.series.arrays import Days, Floats

MIN_TOGETHER, MIN_SHARE_TOGETHER = 5, 0.1
"""So many series, and such a share of the judged ones, are many."""
TOGETHER_DAYS = 7
"""Series whose evidence begins within so many days moved together."""
PART_TOGETHER = 0.5
"""Of a budget: for many series that move at once."""
PART_SHOWN, PART_SHOWN_ALONE = 0.6, 0.95
"""Of a budget: what the calm days of many series may show, and those of fewer."""
MIN_POOLED, MAX_DRAWN = 5, 2.0
DAYS_OF_GROWTH = {False: 15.0, True: 50.0}
"""Days of a level and of a spread (`squared`) by which the variance of the logarithm of `growth` is one."""
MAX_TAIL = 50
YEAR_DAYS = 365


@dataclass(frozen=True, slots=True)
class SharedThresholds:
    """The evidence that pages of each series; shape (S,).

    Attributes:
        alone: of one series, whatever the others do.
        together: of each of `many` series within a week.
        many: how many series are many.
    """

    alone: Floats
    together: Floats
    many: int


def how_many_are_many(judged: int) -> int:
    """Of so many judged series."""
    return max(MIN_TOGETHER, math.ceil(MIN_SHARE_TOGETHER * judged))


def share_budget(references: Sequence[Reference], shares: Floats, pages_a_year: float) -> SharedThresholds:
    """The thresholds by which all series together send so many false pages a year on average, or fewer.

    Args:
        references: of each series.
        shares: of each series the share of the days of a year that have a value; shape (S,).
        pages_a_year: of the platform.
    """
    count = len(references)
    many = how_many_are_many(count)
    pooled = pool_growth(references)
    if count < MIN_TOGETHER:
        alone = _thresholds(pooled, shares, pages_a_year)
        return SharedThresholds(alone, alone, many)
    alone = _thresholds(pooled, shares, pages_a_year * (1 - PART_TOGETHER))
    return SharedThresholds(alone, _thresholds(pooled, shares, pages_a_year * PART_TOGETHER * many), many)


def pool_growth(references: Sequence[Reference]) -> list[Reference]:
    """References whose `growth` is drawn to that of all, as far as it differs by no more than chance.

    In units of what normal scores would give, 1 / (2 allowance) (Siegmund 1985, X.2), since allowances differ. None is
    moved by more than `MAX_DRAWN` of its own standard errors: one series that is unlike a thousand others stays so
    (limited translation: Efron & Morris 1972, doi:10.2307/2284711).
    """
    own = np.array([of.growth * of.allowance for of in references])
    if len(own) < MIN_POOLED or not (own > 0).all():
        return list(references)
    each = np.log(own)
    chance = np.array([DAYS_OF_GROWTH[of.squared] / of.days for of in references])
    usual, found = float(chance.mean()), float(each.var(ddof=1))
    kept = max(0.0, 1 - (len(each) - 3) / (len(each) - 1) * usual / max(found, usual))
    farthest = MAX_DRAWN * np.sqrt(chance)
    drawn = np.exp(each + np.clip((1 - kept) * (each.mean() - each), -farthest, farthest))
    return [
        replace(of, growth=float(growth / of.allowance), own=kept) for of, growth in zip(references, drawn, strict=True)
    ]


def busiest_week(begins: Days) -> tuple[np.datetime64, int]:
    """The first day of the week in which most begin, the earliest such week, and how many begin in it.

    >>> busiest_week(np.array(["2023-07-09", "2023-07-01", "2023-07-07", "NaT"], "datetime64[D]"))
    (np.datetime64('2023-07-01'), 2)
    >>> busiest_week(np.array([], "datetime64[D]"))
    (np.datetime64('NaT','D'), 0)
    """
    since = np.sort(begins[~np.isnat(begins)])
    if not len(since):
        return np.datetime64("NaT", "D"), 0
    within = np.searchsorted(since, since + TOGETHER_DAYS) - np.arange(len(since))
    return since[within.argmax()], int(within.max())


def find_moved_together(paging: npt.NDArray[np.bool_], begins: Days, many: int) -> npt.NDArray[np.bool_]:
    """Which series are among so many whose evidence begins within one week; none where they are fewer."""
    first, count = busiest_week(begins[paging])
    if count < many:
        return np.zeros(len(paging), dtype=bool)
    return paging & (begins >= first) & (begins < first + TOGETHER_DAYS)


def _thresholds(references: Sequence[Reference], shares: Floats, pages_a_year: float) -> Floats:
    if not references:
        return np.empty(0)
    # The record is of few years, and its series may have much in common, so it must show fewer pages than are wanted.
    shown = pages_a_year * (PART_SHOWN if len(references) >= MIN_TOGETHER else PART_SHOWN_ALONE)
    rarity = max(math.log(len(references) / pages_a_year), _rarity_of_calm_days(references, shares, shown))
    # Thresholds are of 365 values: a year of a weekly series has a seventh of them.
    budgets = np.exp(-rarity) / shares
    return np.array([of.threshold(budget) for of, budget in zip(references, budgets.tolist(), strict=True)])


def _rarity_of_calm_days(references: Sequence[Reference], shares: Floats, pages_a_year: float) -> float:
    """How rare evidence must be to be reached so often in the calm days of all series; minus infinity if never.

    Beyond the rarest ones peaks are taken for exponential; the quantile is the predictive one, which is right on
    average over samples of so few.
    """
    own = zip(references, shares, strict=True)
    peaks = np.sort(np.concatenate([of.rarity(np.array(of.peaks)) - np.log(share) for of, share in own]))
    years = float(np.mean([of.days / share for of, share in zip(references, shares, strict=True)])) / YEAR_DAYS
    expected, tail = pages_a_year * years, min(MAX_TAIL, len(peaks) - 1)
    if tail < 1 or expected >= len(peaks):
        return -math.inf
    if expected >= tail:
        return float(peaks[-1 - int(expected)])
    least = peaks[-1 - tail]
    excess = float((peaks[-tail:] - least).mean())
    return float(least + excess * tail * math.expm1(math.log(tail / expected) / tail))
