import pytest
from werkzeug.exceptions import TooManyRequests

from forecasting_platform.errors import ConfigurationError
from serve.http.rate_limit import RateLimit


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("serve.http.rate_limit.time.time", lambda: now[0])
    return now


def test_an_address_may_ask_as_often_as_the_limit_says_and_again_in_the_next_minute(clock: list[float]) -> None:
    limit = RateLimit("2 per minute")
    for _ in range(2):
        limit.take("127.0.0.1")
    with pytest.raises(TooManyRequests) as refused:
        limit.take("127.0.0.1")
    assert (refused.value.retry_after, refused.value.description) == (20, "2 per 1 minute")
    limit.take("127.0.0.2")
    clock[0] += 20
    limit.take("127.0.0.1")


def test_a_limit_that_cannot_be_read_is_refused_by_name() -> None:
    with pytest.raises(ConfigurationError, match=r"FORECASTING_APP_RATE_LIMIT.*100 per minute"):
        RateLimit("many")
