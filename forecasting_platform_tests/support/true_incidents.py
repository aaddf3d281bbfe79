"""How many incidents a row of results is, counted in another way than the code does."""

from forecasting_platform.forecasting.monitoring.incidents import (
    Result,
)


def true_incidents(results: list[Result]) -> tuple[int, int]:
    """Stretches of failures with nothing but unknown between, and how many of them are over."""
    opened = ended = 0
    failing = False
    for result in results:
        if result == "failed" and not failing:
            opened, failing = opened + 1, True
        elif result == "passed" and failing:
            ended, failing = ended + 1, False
    return opened, ended
