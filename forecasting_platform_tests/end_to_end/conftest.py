"""The embedded platform, started once by its real command and used as a person uses it."""

from collections.abc import Iterator

import pytest

from forecasting_platform_tests.support.started_platform import Platform, Webhook, served_platform


@pytest.fixture(scope="module")
def webhook() -> Iterator[Webhook]:
    """Where alerts are delivered."""
    with Webhook() as received:
        yield received


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory, webhook: Webhook) -> Iterator[Platform]:
    """`forecasting-platform up`, in a path with a space, once it says where everything is."""
    data_dir = tmp_path_factory.mktemp("a platform") / "data dir"
    log = data_dir.parent / "up.log"
    environment = {
        "FORECASTING_ALERT_URLS": webhook.alert_url,
        "FORECASTING_ALERT_PENDING_SECONDS": "5",
        "FORECASTING_FEED_TIMEOUT_SECONDS": "30",
    }
    with served_platform(data_dir, log, environment) as running:
        yield running


@pytest.fixture
def platform(started: Platform) -> Platform:
    """The module's platform, which an earlier test may have stopped."""
    if started.process.poll() is not None:
        started.start_again()
    return started
