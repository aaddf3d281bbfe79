"""The feed as the newest resource of a dataset on a CKAN portal, as public open-data portals publish.

The action API is documented at https://docs.ckan.org/en/latest/api/#ckan.logic.action.get.package_show. Which
resource is the newest is decided here; how it is downloaded is `http_download`'s.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic
from typing import Annotated, Any, Self
from urllib.parse import parse_qs, quote, unquote, urlunsplit

from pydantic import BaseModel, BeforeValidator, TypeAdapter, ValidationError

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.document_reader import DocumentReader
from forecasting_platform.adapters.feeds.feed_dates import DateFormat
from forecasting_platform.adapters.feeds.http_download import HttpDownload, http_url, joined_url
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, examples
from forecasting_platform.forecasting.series.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.redaction import shown

_FORMATS = ("json", "csv")
_QUARTER = re.compile(
    r"(?<![a-z0-9])(?:q(?P<quarter>[1-4])[\s_./-]*(?P<year>20\d\d)|(?P<year_first>20\d\d)[\s_./-]*q(?P<quarter_last>[1-4]))"
    r"(?!\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where a dataset is described, and which of its resources are meant.

    Attributes:
        description_url: of `package_show`.
        formats: lower case; resources in another are left out.
        name_part: what a resource's name holds, in any case; empty for any.
    """

    description_url: str
    formats: tuple[str, ...]
    name_part: str

    @classmethod
    def at(cls, url: str) -> Self:
        """The dataset that a setting names: `ckan+https://portal/dataset-id?format=csv&resource=daily`.

        Raises:
            ConfigurationError: it names no portal and dataset, or asks for what there is not.

        >>> Dataset.at("ckan+https://data.example/dataset/gas-flows?resource=Daily").description_url
        'https://data.example/api/3/action/package_show?id=gas-flows'
        """
        parts = http_url(url.removeprefix("ckan+"))
        if parts is None or not parts.path.strip("/"):
            raise _wrong_setting("is no URL such as ckan+https://portal/dataset-id")
        *folders, dataset = parts.path.strip("/").split("/")
        options = parse_qs(parts.query)
        if unknown := sorted(set(options) - {"format", "resource"}):
            raise _wrong_setting(f"has the unknown options {examples(unknown)}; format and resource are known")
        formats = tuple(text.lower() for text in options.get("format", _FORMATS))
        if not set(formats) <= set(_FORMATS):
            raise _wrong_setting(f"asks for the formats {examples(formats)}; json and csv can be read")
        # A dataset's page is at /dataset/<id>: people copy that.
        base = "/".join(["", *folders[: -1 if folders[-1:] == ["dataset"] else None]])
        query = f"id={quote(unquote(dataset), safe='')}"
        api = urlunsplit((parts.scheme, parts.netloc, f"{base}/api/3/action/package_show", query, ""))
        return cls(api, formats, options.get("resource", [""])[0].casefold())


# Some portals write no time as an empty text.
_Time = Annotated[datetime | None, BeforeValidator(lambda written: written or None)]


class Resource(BaseModel):
    """A resource as `package_show` describes it. A time without a zone is UTC."""

    id: str
    url: str
    name: str | None = None
    format: str | None = None
    state: str | None = None
    last_modified: _Time = None
    created: _Time = None

    @property
    def title(self) -> str:
        """What a person calls it."""
        return self.name or self.id

    @property
    def quarter(self) -> tuple[int, int]:
        """(year, quarter) in its name or else in its file's name; (0, 0) when neither has one.

        >>> Resource(id="1", url="https://data.example/flows_2023-q2.csv", name="Daily flows").quarter
        (2023, 2)
        """
        found = _QUARTER.search(self.name or "") or _QUARTER.search(unquote(self.url.rpartition("/")[2]))
        if found is None:
            return (0, 0)
        return int(found["year"] or found["year_first"]), int(found["quarter"] or found["quarter_last"])

    @property
    def changed_at(self) -> datetime:
        """When its file was changed last, as far as the portal says."""
        found = self.last_modified or self.created
        if found is None:
            return datetime.min.replace(tzinfo=UTC)
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @property
    def kind(self) -> str:
        """Its format in the terms of `Dataset.formats`: portals write CSV, .csv and text/csv."""
        return (self.format or "").lower().rpartition("/")[2].strip(". ")


def newest_resource(resources: Sequence[Resource], dataset: Dataset, source: str) -> Resource:
    """The one of the newest quarter, of these the one changed last, of these JSON before CSV.

    Where one resource has no quarter, only those that have are compared.

    Raises:
        FeedDocumentError: there is none, or two are alike in all of that: which one is meant is not guessed.
    """
    wanted = [
        resource
        for resource in resources
        if resource.kind in dataset.formats
        and dataset.name_part in resource.title.casefold()
        and resource.state in {None, "active"}
    ]
    if not wanted:
        found = examples(f"{resource.title} ({resource.format})" for resource in resources) or "none"
        raise FeedDocumentError(source, f"no resource of the dataset fits; found: {found}", _NARROW)

    def rank(resource: Resource) -> tuple[tuple[int, int], datetime, bool]:
        return resource.quarter, resource.changed_at, resource.kind == "json"

    best = max(map(rank, wanted))
    newest = [resource for resource in wanted if rank(resource) == best]
    if len(newest) > 1:
        names = examples(resource.title for resource in newest)
        raise FeedDocumentError(source, f"several resources of the dataset are the newest: {names}", _NARROW)
    return newest[0]


_NARROW = "Name the resource in FORECASTING_FEED_URL: …/dataset-id?resource=part-of-its-name&format=csv."


class CkanFeed:
    """The newest resource of a dataset. The dataset is looked at anew at each fetch.

    Args:
        url: see `Dataset.at`; credentials in it are sent to the portal, and never shown.
        date_format: how the document writes a day, such as `dd/mm/yyyy`.
        timeout_seconds: deadline of one fetch, which is two requests.
        max_bytes: largest document accepted, after decompression.
        archive: keeps what was loaded; without one, a document is sent anew each time.

    Raises:
        ConfigurationError: the URL or the date format cannot be used.
    """

    def __init__(
        self,
        url: str,
        *,
        date_format: str,
        timeout_seconds: float,
        max_bytes: int,
        archive: DocumentArchive | None = None,
    ) -> None:
        self._dataset = Dataset.at(url)
        self.source = shown(url)
        self._download = HttpDownload(self._dataset.description_url, self.source, timeout_seconds, max_bytes)
        self._reader = DocumentReader(DateFormat.compile(date_format), archive)

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`, as `ObservationFeed` promises."""
        deadline = monotonic() + self._download.timeout_seconds
        description = self._download.get(self._dataset.description_url).content
        resource = newest_resource(_resources(description, self.source), self._dataset, self.source)
        url = joined_url(self._dataset.description_url, resource.url)
        if http_url(url) is None:
            raise FeedDocumentError(self.source, f"the resource {resource.title} has no http or https URL", _NARROW)
        source = shown(url)
        kept = self._reader.recall(url, source)
        raw = replace(self._download, source=source, timeout_seconds=max(deadline - monotonic(), 0.0)).get(url, kept)
        return self._reader.read(raw, period)


def _resources(description: bytes, source: str) -> list[Resource]:
    try:
        answer: Any = json.loads(description)
        if not answer["success"]:
            raise FeedDocumentError(source, f"the portal refused: {str(answer.get('error'))[:200]}", _CHECK)
        return TypeAdapter(list[Resource]).validate_python(answer["result"]["resources"])
    except ValidationError as error:
        problem = f"its description of the dataset has {error.errors()[0]['msg']} at {error.errors()[0]['loc']}"
        raise FeedDocumentError(source, problem, _CHECK) from error
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise FeedDocumentError(source, "the portal's answer is not what CKAN's package_show gives", _CHECK) from error


_CHECK = "Check the portal and the dataset's id in FORECASTING_FEED_URL."


def _wrong_setting(problem: str) -> ConfigurationError:
    return ConfigurationError("FORECASTING_FEED_URL", problem)
