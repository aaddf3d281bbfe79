"""Which feed a URL means, by its scheme: the one place that knows every feed."""

from typing import TypedDict

from forecasting_platform.adapters.ckan_feed import CkanFeed
from forecasting_platform.adapters.document_archive import DocumentArchive
from forecasting_platform.adapters.feed_with_exogenous import FeedWithExogenous
from forecasting_platform.adapters.file_feed import FileFeed
from forecasting_platform.adapters.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.exogenous import exogenous_from
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.settings import Settings


class _Common(TypedDict):
    """What every feed is made with."""

    date_format: str
    max_bytes: int
    archive: DocumentArchive | None


def feed_of(settings: Settings) -> ObservationFeed:
    """The feed that the settings name, with that of the exogenous series beside it where they name one.

    Raises:
        ConfigurationError: no feed is named, one is none, or nothing is declared that the second one could have.
    """
    feed = feed_at(settings.require_feed_url(), settings)
    if not settings.exogenous_feed_url:
        return feed
    if not (declared := exogenous_from(settings.exogenous)):
        problem = "is set, and FORECASTING_EXOGENOUS declares no series; declare those that it has"
        raise ConfigurationError("FORECASTING_EXOGENOUS_FEED_URL", problem)
    of_exogenous = settings.model_copy(update={"feed_date_format": settings.exogenous_feed_date_format})
    try:
        beside = feed_at(settings.exogenous_feed_url, of_exogenous)
    except ConfigurationError as error:
        raise ConfigurationError(error.setting.replace("_FEED_", "_EXOGENOUS_FEED_"), error.problem) from error
    return FeedWithExogenous(feed, beside, declared, timeout_seconds=settings.feed_timeout_seconds)


def feed_at(url: str, settings: Settings) -> ObservationFeed:
    """The feed at a URL, with the limits and the archive of the settings.

    `http(s)://…` is an `HttpFeed`, `ckan+http(s)://portal/dataset-id` a `CkanFeed`, `file:///path` a `FileFeed`.

    Raises:
        ConfigurationError: the URL is none of these, or a setting cannot be used.
    """
    scheme = url.partition("://")[0].lower()
    common: _Common = {
        "date_format": settings.feed_date_format,
        "max_bytes": settings.feed_max_bytes,
        "archive": archive_of(settings),
    }
    match scheme:
        case "http" | "https":
            return HttpFeed(url, timeout_seconds=settings.feed_timeout_seconds, **common)
        case "ckan+http" | "ckan+https":
            return CkanFeed(url, timeout_seconds=settings.feed_timeout_seconds, **common)
        case "file":
            return FileFeed(url, **common)
    raise ConfigurationError(
        "FORECASTING_FEED_URL", "is no feed; give http(s)://host/feed, ckan+https://portal/dataset-id or file:///path"
    )


def archive_of(settings: Settings) -> DocumentArchive | None:
    """The archive of the settings, None where none is set."""
    if not settings.feed_archive:
        return None
    return DocumentArchive(settings.feed_archive, keep_days=settings.feed_archive_days)
