"""The simulated feed as the platform reads it: over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    TODAY,
    MakeFeed,
    ObservationFeedContract,
    Publisher,
    SecretAddressContract,
    published,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served

pytestmark = pytest.mark.slow


class Simulation:
    """The simulated feed's server, asked for faults as a person does."""

    def __init__(self, base: str) -> None:
        self.base = base

    def fail(self, name: str, **parameters: Any) -> None:
        requests.post(
            f"{self.base}/faults", json={"name": name, **parameters}, timeout=PATIENCE_SECONDS
        ).raise_for_status()

    def take_down(self) -> None:
        self.fail("down")


class TestSimulatedFeed(ObservationFeedContract, SecretAddressContract):
    @pytest.fixture
    def publisher(self) -> Iterator[Simulation]:
        with served(create_app(today=TODAY)) as base:
            yield Simulation(base)

    @pytest.fixture
    def make_feed(self, publisher: Simulation) -> MakeFeed:
        url = f"{publisher.base.replace('//', '//user:geheim@')}/feed"

        def make(archive: DocumentArchive | None, timeout_seconds: float = PATIENCE_SECONDS) -> HttpFeed:
            limits = {"timeout_seconds": timeout_seconds, "max_bytes": MAX_BYTES}
            return HttpFeed(FeedDescription.of_default_shape(url), archive=archive, **limits)

        return make


class TestSimulatedFeedByDays(TestSimulatedFeed):
    """Asked for the days of each load only, by its URL: an answer without rows is then a result."""

    def test_a_history_without_rows_is_refused(self, feed: ObservationFeed, publisher: Publisher) -> None:
        publisher.fail("empty")
        assert feed.fetch(JUNE).observations.empty

    @pytest.fixture
    def make_feed(self, publisher: Simulation) -> MakeFeed:
        url = f"{publisher.base.replace('//', '//user:geheim@')}/feed?start={{start}}&end={{end}}&format=csv"

        def make(archive: DocumentArchive | None, timeout_seconds: float = PATIENCE_SECONDS) -> HttpFeed:
            limits = {"timeout_seconds": timeout_seconds, "max_bytes": MAX_BYTES}
            return HttpFeed(FeedDescription.of_default_shape(url), archive=archive, **limits)

        return make


@pytest.fixture
def simulation() -> Iterator[Simulation]:
    with served(create_app(today=TODAY)) as base:
        yield Simulation(base)


def test_a_feed_that_moved_is_followed_on_its_own_host_and_nowhere_else(simulation: Simulation) -> None:
    feed = HttpFeed(
        FeedDescription.of_default_shape(f"{simulation.base}/feed"),
        timeout_seconds=PATIENCE_SECONDS,
        max_bytes=MAX_BYTES,
    )
    simulation.fail("moved", location="/weather")
    assert set(feed.fetch(JUNE).observations["unique_id"]) != set(published(JUNE)["unique_id"])
    simulation.fail("moved", location="http://10.0.0.1/feed")
    with pytest.raises(FeedDocumentError, match=r"leads to 10\.0\.0\.1, a private address"):
        feed.fetch(JUNE)


@pytest.mark.parametrize(("fault", "parameters"), [("flaky", {"times": 2}), ("slow", {"seconds": 0.2})])
def test_a_passing_fault_is_waited_for(simulation: Simulation, fault: str, parameters: dict[str, Any]) -> None:
    simulation.fail(fault, **parameters)
    feed = HttpFeed(
        FeedDescription.of_default_shape(f"{simulation.base}/feed"),
        timeout_seconds=PATIENCE_SECONDS,
        max_bytes=MAX_BYTES,
    )
    assert len(feed.fetch(JUNE).observations) == len(published(JUNE))
