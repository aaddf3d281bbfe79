"""Where the data begin and end: the feeds, and the app that answers. Dagster shows both and runs neither."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dagster as dg

from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_description.file import read_description
from forecasting_platform.feed_wiring import EXOGENOUS_FEED, descriptions_of
from forecasting_platform.forecasting.series.frames import PREDICTION_LOG
from forecasting_platform.orchestration.catalog.columns import FEED_SCHEMA, table_schema
from forecasting_platform.orchestration.catalog.places import Place, postgres_place
from forecasting_platform.orchestration.catalog.references import PACKAGE, REFERENCES
from forecasting_platform.orchestration.names import asset_key
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.redaction import shown
from forecasting_platform.settings import Settings

FEEDS = "feeds"
ONLY_FEED = "feed"
"""What a feed without a description is called."""
NO_ADDRESS = "unknown: no feed is set, or its description is wrong"
APP = dg.AssetKey("app")


def feed_key(name: str) -> dg.AssetKey:
    """The asset of a feed."""
    return dg.AssetKey([FEEDS, name])


def feed_specs(settings: Settings) -> list[dg.AssetSpec]:
    """The feeds that the settings name; where a description is wrong, which each load says, one without an address."""
    try:
        descriptions = descriptions_of(settings)
    except ConfigurationError:
        return [_feed_spec(ONLY_FEED, "")]
    files = {read_description(path).name: path for path in _files(settings)}
    specs = [_feed_spec(each.name, each.source.url, files.get(each.name)) for each in descriptions]
    if settings.exogenous_feed_url:
        specs.append(_feed_spec(EXOGENOUS_FEED, settings.exogenous_feed_url))
    return specs


def _files(settings: Settings) -> Iterator[Path]:
    """The files of the descriptions."""
    if settings.feed:
        yield settings.feed
    for pattern in ("*.yaml", "*.yml") if settings.feeds else ():
        yield from Path(str(settings.feeds)).glob(pattern)


def _feed_spec(name: str, url: str, file: Path | None = None) -> dg.AssetSpec:
    scheme = urlsplit(url).scheme.partition("+")[0].lower() or "http"
    return dg.AssetSpec(
        feed_key(name),
        description=f"The feed {name!r} of daily values, which is not ours. Each fetch is an observation with the "
        "document's checksum; a load takes what is new or revised of it.",
        group_name="feed",
        owners=["team:data-engineering"],
        metadata=described(
            Place(name, shown(url) or NO_ADDRESS, scheme, frozenset()),
            FEED_SCHEMA,
            file or PACKAGE / "adapters/feeds/described_feed.py",
        ),
        tags={"forecasting/refreshed": "by-its-owner"},
        kinds={scheme},
    )


def app_spec(settings: Settings, read: Iterable[dg.AssetKey]) -> dg.AssetSpec:
    """The app, which answers from what it reads, and keeps its answers.

    Args:
        read: the assets that it answers from.
    """
    log = postgres_place(settings, PREDICTION_LOG.name)
    url = shown(settings.app_url or f"http://{settings.app_host}:{settings.app_port}")
    place = Place(log.name, url, log.storage_kind, log.kinds)
    return dg.AssetSpec(
        APP,
        deps=list(read),
        description="The app, which answers `/predict` by the champion. A row is one forecast of an answer.",
        group_name="serve",
        owners=["team:data-engineering"],
        metadata=described(place, table_schema(PREDICTION_LOG), PACKAGE.parent / "serve/http/app.py"),
        tags={"forecasting/refreshed": "each-request"},
        kinds={"flask", *log.kinds},
    )


def described(place: Place, schema: dg.TableSchema, file: Path | None = None) -> dict[str, Any]:
    """Metadata by the keys of Dagster's own, and the source where it is no function of ours."""
    source = [dg.LocalFileCodeReference(file_path=str(file.absolute()))] if file else []
    references = {REFERENCES: dg.CodeReferencesMetadataValue(code_references=source)} if source else {}
    return {
        "dagster/column_schema": schema,
        "dagster/table_name": place.name,
        "dagster/uri": place.uri,
        "dagster/storage_kind": place.storage_kind,
        **references,
    }


def fetches(document: FeedDocument, settings: Settings) -> Iterator[dg.AssetObservation]:
    """An observation of each feed that gave a document: the only one, or each of several by its name."""
    only = feed_specs(settings)[0].key.path[-1]
    for result in document.results():
        if result.document is not None:
            name = result.name if document.feeds else only
            key = asset_key(settings.mounted_as, FEEDS, name)
            # Dagster's data version: two fetches of the same document are the same data.
            tags = {"dagster/data_version": result.document.sha256}
            yield dg.AssetObservation(key, metadata=_of_fetch(result.document), tags=tags)


def _of_fetch(document: FeedDocument) -> dict[str, Any]:
    kept = {"document": dg.MetadataValue.url(document.kept_at)} if document.kept_at else {}
    return {
        "sha256": document.sha256,
        "bytes": document.size_bytes,
        "fetched_at": dg.MetadataValue.timestamp(document.fetched_at),
        "not_modified": document.not_modified,
        "dagster/uri": document.source,
        "values": len(document.observations),
        "refused": str(document.refusals),
        "newest_day": str(document.last_published or "unknown"),
        **kept,
    }
