"""What every feed promises; subclassed once for each adapter, which overrides the fixtures only.

Whatever the adapter, the same simulated gas supply is published, with the same faults.
"""

import gzip
import hashlib
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pytest
from flask.testing import FlaskClient

from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.file_feed import FileFeed
from forecasting_platform.adapters.feeds.simulated_feed import create_app
from forecasting_platform.adapters.feeds.simulated_gas_supply import published_gas_supply
from forecasting_platform.errors import ArchiveUnavailableError, FeedDocumentError, FeedUnavailableError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.forecasting.series.days.date_range import DateRange
from forecasting_platform.ports.observation_feed import FeedDocument, ObservationFeed
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

TODAY = date(2018, 7, 1)
JUNE = DateRange(date(2018, 6, 1), date(2018, 6, 30))
MAX_BYTES = 200_000
SERIES = 4
SECRET = "geheim"


class Publisher(Protocol):
    """Publishes the simulated gas supply by the means of one feed."""

    def fail(self, name: str, **parameters: Any) -> None:
        """Switch a fault of the simulated feed on."""

    def take_down(self) -> None:
        """Publish nothing any more."""


class MakeFeed(Protocol):
    """Makes the feed of what a publisher publishes, which accepts `MAX_BYTES`."""

    def __call__(
        self, archive: DocumentArchive | None, timeout_seconds: float = PATIENCE_SECONDS, /
    ) -> ObservationFeed: ...


class SimulatedDocument:
    """The simulated feed's document without its server: bytes for other ways to publish it."""

    def __init__(self) -> None:
        self._client: FlaskClient = create_app(today=TODAY).test_client()

    def fail(self, name: str, **parameters: Any) -> None:
        assert self._client.post("/faults", json={"name": name, **parameters}).status_code == 200

    @property
    def content(self) -> bytes:
        return self._client.get("/feed").data


def published(period: DateRange) -> pd.DataFrame:
    """The values of a period as every feed must give them."""
    wide = published_gas_supply(period, as_of=TODAY).rename_axis(index="ds", columns="unique_id")
    long = wide.reset_index().melt("ds", value_name="y").dropna(subset="y")
    return long.sort_values(["unique_id", "ds"], ignore_index=True)[["unique_id", "ds", "y"]]


class ObservationFeedContract:
    """The promises of `ObservationFeed`, by number; the last one is `SecretAddressContract`'s."""

    says_not_modified = True
    """Whether its source can say that a document is the same as before."""

    @pytest.fixture
    def publisher(self) -> Publisher:
        """Publishes without faults."""
        raise NotImplementedError

    @pytest.fixture
    def make_feed(self, publisher: Publisher) -> MakeFeed:
        """Makes the feed of what the publisher publishes."""
        raise NotImplementedError

    @pytest.fixture
    def archive(self, tmp_path: Path) -> DocumentArchive:
        return DocumentArchive(str(tmp_path / "archive"), keep_days=30)

    @pytest.fixture
    def feed(self, make_feed: MakeFeed, archive: DocumentArchive) -> ObservationFeed:
        return make_feed(archive)

    @pytest.fixture
    def impatient_feed(self, make_feed: MakeFeed, archive: DocumentArchive) -> ObservationFeed:
        """For a publisher that was taken down: nobody need wait for it."""
        return make_feed(archive, 0.3)

    # 1. Each value published for a day asked for is there once; no other day is.

    def test_the_values_of_the_days_asked_for_are_read_and_no_others(self, feed: ObservationFeed) -> None:
        document = feed.fetch(JUNE)
        pd.testing.assert_frame_equal(document.observations, published(JUNE))
        assert document.quarantined.empty
        assert document.last_published == JUNE.end

    def test_days_that_nobody_published_are_empty_and_no_failure(self, feed: ObservationFeed) -> None:
        document = feed.fetch(DateRange(date(2017, 1, 1), date(2017, 1, 31)))
        assert document.observations.empty
        assert document.observations.dtypes.equals(published(JUNE).dtypes)

    # 2. A value that cannot be used is quarantined alone.

    @pytest.mark.parametrize(("fault", "refused"), [("nan", 1), ("text", 1), ("duplicate_day", 2)])
    def test_a_bad_value_is_quarantined_alone(
        self, feed: ObservationFeed, publisher: Publisher, fault: str, refused: int
    ) -> None:
        publisher.fail(fault, day="2018-06-05", series="Moffat imports")
        document = feed.fetch(JUNE)
        assert document.quarantined["unique_id"].tolist() == ["Moffat imports"] * refused
        assert set(document.quarantined["ds"]) == {pd.Timestamp("2018-06-05")}
        assert document.quarantined[["reason", "raw"]].all(axis=None)
        assert len(document.observations) == len(published(JUNE)) - 1

    # 3. A null is no value; a day without a row is absent.

    def test_nulls_are_named_and_missing_days_absent(self, feed: ObservationFeed, publisher: Publisher) -> None:
        publisher.fail("null_days", **{"from": "2018-06-10", "to": "2018-06-11"})
        publisher.fail("missing_days", **{"from": "2018-06-20", "to": "2018-06-20"})
        document = feed.fetch(JUNE)
        announced = [day for _, day in document.unpublished]
        assert announced.count(date(2018, 6, 10)) == announced.count(date(2018, 6, 11)) == SERIES
        assert date(2018, 6, 20) not in announced
        lost = {pd.Timestamp(f"2018-06-{day}") for day in (10, 11, 20)}
        assert set(published(JUNE)["ds"]) - set(document.observations["ds"]) == lost

    # 4. A document that must not be used is refused whole.

    @pytest.mark.parametrize(
        ("fault", "problem"),
        [
            ("html", "web page"),
            ("wrong_column", "no column 'Date'"),
            ("swapped_dates", "of row 13"),
        ],
    )
    def test_a_document_that_must_not_be_used_is_refused_and_not_kept(
        self, feed: ObservationFeed, publisher: Publisher, tmp_path: Path, fault: str, problem: str
    ) -> None:
        publisher.fail(fault)
        with pytest.raises(FeedDocumentError, match=problem):
            feed.fetch(JUNE)
        assert not [path for path in tmp_path.glob("archive/**/*") if path.is_file()]

    def test_a_history_without_rows_is_refused(self, feed: ObservationFeed, publisher: Publisher) -> None:
        publisher.fail("empty")
        with pytest.raises(FeedDocumentError, match="it holds no rows"):
            feed.fetch(JUNE)

    def test_a_document_that_is_too_large_is_refused(self, feed: ObservationFeed, publisher: Publisher) -> None:
        publisher.fail("huge", megabytes=3)
        with pytest.raises(FeedDocumentError, match="may have 200,000 bytes and has"):
            feed.fetch(JUNE)

    # 5. A feed that does not answer is unavailable.

    def test_a_feed_that_does_not_answer_is_unavailable(
        self, impatient_feed: ObservationFeed, publisher: Publisher
    ) -> None:
        publisher.take_down()
        with pytest.raises(FeedUnavailableError, match="then retry"):
            impatient_feed.fetch(JUNE)

    # 6. A change is seen by the next fetch; a document that did not change is the same document again.

    def test_an_unchanged_document_is_the_same_and_a_change_is_seen_at_once(
        self, feed: ObservationFeed, publisher: Publisher
    ) -> None:
        first, second = feed.fetch(JUNE), feed.fetch(JUNE)
        assert (first.not_modified, second.not_modified) == (False, self.says_not_modified)
        assert second.fetched_at > first.fetched_at
        assert (second.sha256, second.kept_at, second.size_bytes) == (first.sha256, first.kept_at, first.size_bytes)
        pd.testing.assert_frame_equal(second.observations, first.observations)
        publisher.fail("level_shift", series="Corrib production", by=1.0)
        third = feed.fetch(JUNE)
        assert not third.not_modified
        assert (third.observations["y"] - first.observations["y"]).round(3).value_counts().to_dict() == {0: 90, 1: 30}

    def test_other_days_of_an_unchanged_document_are_read_too(self, feed: ObservationFeed) -> None:
        may = DateRange(date(2018, 5, 1), date(2018, 5, 31))
        feed.fetch(JUNE)
        pd.testing.assert_frame_equal(feed.fetch(may).observations, published(may))

    @pytest.mark.parametrize("damage", [b"", b"no gzip", gzip.compress(b"[]")], ids=["cut", "no gzip", "another"])
    def test_a_damaged_kept_document_is_fetched_and_kept_anew(
        self, feed: ObservationFeed, tmp_path: Path, damage: bytes
    ) -> None:
        feed.fetch(JUNE)
        (kept,) = tmp_path.glob("archive/documents/*/*")
        sound = kept.read_bytes()
        kept.write_bytes(damage)
        again = feed.fetch(JUNE)
        assert not again.not_modified
        assert len(again.observations) == len(published(JUNE))
        assert kept.read_bytes() == sound

    # 7. A document was kept before it is returned.

    def test_a_kept_document_holds_the_bytes_and_can_be_loaded_again(
        self, feed: ObservationFeed, tmp_path: Path
    ) -> None:
        document = feed.fetch(JUNE)
        assert document.kept_at is not None
        (kept,) = tmp_path.glob("archive/documents/*/*")
        assert kept.as_uri() == document.kept_at
        content = gzip.decompress(kept.read_bytes())
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (document.sha256, document.size_bytes)
        again = FileFeed(
            FeedDescription.of_default_shape(document.kept_at), timeout_seconds=60, max_bytes=MAX_BYTES
        ).fetch(JUNE)
        pd.testing.assert_frame_equal(again.observations, document.observations)
        assert again.sha256 == document.sha256

    def test_a_document_that_cannot_be_kept_is_not_returned(self, make_feed: MakeFeed, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("no folder")
        feed = make_feed(DocumentArchive(str(tmp_path / "file" / "archive"), keep_days=30))
        with pytest.raises(ArchiveUnavailableError, match=r"FORECASTING_FEED_ARCHIVE.*NotADirectoryError"):
            feed.fetch(JUNE)

    def test_without_an_archive_nothing_is_kept(self, make_feed: MakeFeed) -> None:
        feed = make_feed(None)
        documents = [feed.fetch(JUNE), feed.fetch(JUNE)]
        assert [(document.kept_at, document.not_modified) for document in documents] == [(None, False)] * 2


class SecretAddressContract:
    """Promise 8, for feeds whose address may hold a secret: nothing of it is shown. Here it holds `SECRET`."""

    def test_a_secret_of_the_address_is_nowhere_to_be_seen(
        self,
        feed: ObservationFeed,
        impatient_feed: ObservationFeed,
        publisher: Publisher,
        tmp_path: Path,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        shown = [_texts(feed.fetch(JUNE)), *(path.read_bytes().decode("latin-1") for path in _files(tmp_path))]
        publisher.take_down()
        with pytest.raises(FeedUnavailableError) as unavailable:
            impatient_feed.fetch(JUNE)
        shown += [str(unavailable.getrepr(chain=True, style="short", showlocals=False)), caplog.text]
        assert not [text for text in shown if SECRET in text]


def _texts(document: FeedDocument) -> str:
    return f"{document.source} {document.kept_at} {document.observations} {document.quarantined}"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
