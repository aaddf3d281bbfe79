"""A setting that cannot be used is named with what is wrong, whoever reads it, and a secret is never repeated."""

import pytest
from click.testing import CliRunner

from forecasting_platform.cli import main
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.orchestration.mounting.given_settings import GivenSettings
from forecasting_platform.settings import Settings


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("FORECASTING_HORIZON_DAYS", "-1", "greater than or equal to 1"),
        ("FORECASTING_HORIZON_DAYS", "many", "valid integer"),
        ("FORECASTING_TABLE_STORE", "oracle", "'postgres' or 'spark'"),
        ("FORECASTING_OWNERS", "team:a", "is no JSON"),
        ("FORECASTING_OWNERS", '{"app": "ana"}', "the owner of app is 'ana'"),
        ("FORECASTING_POSTGRES_SCHEMA", 'x"; drop', "should match pattern"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_without_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=problem) as told:
        Settings()
    assert told.value.setting == variable
    shown = CliRunner().invoke(main, ["status"])
    assert (shown.exit_code, shown.stderr.startswith(f"forecasting-platform: setting {variable}: ")) == (1, True)


def test_a_part_of_a_setting_is_named_and_a_mounted_platforms_setting_as_it_is_given() -> None:
    with pytest.raises(ConfigurationError, match=r"setting FORECASTING_LOWER_BOUNDS\.Corrib: Input should be a finite"):
        Settings(lower_bounds={"Corrib": float("nan")})
    with pytest.raises(ConfigurationError, match=r"setting horizon_days: Input should be a valid integer"):
        GivenSettings(horizon_days="many")
    with pytest.raises(ConfigurationError, match=r"setting horizon: is no setting; docs/settings.md has them"):
        GivenSettings(horizon=15)


def test_a_secret_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTING_SPARK_CONF", '{"token": "s3cret-value"')
    with pytest.raises(ConfigurationError) as told:
        Settings()
    assert "s3cret" not in str(told.value)
    assert told.value.__cause__ is None
