"""A local webhook that alerts are sent to, which may refuse, or keep its caller waiting."""

import threading
from typing import Any

from forecasting_platform_tests.support.web_servers import Answering, RecordingServer


class Hook(RecordingServer):
    """What it was sent, and what it answers.

    Attributes:
        status: of its answers.
        answers: cleared, it keeps whoever calls waiting.
    """

    def __init__(self, status: int = 200) -> None:
        super().__init__(self._answer)
        self.status = status
        self.answers = threading.Event()
        self.answers.set()

    def __exit__(self, *error: Any) -> None:
        self.answers.set()
        super().__exit__(*error)

    def _answer(self, request: Answering) -> None:
        self.answers.wait()
        request.send(status=self.status)

    @property
    def messages(self) -> list[Any]:
        return [request.json for request in self.asked]

    @property
    def titles(self) -> list[str]:
        """Of the messages it accepted or refused, in order."""
        return [message["title"] for message in self.messages]

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    @property
    def alert_url(self) -> str:
        """As Apprise names it, with a password."""
        return f"json://user:secret@{self.url.removeprefix('http://')}/alerts"
