"""A recipe: everything that determines how a model is trained, except the data. Each version stores its own."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np

from forecasting_platform.errors import ConfigurationError, examples
from forecasting_platform.forecasting.models.candidates.candidate import Candidate, FittedCandidate, Task
from forecasting_platform.forecasting.models.candidates.guarded import fit_candidate
from forecasting_platform.forecasting.models.candidates.registry import (
    DEFAULTS,
    WITH_COVARIATES,
    candidate_named,
    in_order,
)
from forecasting_platform.forecasting.models.losses import Loss
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.covariates.events import NO_EVENTS, Events, is_event
from forecasting_platform.forecasting.series.covariates.exogenous import (
    Exogenous,
    KnownAtCutoff,
    exogenous_columns,
    exogenous_document,
    exogenous_from,
)
from forecasting_platform.forecasting.series.days.not_normal import ALL_NORMAL, NotNormal
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, KEYS
from forecasting_platform.forecasting.series.features.panel import Panel


def default_candidates(names: Sequence[str] = ()) -> tuple[Candidate, ...]:
    """Some of the candidates, by default those of the default recipe, with their own options; the simplest first.

    Their prior weights keep their proportions and sum to 1; candidates that had none share equally.

    Raises:
        ConfigurationError: a name that is no candidate's.
    """
    return share_weight([candidate_named(name)() for name in in_order(names or DEFAULTS)])


def share_weight(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The candidates with prior weights in the same proportions that sum to 1; equal ones where all are 0."""
    total = sum(candidate.prior_weight for candidate in candidates)
    return tuple(
        replace(candidate, prior_weight=candidate.prior_weight / total if total else 1 / len(candidates))
        for candidate in candidates
    )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a model is trained.

    Attributes:
        candidates: with their options, the simplest first; their prior weights sum to 1. Each series' own weights come
            from past cutoffs.
        shrinkage: how strongly those are drawn to the prior weights.
        horizon: days ahead.
        country: whose holidays the features know.
        backtest_days: the newest days that serve as cutoffs of the backtest.
        refit_days: days between two fits in the backtest.
        exogenous: series that are not forecast but regressed on.
        calendars: the days on which values of each series are due; the others are not forecast.
        not_normal: periods that teach and judge nothing.
        events: own holidays and other days, which are exogenous columns too.
        loss: what candidates are weighed by, and what promotion judges the recipe by.

    Raises:
        ConfigurationError: prior weights that are negative or do not sum to 1, or an exogenous column with the name of
            one of the platform's own.
    """

    candidates: tuple[Candidate, ...] = field(default_factory=default_candidates)
    shrinkage: float = 0.1
    horizon: int = 15
    country: str = "IE"
    backtest_days: int = 730
    refit_days: int = 91
    exogenous: tuple[Exogenous, ...] = ()
    calendars: Calendars = DAILY
    not_normal: NotNormal = ALL_NORMAL
    events: Events = NO_EVENTS
    loss: Loss = "squared"

    def __post_init__(self) -> None:
        if self.prior.min(initial=0) < 0 or abs(self.prior.sum() - 1) > 1e-9:
            found = dict(zip(self.names, self.prior.tolist(), strict=True))
            raise ConfigurationError("options", f"the prior weights {found} were found; they must sum to 1")
        known = [*KEYS, *INPUT_NAMES, "exogenous", *self.exogenous_columns]
        if taken := sorted(name for name in set(self.exogenous_columns) if known.count(name) > 1):
            setting = "events" if any(map(is_event, taken)) else "FORECASTING_EXOGENOUS"
            raise ConfigurationError(setting, f"names {taken}, which the input frame has already")

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its candidates."""
        return tuple(candidate.name for candidate in self.candidates)

    @property
    def window_days(self) -> int:
        """Days of history that its candidates need beside an input row."""
        return max((candidate.window_days for candidate in self.candidates), default=0)

    @property
    def prior(self) -> Floats:
        """The candidates' weights before there is evidence; shape (K,)."""
        return np.array([candidate.prior_weight for candidate in self.candidates])

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the recipe: equal recipes have equal fingerprints, whatever they were made in.

        Periods that are not normal and the single days of events do not count: they say what happens, as a corrected
        value does, not how a model is trained. A strike that is declared today, or the next sale, is no new recipe,
        which would have to beat the champion's.
        """
        days = Events(tuple(replace(event, days=()) for event in self.events.each))
        counted = replace(self, not_normal=ALL_NORMAL, events=days).to_document()
        return hashlib.sha256(json.dumps(counted, sort_keys=True).encode()).hexdigest()

    @property
    def declared_days(self) -> str:
        """SHA-256 of the days that the fingerprint does not count; empty where there are none."""
        days = [[day.isoformat() for day in event.days] for event in self.events.each]
        found = [self.not_normal.to_document(), days]
        return hashlib.sha256(json.dumps(found).encode()).hexdigest() if self.not_normal or any(days) else ""

    @property
    def declared(self) -> tuple[Exogenous, ...]:
        """What its exogenous columns are declared by, in their order: those of events come last."""
        return (*self.exogenous, *self.events.declared)

    @property
    def exogenous_columns(self) -> tuple[str, ...]:
        """The exogenous columns of its input frame."""
        return exogenous_columns(self.declared, self.horizon)

    def view(self, panel: Panel) -> Panel:
        """A panel as its candidates see it: with its exogenous columns, without what is not normal."""
        known = panel.with_exogenous(self.exogenous_columns).with_events(self.events, self.horizon)
        return known.without(self.not_normal)

    def remarks(self, unique_ids: Iterable[str], first: date, last: date) -> list[str]:
        """Sentences about what it declares of series or days that there are not.

        Args:
            first, last: of the days to learn from.
        """
        names = list(unique_ids)
        unknown = sorted({*self.not_normal.unknown_series(names), *self.events.unknown_series(names)})
        never = self.events.without_days(first, last)
        return [
            *([f"the recipe names {examples(unknown)}, of which there is no series"] if unknown else []),
            *([f"nothing is learned of {examples(never)}: no day from {first} to {last}"] if never else []),
        ]

    def with_options(self, name: str, **options: Any) -> "Recipe":
        """The same recipe with other options of one candidate.

        >>> Recipe().with_options("direct_ridge", penalty=0.1).to_document()["candidates"]["direct_ridge"]["penalty"]
        0.1
        """
        changed = [replace(each, **options) if each.name == name else each for each in self.candidates]
        return replace(self, candidates=tuple(changed))

    def with_candidates(self, names: Sequence[str]) -> "Recipe":
        """The same recipe with some of its candidates only, their prior weights in the same proportions.

        Raises:
            ConfigurationError: a name that is none of its candidates'.
        """
        if unknown := sorted(set(names) - set(self.names)):
            problem = f"names {examples(unknown)}, no candidate of the recipe; choose one of {sorted(self.names)}"
            raise ConfigurationError("options", problem)
        return replace(self, candidates=share_weight([each for each in self.candidates if each.name in names]))

    def fit(self, panel: Panel) -> tuple[FittedCandidate, ...]:
        """Its candidates, fitted on every day of a panel.

        Args:
            panel: a `view` of what is known at the cutoff, which is its last day (`Panel.until`).

        Raises:
            CandidateError: a candidate of another package failed.
        """
        # The app reads recipes and fits none: it is installed without this package.
        from threadpoolctl import threadpool_limits

        task = Task(self.horizon, self.country, self.declared, self.loss)
        # Products this small gain nothing from threads, and lose a factor of five where others want the cores too.
        with threadpool_limits(1):
            return tuple(fit_candidate(candidate, panel, task) for candidate in self.candidates)

    def to_document(self) -> dict[str, Any]:
        """JSON-ready: the candidates by name, each with its options; days that are declared where there are any."""
        apart = {"calendars", "not_normal", "events", *(["loss"] if self.loss == "squared" else [])}
        own = {name: of for name, of in asdict(self).items() if name not in apart}
        calendars = {"calendars": self.calendars.to_document()} if self.calendars.each else {}
        return (
            own
            | calendars
            | ({"not_normal": self.not_normal.to_document()} if self.not_normal else {})
            | ({"events": self.events.to_document()} if self.events else {})
            | {
                "candidates": {candidate.name: asdict(candidate) for candidate in self.candidates},
                "exogenous": exogenous_document(self.exogenous),
            }
        )


def recipe_from(document: Mapping[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_document`, also of one whose keys were sorted.

    Raises:
        ConfigurationError: a candidate that this installation does not have.
    """
    options = document["candidates"]
    candidates = tuple(candidate_named(name)(**options[name]) for name in in_order(options))
    read = {
        "candidates": candidates,
        "exogenous": exogenous_from(document["exogenous"]),
        "calendars": Calendars.from_document(document.get("calendars", ())),
        "not_normal": NotNormal.from_document(document.get("not_normal", ())),
        "events": Events.from_document(document.get("events", ())),
    }
    return Recipe(**{**document, **read})


def default_recipe(
    horizon: int,
    country: str,
    names: Sequence[str] = (),
    exogenous: Sequence[Exogenous] = (),
    calendars: Calendars = DAILY,
) -> Recipe:
    """The default recipe, with some of the candidates only where any are named (`default_candidates`).

    Where an exogenous series says something of the days to come, trees are among them: `benchmarks.accuracy` shows what
    they gain, and that they gain nothing without one.

    Raises:
        ConfigurationError: a name that is no candidate's.
    """
    tells_of_days_to_come = any(not isinstance(declared, KnownAtCutoff) for declared in exogenous)
    own = WITH_COVARIATES if tells_of_days_to_come else DEFAULTS
    return Recipe(
        default_candidates(names or own), horizon=horizon, country=country, exogenous=tuple(exogenous),
        calendars=calendars,
    )  # fmt: skip
