"""`${NAME}` in a description: its value is read from the environment when a feed is made, and never shown."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import quote, quote_plus

from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e\xa0-\xff](?:[\t\x20-\x7e\xa0-\xff]*[\x21-\x7e\xa0-\xff])?)?")


@dataclass(frozen=True, slots=True)
class FilledSource:
    """Where a feed's documents are, with the values of the environment.

    Attributes:
        url: with them.
        headers: with them, ready to be sent.
        values: of each variable that is named, by its name.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    values: Mapping[str, str] = field(repr=False)

    @classmethod
    def of(cls, description: FeedDescription, environment: Mapping[str, str]) -> Self:
        """The source of a description.

        Raises:
            ConfigurationError: a variable is not set, or a header is none that can be sent; its value is not told.

        >>> feed = FeedDescription.model_validate({"source": {"url": "https://host/feed?key=${KEY}"}})
        >>> FilledSource.of(feed, {"KEY": "abc"}).url
        'https://host/feed?key=abc'
        """
        source = description.source
        named = {name for text in (source.url, *source.headers.values()) for name in _VARIABLE.findall(text)}
        if missing := sorted(name for name in named if not environment.get(name)):
            raise ConfigurationError(missing[0], f"is not set, and the feed {description.name!r} needs it")
        values = {name: environment[name] for name in sorted(named)}

        def filled(text: str) -> str:
            return _VARIABLE.sub(lambda found: values[found[1]], text)

        headers = {name: filled(text).strip() for name, text in source.headers.items()}
        for name, text in headers.items():
            if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(text):
                problem = "is no header that can be sent; look for line breaks and letters beyond Latin-1 in it"
                raise ConfigurationError(f"source.headers.{name} of the feed {description.name!r}", problem)
        return cls(filled(source.url), headers, values)

    def hidden(self, text: str) -> str:
        """The text, with `${NAME}` in the place of each value."""
        for name, value in self.values.items():
            for written in (value, quote(value, safe=""), quote_plus(value)):
                text = text.replace(written, f"${{{name}}}")
        return text

    @contextmanager
    def hidden_in_errors(self) -> Iterator[None]:
        """Raise a feed's error without the values: a server may repeat what it was sent."""
        try:
            yield
        except FeedDocumentError as error:
            told = (error.source, error.problem, error.remedy)
            hidden = tuple(map(self.hidden, told))
            if hidden == told:
                raise
            raise FeedDocumentError(*hidden) from None
        except FeedUnavailableError as error:
            if self.hidden(str(error)) == str(error):
                raise
            part, reason = self.hidden(error.part), self.hidden(error.reason)
            raise FeedUnavailableError(part, reason, error.retry_after_seconds) from None
