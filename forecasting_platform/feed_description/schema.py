"""The JSON schema of a feed's description: with it, editors complete and check the file."""

import json
import sys

from forecasting_platform.feed_description.description import FeedDescription


def description_schema() -> str:
    """The schema as a JSON document, the same at each call."""
    schema = FeedDescription.model_json_schema(by_alias=True)
    schema |= {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "The description of a feed"}
    return json.dumps(schema, indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(description_schema())
