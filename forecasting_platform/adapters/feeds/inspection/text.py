"""Recognizes how a delimited text is written: encoding, delimiter, quotes, comments, header. Pure.

The delimiter is the one that makes rows of one width with a day and numbers in them, which a general sniffer cannot ask
for: decision 20 has the comparison with CleverCSV and DuckDB.
"""

import codecs
import csv
import io
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

from forecasting_platform.adapters.feeds.inspection.day_formats import looks_like_day
from forecasting_platform.adapters.feeds.inspection.notes import Doubt, Found, NoLayoutError, quoted
from forecasting_platform.adapters.feeds.inspection.numbers import is_null_word, looks_like_number

_DELIMITERS = (",", ";", "\t", "|", " ", "^", "~", ":")
_COMMENTS = ("#", "//", "%", "!", "--", "*")
_SAMPLED_LINES = 200
_HEADER_WITHIN = 1000
_MAX_LINES_ABOVE = 20
_MIN_DAYS_AS_COLUMNS = 6
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A document's text and its encoding."""

    text: str
    encoding: str
    doubts: tuple[Doubt, ...] = ()


@dataclass(frozen=True, slots=True)
class TextDialect:
    """How a text is written.

    Attributes:
        is_aligned: whether several spaces align the columns.
        header_rows: numbers of the rows that are the header, empty lines and comments not counted; none without one.
    """

    delimiter: str
    quote_char: str
    comment_char: str | None
    header_rows: tuple[int, ...]
    is_aligned: bool
    found: tuple[Found, ...]
    doubts: tuple[Doubt, ...] = ()


def decode(content: bytes) -> Decoded:
    """The text of a document.

    >>> decode("Größe".encode("latin-1")).encoding, decode(b"a").encoding
    ('windows-1252', 'utf-8')
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return Decoded(content.decode(encoding, "replace").lstrip("\ufeff"), encoding)
    # UTF-16 without a mark: every second byte of Latin text is 0.
    if content[:400].count(0) > 100:
        encoding = "utf-16-le" if content[1:2] == b"\0" else "utf-16-be"
        return Decoded(content.decode(encoding, "replace"), encoding)
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        encoding = _single_byte(content)
        text = content.decode(encoding)
        near = text[max(0, error.start - 15) : error.start + 15].strip()
        why = f"the text is no UTF-8; read as {encoding} it has {near!r}: look whether the letters are right"
        return Decoded(text, encoding, (Doubt("dialect.encoding", why),))


def _single_byte(content: bytes) -> str:
    try:
        # Windows leaves five bytes undefined, ISO 8859-1 none: what has one of them is the latter.
        content.decode("windows-1252")
    except UnicodeDecodeError:
        return "iso-8859-1"
    return "windows-1252"


def find_dialect(text: str, source: str) -> TextDialect:
    """The dialect of a text.

    Raises:
        NoLayoutError: no delimiter makes rows with a day and a number.
    """
    lines = [line for line in text.splitlines() if line.strip()]
    comment = _comment_char(lines)
    if comment is not None:
        lines = [line for line in lines if not line.startswith(comment)]
    sample = _sampled(lines)
    quote = _quote_char(sample)
    scores = {delimiter: _score(sample, delimiter, quote) for delimiter in _DELIMITERS}
    # Of equal scores the first: delimiters are listed from the most common one.
    delimiter = max(scores, key=lambda each: scores[each])
    aligned = [" ".join(line.split()) for line in lines] if any("  " in line.strip() for line in sample) else []
    is_aligned = bool(aligned) and _score(_sampled(aligned), " ", quote) > scores[delimiter]
    if is_aligned:
        lines, delimiter = aligned, " "
    elif scores[delimiter] <= 0:
        # The usual mistake is the address of the page that has the download link.
        if lines and lines[0].lstrip().startswith(("<!", "<html", "<?xml")):
            raise NoLayoutError(
                source, "it is a web page", "Give the URL of the file itself, as its download link has it."
            )
        problem = f"no delimiter makes rows with a day and a number in them; it begins with {quoted(lines[:2])}"
        raise NoLayoutError(source, problem, "Give a table with a row a day (or a series and day, or an hour).")
    rows = [row for row in _parsed(lines[:_HEADER_WITHIN], delimiter, quote) if any(map(str.strip, row))]
    header_rows = header_rows_of(rows, source)
    spelled = "spaces that align the columns" if is_aligned else {"\t": "tab", " ": "space"}.get(delimiter, delimiter)
    found = [Found("delimiter", spelled)]
    found.append(Found("header", _shown_header(rows, header_rows)))
    if comment is not None:
        found.append(Found("comments", f"lines that begin with {comment!r}"))
    return TextDialect(delimiter, quote, comment, header_rows, is_aligned, tuple(found))


def _shown_header(rows: Sequence[Sequence[str]], header_rows: Sequence[int]) -> str:
    if not header_rows:
        return "none: the columns are field1, field2, …"
    names = quoted((name for name in rows[header_rows[-1] - 1] if name.strip()), 4)
    return f"row {' and '.join(map(str, header_rows))}: {names}"


def _sampled(lines: Sequence[str]) -> list[str]:
    if len(lines) <= 3 * _SAMPLED_LINES:
        return list(lines)
    middle = len(lines) // 2
    # Start, middle and end: notes stand at both ends, and a layout may change half-way.
    return [*lines[:_SAMPLED_LINES], *lines[middle : middle + _SAMPLED_LINES], *lines[-_SAMPLED_LINES:]]


def _comment_char(lines: Sequence[str]) -> str | None:
    for mark in _COMMENTS:
        starts = [line.startswith(mark) for line in lines[:_SAMPLED_LINES]]
        # A mark before every line is a part of the rows.
        if not any(starts) or all(starts):
            continue
        last = (
            max(place for place, is_one in enumerate(starts[: starts.index(False) or len(starts)], 0) if is_one)
            if starts[0]
            else None
        )
        if last is not None and _is_header_of(lines[last], lines[last + 1 : last + 4]):
            return None
        return mark if starts[0] or sum(starts) > 1 else None
    return None


def _is_header_of(line: str, rows: Sequence[str]) -> bool:
    """Whether a comment is the header: it has the fields of the rows below, which begin at once."""
    for delimiter in _DELIMITERS[:4]:
        fields = line.count(delimiter)
        if fields and rows and all(row.count(delimiter) == fields for row in rows):
            return any(looks_like_day(cell) for cell in rows[0].split(delimiter))
    return False


def _quote_char(lines: Sequence[str]) -> str:
    single = sum(line.count("'") >= 4 and line.count("'") % 2 == 0 and line.lstrip().startswith("'") for line in lines)
    return "'" if single > 0.8 * len(lines) and not any('"' in line for line in lines) else '"'


def _parsed(lines: Sequence[str], delimiter: str, quote: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO("\n".join(lines), newline=""), delimiter=delimiter, quotechar=quote))


def _score(lines: Sequence[str], delimiter: str, quote: str) -> float:
    """How well rows of one width with a day and numbers come out; 0 where none do."""
    try:
        rows = [row for row in _parsed(lines, delimiter, quote) if row]
    except csv.Error:
        return 0.0
    of_days = _header_of_days(rows)
    if of_days is not None:
        # A table of one series has fewer rows than notes above it.
        rows = rows[of_days + 1 :]
    width, count = _width(rows)
    if width < 2:
        return 0.0
    body = [row for row in rows if len(row) == width]
    columns = list(zip(*body, strict=True))
    day = of_days is not None or any(_share_of_days(column) >= 0.5 for column in columns) or bool(_split_day(body))
    cells = [cell for row in body[:_SAMPLED_LINES] for cell in row if cell.strip()]
    typed = [looks_like_number(cell) or is_null_word(cell) or looks_like_day(cell) or _is_clock(cell) for cell in cells]
    if not cells or not day:
        return 0.0
    numbers = any(sum(map(looks_like_number, column)) * 2 > len(column) for column in columns) or any(
        map(looks_like_number, cells)
    )
    if not numbers:
        return 0.0
    return count / len(rows) * (sum(typed) / len(typed) + 0.2) * (0.1 if delimiter == ":" else 1.0)


def _width(rows: Sequence[Sequence[str]]) -> tuple[int, int]:
    return Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)


def _header_of_days(rows: Sequence[Sequence[str]]) -> int | None:
    """The place of the row of which most cells, and many, are days; None where there is none."""
    return next((place for place, row in enumerate(rows[:_MAX_LINES_ABOVE]) if are_days(row)), None)


def are_days(names: Collection[str]) -> bool:
    """Whether most of the names of columns, and many, are days."""
    return sum(map(looks_like_day, names)) >= max(_MIN_DAYS_AS_COLUMNS, 0.5 * len(names))


def _share_of_days(column: Sequence[str]) -> float:
    # Some sixty cells over the whole column tell as much as all of them.
    sample = [cell for cell in column if cell.strip()][:: max(1, len(column) // 60)]
    return sum(map(_is_day, sample)) / len(sample) if sample else 0.0


def _is_day(cell: str) -> bool:
    cell = cell.strip()
    return looks_like_day(cell) or (cell.isdecimal() and len(cell) in {6, 7, 9, 10, 12, 13, 14})


def _is_clock(cell: str) -> bool:
    return ":" in cell and cell.replace(":", "").strip().isdecimal()


def _split_day(rows: Sequence[Sequence[str]]) -> tuple[int, ...]:
    """The places of three columns that are a year, a month and a day by the range of their numbers; none else."""
    columns = list(zip(*rows, strict=True))
    found: list[int] = []
    for low, high in ((1800, 2200), (1, 12), (1, 31)):
        place = next((p for p, cells in enumerate(columns) if p not in found and _are_within(cells, low, high)), None)
        if place is None:
            return ()
        found.append(place)
    return tuple(found)


def _are_within(column: Sequence[str], low: int, high: int) -> bool:
    cells = [cell.strip() for cell in column[:: max(1, len(column) // 60)]]
    numbers = [int(cell) for cell in cells if cell.isdecimal()]
    return len(numbers) >= 0.6 * len(cells) > 0 and all(low <= number <= high for number in numbers)


def header_rows_of(rows: Sequence[Sequence[str]], source: str) -> tuple[int, ...]:
    """The numbers of the rows above the first one with a day, which are the header; none where that is the first.

    Raises:
        NoLayoutError: no row has a day, or what is above the first one is no header.
    """
    if (of_days := _header_of_days(rows)) is not None:
        return (of_days + 1,)
    width, _ = _width(rows)
    columns = list(zip(*(row for row in rows if len(row) == width), strict=True))
    days = [place for place, column in enumerate(columns) if _share_of_days(column) >= 0.5]
    split = () if days else _split_day([row for row in rows if len(row) == width])
    is_body = partial(_is_body, days=days, split=split)
    first = next((place for place, row in enumerate(rows) if len(row) == width and is_body(row)), None)
    if first is None:
        raise NoLayoutError(source, "no row has a day and a number", "Give a table with a row a day.")
    if not first:
        return ()
    above = [place for place in range(first) if len(rows[place]) == width and any(map(str.strip, rows[place]))]
    if not above:
        problem = (
            f"the {width} columns have no header: above them, in row {first}, is {quoted([' '.join(rows[first - 1])])}"
        )
        raise NoLayoutError(source, problem, "Have the publisher write a header with a name for each column.")
    if whole := [place for place in above if _names_columns(rows[place])]:
        return (whole[0] + 1,)
    # Names over two rows: of a group, and within it.
    return tuple(place + 1 for place in above[-2:])


def _names_columns(row: Sequence[str]) -> bool:
    """Whether a row names all columns differently, or of three and more all but one."""
    names = [name.strip() for name in row if name.strip()]
    return len(names) >= max(len(row) - 1, 2) and len(set(names)) == len(names)


def _is_body(row: Sequence[str], days: Sequence[int], split: Sequence[int]) -> bool:
    if days:
        return any(_is_day(row[place]) for place in days)
    return all(row[place].strip().isdecimal() for place in split) if split else False
