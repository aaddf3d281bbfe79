"""Reads a description from its YAML file; an error names the line."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from forecasting_platform.errors import FeedDescriptionError
from forecasting_platform.feed_description.description import FeedDescription

Lines = dict[tuple[str | int, ...], int]
"""The line of each value, by its path in the file."""


def read_description(path: Path) -> FeedDescription:
    """The description in a file.

    Raises:
        FeedDescriptionError: there is no such file, it is no YAML, or a word or value in it is wrong; names the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FeedDescriptionError(str(path), None, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FeedDescriptionError(
            str(path), None, f"is no UTF-8 text: {error.reason} at byte {error.start}"
        ) from error
    return parse_description(text, str(path), name=path.stem)


def read_descriptions(folder: Path) -> tuple[FeedDescription, ...]:
    """The descriptions in a folder, by the name of their files.

    Raises:
        FeedDescriptionError: see `read_description`; there is none, or two have one name.
    """
    paths = sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])
    if not paths:
        raise FeedDescriptionError(str(folder), None, "holds no description; put files such as gas.yaml there")
    found: dict[str, FeedDescription] = {}
    for path in paths:
        description = read_description(path)
        if description.name in found:
            raise FeedDescriptionError(str(path), None, f"another file here describes a feed {description.name!r} too")
        found[description.name] = description
    return tuple(found.values())


def parse_description(text: str, file: str, *, name: str = "feed") -> FeedDescription:
    """The description that a text is.

    Args:
        file: names it in messages.
        name: what the feed is called where the text does not say it.

    Raises:
        FeedDescriptionError: see `read_description`.
    """
    lines: Lines = {}
    try:
        # All scalars stay text: YAML 1.1 would read NO as false and 16:00 as 960.
        node = yaml.compose(text, Loader=yaml.BaseLoader)
        document = _value(node, (), lines, file) if node is not None else None
    except yaml.YAMLError as error:
        raise _not_yaml(error, file) from error
    if not isinstance(document, dict):
        raise FeedDescriptionError(file, 1, "is no description; it begins with `source:` and its `url:`")
    try:
        return FeedDescription.model_validate({"name": _name_of(name), **document})
    except ValidationError as error:
        raise _invalid(error, lines, file) from error


def _value(node: yaml.Node, at: tuple[str | int, ...], lines: Lines, file: str) -> Any:
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in found:
                raise FeedDescriptionError(file, key.start_mark.line + 1, f"{key.value!r} is given a second time")
            found[key.value] = _value(value, (*at, key.value), lines, file)
            lines[(*at, key.value)] = key.start_mark.line + 1
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, (*at, place), lines, file) for place, item in enumerate(node.value)]
    is_null = getattr(node, "style", None) is None and node.value in {"null", "~", ""}
    return None if is_null else node.value


def _not_yaml(error: yaml.YAMLError, file: str) -> FeedDescriptionError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return FeedDescriptionError(file, mark.line + 1 if mark else None, f"is no YAML: {problem}")


def _invalid(error: ValidationError, lines: Lines, file: str) -> FeedDescriptionError:
    first = error.errors()[0]
    at: Sequence[str | int] = first["loc"]
    line = next((lines[part] for part in _outwards(tuple(at)) if part in lines), 1)
    where = ".".join(str(part) for part in at if not str(part).startswith(("function-", "tuple[", "str", "date")))
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    message = {
        "extra_forbidden": "is no word of a feed's description",
        "missing": "is missing",
    }.get(first["type"], first["msg"].removeprefix("Value error, "))
    found = (
        ""
        if first["type"] in {"missing", "extra_forbidden"} or isinstance(first["input"], dict)
        else f", found {first['input']!r}"
    )
    return FeedDescriptionError(file, line, f"`{where}`: {message}{found}{more}" if where else f"{message}{more}")


def _outwards(at: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    """The path and the ones around it."""
    for length in range(len(at), -1, -1):
        yield at[:length]


def _name_of(stem: str) -> str:
    """A legal name of a feed from the name of its file."""
    name = "".join(character if character.isascii() and character.isalnum() else "_" for character in stem.lower())
    return name if name[:1].isalpha() else f"feed_{name}"
