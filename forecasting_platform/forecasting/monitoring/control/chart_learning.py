"""Learns how a daily stream behaves while nothing is wrong: the references of `charts`.

The evidence for a budget is a quantile of the peaks of simulated streams with nothing wrong: innovations of the
backtest, resampled in blocks of a week (whitening before the block bootstrap: Davison & Hinkley 1997, 8.2.3). Beyond
what 200 years show, peaks of a CUSUM are exponential (Lundberg's inequality). What the streams are made of is in
`references` and `drift`; how series share a budget is in `shared_budget`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from forecasting_platform.forecasting.monitoring.control.charts import (
    BUDGETS,
    Chart,
    Reference,
    allowance_of,
    cusum,
    excursion_peaks,
    raw_scores,
    standard_scores,
    whiten,
)
from forecasting_platform.forecasting.series.arrays import Floats

BLOCK_DAYS = 7
YEARS = 200
YEAR_DAYS = 365
MIN_REFERENCE_DAYS = 60
DELAY_PATHS, DELAY_RUN_IN, DELAY_LIMIT = 400, 60, 200
TAIL_PEAKS = 400
"""Of the simulated peaks: beyond the smallest of `BUDGETS` evidence grows by the mean excess over this one."""
FOLDS, MAX_PEAKS = 4, 8
AT_ONCE = 20
"""Streams whose evidence is computed together, in 50 MB of memory."""


def learn_references(chart: Chart, streams: Sequence[Floats], seed: int = 0) -> list[Reference | None]:
    """The reference of each stream of days with nothing wrong; None where it is too short or constant.

    Args:
        streams: one value a day each, of any lengths; NaN is left out.
    """
    each = [_describe_stream(chart, stream) for stream in streams]
    learned = [found for found in each if found is not None]
    batches = (learned[start : start + AT_ONCE] for start in range(0, len(learned), AT_ONCE))
    complete = (reference for batch in batches for reference in _add_thresholds(chart, batch, seed))
    return [None if found is None else next(complete) for found in each]


def _describe_stream(chart: Chart, stream: Floats) -> tuple[Reference, Floats, Floats] | None:
    """A reference whose heights are still zero, the stream's innovations, and its known days."""
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
    innovations = whiten(level, persistence, spread)
    scores = raw_scores(chart, innovations)
    mean = float(scores.mean()) if chart.squared else 0.0
    learned = Reference(
        days=len(known),
        centre=centre,
        persistence=persistence,
        spread=spread,
        level_spread=float(level.std()),
        squared=chart.squared,
        score_mean=mean,
        score_spread=float(scores.std()),
        allowance=allowance_of(chart, persistence),
        heights=(0.0,) * len(BUDGETS),
        growth=0.0,
    )
    return learned, innovations, known


def _add_thresholds(
    chart: Chart, learned: Sequence[tuple[Reference, Floats, Floats]], seed: int
) -> Iterator[Reference]:
    scores = [standard_scores(chart, reference, _resample(of, YEARS, YEAR_DAYS, seed)) for reference, of, _ in learned]
    evidence = cusum(np.stack(scores), chart, _allowances([reference for reference, *_ in learned])[:, None])
    complete = [_add_heights(reference, evidence[:, at]) for at, (reference, *_) in enumerate(learned)]
    calm = _calm_peaks(chart, complete, [known for *_, known in learned])
    for reference, peaks in zip(complete, calm, strict=True):
        # Of evidence below the lowest height no rarity is known.
        largest = _largest(peaks[peaks > reference.heights[-1]], MAX_PEAKS)
        yield replace(reference, peaks=tuple(np.round(largest, 4).tolist()))


def _allowances(references: Sequence[Reference]) -> Floats:
    return np.array([reference.allowance for reference in references])


def _add_heights(reference: Reference, evidence: Floats) -> Reference:
    peaks = _largest(excursion_peaks(evidence), int(YEARS * max(BUDGETS)) + 1)
    heights = (float(peaks[min(int(YEARS * budget), len(peaks) - 1)]) for budget in BUDGETS)
    tail = peaks[: min(TAIL_PEAKS, len(peaks) - 1) + 1]
    # An exponential tail has one parameter, of which the mean excess over its start is the maximum likelihood estimate.
    return replace(reference, heights=tuple(heights), growth=float((tail - tail[-1]).mean()))


def _largest(values: Floats, count: int) -> Floats:
    """The largest values, in falling order: most peaks are small, and sorting them would take longest."""
    chosen = np.partition(values, len(values) - count)[-count:] if len(values) > count else values
    return np.sort(chosen)[::-1]


def _calm_peaks(chart: Chart, references: Sequence[Reference], streams: Sequence[Floats]) -> list[Floats]:
    """Peaks of each stream's own days, a quarter at a time, each judged by what the other three teach."""
    judged: list[Floats] = []
    for stream in streams:
        for fold in np.array_split(np.arange(len(stream)), FOLDS):
            rest = _describe_stream(chart, np.delete(stream, fold))
            # One that cannot be learnt from three quarters shows no evidence in the fourth.
            judged.append(np.zeros(0) if rest is None else _scores_of(chart, rest[0], stream[fold]))
    scores = np.zeros((len(judged), max(map(len, judged), default=0) + 1))
    for row, found in zip(scores, judged, strict=True):
        row[: len(found)] = found
    evidence = cusum(scores, chart, np.repeat(_allowances(references), FOLDS))
    return [excursion_peaks(evidence[:, at * FOLDS : (at + 1) * FOLDS]) for at in range(len(streams))]


def _scores_of(chart: Chart, reference: Reference, stream: Floats) -> Floats:
    return standard_scores(chart, reference, whiten(stream - reference.centre, reference.persistence, reference.spread))


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
    innovations = whiten(level, reference.persistence, reference.spread)
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
    changed = (_add_change(chart, of, path, change) for of, path in zip(references, paths, strict=True))
    scores = [standard_scores(chart, of, path) for of, path in zip(references, changed, strict=True)]
    evidence = cusum(np.stack(scores), chart, _allowances(references)[:, None]).max(axis=0)
    return [
        _median_delay(series >= of.threshold(pages_a_year)) for of, series in zip(references, evidence, strict=True)
    ]


def _median_delay(reached: npt.NDArray[np.bool_]) -> float:
    # Paths that page before the change say nothing about it.
    calm = ~reached[:, :DELAY_RUN_IN].any(axis=1)
    after = reached[calm, DELAY_RUN_IN:]
    return float(np.median(np.where(after.any(axis=1), after.argmax(axis=1) + 1.0, np.inf))) if len(after) else np.inf


def _resample(innovations: Floats, paths: int, days: int, seed: int) -> Floats:
    """Paths made of blocks of innovations, wrapped around at the end (circular bootstrap); shape (paths, days)."""
    generator = np.random.default_rng(seed)
    blocks = -(-days // BLOCK_DAYS)
    starts = generator.integers(0, len(innovations), (paths, blocks))
    # Blocks are copied whole, which is much faster than by the position of each day.
    wrapped = np.concatenate([innovations, innovations[: BLOCK_DAYS - 1]])
    drawn = np.lib.stride_tricks.sliding_window_view(wrapped, BLOCK_DAYS)[starts].reshape(paths, -1)
    return np.ascontiguousarray(drawn[:, :days])
