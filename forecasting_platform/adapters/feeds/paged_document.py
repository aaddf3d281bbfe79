"""An answer in several pages as one document: a JSON array of the records of all pages, in their order."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from forecasting_platform.adapters.feeds.documents.json_rows import found_at, records_of
from forecasting_platform.adapters.feeds.http_download import http_url, joined_url
from forecasting_platform.adapters.feeds.raw_document import RawDocument, Validators, too_large
from forecasting_platform.errors import FeedDocumentError, shortened
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.parts import Pages

_LOOK = "Look at source.pages in the feed's description."


@dataclass(frozen=True, slots=True)
class PagedDocument:
    """How the pages of an answer are gone through.

    Attributes:
        pages: as declared.
        description: says where a page has its records, and where an error.
        source: names the feed in errors.
        max_bytes: of all pages together.
        left_out: fields of a record that are no part of it.
    """

    pages: Pages
    description: FeedDescription
    source: str
    max_bytes: int
    left_out: frozenset[str] = frozenset()

    def read(self, url: str, get: Callable[[str], RawDocument]) -> RawDocument:
        """All pages as one document, as if the first page's URL had answered with it.

        Raises:
            FeedUnavailableError: of `get`: a page that fails fails them all.
            FeedDocumentError: of `get`; a page is no JSON or an error, they are too many or too large, or repeat.
        """
        records: list[object] = []
        seen: set[str] = set()
        size, before = 0, b""
        at: str | None = url if self.pages.parameter is None else self._with_parameter(url, self.pages.start)
        while at is not None:
            raw = self._next(at, seen, get)
            number, size = len(seen), size + len(raw.content)
            if size > self.max_bytes:
                raise too_large(self.source, self.max_bytes, f"more in its first {number} pages")
            page = self._parsed(raw, number)
            found = self._records(page, number)
            if found and raw.content == before:
                raise self._refusal(f"page {number} repeats the one before: its URL does not say which page is meant")
            records += found
            before = raw.content
            at = self._after(url, at, page, number, len(found), len(records))
        content = json.dumps(records, ensure_ascii=False, separators=(",", ":")).encode()
        if len(content) > self.max_bytes:
            raise too_large(self.source, self.max_bytes)
        # A page's validators say nothing about the others.
        return replace(raw, content=content, content_type="application/json", address=url, validators=Validators())

    def _next(self, at: str, seen: set[str], get: Callable[[str], RawDocument]) -> RawDocument:
        if at in seen:
            raise self._refusal(f"page {len(seen) + 1} is one that was read before")
        if len(seen) == self.pages.at_most:
            raise self._refusal(f"it has more than the {self.pages.at_most:,} pages of source.pages.at_most")
        seen.add(at)
        return get(at)

    def _after(self, url: str, at: str, page: Any, number: int, found: int, so_far: int) -> str | None:
        """The URL of the page after a page, None after the last.

        Args:
            number: of the page, from 1.
            found: records of the page.
            so_far: records of it and those before.
        """
        if self.pages.next is not None:
            return self._named(at, found_at(self.pages.next, page, self.source), number)
        is_offset = self.pages.counts == "records"
        following = so_far if is_offset else self.pages.first + number
        if self.pages.last is None:
            return self._with_parameter(url, following) if found else None
        last = self._number(found_at(self.pages.last, page, self.source), number)
        if not found and following < last:
            raise self._refusal(f"page {number} is empty, before the last of {last:,}")
        return self._with_parameter(url, following) if following < last + (not is_offset) else None

    def _named(self, at: str, found: object, number: int) -> str | None:
        if not found:
            return None
        if not isinstance(found, str) or http_url(joined_url(at, found)) is None:
            raise self._refusal(f"page {number} has no URL at {self.pages.next!r}, but {shortened(repr(found))}")
        return joined_url(at, found)

    def _number(self, found: object, number: int) -> int:
        if isinstance(found, str) and found.strip().isdecimal():
            return int(found)
        if isinstance(found, bool) or not isinstance(found, int):
            raise self._refusal(f"page {number} has no number at {self.pages.last!r}, but {shortened(repr(found))}")
        return found

    def _with_parameter(self, url: str, value: int) -> str:
        parts = urlsplit(url)
        others = [
            (name, text)
            for name, text in parse_qsl(parts.query, keep_blank_values=True)
            if name != self.pages.parameter
        ]
        query = urlencode([*others, (str(self.pages.parameter), str(value))])
        return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))

    def _parsed(self, raw: RawDocument, number: int) -> Any:
        try:
            return json.loads(raw.content)
        except (ValueError, RecursionError) as error:
            problem = f"page {number} is no JSON, and only pages of JSON are read: {error}"
            raise self._refusal(problem) from error

    def _records(self, page: Any, number: int) -> Sequence[object]:
        found = records_of(page, self.description, f"{self.source}, page {number},")
        return [self._without(record) for record in found] if self.left_out else found

    def _without(self, record: object) -> object:
        if not isinstance(record, dict):
            return record
        return {name: cell for name, cell in record.items() if name not in self.left_out}

    def _refusal(self, problem: str) -> FeedDocumentError:
        return FeedDocumentError(self.source, problem, _LOOK)


def joined_description(description: FeedDescription) -> FeedDescription:
    """What a document of joined pages is, of pages that are as described."""
    return description.model_copy(update={"format": "json", "records": None, "orient": "records", "error": None})
