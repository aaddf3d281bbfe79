"""The rate limit of each client address, counted in this process, which is the only one that answers.

The library `limits` only parses the notation: its store in memory starts a thread for almost every request, which takes
longer than the forecast.
"""

import threading
import time
from collections import Counter

from limits import parse
from werkzeug.exceptions import TooManyRequests

from forecasting_platform.errors import ConfigurationError

MAX_ADDRESSES = 100_000


class RateLimit:
    """A limit such as `60000 per minute` on each address, counted from one full minute to the next.

    Raises:
        ConfigurationError: the limit cannot be read.
    """

    def __init__(self, limit: str) -> None:
        try:
            self._limit = parse(limit)
        except ValueError as error:
            raise ConfigurationError(
                "FORECASTING_APP_RATE_LIMIT", f"is {limit!r}; write it as `100 per minute`"
            ) from error
        self._seconds = self._limit.get_expiry()
        self._lock = threading.Lock()
        self._window = 0
        self._taken: Counter[str] = Counter()

    def take(self, address: str) -> None:
        """Count one request.

        Raises:
            TooManyRequests: the limit is reached; `Retry-After` says when to try again.
        """
        now = time.time()
        with self._lock:
            if now // self._seconds != self._window or len(self._taken) >= MAX_ADDRESSES:
                # All counts are dropped at once, so that memory stays bounded: a limit on each address does not stop
                # a client that has so many of them.
                self._window, self._taken = int(now // self._seconds), Counter()
            self._taken[address] += 1
            taken = self._taken[address]
        if taken > self._limit.amount:
            wait = self._seconds - now % self._seconds
            raise TooManyRequests(str(self._limit), retry_after=max(1, round(wait)))
