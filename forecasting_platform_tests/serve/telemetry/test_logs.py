import json
import logging
import threading

import pytest

from forecasting_platform.json_lines import JsonLines
from serve.telemetry.logs import WholeLines


@pytest.fixture
def handler() -> WholeLines:
    handler = WholeLines()
    handler.setFormatter(JsonLines())
    return handler


def record(message: str) -> logging.LogRecord:
    return logging.LogRecord("serve", logging.INFO, "", 0, {"message": message}, None, None)


def test_lines_of_many_threads_stay_whole(handler: WholeLines, capfd: pytest.CaptureFixture[str]) -> None:
    def write(thread: int) -> None:
        for number in range(200):
            handler.handle(record(f"{thread} {number} {'ö' * 500}"))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [json.loads(line)["message"] for line in capfd.readouterr().err.splitlines()]
    assert sorted(lines) == sorted(f"{thread} {number} {'ö' * 500}" for thread in range(8) for number in range(200))


def test_a_filter_keeps_a_record_out(handler: WholeLines, capfd: pytest.CaptureFixture[str]) -> None:
    handler.addFilter(lambda found: "secret" not in found.msg["message"])
    assert not handler.handle(record("a secret"))
    assert handler.handle(record("told"))
    assert "told" in (written := capfd.readouterr().err)
    assert "secret" not in written


def test_a_line_that_cannot_be_written_fails_nobody(
    handler: WholeLines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("serve.telemetry.logs.STDERR", -1)
    assert handler.handle(record("lost"))
    assert "Bad file descriptor" in capsys.readouterr().err
