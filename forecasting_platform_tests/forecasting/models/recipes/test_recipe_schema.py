"""The published JSON schema of a recipe file."""

import json
from pathlib import Path

from forecasting_platform.forecasting.models.recipes.recipe_file import RecipeWords
from forecasting_platform.forecasting.models.recipes.recipe_schema import recipe_schema

SCHEMA = "docs/reference/recipe.schema.json"
PUBLISHED = Path(__file__).parents[4] / SCHEMA


def test_the_published_schema_is_the_one_of_the_code() -> None:
    how = "python -m forecasting_platform.forecasting.models.recipes.recipe_schema"
    assert PUBLISHED.read_text(encoding="utf-8") == recipe_schema(), f"write it anew: {how} > {SCHEMA}"


def test_it_has_every_word_and_the_options_of_the_products_candidates() -> None:
    schema = json.loads(recipe_schema())
    assert schema["properties"].keys() == RecipeWords.model_fields.keys()
    candidates = schema["properties"]["candidates"]
    assert candidates["properties"]["direct_ridge"]["properties"]["penalty"]["minimum"] == 0
    assert candidates["additionalProperties"] == {"type": "object"}
