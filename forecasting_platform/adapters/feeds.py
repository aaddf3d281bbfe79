"""Which feed a URL means, by its scheme: the one place that knows every feed."""

from typing import TypedDict

from forecasting_platform.adapters.ckan_feed import CkanFeed
from forecasting_platform.adapters.document_archive import DocumentArchive
from forecasting_platform.adapters.file_feed import FileFeed
from forecasting_platform.adapters.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform.settings import Settings


class _Common(TypedDict):
    """What every feed is made with."""

    date_format: str
    max_bytes: int
    archive: DocumentArchive | None


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
