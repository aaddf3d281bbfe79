"""One document over HTTP: a GET with limits and retries. URLs and contents are the feed's matter."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_auth_from_url, urldefragauth
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from forecasting_platform.adapters.background import InBackground
from forecasting_platform.adapters.feeds.public_addresses import (
    PrivateAddressError,
    PublicAddressAdapter,
    refuse_private_literal,
)
from forecasting_platform.adapters.feeds.raw_document import RawDocument, Validators, too_large, unpacked
from forecasting_platform.errors import FeedDocumentError, FeedUnavailableError

_REDIRECTS_FOLLOWED = 5
_CHUNK_BYTES = 64 * 1024
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 20.0
_GRACE_SECONDS = 1.0
_PROGRESS_SECONDS = 5.0
_PASSING_STATUSES = frozenset({408, 425, 429})

_log = logging.getLogger(__name__)


class _Session(requests.Session):
    """A session that leaves redirects alone: `requests` would read their bodies, of any size, in any case."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


@dataclass(frozen=True, slots=True)
class HttpDownload:
    """How one operator-named server is asked.

    Attributes:
        named_url: what the operator named. Its credentials are sent to its own host and port (or to
            its https) and to nobody else; no other address than its own may be a private one.
        source: how errors call what is fetched, without credentials.
        timeout_seconds: deadline of one `get`: name lookup, retries, redirects and reading together.
        max_bytes: largest document accepted, after decompression.
        headers: sent to whom the credentials are sent, and to nobody else.
        member: the file meant in a zip, see `unpacked`.
    """

    named_url: str = field(repr=False)
    source: str
    timeout_seconds: float
    max_bytes: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    member: str | None = None

    def get(self, url: str, kept: RawDocument | None = None, *, deadline: float | None = None) -> RawDocument:
        """The document at a URL; `kept`, confirmed now, where the server says that it is the same still.

        Args:
            deadline: by `time.monotonic`, of several requests together; by default that of this one alone.

        Raises:
            FeedUnavailableError: no whole answer until the deadline.
            FeedDocumentError: an answer that must not be used: refused, too large, or from a place it may not be from.
        """
        until = time.monotonic() + self.timeout_seconds if deadline is None else deadline
        return self._within_deadline(lambda: self._patiently(url, kept, until), until)

    def _within_deadline(self, download: Callable[[], RawDocument], deadline: float) -> RawDocument:
        """Its result, or an error at the deadline."""
        try:
            return InBackground("feed-download", download).result(deadline - time.monotonic())
        except TimeoutError as error:
            raise self._unavailable(f"no whole answer within {self.timeout_seconds:.3g} seconds") from error

    def _patiently(self, url: str, kept: RawDocument | None, deadline: float) -> RawDocument:
        # Not by urllib3's Retry: it logs the whole query, and sleeps past the deadline.
        pauses = _pauses()
        while True:
            try:
                return self._attempt(url, kept, deadline)
            except FeedUnavailableError as error:
                wait_seconds = max(next(pauses), error.retry_after_seconds)
                if time.monotonic() + wait_seconds > deadline:
                    raise
                _log.warning("%s: %s; asking again in %.1f s", self.source, error.reason, wait_seconds)
                time.sleep(wait_seconds)

    def _attempt(self, url: str, kept: RawDocument | None, deadline: float) -> RawDocument:
        try:
            with ExitStack() as stack:
                response = self._follow(stack, url, kept.validators.headers() if kept else {})
                if response.status_code == HTTPStatus.NOT_MODIFIED and kept:
                    return replace(kept, fetched_at=datetime.now(UTC), not_modified=True)
                self._refuse_error_status(response)
                content = self._read(response, deadline)
                return RawDocument(
                    content=unpacked(content, self.source, self.max_bytes, self.member),
                    content_type=response.headers.get("Content-Type"),
                    source=self.source,
                    fetched_at=datetime.now(UTC),
                    address=url,
                    validators=_validators(response),
                )
        except PrivateAddressError as error:
            problem = f"it leads to {error.host}, a private address that the feed's URL does not name"
            raise self._refusal(problem) from error
        except requests.exceptions.InvalidURL:
            # Not chained: that message repeats the URL.
            raise self._refusal("its URL cannot be requested") from None
        except requests.RequestException as error:
            root = _innermost(error)
            raise self._unavailable(f"{type(root).__name__}: {root}") from root

    def _follow(self, stack: ExitStack, url: str, headers: dict[str, str]) -> requests.Response:
        for _ in range(_REDIRECTS_FOLLOWED + 1):
            response = stack.enter_context(self._ask(stack, url, headers))
            if not response.is_redirect:
                return response
            url = self._redirect_target(url, response.headers["Location"])
        raise self._refusal(f"it redirects more than {_REDIRECTS_FOLLOWED} times")

    def _ask(self, stack: ExitStack, url: str, headers: dict[str, str]) -> requests.Response:
        session = stack.enter_context(_Session())
        # The rule by which requests keeps credentials on a redirect: the same host and port, or its https.
        is_named = not session.should_strip_auth(self.named_url, url)  # type: ignore[no-untyped-call] # types-requests
        if not is_named:
            refuse_private_literal(str(urlsplit(url).hostname))
        adapter = HTTPAdapter() if is_named else PublicAddressAdapter()
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        credentials = get_auth_from_url(self.named_url) if is_named else ("", "")
        return session.get(
            urldefragauth(url),
            headers={**self.headers, **headers} if is_named else headers,
            auth=credentials if any(credentials) else None,
            stream=True,
            # By then nobody waits: it ends the thread. The deadline's own error comes first.
            timeout=self.timeout_seconds + _GRACE_SECONDS,
        )

    def _redirect_target(self, url: str, location: str) -> str:
        target = joined_url(url, location)
        if http_url(target) is None:
            raise self._refusal("it redirects to something that is no http or https address")
        return target

    def _refuse_error_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        answer = f"it answered {status} {response.reason}"
        if status in _PASSING_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise FeedUnavailableError(f"the feed {self.source}", answer, _retry_after_seconds(response))
        raise self._refusal(answer)

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self.max_bytes:
            raise too_large(self.source, self.max_bytes, f"{int(announced):,} bytes")
        content, told = bytearray(), time.monotonic()
        for chunk in response.iter_content(_CHUNK_BYTES):
            content += chunk
            if len(content) > self.max_bytes:
                raise too_large(self.source, self.max_bytes)
            if time.monotonic() > told + _PROGRESS_SECONDS:
                told = time.monotonic()
                _log.info("%s: %d bytes so far", self.source, len(content))
            if time.monotonic() > deadline:
                raise requests.Timeout("the answer came too slowly")
        return bytes(content)

    def _refusal(self, problem: str) -> FeedDocumentError:
        return FeedDocumentError(
            self.source, problem, "Check the feed's URL, and the credentials and headers that it needs."
        )

    def _unavailable(self, reason: str) -> FeedUnavailableError:
        return FeedUnavailableError(f"the feed {self.source}", reason)


def http_url(url: str) -> SplitResult | None:
    """Its parts, or None if it is no absolute http or https URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def joined_url(url: str, location: str) -> str:
    """Where a location leads that was read at a URL; the location itself where it is no URL."""
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _pauses() -> Iterator[float]:
    return (min(_FIRST_PAUSE_SECONDS * 3**attempt, _LONGEST_PAUSE_SECONDS) for attempt in itertools.count())


def _retry_after_seconds(response: requests.Response) -> float:
    written = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(written) if written else 0.0
    except InvalidHeader:
        return 0.0


def _validators(response: requests.Response) -> Validators:
    last_modified = response.headers.get("Last-Modified")
    changed, answered = _time(last_modified), _time(response.headers.get("Date"))
    # A document may change twice in a second: its time tells versions apart only once that second is over.
    is_settled = changed and answered and answered - changed > timedelta(seconds=1)
    return Validators(response.headers.get("ETag"), last_modified if is_settled else None)


def _time(http_date: str | None) -> datetime | None:
    try:
        return parsedate_to_datetime(http_date or "").replace(tzinfo=UTC)
    except ValueError:
        return None


def _innermost(error: requests.RequestException) -> BaseException:
    """What failed in the end. The errors around it repeat the URL with its query, which may be secret."""
    inner: object = error.args[0] if error.args else error
    reason = getattr(inner, "reason", inner)
    return reason if isinstance(reason, BaseException) else error
