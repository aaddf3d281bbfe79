"""What training recorded of each series, kept as one text of lines of JSON; a line is parsed when it is asked for.

Ten thousand records as Python objects are half a million of them: each full round of the garbage collector visits them
all, a sixth of a second in which a process that serves answers nobody.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson


class SeriesRecords(Mapping[str, Any]):
    """The record of each series: JSON-ready, new objects at each look.

    Args:
        document: of lines `[part, series, record]`, which other records may share.
        places: where the line of each series begins, and where the next one does.
    """

    def __init__(self, document: bytes, places: Mapping[str, tuple[int, int]]) -> None:
        self._document = document
        self._places = places

    def __getitem__(self, unique_id: str) -> Any:
        return orjson.loads(self._line(unique_id))[2]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def lines(self) -> Iterator[bytes]:
        """The line of each series with its end, as it was read."""
        return (bytes(self._line(unique_id)) for unique_id in self._places)

    def _line(self, unique_id: str) -> memoryview:
        begin, end = self._places[unique_id]
        return memoryview(self._document)[begin:end]


def records_by_part(document: bytes) -> dict[str, SeriesRecords]:
    """The records of each part of a document of such lines.

    Raises:
        ValueError: a line is not `[part, series, record]` in JSON, or has no end.
    """
    places: dict[str, dict[str, tuple[int, int]]] = {}
    whole, begin = memoryview(document), 0
    # One line at a time, since all at once would hold up every other thread.
    while begin < len(document):
        end = document.index(b"\n", begin) + 1
        # All of it is parsed, so that a damaged line is refused now and not when somebody asks.
        part, unique_id, _ = orjson.loads(whole[begin:end])
        places.setdefault(part, {})[unique_id] = begin, end
        begin = end
    return {part: SeriesRecords(document, of_part) for part, of_part in places.items()}
