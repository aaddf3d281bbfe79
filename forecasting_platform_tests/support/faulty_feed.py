"""The simulated feed on a port of its own, with faults on request."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import requests

from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served


@dataclass
class FaultyFeed:
    """Where it is, and what it is told to do wrong."""

    base: str

    @property
    def url(self) -> str:
        return f"{self.base}/feed"

    def fail(self, name: str, **parameters: Any) -> None:
        requests.post(
            f"{self.base}/faults", json={"name": name, **parameters}, timeout=PATIENCE_SECONDS
        ).raise_for_status()

    def recover(self) -> None:
        requests.delete(f"{self.base}/faults", timeout=PATIENCE_SECONDS).raise_for_status()


@contextmanager
def running_feed(today: date) -> Iterator[FaultyFeed]:
    """The feed of a day, without faults."""
    with served(create_app(today=today)) as base:
        yield FaultyFeed(base)
