"""The feed as the newest resource of a dataset on a CKAN portal, as public open-data portals publish.

The action API is documented at https://docs.ckan.org/en/latest/api/#ckan.logic.action.get.package_show, the datastore's
at https://docs.ckan.org/en/latest/maintaining/datastore.html. Which resource is meant is decided here; how it is
downloaded is `http_download`'s.
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

from forecasting_platform.adapters.feeds.described_feed import DescribedFeed
from forecasting_platform.adapters.feeds.http_download import HttpDownload, http_url, joined_url
from forecasting_platform.adapters.feeds.paged_document import PagedDocument, joined_description
from forecasting_platform.adapters.feeds.raw_document import RawDocument
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, examples
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.parts import Pages
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.redaction import shown

_FORMATS: dict[str | None, tuple[str, ...]] = {
    None: ("json", "csv"),
    "csv": ("csv", "tsv", "txt"),
    "json": ("json",),
    "jsonl": ("jsonl", "ndjson"),
    "parquet": ("parquet",),
    "excel": ("xlsx",),
}
"""What a portal calls the formats of a description, the first before the others."""
_READABLE = {"zip", "gz"}.union(*_FORMATS.values())
_DATASTORE_PAGES = Pages(parameter="offset", counts="records", at_most=100_000)
_DATASTORE_ERROR = "success == `false` && error"
_DATASTORE_ONLY = frozenset({"_id"})
"""The datastore's own number of a row."""
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
        datastore: id, or part of the name, of the resource whose rows are asked of the datastore; None for its file.
    """

    description_url: str
    formats: tuple[str, ...]
    name_part: str
    datastore: str | None = None

    @classmethod
    def at(cls, url: str, form: str | None = None) -> Self:
        """The dataset that a URL names: `ckan+https://portal/dataset-id?format=csv&resource=daily`.

        Args:
            form: that of the feed's description, where the URL says none.

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
        if unknown := sorted(set(options) - {"format", "resource", "datastore"}):
            known = "format, resource and datastore are known"
            raise _wrong_setting(f"has the unknown options {examples(unknown)}; {known}")
        formats = tuple(text.lower() for text in options.get("format", _FORMATS[form]))
        if not set(formats) <= _READABLE:
            raise _wrong_setting(
                f"asks for the formats {examples(formats)}; {', '.join(sorted(_READABLE))} can be read"
            )
        # A dataset's page is at /dataset/<id>: people copy that.
        base = "/".join(["", *folders[: -1 if folders[-1:] == ["dataset"] else None]])
        query = f"id={quote(unquote(dataset), safe='')}"
        api = urlunsplit((parts.scheme, parts.netloc, f"{base}/api/3/action/package_show", query, ""))
        datastore = options.get("datastore", [None])[0]
        return cls(api, formats, options.get("resource", [""])[0].casefold(), datastore)

    def rows_url(self, resource_id: str) -> str:
        """Where the datastore gives a resource's rows, in their order."""
        api = self.description_url.partition("package_show?")[0]
        # The portal gives fewer at once where it is set to.
        return f"{api}datastore_search?resource_id={quote(resource_id, safe='')}&sort=_id&limit=32000"


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
    """The one of the newest quarter, of these the one changed last, of these the format named first (JSON).

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

    def rank(resource: Resource) -> tuple[tuple[int, int], datetime, int]:
        return resource.quarter, resource.changed_at, -dataset.formats.index(resource.kind)

    best = max(map(rank, wanted))
    newest = [resource for resource in wanted if rank(resource) == best]
    if len(newest) > 1:
        names = examples(resource.title for resource in newest)
        raise FeedDocumentError(source, f"several resources of the dataset are the newest: {names}", _NARROW)
    return newest[0]


def in_datastore(resources: Sequence[Resource], named: str, source: str) -> Resource:
    """The resource that has an id, or whose name holds a text.

    Raises:
        FeedDocumentError: there is none, or more than one.
    """
    active = [resource for resource in resources if resource.state in {None, "active"}]
    found = [resource for resource in active if resource.id == named] or [
        resource for resource in active if named.casefold() in resource.title.casefold()
    ]
    if len(found) != 1:
        names = examples(resource.title for resource in found or active) or "none"
        problem = f"datastore={named} is meant to name one resource of the dataset; found: {names}"
        raise FeedDocumentError(source, problem, "Give its id, or a longer part of its name.")
    return found[0]


_NARROW = "Name the resource in the feed's URL: …/dataset-id?resource=part-of-its-name&format=csv."


class CkanFeed(DescribedFeed):
    """The newest resource of a dataset, or rows of the portal's datastore. The dataset is looked at at each fetch.

    Its URL is that of `Dataset.at`; credentials in it, and headers, are sent to the portal, and never shown.
    """

    def _prepare(self) -> None:
        self._dataset = Dataset.at(self.filled.url, self.description.format)

    def _read_as(self) -> FeedDescription:
        return self.description if self._dataset.datastore is None else joined_description(self.description)

    def _document(self, _period: DateRange) -> RawDocument:
        deadline = monotonic() + self.timeout_seconds
        portal = HttpDownload(
            self._dataset.description_url, self.source, self.timeout_seconds, self.max_bytes, self.filled.headers
        )
        answer = portal.get(self._dataset.description_url, deadline=deadline)
        resources = _resources(answer.content, self.source)
        if self._dataset.datastore is not None:
            return self._rows(in_datastore(resources, self._dataset.datastore, self.source), portal, deadline)
        resource, member = newest_resource(resources, self._dataset, self.source), self.description.source.member
        url = joined_url(self._dataset.description_url, resource.url)
        if http_url(url) is None:
            raise FeedDocumentError(self.source, f"the resource {resource.title} has no http or https URL", _NARROW)
        source, address = self.filled.hidden(shown(url)), f"{url}#{member}" if member else url
        download = replace(portal, source=source, member=member)
        return replace(download.get(url, self.recalled(address, source), deadline=deadline), address=address)

    def _rows(self, resource: Resource, portal: HttpDownload, deadline: float) -> RawDocument:
        """All rows of a resource in the datastore; a portal gives so many at once."""
        answer = self.description.model_copy(update={"records": "result.records", "error": _DATASTORE_ERROR})
        source = self.filled.hidden(shown(self._dataset.rows_url(resource.id)))
        paged = PagedDocument(_DATASTORE_PAGES, answer, source, self.max_bytes, _DATASTORE_ONLY)
        raw = paged.read(
            self._dataset.rows_url(resource.id),
            lambda page: replace(portal, source=source).get(page, deadline=deadline),
        )
        return replace(raw, source=f"{source} ({resource.title})")


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


_CHECK = "Check the portal and the dataset's id in the feed's URL."


def _wrong_setting(problem: str) -> ConfigurationError:
    return ConfigurationError("source.url", problem)
