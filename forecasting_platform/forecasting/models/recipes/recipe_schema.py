"""The JSON schema of a recipe file: with it, editors complete and check the file."""

import json
import sys
from typing import Any

from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES
from forecasting_platform.forecasting.models.recipes.recipe_file import RecipeWords, options_of
from forecasting_platform.forecasting.series.covariates.exogenous import KnownAtCutoff, KnownByTargetDay, KnownInAdvance


def recipe_schema() -> str:
    """The schema as a JSON document, the same at each call.

    The candidates of the product have their options; one of another package may have any.
    """
    schema = RecipeWords.model_json_schema()
    words: dict[str, Any] = schema["properties"]
    tables = {name: options_of(candidate).model_json_schema() for name, candidate in CANDIDATES.items()}
    words["candidates"] |= {"properties": tables, "additionalProperties": {"type": "object"}}
    kinds = [kind.known for kind in (KnownAtCutoff, KnownInAdvance, KnownByTargetDay)]
    words["exogenous"]["items"] = {
        "type": "object",
        "properties": {"unique_id": {"type": "string", "minLength": 1}, "known": {"enum": kinds}},
        "required": ["unique_id", "known"],
    }
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A recipe: how models are trained"}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(recipe_schema())
