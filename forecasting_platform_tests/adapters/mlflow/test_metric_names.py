"""Any legal name of a series is a metric's name, and no two are the same one."""

import re

from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, _validate_metric_name

from forecasting_platform.adapters.mlflow.metric_names import MAX_PREFIX, MEAN, metric_prefix
from forecasting_platform.forecasting.series.quality.limits import series_name_problem

LONGEST_METRIC = "skill_seasonal_naive"
legal_names = (
    st.text(st.sampled_from("_x2f.ae/ -%é"), min_size=1, max_size=30)
    | st.text(min_size=1, max_size=80)
    | st.text("é/", min_size=100, max_size=250)
).filter(lambda name: series_name_problem(name) is None)


@given(legal_names)
@example("Gas/")
@example("../x")
@example(".")
@example("..")
@example(" a ")
@example("a\\b:c*?")
@example(MEAN)
@example("x" * 500)
@example("天" * 166)
def test_mlflow_takes_the_metric_of_any_legal_name_and_the_name_can_be_read_from_it(name: str) -> None:
    prefix = metric_prefix(name)
    metric = f"{prefix}/{LONGEST_METRIC}"
    _validate_metric_name(metric)
    assert len(metric) <= MAX_ENTITY_KEY_LENGTH
    assert prefix != MEAN
    if len(prefix) < MAX_PREFIX:
        assert re.sub(r"_x([0-9a-f]+)_", lambda found: chr(int(found[1], 16)), prefix) == name


@given(st.lists(legal_names, min_size=2, max_size=8, unique=True))
@example(["a/b", "a_b", "a_x2f_b", "a_x5f_x2f_b"])
@example(["x" * 400, "x" * 401])
def test_no_two_series_share_a_metric(names: list[str]) -> None:
    assert len({metric_prefix(name) for name in names}) == len(names)
