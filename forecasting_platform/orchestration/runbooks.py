"""Where the runbook of a check is."""

from forecasting_platform.settings import Settings


def runbook_url(name: str) -> str:
    """The page of a check, or of another kind of incident.

    >>> runbook_url("forecasts_beat_naive").endswith("docs/runbooks/forecasts_beat_naive.md")
    True
    """
    return Settings().runbook_url(name)
