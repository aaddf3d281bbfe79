"""The published JSON schema of a description."""

from pathlib import Path

from forecasting_platform.feed_description.schema import description_schema
from forecasting_platform.feed_description.writing import SCHEMA

PUBLISHED = Path(__file__).parents[2] / SCHEMA


def test_the_published_schema_is_the_one_of_the_code() -> None:
    how = "python -m forecasting_platform.feed_description.schema"
    assert PUBLISHED.read_text(encoding="utf-8") == description_schema(), f"write it anew: {how} > {SCHEMA}"
