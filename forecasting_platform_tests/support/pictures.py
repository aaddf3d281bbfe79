"""Runs that draw nothing: a fifth of what a small load takes. Pictures are tested in `forecasting/test_plots.py`."""

from collections.abc import Iterator

import pytest

from forecasting_platform.forecasting.reports import plots


def without_pictures() -> Iterator[None]:
    """A fixture's body: each picture is made up of what it shows, and not drawn."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "_png", lambda _figure: b"")
        yield
