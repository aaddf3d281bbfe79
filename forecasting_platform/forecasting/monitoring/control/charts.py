"""Control charts whose thresholds follow from a budget of false pages a year. Arrays in, arrays out.

A daily stream is whitened as an AR(1) process, because a chart that takes autocorrelated days for independent ones
pages six to ten times a year with nothing wrong. A one-sided CUSUM (Page 1954, doi:10.1093/biomet/41.1-2.100) then adds
up each day's score less an allowance: the evidence of a change. A stretch above zero whose peak reaches the threshold
is one page; it ends when the evidence is back at zero. What a stream is compared with is learnt in `chart_learning`;
what streams are made of is in `references` and `drift`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats

BUDGETS = (0.25, 0.5, 1.0, 2.0, 4.0, 12.0)
"""False pages a year of one series for which evidence is kept; of others it is interpolated, beyond the rarest it grows
by `Reference.growth`."""

USUAL_PEAKS_A_YEAR = 30.0
"""Of any height: a tail is one of peaks, a rarity one of years."""
FOUND_SOONEST, MIN_ALLOWANCE = 1.5, 0.35
"""The lasting step that a chart of level is made for, in standard deviations of the stream, and its least allowance."""

LARGEST_INNOVATION = 3.0
"""In standard deviations: one extreme day is an outlier, not a change, and must not page alone."""


@dataclass(frozen=True, slots=True)
class Chart:
    """How one kind of change is detected.

    Attributes:
        allowance: the most that is subtracted each day, in standard deviations of the score: half of the change
            that is found soonest (Hawkins & Olwell 1998, 2.2). `allowance_of` a persistent stream is smaller.
        two_sided: whether a fall counts as a rise does.
        squared: whether the score is the squared innovation: a change of spread instead of level.
        centred: whether the stream is compared with the reference's mean instead of zero.
    """

    name: str
    allowance: float
    two_sided: bool = False
    squared: bool = False
    centred: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """How one stream of one series behaves while nothing is wrong.

    Attributes:
        days: number of days it was learned from.
        centre: what is subtracted from the stream.
        persistence: its first autocorrelation.
        spread: standard deviation of its innovations.
        level_spread: standard deviation of the stream itself.
        squared: whether its scores are squared innovations.
        score_mean, score_spread: of the scores.
        allowance: subtracted from each day's score.
        heights: evidence that streams made of the reference reach so many times a year, one for each of `BUDGETS`.
        growth: by how much that evidence grows where a budget is divided by e, beyond the smallest of `BUDGETS`.
        own: the share of `growth` that was learnt from this series alone: all of it until series share what they show.
        peaks: the largest evidence of its own calm days, judged by what the other days teach; the largest first.
    """

    days: int
    centre: float
    persistence: float
    spread: float
    level_spread: float
    squared: bool
    score_mean: float
    score_spread: float
    allowance: float
    heights: tuple[float, ...]
    growth: float
    own: float = 1.0
    peaks: tuple[float, ...] = ()

    def threshold(self, pages_a_year: float) -> float:
        """The evidence that pages, for a budget.

        A reference is itself a sample, so evidence must seem rarer by it than is wanted. The exponent of the tail is
        taken for gamma distributed with so many samples' worth of `_certainty`: the mean of exp(-x g) is
        (1 + x / certainty) ** -certainty (for the question see Gandy & Kvaloy 2013, doi:10.1111/sjos.12006).
        """
        wanted = float(np.log(USUAL_PEAKS_A_YEAR / pages_a_year))
        rarity = self._certainty * float(np.expm1(wanted / self._certainty)) - np.log(USUAL_PEAKS_A_YEAR)
        # Peaks have an exponential tail (`chart_learning`): each division of the budget by e adds the same evidence.
        beyond = max(0.0, rarity + float(np.log(BUDGETS[0])))
        return float(np.interp(-rarity, np.log(BUDGETS), self.heights)) + self.growth * beyond

    def rarity(self, evidence: Floats) -> Floats:
        """Logarithm of the years between stretches that reach such evidence: the inverse of `threshold`."""
        within = -np.interp(evidence, self.heights[::-1], np.log(BUDGETS)[::-1])
        seeming = within + np.maximum(0.0, evidence - self.heights[0]) / max(self.growth, np.finfo(float).tiny)
        usual = np.log(USUAL_PEAKS_A_YEAR)
        rarity: Floats = self._certainty * np.log1p((seeming + usual) / self._certainty) - usual
        return rarity

    @property
    def _certainty(self) -> float:
        """How many times over the days determine the tail's exponent.

        In days for once: what persistence and spread leave uncertain of whitened sums, whose variance goes with
        ((1 - persistence) / (1 - estimate)) ** 2, and what `growth` does, half of which series may have in common.
        Fitted to simulated pages.
        """
        of_whitening = 29.0 if self.squared else 5.0 + 2.5 * (1 + self.persistence) / (1 - self.persistence)
        return self.days / (of_whitening + 7.5 * (1 + self.own))

    @classmethod
    def from_document(cls, stored: Mapping[str, Any]) -> "Reference":
        """The inverse of `asdict`, from JSON."""
        return cls(**{**stored, "heights": tuple(stored["heights"]), "peaks": tuple(stored.get("peaks", ()))})


def allowance_of(chart: Chart, persistence: float) -> float:
    """What a chart subtracts each day of a stream so persistent.

    A lasting step is mostly expected from the day before, where days are persistent: what whitening leaves of it would
    be less than the chart's whole allowance, and add up to nothing.

    >>> level = Chart("level", allowance=0.45)
    >>> [round(allowance_of(level, persistence), 2) for persistence in (0.0, 0.5, 0.8)]
    [0.45, 0.43, 0.35]
    """
    if chart.squared:
        return chart.allowance
    left = float(np.sqrt((1 - persistence) / (1 + persistence)))
    return min(chart.allowance, max(MIN_ALLOWANCE, FOUND_SOONEST / 2 * left))


def accumulate_evidence(chart: Chart, reference: Reference, stream: Floats, threshold: float) -> Floats:
    """The chart over streams without gaps, shape (..., T); shape (sides, ..., T), never above the threshold.

    It is capped at the threshold, so that the chart recovers soon after a long change ends.
    """
    innovations = whiten(stream - reference.centre, reference.persistence, reference.spread)
    scores = standard_scores(chart, reference, innovations)
    return cusum(scores, chart, reference.allowance, threshold)


@dataclass(frozen=True, slots=True)
class Judged:
    """Charts of many streams at their last day.

    Attributes:
        evidence: of either side, whichever is larger; shape (S, T).
        paging: whether the last day belongs to a stretch of evidence that reached the threshold; shape (S,).
        was_paging: whether the day before it did.
        since: where in its stream the evidence of the last day began to grow, -1 without evidence; shape (S,).
    """

    evidence: Floats
    paging: npt.NDArray[np.bool_]
    was_paging: npt.NDArray[np.bool_]
    since: npt.NDArray[np.int64]


def judge_each(
    chart: Chart,
    references: Sequence[Reference],
    streams: Floats,
    lengths: npt.NDArray[np.int64],
    thresholds: Floats,
) -> Judged:
    """`accumulate_evidence` and `is_paging` of many streams at once, each with its own reference.

    Args:
        streams: shape (S, T), without gaps; what stands from a stream's length on does not matter.
        lengths, thresholds: of each stream; shape (S,), a length is at least 1.
    """

    def each(name: str) -> Floats:
        return np.array([getattr(reference, name) for reference in references], dtype=np.float64)[:, None]

    innovations = whiten(streams - each("centre"), each("persistence"), each("spread"))
    scores = (raw_scores(chart, innovations) - each("score_mean")) / each("score_spread")
    evidence = cusum(scores, chart, each("allowance")[:, 0], thresholds)
    own = np.arange(len(streams))
    last = evidence[:, own, lengths - 1]
    side = last.argmax(axis=0)
    since = np.where(last.max(axis=0) > 0, _newest_quiet(evidence, lengths)[side, own] + 1, -1)
    paging, before = (_pages(evidence, thresholds, until) for until in (lengths, lengths - 1))
    return Judged(evidence.max(axis=0), paging, before, since)


def _newest_quiet(evidence: Floats, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each side of each stream was last without evidence, -1 if it never was; shape (sides, S)."""
    is_quiet = (evidence == 0) & (np.arange(evidence.shape[-1]) < lengths[:, None])
    from_end: npt.NDArray[np.int64] = evidence.shape[-1] - 1 - is_quiet[..., ::-1].argmax(axis=-1)
    return np.where(is_quiet.any(axis=-1), from_end, -1)


def _pages(evidence: Floats, thresholds: Floats, lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    day = np.arange(evidence.shape[-1])
    in_stretch = (day >= _newest_quiet(evidence, lengths)[..., None]) & (day < lengths[:, None])
    reached: npt.NDArray[np.bool_] = np.where(in_stretch, evidence, 0.0).max(axis=-1, initial=0.0) >= thresholds
    return np.logical_or.reduce(reached, axis=0)


def is_paging(evidence: Floats, threshold: float) -> bool:
    """Whether the last day belongs to a stretch of evidence that reached the threshold; shape (sides, T)."""
    for side in evidence:
        quiet = np.flatnonzero(side == 0)
        since = quiet[-1] if len(quiet) else 0
        if side[since:].max(initial=0.0) >= threshold:
            return True
    return False


def excursion_peaks(evidence: Floats) -> Floats:
    """The highest point of each stretch above zero; a stretch ends at zero or with its path.

    Args:
        evidence: shape (..., T).

    >>> excursion_peaks(np.array([[0.0, 1.0, 3.0, 0.0, 2.0], [4.0, 0.0, 0.0, 0.0, 0.0]])).tolist()
    [3.0, 2.0, 4.0]
    """
    paths = evidence.reshape(-1, evidence.shape[-1])
    # A zero before each path separates it from the one before, so that one `reduceat` over all paths finds the
    # stretches. Each goes on to the next, over zeros, which are no peaks.
    flat = np.hstack([np.zeros((len(paths), 1)), paths]).ravel()
    above = flat > 0
    peaks: Floats = np.maximum.reduceat(flat, np.flatnonzero(~above[:-1] & above[1:]))
    return peaks


def whiten(level: Floats, persistence: float | Floats, spread: float | Floats) -> Floats:
    """Innovations of streams, shape (..., T); numbers of each stream have shape (..., 1)."""
    innovations: Floats = level / spread
    innovations[..., 1:] -= persistence * level[..., :-1] / spread
    # The first day has no day before it, so it varies as the stream does: scaled to the spread of an innovation.
    innovations[..., :1] *= np.sqrt(1 - persistence * persistence)
    return innovations


def raw_scores(chart: Chart, innovations: Floats) -> Floats:
    """Clipped innovations, squared where the chart watches the spread."""
    clipped: Floats = np.clip(innovations, -LARGEST_INNOVATION, LARGEST_INNOVATION)
    return clipped**2 if chart.squared else clipped


def standard_scores(chart: Chart, reference: Reference, innovations: Floats) -> Floats:
    """Scores with mean zero and spread one while nothing is wrong."""
    scores: Floats = (raw_scores(chart, innovations) - reference.score_mean) / reference.score_spread
    return scores


def cusum(scores: Floats, chart: Chart, allowance: float | Floats, limit: float | Floats = np.inf) -> Floats:
    """Evidence of a rise and, where the chart has two sides, of a fall; shape (sides, ..., T).

    Args:
        allowance: subtracted each day, of all streams or of each.
        limit: that evidence never exceeds, of all streams or of each.
    """
    # Each day depends on the one before, so the loop is over days, and each step works on all streams side by side.
    daily = np.ascontiguousarray(np.moveaxis(scores, -1, 0))
    evidence = np.empty((len(daily), 2 if chart.two_sided else 1, *daily.shape[1:]))
    current = np.zeros(evidence.shape[1:])
    for day, score in enumerate(daily):
        current[0] += score
        if chart.two_sided:
            current[1] -= score
        current -= allowance
        np.clip(current, 0.0, limit, out=current)
        evidence[day] = current
    return np.moveaxis(evidence, 0, -1)
