"""The CKAN feed against a server that speaks the action API as https://docs.ckan.org/en/latest/api/ documents it."""

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pandas as pd
import pytest
from flask import Flask, Response, jsonify, request

from forecasting_platform.adapters.feeds.ckan_feed import CkanFeed, Dataset, Resource, in_datastore, newest_resource
from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.adapters.feeds.http_download import HttpDownload
from forecasting_platform.adapters.feeds.raw_document import RawDocument
from forecasting_platform.errors import ConfigurationError, FeedDocumentError
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.ports.observation_feed import ObservationFeed
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
    Publisher,
    SecretAddressContract,
    SimulatedDocument,
    published,
)
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served


class Portal:
    """A portal with one dataset, whose newest resource is the simulated document."""

    def __init__(self) -> None:
        self.document = SimulatedDocument()
        self.base = ""
        self.is_down = False
        self.resources: list[dict[str, Any]] = []
        self.asked: list[str] = []
        self.app = Flask("portal")
        self.app.get("/api/3/action/package_show")(self.package_show)
        self.app.get("/dataset/<dataset>/resource/<resource>/download/<name>")(self.download)

    def publish(self, name: str = "Daily flows Q2 2018", form: str = "JSON", **fields: Any) -> None:
        """Add a resource; `fields` replace what CKAN says of it."""
        number = len(self.resources)
        url = f"{self.base}/dataset/gas-flows/resource/{number}/download/flows.{form.lower()}"
        dates = {"created": "2018-07-02T09:00:00.123456", "last_modified": f"2018-07-02T10:00:0{number}.000001"}
        self.resources.append(
            {"id": str(number), "name": name, "format": form, "url": url, "state": "active", **dates, **fields}
        )

    def package_show(self) -> tuple[Response, int]:
        self.asked.append(request.full_path)
        if self.is_down:
            return jsonify({"help": "", "success": False}), 503
        if request.args["id"] != "gas-flows":
            error = {"message": "Not found", "__type": "Not Found Error"}
            return jsonify({"help": "", "success": False, "error": error}), 404
        result = {"id": "5f0c", "name": "gas-flows", "resources": self.resources}
        return jsonify({"help": "", "success": True, "result": result}), 200

    def download(self, dataset: str, resource: str, name: str) -> Response:
        self.asked.append(request.path)
        response = Response(self.document.content, mimetype="application/octet-stream")
        response.add_etag()
        response.make_conditional(request)
        return response

    def fail(self, name: str, **parameters: Any) -> None:
        self.document.fail(name, **parameters)

    def take_down(self) -> None:
        self.is_down = True


@pytest.fixture
def portal() -> Iterator[Portal]:
    found = Portal()
    with served(found.app) as base:
        found.base = base
        yield found


def feed(
    portal: Portal,
    dataset: str = "gas-flows",
    archive: DocumentArchive | None = None,
    timeout_seconds: float = PATIENCE_SECONDS,
) -> CkanFeed:
    url = f"ckan+{portal.base.replace('//', '//user:geheim@')}/{dataset}"
    return CkanFeed(
        FeedDescription.of_default_shape(url), timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive
    )


@pytest.mark.slow
class TestCkanFeed(ObservationFeedContract, SecretAddressContract):
    @pytest.fixture
    def publisher(self, portal: Portal) -> Portal:
        portal.publish()
        return portal

    @pytest.fixture
    def make_feed(self, publisher: Portal) -> MakeFeed:
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(
            publisher, archive=archive, timeout_seconds=timeout_seconds
        )


@pytest.mark.slow
def test_a_newer_quarter_is_taken_as_soon_as_it_is_published(portal: Portal) -> None:
    portal.publish("Daily flows Q1 2018", last_modified="2018-07-03T00:00:00")
    assert feed(portal).fetch(JUNE).source.endswith("/resource/0/download/flows.json")
    portal.publish("Daily flows Q2 2018")
    portal.publish("Daily flows Q2 2018", form="PDF")
    document = feed(portal, "dataset/gas-flows").fetch(JUNE)
    assert document.source == f"{portal.base}/dataset/gas-flows/resource/1/download/flows.json"
    assert len(document.observations) == len(published(JUNE))


@pytest.mark.slow
def test_an_unknown_dataset_is_refused_by_its_portal(portal: Portal) -> None:
    with pytest.raises(FeedDocumentError, match=r"it answered 404 NOT FOUND.*Check the feed's URL"):
        feed(portal, "no-such").fetch(JUNE)


@pytest.mark.slow
def test_a_resource_on_a_private_address_is_not_fetched(portal: Portal) -> None:
    portal.publish(url="http://169.254.169.254/latest/meta-data")
    with pytest.raises(
        FeedDocumentError,
        match=r"leads to 169\.254\.169\.254, a private address that the feed's URL does not name",
    ):
        feed(portal).fetch(JUNE)


@pytest.mark.slow
@pytest.mark.parametrize("url", ["ftp://data.example/flows.json", "flows.json", "", "http://[x"])
def test_a_resource_whose_url_is_none_is_refused_or_taken_as_the_portals_own(portal: Portal, url: str) -> None:
    portal.publish(url=url)
    with pytest.raises(FeedDocumentError):
        feed(portal).fetch(JUNE)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("<html>", "not what CKAN's package_show gives"),
        ("[]", "not what CKAN's package_show gives"),
        ('{"success": true, "result": {}}', "not what CKAN's package_show gives"),
        ('{"success": false, "error": {"message": "Access denied"}}', "the portal refused: .*Access denied"),
        ('{"success": true, "result": {"resources": [{"id": "1"}]}}', "Field required at .*url"),
        ("[" * 100_000, "not what CKAN's package_show gives"),
    ],
)
def test_an_answer_that_is_not_ckans_is_refused(answer: str, problem: str) -> None:
    app = Flask("no portal")
    app.get("/api/3/action/package_show")(lambda: Response(answer, mimetype="application/json"))
    with served(app) as base, pytest.raises(FeedDocumentError, match=problem):
        CkanFeed(
            FeedDescription.of_default_shape(f"ckan+{base}/x"), timeout_seconds=PATIENCE_SECONDS, max_bytes=MAX_BYTES
        ).fetch(JUNE)


# --- which resource ---

APRIL_1, APRIL_2 = "2023-04-01T00:00:00", "2023-04-02T00:00:00.123456"


def resource(number: int, name: str, form: str = "CSV", **fields: Any) -> Resource:
    return Resource(id=str(number), name=name, format=form, url=f"https://data.example/{number}.csv", **fields)


def chosen(resources: list[Resource], query: str = "") -> str:
    return newest_resource(resources, Dataset.at(f"ckan+https://data.example/gas{query}"), "feed").id


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ([resource(1, "Q4 2022"), resource(2, "Q1 2023"), resource(3, "Q3 2022")], "2"),
        ([resource(1, "2023-Q1", last_modified=APRIL_1), resource(2, "2022 q4", created=APRIL_2)], "1"),
        ([resource(1, "flows", last_modified=APRIL_1), resource(2, "flows", last_modified=APRIL_2)], "2"),
        ([resource(1, "flows", last_modified=""), resource(2, "flows", last_modified=APRIL_2)], "2"),
        ([resource(1, "a", last_modified=f"{APRIL_2}+02:00"), resource(2, "a", last_modified=APRIL_2)], "2"),
        ([resource(1, "Q1 2023", "text/csv"), resource(2, "Q1 2023", ".json")], "2"),
        ([resource(1, "Q1 2023"), resource(2, "Q2 2023", "XLSX"), resource(3, "Q3 2023", state="deleted")], "1"),
        ([resource(1, "all"), resource(2, "FAQ1 2023"), resource(3, "Q1 2019")], "3"),
    ],
    ids=["quarter", "quarter before date", "date", "no date", "time zones", "format", "unreadable", "no quarter"],
)
def test_the_newest_resource_is_found(resources: list[Resource], expected: str) -> None:
    assert chosen(resources) == chosen(resources[::-1]) == expected


def test_a_part_of_the_name_and_a_format_narrow_the_choice() -> None:
    resources = [
        resource(1, "Daily Flows Q1 2023"),
        resource(2, "Hourly Q2 2023"),
        resource(3, "Daily Q1 2023", "JSON"),
    ]
    assert chosen(resources, "?resource=daily&format=csv") == "1"
    assert chosen(resources, "?resource=daily") == "3"


def test_of_two_that_are_alike_none_is_guessed() -> None:
    with pytest.raises(FeedDocumentError, match=r"several .* are the newest: 'a', 'b'\. Name the resource in"):
        chosen([resource(1, "a"), resource(2, "b")])


def test_a_dataset_without_a_fitting_resource_says_what_there_is() -> None:
    with pytest.raises(FeedDocumentError, match=r"no resource of the dataset fits; found: 'Report \(PDF\)'"):
        chosen([resource(1, "Report", "PDF")])
    with pytest.raises(FeedDocumentError, match="found: none"):
        chosen([])


@pytest.mark.parametrize(
    ("url", "described_at"),
    [
        ("ckan+https://data.example/gas", "https://data.example/api/3/action/package_show?id=gas"),
        (
            "ckan+http://u:p@h:5000/catalogue/dataset/gas/",
            "http://u:p@h:5000/catalogue/api/3/action/package_show?id=gas",
        ),
        ("ckan+https://data.example/a%26b%3Dc", "https://data.example/api/3/action/package_show?id=a%26b%3Dc"),
    ],
)
def test_the_address_of_a_dataset_is_made_from_the_setting(url: str, described_at: str) -> None:
    assert Dataset.at(url).description_url == described_at


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ckan+https://data.example", "is no URL such as"),
        ("ckan+https:///gas", "is no URL such as"),
        ("ckan+ftp://data.example/gas", "is no URL such as"),
        ("ckan+https://data.example/gas?format=pdf", "formats 'pdf'; csv, gz, json, .*zip can be read"),
        ("ckan+https://data.example/gas?quarter=2", "unknown options 'quarter'"),
    ],
)
def test_a_setting_that_names_no_dataset_is_a_configuration_error(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        CkanFeed(FeedDescription.of_default_shape(url), timeout_seconds=PATIENCE_SECONDS, max_bytes=1)


@pytest.mark.slow
def test_both_requests_of_a_fetch_share_one_deadline(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.publish()
    get, deadlines = HttpDownload.get, []

    def noting(download: HttpDownload, *asked: Any, deadline: float | None = None) -> RawDocument:
        deadlines.append(deadline)
        return get(download, *asked, deadline=deadline)

    monkeypatch.setattr(HttpDownload, "get", noting)
    feed(portal).fetch(JUNE)
    assert len(deadlines) == 2
    assert len(set(deadlines)) == 1


# --- formats and the datastore ---


@pytest.mark.slow
def test_a_zip_that_a_portal_publishes_is_unpacked(portal: Portal) -> None:
    portal.publish(form="ZIP")
    portal.document = Zipped(portal.document)  # type: ignore[assignment] # publishes another form of the same
    assert len(feed(portal, "gas-flows?format=zip").fetch(JUNE).observations) == len(published(JUNE))


class Zipped:
    """A document in a zip."""

    def __init__(self, document: SimulatedDocument) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("flows.json", document.content)
        self.content = packed.getvalue()


def test_the_format_of_the_description_says_which_resources_fit() -> None:
    resources = [resource(1, "a", "XLSX"), resource(2, "a", "Parquet"), resource(3, "a", "CSV")]
    found = {
        form: newest_resource(resources, Dataset.at("ckan+https://data.example/gas", form), "feed").id
        for form in (None, "excel", "parquet")
    }
    assert found == {None: "3", "excel": "1", "parquet": "2"}


class Datastore(Portal):
    """Gives the rows of its one table, a few at once however many are asked for."""

    ROWS_AT_ONCE = 50

    def __init__(self) -> None:
        super().__init__()
        self.app.get("/api/3/action/datastore_search")(self.datastore_search)
        self.fails_at: int | None = None

    def datastore_search(self) -> tuple[Response, int]:
        self.asked.append(request.full_path)
        offset = int(request.args.get("offset", 0))
        if offset == self.fails_at:
            return jsonify({"success": False, "error": {"message": "Search error"}}), 409
        rows = [{"_id": number, **row} for number, row in enumerate(json.loads(self.document.content), start=1)]
        limit = min(int(request.args["limit"]), self.ROWS_AT_ONCE)
        result = {"records": rows[offset : offset + limit], "limit": limit, "total": len(rows)}
        return jsonify({"help": "", "success": True, "result": result}), 200


@pytest.fixture
def datastore() -> Iterator[Datastore]:
    found = Datastore()
    with served(found.app) as base:
        found.base = base
        found.publish()
        yield found


@pytest.mark.slow
class TestDatastoreFeed(ObservationFeedContract, SecretAddressContract):
    says_not_modified = False

    @pytest.fixture
    def publisher(self, datastore: Datastore) -> Datastore:
        return datastore

    @pytest.fixture
    def make_feed(self, publisher: Datastore) -> MakeFeed:
        return lambda archive, timeout_seconds=PATIENCE_SECONDS: feed(
            publisher, "gas-flows?datastore=daily", archive=archive, timeout_seconds=timeout_seconds
        )

    @pytest.mark.parametrize(("fault", "problem"), [("wrong_column", "no column 'Date'"), ("swapped_dates", "of row")])
    def test_a_document_that_must_not_be_used_is_refused_and_not_kept(
        self, feed: ObservationFeed, publisher: Publisher, tmp_path: Path, fault: str, problem: str
    ) -> None:
        super().test_a_document_that_must_not_be_used_is_refused_and_not_kept(feed, publisher, tmp_path, fault, problem)

    def test_a_document_that_is_too_large_is_refused(  # type: ignore[override]
        self, feed: CkanFeed, publisher: Datastore
    ) -> None:
        feed.max_bytes = 20_000
        with pytest.raises(FeedDocumentError, match=r"may have 20,000 bytes and has more in its first \d+ pages"):
            feed.fetch(JUNE)


@pytest.mark.slow
def test_all_rows_of_the_datastore_come_however_few_at_once(datastore: Datastore) -> None:
    document = feed(datastore, "gas-flows?datastore=0").fetch(JUNE)
    pd.testing.assert_frame_equal(document.observations, published(JUNE))
    assert document.source.endswith("/api/3/action/datastore_search (Daily flows Q2 2018)")
    offsets = [int(parse_qs(asked.partition("?")[2])["offset"][0]) for asked in datastore.asked[1:]]
    assert offsets[:3] == [0, 50, 100]


@pytest.mark.slow
def test_a_page_of_the_datastore_that_fails_fails_the_fetch(datastore: Datastore) -> None:
    datastore.fails_at = 100
    with pytest.raises(FeedDocumentError, match="it answered 409"):
        feed(datastore, "gas-flows?datastore=daily").fetch(JUNE)


def test_a_datastore_that_names_no_one_resource_says_what_there_is() -> None:
    resources = [resource(1, "Daily flows"), resource(2, "Daily prices")]
    assert in_datastore(resources, "2", "feed").id == "2"
    assert in_datastore(resources, "FLOWS", "feed").id == "1"
    for named in ("daily", "hourly"):
        with pytest.raises(FeedDocumentError, match=f"datastore={named} .* found: 'Daily flows', 'Daily prices'"):
            in_datastore(resources, named, "feed")
