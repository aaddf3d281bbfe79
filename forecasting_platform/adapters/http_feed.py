"""The feed over HTTP: one bounded, patient GET. What the document means is `feed_document`'s."""

import ipaddress
import queue
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http import HTTPStatus
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

import requests

from forecasting_platform.adapters.feed_dates import DateFormat
from forecasting_platform.adapters.feed_document import parse_feed_document
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.forecasting.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument
from forecasting_platform.settings import Settings

_REDIRECTS_FOLLOWED = 5
_CHUNK_BYTES = 64 * 1024
_PAUSES_SECONDS = (0.2, 0.6, 1.8)
_PASSING_STATUSES = frozenset({408, 425, 429})


class _Session(requests.Session):
    """A session that leaves redirects alone: `requests` would read their bodies, of any size, in any case."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class HttpFeed:
    """A feed document behind one URL.

    A URL that holds `{start}` and `{end}` gets the first and last day asked for there (`YYYY-MM-DD`,
    both inclusive); any other answers with its whole history, of which the days asked for are kept.

    Args:
        url: `http` or `https`; credentials in it are sent, and never shown.
        date_format: how the document writes a day, such as `dd/mm/yyyy`.
        timeout_seconds: deadline of one fetch: name lookup, retries, redirects and reading together.
        max_bytes: largest document accepted, after decompression.

    Raises:
        ConfigurationError: the URL or the date format cannot be used.
    """

    def __init__(self, url: str, *, date_format: str, timeout_seconds: float, max_bytes: int) -> None:
        parts = _http_url(url)
        if parts is None:
            raise ConfigurationError("FORECASTING_FEED_URL", "is no URL such as https://host/feed")
        self._url = url
        self._date_format = DateFormat.compile(date_format)
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes
        self.source = _shown(parts)

    @classmethod
    def of(cls, url: str, settings: Settings) -> "HttpFeed":
        """The feed at a URL, with the limits of the settings; raises `ConfigurationError` as the class does."""
        return cls(
            url,
            date_format=settings.feed_date_format,
            timeout_seconds=settings.feed_timeout_seconds,
            max_bytes=settings.feed_max_bytes,
        )

    def fetch(self, period: DateRange) -> FeedDocument:
        """The feed's values for the days of `period`, as `ObservationFeed` promises."""
        url = self._url.replace("{start}", period.start.isoformat()).replace("{end}", period.end.isoformat())
        content, content_type = self._within_deadline(lambda: self._download(url))
        fetched_at = datetime.now(UTC)
        return parse_feed_document(
            content,
            content_type=content_type,
            source=self.source,
            fetched_at=fetched_at,
            date_format=self._date_format,
            period=period,
            today=fetched_at.date(),
        )

    def _within_deadline(self, download: Callable[[], tuple[bytes, str | None]]) -> tuple[bytes, str | None]:
        """Its result, or an error at the deadline.

        A thread, because name lookup and a header that trickles in have no timeout of their own.
        """
        outcome: queue.SimpleQueue[tuple[bytes, str | None] | Exception] = queue.SimpleQueue()

        def run() -> None:
            try:
                outcome.put(download())
            except Exception as error:  # noqa: BLE001 - raised in the waiting thread
                outcome.put(error)

        threading.Thread(target=run, name="feed-download", daemon=True).start()
        try:
            result = outcome.get(timeout=self._timeout_seconds)
        except queue.Empty as error:
            raise self._unavailable(f"no whole answer within {self._timeout_seconds:g} seconds") from error
        if isinstance(result, Exception):
            raise result
        return result

    def _download(self, url: str) -> tuple[bytes, str | None]:
        # Not by urllib3's Retry: it logs the whole query, and sleeps past the deadline.
        deadline = time.monotonic() + self._timeout_seconds
        for pause_seconds in _PAUSES_SECONDS:
            try:
                return self._attempt(url, deadline)
            except FeedUnavailableError:
                if time.monotonic() + pause_seconds > deadline:
                    raise
                time.sleep(pause_seconds)
        return self._attempt(url, deadline)

    def _attempt(self, url: str, deadline: float) -> tuple[bytes, str | None]:
        try:
            with _Session() as session, self._follow(session, url) as response:
                self._refuse_error_status(response)
                return self._read(response, deadline), response.headers.get("Content-Type")
        except requests.exceptions.InvalidURL as error:
            raise self._refusal("its URL cannot be requested") from error
        except requests.RequestException as error:
            root = _innermost(error)
            raise self._unavailable(f"{type(root).__name__}: {root}") from root

    def _follow(self, session: requests.Session, url: str) -> requests.Response:
        for _ in range(_REDIRECTS_FOLLOWED + 1):
            response = session.get(url, stream=True, timeout=self._timeout_seconds)
            if not response.is_redirect:
                return response
            response.close()
            url = self._redirect_target(url, response.headers["Location"])
        raise self._refusal(f"it redirects more than {_REDIRECTS_FOLLOWED} times")

    def _redirect_target(self, url: str, location: str) -> str:
        target = _joined(url, location)
        parts = _http_url(target)
        if parts is None:
            raise self._refusal("it redirects to something that is no http or https address")
        host = str(parts.hostname)
        if host != urlsplit(self._url).hostname and not all(a.is_global for a in self._addresses(host)):
            raise self._refusal(f"it redirects to {host}, a private address")
        return target

    def _addresses(self, host: str) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            raise self._unavailable(f"the name {host} it redirects to was not found") from error
        return [ipaddress.ip_address(str(address[0]).partition("%")[0]) for *_, address in found]

    def _refuse_error_status(self, response: requests.Response) -> None:
        status = response.status_code
        if status == HTTPStatus.OK:
            return
        answer = f"it answered {status} {response.reason}"
        if status in _PASSING_STATUSES or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise self._unavailable(answer)
        raise self._refusal(answer)

    def _read(self, response: requests.Response, deadline: float) -> bytes:
        announced = response.headers.get("Content-Length", "")
        if announced.isdecimal() and int(announced) > self._max_bytes:
            raise self._too_large(f"{int(announced):,} bytes")
        content = bytearray()
        for chunk in response.iter_content(_CHUNK_BYTES):
            content += chunk
            if len(content) > self._max_bytes:
                raise self._too_large("more")
            if time.monotonic() > deadline:
                raise requests.Timeout("the answer came too slowly")
        return bytes(content)

    def _too_large(self, found: str) -> FeedDocumentError:
        problem = f"it may have {self._max_bytes:,} bytes and has {found}"
        return FeedDocumentError(self.source, problem, "Raise FORECASTING_FEED_MAX_BYTES if this is really the feed.")

    def _refusal(self, problem: str) -> FeedDocumentError:
        return FeedDocumentError(self.source, problem, "Check FORECASTING_FEED_URL and the credentials in it.")

    def _unavailable(self, reason: str) -> FeedUnavailableError:
        return FeedUnavailableError(f"the feed {self.source}", reason)


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _http_url(url: str) -> SplitResult | None:
    """Its parts, or None if it is no absolute http or https URL."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    return parts if parts.scheme in {"http", "https"} and parts.hostname else None


def _shown(parts: SplitResult) -> str:
    """The URL without what may be secret: user, password, query and fragment.

    >>> _shown(urlsplit("https://user:secret@example.org:8443/feed?key=secret"))
    'https://example.org:8443/feed'
    """
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _innermost(error: requests.RequestException) -> BaseException:
    """What failed in the end. The errors around it repeat the URL with its query, which may be secret."""
    inner: object = error.args[0] if error.args else error
    reason = getattr(inner, "reason", inner)
    return reason if isinstance(reason, BaseException) else error
