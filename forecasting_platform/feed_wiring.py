"""Chooses the adapter of each feed: from the settings and the feeds' descriptions to one `ObservationFeed`.

Each function imports what it makes, so that only the chosen adapter's clients are imported. Every other port: `wiring`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypedDict

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.covariates.exogenous import exogenous_from
from forecasting_platform.forecasting.series.days.series_calendars import DAILY, Calendars
from forecasting_platform.repetitions import first_repeated

if TYPE_CHECKING:
    from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
    from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
    from forecasting_platform.feed_description.description import FeedDescription
    from forecasting_platform.ports.observation_feed import ObservationFeed
    from forecasting_platform.settings import Settings


def feed_of(settings: Settings) -> ObservationFeed:
    """The feed that the settings name, or all of them as one, with the feed of exogenous series where they name one.

    Raises:
        ConfigurationError: no feed is named, one cannot be meant, two are called alike, or the second feed has no
            declared series.
    """
    from forecasting_platform.adapters.feeds.several_feeds import NamedFeed, SeveralFeeds

    feeds = [NamedFeed(each.name, described_feed(each, settings)) for each in descriptions_of(settings)]
    if settings.exogenous_feed_url:
        declared = exogenous_from(settings.exogenous)
        if not declared:
            problem = "is set, and FORECASTING_EXOGENOUS declares no series; declare those that it has"
            raise ConfigurationError("FORECASTING_EXOGENOUS_FEED_URL", problem)
        feeds.append(NamedFeed(EXOGENOUS_FEED, _exogenous_feed(settings), declared))
    if len(feeds) == 1:
        return feeds[0].feed
    return SeveralFeeds(
        feeds, timeout_seconds=settings.feed_timeout_seconds, max_refused_share=settings.max_refused_share
    )


def names_of_several_feeds(settings: Settings) -> tuple[str, ...]:
    """What the feeds are called where several are described; empty where one is, or where a description is wrong.

    What is wrong, each load says.
    """
    try:
        names = tuple(each.name for each in descriptions_of(settings))
    except ConfigurationError:
        return ()
    if len(names) < 2:
        return ()
    return (*names, EXOGENOUS_FEED) if settings.exogenous_feed_url else names


def descriptions_of(settings: Settings) -> tuple[FeedDescription, ...]:
    """The descriptions of FORECASTING_FEED_URL, FORECASTING_FEED and FORECASTING_FEEDS, of as many as are set.

    Raises:
        ConfigurationError: none is set, one is wrong, or two feeds are called alike.
    """
    from forecasting_platform.feed_description.file import read_description, read_descriptions

    found: list[FeedDescription] = []
    if settings.feed_url or not (settings.feed or settings.feeds):
        found.append(_default_shape(settings.require_feed_url(), settings.feed_date_format))
    if settings.feed:
        found.append(read_description(settings.feed))
    if settings.feeds:
        found += read_descriptions(settings.feeds)
    exogenous = [EXOGENOUS_FEED] if settings.exogenous_feed_url else []
    if twice := first_repeated([each.name for each in found] + exogenous):
        raise ConfigurationError("FORECASTING_FEEDS", f"two feeds are called {twice!r}; give one another name")
    return tuple(found)


EXOGENOUS_FEED = "exogenous"
"""What the feed of FORECASTING_EXOGENOUS_FEED_URL is called."""


def with_covariates(settings: Settings) -> Settings:
    """The settings, with the covariates that the feeds' descriptions declare among the exogenous series.

    A description that is wrong adds none: each load says what is wrong with it.
    """
    if not (settings.feed or settings.feeds):
        return settings
    try:
        declared = [found.document() for each in descriptions_of(settings) for found in each.covariates]
    except ConfigurationError:
        return settings
    return settings.model_copy(update={"exogenous": [*settings.exogenous, *declared]})


def feed_at(url: str, settings: Settings) -> ObservationFeed:
    """The feed of the default shape at a URL, with the limits and the archive of the settings.

    Raises:
        ConfigurationError: the URL is none of a feed, or a setting cannot be used.
    """
    description = _default_shape(url, settings.feed_date_format)
    return described_feed(description, settings.model_copy(update={"feed_url": url}))


def _exogenous_feed(settings: Settings) -> ObservationFeed:
    url, date_format = str(settings.exogenous_feed_url), settings.exogenous_feed_date_format
    try:
        return feed_at(url, settings.model_copy(update={"feed_date_format": date_format}))
    except ConfigurationError as error:
        raise ConfigurationError(error.setting.replace("_FEED_", "_EXOGENOUS_FEED_"), error.problem) from error


def _default_shape(url: str, date_format: str) -> FeedDescription:
    from pydantic import ValidationError

    from forecasting_platform.feed_description.description import FeedDescription

    try:
        return FeedDescription.of_default_shape(url, date_format)
    except ValidationError as error:
        place, message = error.errors()[0]["loc"], error.errors()[0]["msg"].removeprefix("Value error, ")
        named = "FORECASTING_FEED_URL" if "url" in place else "FORECASTING_FEED_DATE_FORMAT"
        raise ConfigurationError(named, message) from error


def described_feed(description: FeedDescription, settings: Settings) -> DescribedFeed:
    """The feed that a description is of, with the limits and the archive of the settings.

    `http(s)://…` is an `HttpFeed`, `ckan+http(s)://portal/dataset-id` a `CkanFeed`, `file:///path` a `FileFeed`, any
    other URL that fsspec knows an `FsspecFeed`.

    Raises:
        ConfigurationError: the URL is none of these, or a setting cannot be used.
    """
    try:
        return _adapter(description, settings)
    except ConfigurationError as error:
        if error.setting != "source.url":
            raise
        is_of_setting = description.source.url == settings.feed_url
        named = "FORECASTING_FEED_URL" if is_of_setting else f"source.url of the feed {description.name!r}"
        raise ConfigurationError(named, error.problem) from error


def _adapter(description: FeedDescription, settings: Settings) -> DescribedFeed:
    from forecasting_platform.feed_description.variables import FilledSource

    limits: _Limits = {
        "timeout_seconds": settings.feed_timeout_seconds,
        "max_bytes": settings.feed_max_bytes,
        "archive": archive_of(settings),
    }
    match FilledSource.of(description, os.environ).url.partition("://")[0].lower():
        case "http" | "https":
            from forecasting_platform.adapters.feeds.http_feed import HttpFeed

            return HttpFeed(description, **limits)
        case "ckan+http" | "ckan+https":
            from forecasting_platform.adapters.feeds.ckan_feed import CkanFeed

            return CkanFeed(description, **limits)
        case "file":
            from forecasting_platform.adapters.feeds.file_feed import FileFeed

            return FileFeed(description, **limits)
    from forecasting_platform.adapters.feeds.fsspec_feed import FsspecFeed

    return FsspecFeed(description, **limits)


class _Limits(TypedDict):
    """What every feed is made with."""

    timeout_seconds: float
    max_bytes: int
    archive: DocumentArchive | None


def calendars_of(settings: Settings) -> Calendars:
    """The days on which values of each series are due: every day where no feed is described.

    Raises:
        ConfigurationError: a description is wrong, or feeds with different calendars cannot be told apart.
    """
    if not (settings.feed or settings.feeds):
        return DAILY
    from forecasting_platform.feed_description.due_days import due_days_of

    return due_days_of(descriptions_of(settings))


def archive_of(settings: Settings) -> DocumentArchive | None:
    """The archive of loaded documents, None where FORECASTING_FEED_ARCHIVE is not set."""
    if not settings.feed_archive:
        return None
    from forecasting_platform.adapters.feeds.document_archive import DocumentArchive

    return DocumentArchive(settings.feed_archive, keep_days=settings.feed_archive_days)
