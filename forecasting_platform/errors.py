"""The errors of the platform, in families by what the caller should do.

`UnavailableError`: a part did not answer; the same call may succeed later, so retry.
Every other family: the same call fails again until a person changes something, so stop.
The arguments are attributes, so that nobody has to parse a message. An error of one part alone is defined there:
`MigrationError`, `BackupError`.
"""

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType

EXAMPLES_SHOWN = 5
MAX_SHOWN_CHARACTERS = 120


def shortened(text: str) -> str:
    """The text, cut where it is too long to be read in a message.

    >>> shortened("Corrib"), len(shortened("x" * 1_000_000))
    ('Corrib', 120)
    """
    return text if len(text) <= MAX_SHOWN_CHARACTERS else f"{text[: MAX_SHOWN_CHARACTERS - 1]}…"


def examples(found: Iterable[object]) -> str:
    """The first five items, each shortened, and how many there are in all.

    >>> examples(["a", "b"])
    "'a', 'b'"
    >>> examples(range(9))
    '0, 1, 2, 3, 4 … (9 in all)'
    """
    listed = list(found)
    shown = ", ".join(shortened(repr(item)) for item in listed[:EXAMPLES_SHOWN])
    return f"{shown} … ({len(listed)} in all)" if len(listed) > EXAMPLES_SHOWN else shown


class ForecastingPlatformError(Exception):
    """Any error of this platform.

    Attributes:
        problems_of_feeds: where several feeds failed, the problem of each by its name.
    """

    problems_of_feeds: Mapping[str, str] = MappingProxyType({})

    def __reduce__(self) -> tuple[object, ...]:
        """Make errors cross processes: by default one is made anew from its message alone."""
        return _made_again, (type(self), self.args, self.__dict__)


def _made_again(
    kind: type[ForecastingPlatformError], arguments: tuple[object, ...], attributes: Mapping[str, object]
) -> ForecastingPlatformError:
    made = kind.__new__(kind, *arguments)
    made.__dict__.update(attributes)
    return made


class UnavailableError(ForecastingPlatformError):
    """A part did not answer: retry later."""

    def __init__(self, part: str, reason: str) -> None:
        self.part = part
        self.reason = reason
        super().__init__(f"{part} is unavailable: {reason}. Check that it runs and is reachable, then retry.")


class FeedUnavailableError(UnavailableError):
    """The feed did not answer in time, refused, or answered with a server error.

    Attributes:
        retry_after_seconds: the seconds it asked to wait before a retry; 0 where it named none.
    """

    def __init__(self, part: str, reason: str, retry_after_seconds: float = 0.0) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(part, reason)


class ArchiveUnavailableError(UnavailableError):
    """The archive of feed documents cannot be read or written."""


class StoreUnavailableError(UnavailableError):
    """The table store or the ledger did not answer."""


class OverlappingWritesError(StoreUnavailableError):
    """The inputs of a table changed during each attempt to build it; its rows may be out of date."""

    def __init__(self, table: str, days: object, attempts: int) -> None:
        self.table = table
        self.attempts = attempts
        super().__init__(table, f"its inputs changed during each of {attempts} attempts for {days}")


class PromotionOvertakenError(StoreUnavailableError):
    """Another process wrote a decision after the newest one known here; this one was not written."""

    def __init__(self, known: int, newest: int) -> None:
        self.known = known
        self.newest = newest
        reason = f"another process made decision {newest} meanwhile; the newest one known here was {known}"
        super().__init__("the right to promote", reason)


class RegistryUnavailableError(UnavailableError):
    """The model registry did not answer."""


class InvalidDataError(ForecastingPlatformError):
    """Data that were refused; nothing of them was stored."""


class FeedDocumentError(InvalidDataError):
    """A feed document refused whole.

    Attributes:
        source: the URL or path it came from.
        problem: what is wrong, with the row number where there is one.
        remedy: what to do about it.
    """

    def __init__(self, source: str, problem: str, remedy: str) -> None:
        self.source = source
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"the document of {source} was refused and nothing of it was stored: {problem}. {remedy}")


class InvalidFrameError(InvalidDataError):
    """A frame that does not fit its table; nothing of it was written."""

    def __init__(self, table: str, problem: str) -> None:
        self.table = table
        self.problem = problem
        super().__init__(f"rows for {table} were refused and none was written: {problem}")


class InsufficientHistoryError(InvalidDataError):
    """Too few observed days to train and backtest on.

    Attributes:
        load_problem: the problem of the newest load, which may be the cause; None where it had none.
    """

    def __init__(self, found_days: int, needed_days: int, load_problem: str | None = None) -> None:
        self.found_days = found_days
        self.needed_days = needed_days
        self.load_problem = load_problem
        found = f"the longest has {found_days}" if found_days else "no series has any in feature_table"
        remedy = f"Load {'an earlier start date' if found_days else 'the days to train on'}, then train again."
        if load_problem:
            remedy = f"Fix the problem of the newest load ({load_problem}), load again, then train again."
        super().__init__(f"training needs {needed_days} days of history in at least one series; {found}. {remedy}")


class MissingMetricError(InvalidDataError):
    """A score that a decision needs is missing or not a number."""

    def __init__(self, metric: str, subject: str, found: object) -> None:
        self.metric = metric
        self.subject = subject
        self.found = found
        super().__init__(
            f"{metric} of {subject} is {found!r}, so no decision is taken and the champion stays. "
            f"Look for series without actuals in the evaluated days, then promote again."
        )


class NoChampionError(ForecastingPlatformError):
    """No model version carries the alias `champion` yet."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        super().__init__(
            f"{model_name} has no champion yet. Train a model (`forecasting-platform train`) and promote it "
            f"(`forecasting-platform promote`), then ask again."
        )


class NoChallengerError(ForecastingPlatformError):
    """No model version carries the alias `challenger`."""

    def __init__(self, model_name: str) -> None:
        self.model_name = model_name
        super().__init__(f"{model_name} has no challenger to evaluate. Run `forecasting-platform train` first.")


class ReasonMissingError(ForecastingPlatformError):
    """A person changes the champion without saying why."""

    def __init__(self, change: str) -> None:
        self.change = change
        super().__init__(f"a change of the champion by a person ({change}) needs a reason; it is kept in the ledger")


class ChampionMovedError(ForecastingPlatformError):
    """The alias `champion` named another version than the one the decision was made against."""

    def __init__(self, expected: str | None, found: str | None) -> None:
        self.expected = expected
        self.found = found
        super().__init__(
            f"the champion was to move from version {expected or 'none'} but it is version {found or 'none'}: "
            f"somebody moved it meanwhile. Nothing was changed; evaluate again."
        )


class UnknownVersionError(ForecastingPlatformError):
    """A model version that the registry does not have."""

    def __init__(self, version: str, known: Iterable[str]) -> None:
        self.version = version
        self.known = tuple(known)
        super().__init__(f"there is no model version {version!r}; known versions are {examples(self.known) or 'none'}")


class InvalidArtifactError(ForecastingPlatformError):
    """A stored model that cannot be trusted or read: wrong checksum, unknown format, missing part."""

    def __init__(self, version: str, problem: str) -> None:
        self.version = version
        self.problem = problem
        super().__init__(f"model version {version} cannot be used: {problem}. Train a new version or roll back.")


class UnknownSeriesError(ForecastingPlatformError):
    """A `unique_id` that the model or store does not have."""

    def __init__(self, unknown: Iterable[str], known: Iterable[str]) -> None:
        self.unknown = tuple(unknown)
        self.known = tuple(known)
        super().__init__(f"unknown series {examples(self.unknown)}; known are {examples(self.known)}")


class UnknownAlertError(ForecastingPlatformError):
    """An incident that is not there, or is over."""

    def __init__(self, alert_id: str, open_ids: Iterable[str]) -> None:
        self.alert_id = alert_id
        self.open_ids = tuple(open_ids)
        super().__init__(f"no open incident is {alert_id!r}; open are {examples(self.open_ids) or 'none'}")


class InvalidRangeError(ForecastingPlatformError):
    """A date range that cannot be answered."""


class EndedSeriesError(InvalidRangeError):
    """Requested series that have ended: no value came for longer than their own rhythm explains."""

    def __init__(self, ended: Mapping[str, date]) -> None:
        self.ended = dict(ended)
        found = examples(f"{unique_id} ({day})" for unique_id, day in sorted(self.ended.items()))
        super().__init__(
            f"series that have ended, with the last day of each: {found}; ask for other series, or for days before "
            "they ended. A series continues once a later value of it is loaded"
        )


class ConfigurationError(ForecastingPlatformError):
    """A setting that is missing or contradicts another."""

    def __init__(self, setting: str, problem: str) -> None:
        self.setting = setting
        self.problem = problem
        super().__init__(f"setting {setting}: {problem}")


class FeedDescriptionError(ConfigurationError):
    """A feed's description that cannot be used.

    Attributes:
        line: of the file, from 1; None where the whole file is meant.
    """

    def __init__(self, file: str, line: int | None, problem: str) -> None:
        self.line = line
        where = file if line is None else f"{file}, line {line}"
        super().__init__(where, problem)
        self.args = (f"the feed's description {where}: {problem}",)


class RecipeFileError(ConfigurationError):
    """A recipe file that cannot be used; the problem names the key."""

    def __init__(self, file: str, problem: str) -> None:
        super().__init__(file, problem)
        self.args = (f"the recipe {file}: {problem}",)


class PlatformStateError(ForecastingPlatformError):
    """The embedded platform is in a state that prevents this: a port is taken, it runs already, a process died."""
