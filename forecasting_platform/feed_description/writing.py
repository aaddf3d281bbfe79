"""Writes a description as the YAML file that a person goes on with; `file` reads it."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence

SCHEMA = "docs/reference/feed.schema.json"
"""Of descriptions, for editors; from the root of the repository."""
_WIDTH = 110
_PLAIN = re.compile(r"[A-Za-z_][\w./ -]*[\w./-]|[A-Za-z_]|-?\d+(\.\d+)?|\d{4}-\d{2}-\d{2}|\w+://[^\s#'\"]+")
_NOT_PLAIN = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan"})

Words = Mapping[str, object]
"""A part of a description: its words with texts, numbers, lists or further parts."""


def write_description(words: Words, comments: Mapping[str, Sequence[str]], last: Sequence[str] = ()) -> str:
    """The YAML of a description, each comment above the word it is about.

    Args:
        words: only what differs from the defaults.
        comments: by the word, such as `day.format`; those of a word that is not there stand in its part or at the end.
        last: lines at the end, as comments.

    >>> print(write_description({"source": {"url": "https://host/a"}}, {"source.url": ["once a day?"]}))
    # yaml-language-server: $schema=docs/reference/feed.schema.json
    source:
      # once a day?
      url: https://host/a
    <BLANKLINE>
    """
    left = {at: list(told) for at, told in comments.items()}
    lines = [f"# yaml-language-server: $schema={SCHEMA}", *_part(words, "", "", left)]
    for at, told in left.items():
        lines += _comment([f"{at}: {one}" for one in told], "")
    lines += [f"# {line}".rstrip() for line in last]
    return "\n".join(lines) + "\n"


def _part(words: Words, at: str, indent: str, left: dict[str, list[str]]) -> Iterator[str]:
    for word, value in words.items():
        place = f"{at}.{word}" if at else word
        yield from _comment(left.pop(place, []), indent)
        if isinstance(value, Mapping):
            yield f"{indent}{word}:"
            yield from _part(value, place, indent + "  ", left)
            for inner in [each for each in left if each.startswith(f"{place}.")]:
                told = [f"{inner.removeprefix(f'{place}.')}: {one}" for one in left.pop(inner)]
                yield from _comment(told, indent + "  ")
        else:
            yield f"{indent}{word}: {_value(value)}"


def _comment(told: Sequence[str], indent: str) -> Iterator[str]:
    for one in told:
        # Texts of a document stand in comments: none may end the line.
        yield from textwrap.wrap(
            " ".join(one.split()), _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_text(str(each)) for each in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    return _text(str(value))


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_PLAIN:
        return text
    return json.dumps(text, ensure_ascii=not text.isprintable())
