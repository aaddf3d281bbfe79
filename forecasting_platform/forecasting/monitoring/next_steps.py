"""The last line of every incident: what to do next. The runbook of the same name has it too, with details."""

OF_FEED = "__"
"""Between the name of a check and the one of several feeds that it is of; they share a runbook."""

NEXT_STEPS = {
    "actuals_are_complete": "Wait for the publisher, or `load` the days.",
    "actuals_match_earlier_years": (
        "Usually to know, not to act. If `forecast_bias_within_budget` fails too, `train`, then `promote`."
    ),
    "alert_route": "Repair the service, or replace or remove its URL.",
    "automatic_rollback": "If the feed was wrong, load the days again, then `forecasting-platform promote`.",
    "backfill_failure": "Launch it again once the cause is gone; a reload adds nothing twice.",
    "champion_loads": "If MLflow or its artifact store is down, bring it back: the app tries again by itself.",
    "champion_model_loads_and_forecasts": '`forecasting-platform rollback --reason "…"`, then find out who changed it.',
    "dead_man": "Start the daemon. What was missed is read from the event log and reported then.",
    "every_series_goes_on": "Nothing where the series is meant to end.",
    "exogenous_values_are_known": "See whether their feed failed, is late, or calls them by another name.",
    "feature_table_has_every_series": "Materialize `feature_table` for those days in Dagster.",
    "feature_table_matches_reference": (
        "If the change is true, `train`, then `promote`; if the data are wrong, have them mended and load again."
    ),
    "feed_document_gives_values": (
        "Compare the examples with the document, mend it or the setting, then `load` the days again."
    ),
    "forecast_bias_within_budget": "Wrong actuals: load them again, and the incident ends by itself.",
    "forecast_coverage_within_budget": "A new training recalibrates the intervals: `train`, then `promote`.",
    "forecast_rmse_within_budget": "Wrong actuals: load them again, and the incident ends by itself.",
    "forecasts_are_stable": (
        "Look at the newest values of the series; right after a promotion, wait for the horizon's days."
    ),
    "forecasts_beat_naive": "`rollback` if the version before was better (`report`, `decisions`); else `train`.",
    "forecasts_have_ordered_intervals": "Open an issue with the sample; `rollback` if people use the intervals.",
    "newest_values_are_complete": "Nothing, if the feed completes its days later: the next load takes the revision.",
    "observations_are_plausible": "Have wrong values mended: the next load takes the revision and lets the day go.",
    "observations_are_well_formed": "Mend the table, and `load` the days again.",
    "observations_meet_expectations": "If the feed is wrong, tell its publisher.",
    "revisions_leave_errors_unchanged": "Tell the publisher.",
    "run_failure": "Do what the error says, then start the job again; the incident ends with its next success.",
    "tick_failure": "Do what the error says; the next look that succeeds ends the incident.",
    "trained_model_beats_naive": "Nothing at once: the champion still serves.",
}
"""By name of a runbook; each line is in its runbook, word by word."""


def next_step(fingerprint: str) -> str | None:
    """What to do next about an incident; None about one that has no runbook.

    >>> next_step("run_failure:load_job") == NEXT_STEPS["run_failure"]
    True
    >>> next_step("feature_table:feature_table_has_every_series")
    'Materialize `feature_table` for those days in Dagster.'
    """
    kind, _, name = fingerprint.partition(":")
    return NEXT_STEPS.get(kind) or NEXT_STEPS.get(name.partition(OF_FEED)[0])


def with_next_step(summary: str, fingerprint: str) -> str:
    """What was found, and what to do next where there is a runbook.

    >>> with_next_step("it was last alive 300 s ago", "dead_man:alert_sensor")
    'it was last alive 300 s ago. Next: Start the daemon. What was missed is read from the event log and reported then.'
    """
    line = next_step(fingerprint)
    return f"{summary.removesuffix('.')}. Next: {line}" if line else summary
