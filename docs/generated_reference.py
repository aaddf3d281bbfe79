"""The reference pages that are read from the code: HTTP API, tables, assets, checks, the words of a feed."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, cast

from flask_openapi3.openapi import OpenAPI

from forecasting_platform.definitions import build_definitions
from forecasting_platform.feed_description.description import FeedDescription
from forecasting_platform.feed_description.schema import description_schema
from forecasting_platform.forecasting.models.candidates.registry import CANDIDATES
from forecasting_platform.forecasting.models.recipes.recipe_file import RecipeWords, options_of
from forecasting_platform.forecasting.models.recipes.recipe_schema import recipe_schema
from forecasting_platform.forecasting.series.frames import (
    DERIVED_TABLES,
    OBSERVATIONS,
    PLANNED_VALUES,
    PREDICTION_ERRORS,
    PREDICTION_LOG,
    QUARANTINED_OBSERVATIONS,
)
from forecasting_platform.forecasting.series.table import Table
from forecasting_platform.settings import Settings
from serve.http.app import create_app


def write(folder: Path) -> None:
    """Write every generated page into `folder`; one that has not changed is left alone."""
    folder.mkdir(exist_ok=True)
    pages = {
        "http": http_page(),
        "tables": tables_page(),
        "dagster": dagster_page(),
        "feed-description": feed_description_page(),
        "recipe": recipe_page(),
    }
    schemas = {"feed.schema.json": description_schema(), "recipe.schema.json": recipe_schema()}
    files = {f"{name}.md": page for name, page in pages.items()} | schemas
    for name, page in files.items():
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != page:
            file.write_text(page, encoding="utf-8")


def http_page() -> str:
    """Every endpoint of the app, as its OpenAPI document describes it."""
    app = cast("OpenAPI", create_app(Settings(postgres_dsn=None, mlflow_tracking_uri=None)))
    rows = [
        (
            f"`{method.upper()} {path}`",
            operation["summary"],
            _statuses(operation),
        )
        for path, operations in app.api_doc["paths"].items()
        for method, operation in operations.items()
    ]
    return _page(
        "HTTP API",
        "Made from the app's OpenAPI document, which a running app gives at `/openapi.json`, with every field, and to "
        "be tried at `/docs`.",
        _table(("request", "what it does", "answers"), rows),
    )


def _statuses(operation: dict[str, Any]) -> str:
    return ", ".join(sorted(operation["responses"]))


def tables_page() -> str:
    """Every table with its columns."""
    tables = (
        OBSERVATIONS,
        PLANNED_VALUES,
        QUARANTINED_OBSERVATIONS,
        *DERIVED_TABLES,
        PREDICTION_LOG,
        PREDICTION_ERRORS,
    )
    return _page("Tables", "In schema `forecasting`.", *map(_table_section, tables))


def _table_section(table: Table) -> str:
    rows = [
        (f"`{column.name}`", column.kind + (", may be null" if column.nullable else ""), column.description)
        for column in table.columns
    ]
    heading = f"## `{table.name}`\n\n{table.description} Key: {', '.join(f'`{name}`' for name in table.key)}."
    return f"{heading}\n\n{_table(('column', 'kind', 'what it holds'), rows)}"


def dagster_page() -> str:
    """Assets, checks, jobs, schedules and sensors."""
    definitions = build_definitions()
    graph = definitions.resolve_asset_graph()
    assets = [(f"`{key.to_user_string()}`", _first(graph.get(key).description)) for key in graph.toposorted_asset_keys]
    keys = sorted(graph.asset_check_keys, key=lambda key: key.name)
    checks = [(f"[`{key.name}`](../runbooks/{key.name}.md)", f"`{key.asset_key.to_user_string()}`") for key in keys]
    repository = definitions.get_repository_def()
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    automation = [
        *((f"`{job.name}`", "job", _first(job.description)) for job in jobs),
        *(
            (f"`{one.name}`", f"schedule, `{one.cron_schedule}`", _first(one.__doc__))
            for one in repository.schedule_defs
        ),
        *((f"`{one.name}`", "sensor", _first(one.description or one.__doc__)) for one in repository.sensor_defs),
    ]
    return _page(
        "Dagster",
        "Code location `forecasting_platform.definitions`.",
        f"## Assets\n\n{_table(('asset', 'a row, and when it is refreshed'), assets)}",
        f"## Checks\n\n{_table(('check, with its runbook', 'of'), checks)}",
        f"## Jobs, schedules, sensors\n\n{_table(('name', 'kind', 'what it does'), automation)}",
    )


def feed_description_page() -> str:
    """Every word of a feed's description."""
    schema = FeedDescription.model_json_schema(by_alias=True)
    sections = [_words("A feed", schema, required=schema["required"])]
    for name, field in schema["properties"].items():
        if (part := _part_of(field, schema["$defs"])) is not None:
            sections.append(_words(f"`{name}`", part, required=part.get("required", [])))
            inner = ((word, _part_of(each, schema["$defs"])) for word, each in part["properties"].items())
            sections += [_words(f"`{name}.{word}`", each, required=[]) for word, each in inner if each is not None]
    return _page(
        "The words of a feed's description",
        "One YAML file a feed. What is left out has its default; a word that is not here is an error, told with its "
        "line. [Feeds](../feeds.md) says what a load does with it.",
        *sections,
    )


EXAMPLE_RECIPE = """#:schema docs/reference/recipe.schema.json
horizon = 15
country = "IE"

[candidates.exponential_smoothing]

[candidates.direct_ridge]
prior_weight = 0.9
penalty = 0.1"""


def recipe_page() -> str:
    """Every key of a recipe file, and the options of the candidates that are in the product."""
    schema = RecipeWords.model_json_schema()
    parts = ((word, _part_of(field, schema["$defs"])) for word, field in schema["properties"].items())
    tables = [_words(f"`[[{word}]]`", part, required=part["required"]) for word, part in parts if part is not None]
    candidates = [
        _words(f"`candidates.{name}`", options_of(candidate).model_json_schema(), required=[])
        for name, candidate in CANDIDATES.items()
    ]
    return _page(
        "The keys of a recipe file",
        "How models are trained, in one TOML file: the setting `FORECASTING_RECIPE` for every training, or "
        "`forecasting-platform train --recipe my.toml` for one. What is left out is as without a file; a key that is "
        "not here is an error, told with what there is. [Forecasting](../forecasting.md) says what each does. "
        "Editors complete and check the file by [its schema](recipe.schema.json).",
        f"```toml\n{EXAMPLE_RECIPE}\n```",
        _words("A recipe", schema, required=[]),
        *tables,
        *candidates,
    )


def _part_of(field: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any] | None:
    """The part that a field holds, or a list of; None where it holds a value."""
    for each in (field, field.get("items", {}), *field.get("anyOf", ()), *field.get("items", {}).get("anyOf", ())):
        if "$ref" in each:
            found: dict[str, Any] = parts[each["$ref"].rpartition("/")[2]]
            return found
    return None


def _words(title: str, part: dict[str, Any], *, required: Sequence[str]) -> str:
    rows = [
        (
            f"`{word}`",
            "must be given" if word in required else f"`{json.dumps(field['default'])}`" if "default" in field else "–",
            field.get("description") or _first(part.get("description")),
        )
        for word, field in part["properties"].items()
    ]
    return f"## {title}\n\n{_first(part.get('description'))}\n\n{_table(('word', 'default', 'meaning'), rows)}"


def _first(description: str | None) -> str:
    return " ".join((description or "").split("\n\n")[0].split())


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _page(title: str, about: str, *sections: str) -> str:
    return "\n\n".join([f"# {title}", about, *sections]) + "\n"
