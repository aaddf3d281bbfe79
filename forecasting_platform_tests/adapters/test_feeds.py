from pathlib import Path

import pytest

from forecasting_platform.adapters.feeds.ckan_feed import CkanFeed
from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.feeds.fsspec_feed import FsspecFeed
from forecasting_platform.adapters.feeds.http_feed import HttpFeed
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.feed_wiring import archive_of, feed_at
from forecasting_platform.settings import Settings
from forecasting_platform_tests.contracts.observation_feed_contract import JUNE, SimulatedDocument


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("http://host/feed", HttpFeed),
        ("HTTPS://host/feed?day={start}", HttpFeed),
        ("ckan+https://host/dataset", CkanFeed),
        ("ckan+http://host/dataset", CkanFeed),
        ("file:///data/feed.json", FileFeed),
        ("s3://bucket/feed.json", FsspecFeed),
        ("ftp://host/feed.csv", FsspecFeed),
    ],
)
def test_the_scheme_says_which_feed_is_meant(url: str, kind: type[object]) -> None:
    assert type(feed_at(url, Settings())) is kind


@pytest.mark.parametrize("url", ["nonsense", "/data/feed.json", "gopher://host/feed", "ckan://host/dataset", "s3://"])
def test_what_is_no_feed_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"FEED_URL: is no feed; give http\(s\)://host/feed, ckan\+https"):
        feed_at(url, Settings())


def test_an_empty_url_and_a_wrong_date_format_are_found_before_anything_is_fetched() -> None:
    with pytest.raises(ConfigurationError, match="FORECASTING_FEED_URL: "):
        feed_at("", Settings())
    with pytest.raises(ConfigurationError, match="FORECASTING_FEED_DATE_FORMAT: 'dd/mm' is no format of a day"):
        feed_at("http://host/feed", Settings(feed_date_format="dd/mm"))


def test_a_feed_keeps_what_it_loads_where_the_settings_say(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_bytes(SimulatedDocument().content)
    settings = Settings(feed_archive=str(tmp_path / "archive"))
    document = feed_at((tmp_path / "feed.json").as_uri(), settings).fetch(JUNE)
    assert document.kept_at is not None
    assert document.kept_at.startswith((tmp_path / "archive" / "documents").as_uri())


def test_an_empty_archive_setting_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_FEED_ARCHIVE", "")
    assert archive_of(Settings()) is None


def test_the_limits_are_those_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "feed.json").write_bytes(SimulatedDocument().content)
    with pytest.raises(Exception, match="Raise FORECASTING_FEED_MAX_BYTES"):
        feed_at((tmp_path / "feed.json").as_uri(), Settings(feed_max_bytes=10)).fetch(JUNE)
