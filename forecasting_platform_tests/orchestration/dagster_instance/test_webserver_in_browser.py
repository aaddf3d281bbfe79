"""What pages of other sites can do to Dagster's web server in a person's browser, and that its own pages work."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from werkzeug.wrappers import Response

from forecasting_platform_tests.support.chromium import needs_chromium, running_chromium
from forecasting_platform_tests.support.dagster_web_server import MUTATION, running_web_server, was_commanded
from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS
from forecasting_platform_tests.support.web_servers import served

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_chromium]

ATTACKS = {
    "an image": "new Promise(done => { const i = new Image(); i.onload = i.onerror = done; i.src = IN_ADDRESS })",
    "a fetch": "fetch(IN_ADDRESS, {mode: 'no-cors'}).catch(() => 0)",
    "text": "fetch(GRAPHQL, {mode: 'no-cors', method: 'POST', body: JSON.stringify({query: MUTATION}), "
    "headers: {'Content-Type': 'text/plain; application/json'}}).catch(() => 0)",
    "JSON": "fetch(GRAPHQL, {method: 'POST', body: JSON.stringify({query: MUTATION}), "
    "headers: {'Content-Type': 'application/json'}}).catch(() => 0)",
    "a form": """new Promise(done => {
        const frame = document.createElement('iframe'), form = document.createElement('form')
        frame.name = 'below'
        Object.assign(form, {action: IN_ADDRESS, method: 'POST', enctype: 'text/plain', target: 'below'})
        document.body.append(frame, form); frame.onload = done; form.submit()
    })""",
}
OPENS_A_WEBSOCKET = """new Promise(done => {
    const socket = new WebSocket(GRAPHQL.replace('http', 'ws'), 'graphql-ws')
    socket.onopen = () => done('open'); socket.onerror = () => done('refused')
})"""


@dataclass(frozen=True)
class Server:
    port: int
    home: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def script(self, attack: str) -> str:
        """The attack with its names."""
        names = {"GRAPHQL": f"{self.url}/graphql", "MUTATION": MUTATION}
        names["IN_ADDRESS"] = f"{names['GRAPHQL']}?query={quote(MUTATION)}"
        constants = ", ".join(f"{name} = {value!r}" for name, value in names.items())
        return f"(() => {{ const {constants}; return {attack} }})()"


def new_page(browser: Any) -> Any:
    page = browser.new_page()
    page.set_default_timeout(1000 * PATIENCE_SECONDS)
    return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with running_chromium("--host-resolver-rules=MAP *.example 127.0.0.1") as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("dagster") / "home"
    with running_web_server("forecasting_platform.orchestration.dagster_instance.webserver", home) as port:
        yield Server(port, home)


@pytest.fixture
def evil_page(browser: Any) -> Iterator[Any]:
    """A page of another site, open in the browser."""
    with served(Response("<!doctype html><title>Kittens</title>", content_type="text/html")) as url:
        page = new_page(browser)
        page.goto(url.replace("127.0.0.1", "evil.example"))
        yield page
        page.close()


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_of_another_site_commands_nothing(server: Server, evil_page: Any, attack: str) -> None:
    evil_page.evaluate(server.script(ATTACKS[attack]))
    assert not was_commanded(server.home)


def test_a_page_of_another_site_opens_no_websocket(server: Server, evil_page: Any) -> None:
    assert evil_page.evaluate(server.script(OPENS_A_WEBSOCKET)) == "refused"


def test_a_name_that_was_led_to_this_machine_reads_and_commands_nothing(server: Server, browser: Any) -> None:
    page = new_page(browser)
    answer = page.goto(f"http://rebound.example:{server.port}/")
    assert answer.status == 403
    for attack in ATTACKS.values():
        page.evaluate(server.script(attack).replace(server.url, f"http://rebound.example:{server.port}"))
    page.close()
    assert not was_commanded(server.home)


def test_a_link_to_a_page_of_dagster_is_followed_after_a_click_more(server: Server, evil_page: Any) -> None:
    evil_page.set_content(f'<a href="{server.url}/assets">the asset</a>')
    evil_page.click("a")
    evil_page.wait_for_url(f"{server.url}/assets")
    evil_page.click("a")
    evil_page.get_by_text("one", exact=True).first.wait_for()


def test_dagsters_own_pages_work(server: Server, browser: Any) -> None:
    refused: list[str] = []
    page = new_page(browser)
    page.on("response", lambda answer: refused.append(answer.url) if answer.status in {403, 405, 415} else None)
    page.goto(f"{server.url}/assets")
    page.get_by_text("one", exact=True).first.wait_for()
    page.goto(f"{server.url}/runs")
    page.get_by_text("Runs").first.wait_for()
    assert page.evaluate(server.script(OPENS_A_WEBSOCKET)) == "open"
    page.evaluate(server.script(ATTACKS["JSON"]))
    assert was_commanded(server.home)
    page.close()
    assert refused == []
