"""The CKAN feed against a server that speaks the action API as https://docs.ckan.org/en/latest/api/ documents it."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, jsonify, request

from forecasting_platform.adapters.feeds.ckan_feed import CkanFeed, Dataset, Resource, newest_resource
from forecasting_platform.adapters.feeds.document_archive import DocumentArchive
from forecasting_platform.errors import ConfigurationError, FeedDocumentError, FeedUnavailableError
from forecasting_platform_tests.contracts.observation_feed_contract import (
    JUNE,
    MAX_BYTES,
    MakeFeed,
    ObservationFeedContract,
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
        url, date_format="dd/mm/yyyy", timeout_seconds=timeout_seconds, max_bytes=MAX_BYTES, archive=archive
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
    with pytest.raises(FeedDocumentError, match=r"it answered 404 NOT FOUND.*Check FORECASTING_FEED_URL"):
        feed(portal, "no-such").fetch(JUNE)


@pytest.mark.slow
def test_a_resource_on_a_private_address_is_not_fetched(portal: Portal) -> None:
    portal.publish(url="http://169.254.169.254/latest/meta-data")
    with pytest.raises(
        FeedDocumentError,
        match=r"leads to 169\.254\.169\.254, a private address that FORECASTING_FEED_URL does not name",
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
            f"ckan+{base}/x", date_format="dd/mm/yyyy", timeout_seconds=PATIENCE_SECONDS, max_bytes=MAX_BYTES
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
        ("ckan+https://data.example/gas?format=xlsx", "formats 'xlsx'; json and csv can be read"),
        ("ckan+https://data.example/gas?quarter=2", "unknown options 'quarter'"),
    ],
)
def test_a_setting_that_names_no_dataset_is_a_configuration_error(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        CkanFeed(url, date_format="dd/mm/yyyy", timeout_seconds=PATIENCE_SECONDS, max_bytes=1)


@pytest.mark.slow
def test_both_requests_of_a_fetch_share_one_deadline(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> None:
    portal.publish()
    clock = iter([0.0, PATIENCE_SECONDS])
    monkeypatch.setattr("forecasting_platform.adapters.feeds.ckan_feed.monotonic", lambda: next(clock))
    with pytest.raises(FeedUnavailableError, match="no whole answer within 0 seconds"):
        feed(portal).fetch(JUNE)
