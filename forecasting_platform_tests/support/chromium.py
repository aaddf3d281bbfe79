"""A real browser."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forecasting_platform_tests.support.waiting import PATIENCE_SECONDS

PATIENCE_MILLISECONDS = 1000 * PATIENCE_SECONDS
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
needs_chromium = pytest.mark.skipif(
    not Path(CHROMIUM).exists(), reason="no Chromium: install it, or set CHROMIUM to its path"
)


@contextmanager
def running_chromium(*flags: str) -> Iterator[Any]:
    """Playwright's browser, with further flags; whose expectations are patient, as a page must be told to be."""
    from playwright.sync_api import expect, sync_playwright  # a second, which no fast test should wait for

    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], timeout=PATIENCE_MILLISECONDS
        )
        yield browser
        browser.close()
