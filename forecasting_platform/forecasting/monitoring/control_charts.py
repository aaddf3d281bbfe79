"""Control charts whose thresholds follow from a budget of false pages a year. Arrays in, arrays out.

A daily stream is whitened as an AR(1) process, because a chart that takes autocorrelated days for independent ones
pages six to ten times a year with nothing wrong. A one-sided CUSUM (Page 1954, doi:10.1093/biomet/41.1-2.100) then adds
up each day's score less an allowance: the evidence of a change. A stretch above zero whose peak reaches the threshold
is one page; it ends when the evidence is back at zero. The threshold for a budget is therefore a quantile of the peaks
of simulated streams with nothing wrong: innovations of the backtest, resampled in blocks of a week (whitening before
the block bootstrap: Davison & Hinkley 1997, 8.2.3). What the streams are made of is in `references` and `drift`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.series.arrays import Floats

BUDGETS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 12.0)
"""False pages a year for which thresholds are kept; others are interpolated."""

BLOCK_DAYS = 7
YEARS = 200
YEAR_DAYS = 365
MIN_REFERENCE_DAYS = 60
LARGEST_INNOVATION = 3.0
"""In standard deviations: one extreme day is an outlier, not a change, and must not page alone."""

DELAY_PATHS, DELAY_RUN_IN, DELAY_LIMIT = 400, 60, 200
CAUTION_DAYS = 200.0
AT_ONCE = 20
"""Streams whose evidence is computed together, in 50 MB of memory."""


@dataclass(frozen=True, slots=True)
class Chart:
    """How one kind of change is detected.

    Attributes:
        allowance: subtracted each day, in standard deviations of the score: half of the change that
            is found soonest (Hawkins & Olwell 1998, 2.2).
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
        score_mean, score_spread: of the scores.
        thresholds: evidence that pages, one for each of `BUDGETS`.
    """

    days: int
    centre: float
    persistence: float
    spread: float
    level_spread: float
    score_mean: float
    score_spread: float
    thresholds: tuple[float, ...]

    def threshold(self, pages_a_year: float) -> float:
        """The evidence that pages, for a budget; interpolated linearly in the logarithm of the budget."""
        return float(np.interp(np.log(pages_a_year), np.log(BUDGETS), self.thresholds))


def learn_references(chart: Chart, streams: Sequence[Floats], seed: int = 0) -> list[Reference | None]:
    """The reference of each stream of days with nothing wrong; None where it is too short or constant.

    Args:
        streams: one value a day each, of any lengths; NaN is left out.
    """
    each = [_describe_stream(chart, stream) for stream in streams]
    learned = [found for found in each if found is not None]
    batches = (learned[start : start + AT_ONCE] for start in range(0, len(learned), AT_ONCE))
    complete = iter([reference for batch in batches for reference in _add_thresholds(chart, batch, seed)])
    return [None if found is None else next(complete) for found in each]


def _describe_stream(chart: Chart, stream: Floats) -> tuple[Reference, Floats] | None:
    """A reference whose thresholds are still zero, and the stream's innovations."""
    known = stream[np.isfinite(stream)]
    if len(known) < MIN_REFERENCE_DAYS or np.ptp(known) == 0:
        return None
    centre = float(known.mean()) if chart.centred else 0.0
    level = known - centre
    energy = level @ level
    if energy == 0:  # values so small that their squares underflow
        return None
    # The first autocorrelation (Yule-Walker), below 1 so that innovations do not vanish.
    persistence = float(np.clip((level[1:] @ level[:-1]) / energy, 0.0, 0.95))
    spread = float((level[1:] - persistence * level[:-1]).std())
    if spread == 0:
        return None
    innovations = _whiten(level, persistence, spread)
    scores = _raw_scores(chart, innovations)
    mean = float(scores.mean()) if chart.squared else 0.0
    learned = Reference(
        len(known), centre, persistence, spread, float(level.std()), mean, float(scores.std()), (0.0,) * len(BUDGETS)
    )
    return learned, innovations


def _add_thresholds(chart: Chart, learned: Sequence[tuple[Reference, Floats]], seed: int) -> list[Reference]:
    scores = [_scores(chart, reference, _resample(of, YEARS, YEAR_DAYS, seed)) for reference, of in learned]
    evidence = _cusum(np.stack(scores), chart)
    return [_add_threshold(reference, evidence[:, series]) for series, (reference, _) in enumerate(learned)]


def _add_threshold(reference: Reference, evidence: Floats) -> Reference:
    # In `YEARS` years a budget pays for `budget * YEARS` pages: the threshold is the peak of that rank.
    peaks = np.sort(excursion_peaks(evidence))[::-1]
    # The reference is itself a sample, the shorter the less typical: a threshold for the whole budget
    # would on average spend more than it (Gandy & Kvaloy 2013, doi:10.1111/sjos.12006).
    caution = reference.days / (reference.days + CAUTION_DAYS)
    ranks = [min(int(caution * budget * YEARS), len(peaks) - 1) for budget in BUDGETS]
    return replace(reference, thresholds=tuple(float(peaks[rank]) for rank in ranks))


def accumulate_evidence(chart: Chart, reference: Reference, stream: Floats, threshold: float) -> Floats:
    """The chart over streams without gaps, shape (..., T); shape (sides, ..., T), never above the threshold.

    It is capped at the threshold, so that the chart recovers soon after a long change ends.
    """
    innovations = _whiten(stream - reference.centre, reference.persistence, reference.spread)
    return _cusum(_scores(chart, reference, innovations), chart, threshold)


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
    # A zero before each path separates it from the one before, so that one `reduceat` over all paths splits at zeros.
    flat = np.hstack([np.zeros((len(paths), 1)), paths]).ravel()
    peaks: Floats = np.maximum.reduceat(flat, np.flatnonzero(flat == 0))
    return peaks[peaks > 0]


def days_to_detect(
    chart: Chart,
    learned: Sequence[tuple[Reference, Floats]],
    changes: Sequence[float],
    pages_a_year: float,
    seed: int = 1,
) -> list[list[float]]:
    """Median days from a lasting change to its page, for each stream and size of change; infinite beyond 200 days.

    Args:
        learned: references, each with the stream that it was learned from.
        changes: of a squared chart the factor on the stream, of another the step, in standard
            deviations of the stream.
    """
    found: list[list[float]] = []
    for start in range(0, len(learned), AT_ONCE):
        references = [reference for reference, _ in learned[start : start + AT_ONCE]]
        paths = [_paths(reference, stream, seed) for reference, stream in learned[start : start + AT_ONCE]]
        delays = [_median_delays(chart, references, paths, change, pages_a_year) for change in changes]
        found += [list(of_one) for of_one in zip(*delays, strict=True)]
    return found


def _paths(reference: Reference, stream: Floats, seed: int) -> Floats:
    level = stream[np.isfinite(stream)] - reference.centre
    innovations = _whiten(level, reference.persistence, reference.spread)
    return _resample(innovations, DELAY_PATHS, DELAY_RUN_IN + DELAY_LIMIT, seed)


def _add_change(chart: Chart, reference: Reference, innovations: Floats, change: float) -> Floats:
    changed = innovations.copy()
    if chart.squared:
        changed[:, DELAY_RUN_IN:] *= change
        return changed
    step = change * reference.level_spread / reference.spread
    changed[:, DELAY_RUN_IN] += step
    # A whitened step is whole on its first day only: the rest was to be expected from the day before.
    changed[:, DELAY_RUN_IN + 1 :] += step * (1 - reference.persistence)
    return changed


def _median_delays(
    chart: Chart, references: Sequence[Reference], paths: Sequence[Floats], change: float, pages_a_year: float
) -> list[float]:
    scores = [
        _scores(chart, of, _add_change(chart, of, path, change)) for of, path in zip(references, paths, strict=True)
    ]
    evidence = _cusum(np.stack(scores), chart).max(axis=0)
    return [
        _median_delay(series >= of.threshold(pages_a_year)) for of, series in zip(references, evidence, strict=True)
    ]


def _median_delay(reached: npt.NDArray[np.bool_]) -> float:
    # Paths that page before the change say nothing about it.
    calm = ~reached[:, :DELAY_RUN_IN].any(axis=1)
    after = reached[calm, DELAY_RUN_IN:]
    return float(np.median(np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf))) if len(after) else np.inf


def _whiten(level: Floats, persistence: float, spread: float) -> Floats:
    innovations: Floats = level / spread
    innovations[..., 1:] -= persistence * level[..., :-1] / spread
    # The first day has no day before it, so it varies as the stream does: scaled to the spread of an innovation.
    innovations[..., 0] *= np.sqrt(1 - persistence**2)
    return innovations


def _raw_scores(chart: Chart, innovations: Floats) -> Floats:
    clipped: Floats = np.clip(innovations, -LARGEST_INNOVATION, LARGEST_INNOVATION)
    return clipped**2 if chart.squared else clipped


def _scores(chart: Chart, reference: Reference, innovations: Floats) -> Floats:
    scores: Floats = (_raw_scores(chart, innovations) - reference.score_mean) / reference.score_spread
    return scores


def _cusum(scores: Floats, chart: Chart, limit: float = np.inf) -> Floats:
    """Evidence of a rise and, where the chart has two sides, of a fall; shape (sides, ..., T)."""
    # Each day depends on the one before, so the loop is over days, and each step works on all streams side by side.
    daily = np.ascontiguousarray(np.moveaxis(scores, -1, 0))
    evidence = np.empty((len(daily), 2 if chart.two_sided else 1, *daily.shape[1:]))
    current = np.zeros(evidence.shape[1:])
    for day, score in enumerate(daily):
        current[0] += score
        if chart.two_sided:
            current[1] -= score
        current -= chart.allowance
        np.clip(current, 0.0, limit, out=current)
        evidence[day] = current
    return np.moveaxis(evidence, 0, -1)


def _resample(innovations: Floats, paths: int, days: int, seed: int) -> Floats:
    """Paths made of blocks of innovations, wrapped around at the end (circular bootstrap); shape (paths, days)."""
    generator = np.random.default_rng(seed)
    blocks = -(-days // BLOCK_DAYS)
    starts = generator.integers(0, len(innovations), (paths, blocks, 1))
    positions = (starts + np.arange(BLOCK_DAYS)) % len(innovations)
    drawn: Floats = innovations[positions.reshape(paths, -1)[:, :days]]
    return drawn
