"""Random documents whose values are known, and what an inspection makes of them.

`python -m forecasting_platform_tests.adapters.feeds.inspection.random_documents --count 10000` plays many and prints
the seeds of those in which a value is wrong or lost without a word.
"""

import argparse
import csv
import io
import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from forecasting_platform.adapters.feeds.documents.feed_document import read_document
from forecasting_platform.adapters.feeds.inspection.notes import NoLayoutError
from forecasting_platform.adapters.feeds.inspection.proposal import EVERY_DAY, Proposal, propose
from forecasting_platform.errors import FeedDescriptionError, FeedDocumentError
from forecasting_platform.feed_description.file import parse_description
from forecasting_platform_tests.support.workbooks import workbook

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)
DAY_FORMATS = (
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y",
    "%d/%m/%y", "%m/%d/%y", "%d %b %Y", "%d-%b-%Y", "%b %d, %Y", "%d %B %Y", "%Y-%j", "%a, %d %b %Y", "%y-%m-%d",
    "%d%m%Y",
)  # fmt: skip
NAMES = (
    "gas", "oil price", "Größe", "flow, north", "Dún Laoghaire", 'the "old" meter', "load_mw", "A", "rides", "x1",
    "42nd street", "kWh", "naïve; approach", "total", "sales", "Österreich", "visits (all)", "2018", "b|c", "unit 7",
)  # fmt: skip


@dataclass(frozen=True)
class RandomDocument:
    """A document, and the values that were written into it.

    Attributes:
        values: the rows' numbers by series and day, in the order of time.
        told: how it was written.
    """

    content: bytes
    values: dict[tuple[str, date], list[float]]
    told: dict[str, Any]


def random_document(seed: int) -> RandomDocument:
    """A document written in a random dialect."""
    return _Writer(random.Random(seed)).document()


class _Writer:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.told: dict[str, Any] = {}

    def pick(self, what: str, *options: Any) -> Any:
        self.told[what] = self.chance.choice(options)
        return self.told[what]

    def document(self) -> RandomDocument:
        form = self.pick("form", "csv", "csv", "csv", "csv", "csv", "json", "jsonl", "parquet", "excel")
        every = self.pick("every_minutes", None, None, None, 15, 30, 60, 180)
        day_format = self.pick("format", *DAY_FORMATS)
        parts = self.pick("day_columns", 1, 1, 1, 1, 3) if every is None else self.pick("day_columns", 1, 1, 1, 2)
        moments = self.moments(every)
        written, local_days = self.written(moments, every, day_format, parts)
        names = self.chance.sample(NAMES, self.pick("series", 1, 1, 2, 3, 5))
        may_turn = form in {"csv", "excel"} and every is None and parts == 1 and len(moments) > 7
        layout = self.pick("layout", "wide", "wide", "long", *(["turned"] if may_turn else []))
        header = self.pick("header", True, True, True, False) if form == "csv" and layout == "wide" else True
        numbers = {name: self.numbers(len(moments)) for name in names}
        values: dict[tuple[str, date], list[float]] = defaultdict(list)
        columns = (["Year", "Month", "Day"] if parts == 3 else ["Date", "Time"])[:parts]
        if parts == 1:
            columns = [self.pick("day_name", "Date", "day", "timestamp", "Datum", "period_start")]
        style = self.style(form)
        rows: list[list[Any]] = []
        word = self.pick("null", "", "", "N/A", "-", "null", "NaN", "n/a", ".")
        index = self.pick("index_column", False, False, True) and layout == "wide" and header
        note = self.pick("text_column", False, False, True) and header
        for place in range(len(moments)):
            extra = [place + 1] if index else []
            tail = [self.chance.choice(("ok", "est", "prov"))] if note else []
            cells = [numbers[name][place] for name in names]
            if layout != "long":
                rows.append([*extra, *written[place], *[style(cell, word) for cell in cells], *tail])
            else:
                rows += [
                    [*written[place], name, style(cell, word), *tail] for name, cell in zip(names, cells, strict=True)
                ]
            for name, cell in zip(names, cells, strict=True):
                if cell is not None:
                    values[name, local_days[place]].append(cell)
        head = [
            *(["nr"] if index else []),
            *columns,
            *(names if layout == "wide" else ["meter", "reading"]),
            *(["quality"] if note else []),
        ]
        if layout == "turned":
            head = ["meter", *(day for (day,) in written)]
            rows = [[name, *(style(cell, word) for cell in numbers[name])] for name in names]
        if layout == "long" and len(names) == 1:
            # The column that names the series says the same in each row.
            values = {("reading", day): cells for (_, day), cells in values.items()}
        if not header:
            offset = parts + 1
            values = {(f"field{names.index(name) + offset}", day): cells for (name, day), cells in values.items()}
        year_first = day_format.startswith(("%Y", "%y")) or parts == 3
        order = self.pick("order", "oldest", "oldest", "newest", *(["shuffled"] if year_first else []))
        order = "oldest" if layout == "turned" else order
        if order == "newest":
            rows.reverse()
        if order == "shuffled":
            self.chance.shuffle(rows)
        if index and layout == "wide":
            for place, row in enumerate(rows):
                row[0] = place + 1
        content = getattr(self, f"as_{form}")(head, rows, header)
        return RandomDocument(content, dict(values), self.told)

    def moments(self, every: int | None) -> list[datetime]:
        """On UTC's clock for rows within a day, the days else."""
        start = datetime(2000, 1, 1) + timedelta(days=self.chance.randrange(9000))  # noqa: DTZ001 # a clock
        if every is not None:
            days = self.pick("days", 3, 5, 12, 30) if every >= 60 else 3
            return [start + timedelta(minutes=every * place) for place in range(days * 1440 // every)]
        rhythm = self.pick("rhythm", "daily", "daily", "business", "weekly", "gaps")
        days = self.pick("days", 5, 12, 40, 90, 200)
        found = [start + timedelta(days=place * (7 if rhythm == "weekly" else 1)) for place in range(days)]
        if rhythm == "business":
            found = [day for day in found if day.weekday() < 5]
        kept = [day for day in found if rhythm != "gaps" or self.chance.random() > 0.1]
        return kept if len(kept) > 3 else found

    def written(
        self, moments: list[datetime], every: int | None, day_format: str, parts: int
    ) -> tuple[list[list[str]], list[date]]:
        if every is None:
            if parts == 3:
                padded = self.pick("padded", True, False)
                texts = [
                    [str(each.year), *(f"{n:02}" if padded else str(n) for n in (each.month, each.day))]
                    for each in moments
                ]
                return texts, [each.date() for each in moments]
            midnight = (
                self.pick("midnight", "", "", " 00:00:00", "T00:00:00Z", " 00:00") if day_format != "%Y-%j" else ""
            )
            return [[each.strftime(day_format) + midnight] for each in moments], [each.date() for each in moments]
        zone = self.pick("zone", "none", "Z", "+01:00", "Europe/Berlin", "America/New_York")
        clock = self.pick("clock", "%H:%M", "%H:%M:%S", "%I:%M %p") if zone == "none" else "%H:%M:%S"
        between = "T" if zone != "none" else " "
        if zone == "none":
            self.told["zone_days"] = "text"
        of_zone = {"none": UTC, "Z": UTC}.get(zone) or (
            ZoneInfo(zone) if "/" in zone else datetime.fromisoformat(f"2000-01-01T00:00{zone}").tzinfo
        )
        local = [each.replace(tzinfo=UTC).astimezone(of_zone) for each in moments]
        texts = []
        for each in local:
            offset = (
                ""
                if zone == "none"
                else "Z"
                if zone == "Z"
                else each.strftime("%z")[:3] + ":" + each.strftime("%z")[3:]
            )
            day, time = each.strftime(day_format), each.strftime(clock) + offset
            texts.append([day, time] if parts == 2 else [day + between + time])
        return texts, [each.date() for each in local]

    def numbers(self, count: int) -> list[float | None]:
        kind = self.chance.choice(("small", "large", "decimals", "three", "negative"))
        missing = self.chance.choice((0.0, 0.0, 0.05))
        make = {
            "small": lambda: float(self.chance.randrange(0, 900)),
            "large": lambda: float(self.chance.randrange(800, 9_000_000)),
            "decimals": lambda: round(self.chance.uniform(0, 5000), 2),
            "three": lambda: round(self.chance.uniform(1, 900), 3),
            "negative": lambda: round(self.chance.gauss(0, 50), 1),
        }[kind]
        return [None if self.chance.random() < missing else make() for _ in range(count)]

    def style(self, form: str) -> Any:
        if (form in {"json", "jsonl", "parquet", "excel"} and self.pick("native", True, True, False)) or form in {
            "parquet",
            "excel",
        }:
            return lambda cell, word: cell
        mark, group = self.pick(
            "numbers", (".", ""), (".", ""), (",", ""), (".", ","), (",", "."), (",", " "), (".", " "), (".", "'")
        )
        three = self.pick("fixed_decimals", False, False, True)

        def write(cell: float | None, word: str) -> str:
            if cell is None:
                return word
            text = f"{cell:,.3f}" if three else f"{cell:,.0f}" if cell == int(cell) else f"{cell:,}"
            return text.replace(",", "\0").replace(".", mark).replace("\0", group)

        return write

    def as_csv(self, head: list[str], rows: list[list[Any]], header: bool) -> bytes:
        delimiter = self.pick("delimiter", ",", ",", ";", "\t", "|")
        end = self.pick("line_end", "\n", "\r\n")
        quoting = self.pick("quoting", csv.QUOTE_MINIMAL, csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC)
        behind = [""] if header and self.pick("last_delimiter", False, False, False, True) else []
        text = io.StringIO()
        writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerows([[*row, *behind] for row in ([head] if header else []) + rows])
        before = self.pick(
            "before", "", "", "", "Daily report\n\n", "# made by hand\n# unit: MWh\n", "Source: us\nUnit: GWh\n"
        )
        after = self.pick("after", "", "", "", f"Total{delimiter}12{end}", f"Source: operator{end}")
        encoding = self.pick("encoding", "utf-8", "utf-8", "utf-8-sig", "windows-1252", "iso-8859-1", "utf-16")
        return (before.replace("\n", end) + text.getvalue() + after).encode(encoding)

    def as_json(self, head: list[str], rows: list[list[Any]], header: bool) -> bytes:
        records = [dict(zip(head, row, strict=True)) for row in rows]
        path = self.pick("records", "", "records", "data", "result.records", "a-b.items")
        document: Any = records
        orient = self.pick("orient", "records", "records", "list", "index", "columns")
        keys = [record[head[0]] for record in records]
        if orient == "list":
            document = {name: [record[name] for record in records] for name in head}
        elif orient != "records" and len(set(keys)) == len(keys) and self.told["layout"] == "wide" and head[0] != "nr":
            rest = [{name: cell for name, cell in record.items() if name != head[0]} for record in records]
            document = dict(zip(keys, rest, strict=True))
            if orient == "columns":
                document = {name: {key: row[name] for key, row in document.items()} for name in head[1:]}
        for key in reversed(path.split(".") if path else []):
            document = {"count": len(records), key: document}
        return json.dumps(document, ensure_ascii=self.pick("escaped", True, False)).encode()

    def as_jsonl(self, head: list[str], rows: list[list[Any]], header: bool) -> bytes:
        return "\n".join(json.dumps(dict(zip(head, row, strict=True))) for row in rows).encode()

    def as_parquet(self, head: list[str], rows: list[list[Any]], header: bool) -> bytes:
        content = io.BytesIO()
        pd.DataFrame(rows, columns=head).to_parquet(content)
        return content.getvalue()

    def as_excel(self, head: list[str], rows: list[list[Any]], header: bool) -> bytes:
        before: list[list[Any]] = self.pick("before", [], [], [["Daily report"]])
        return workbook([*before, head, *rows])


@dataclass(frozen=True)
class Outcome:
    """What came of a document.

    Attributes:
        kind: `same`; `in part`: some values are refused or left out in words; `choose`; `refused`; `WRONG`; `LOST`.
        detail: an example.
    """

    kind: str
    detail: str = ""


def proposed(document: RandomDocument) -> Proposal:
    """What an inspection proposes."""
    words = {"url": "file:///feed"}
    return propose(document.content, content_type=None, source_words=words, source="feed", fetched_at=NOW)


def inspected(document: RandomDocument) -> Outcome:
    """What an inspection and a load by its description make of a document."""
    try:
        proposal = proposed(document)
    except NoLayoutError as error:
        return Outcome("refused", str(error))
    try:
        description = parse_description(proposal.yaml, "feed.yaml")
    except FeedDescriptionError as error:
        return Outcome("choose", str(error)) if proposal.choices else Outcome("WRONG", f"{error}\n{proposal.yaml}")
    try:
        loaded = read_document(
            document.content,
            description=description,
            content_type=None,
            source="feed",
            fetched_at=NOW,
            period=EVERY_DAY,
        )
    except FeedDocumentError as error:
        return Outcome("refused", str(error))
    found = {(name, day.date()): y for name, day, y in loaded.observations.itertuples(index=False)}
    expected = {key: _of_day(cells, proposal) for key, cells in document.values.items()}
    for key, y in found.items():
        if key not in expected:
            return Outcome("WRONG", f"{key} was never written, found {y}")
        if abs(y - expected[key]) > 1e-6 * max(1.0, abs(expected[key])):
            return Outcome("WRONG", f"{key} is {expected[key]}, found {y}")
    told = {
        (name, day.date()) for name, day in loaded.quarantined[["unique_id", "ds"]].dropna().itertuples(index=False)
    }
    told |= set(loaded.unpublished)
    left_out = set(proposal.left_out)
    silent = [key for key in expected if key not in found and key not in told and key[0] not in left_out]
    if silent and loaded.refusals.refused_rows < len({day for _, day in silent}):
        return Outcome("LOST", f"{len(silent)} of {len(expected)} values, such as {silent[0]}")
    return Outcome("same" if len(found) == len(expected) else "in part", str(loaded.refusals))


def _of_day(cells: list[float], proposal: Proposal) -> float:
    aggregate = proposal.description.aggregate
    if aggregate is None or aggregate.method == "sum":
        return sum(cells)
    return sum(cells) / len(cells)


def main() -> None:
    """Play many."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--show", default="WRONG,LOST,crashed")
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    if options.seed is not None:
        document = random_document(options.seed)
        print(document.told, document.content[:1500], sep="\n")  # noqa: T201
        print(inspected(document))  # noqa: T201
        print(proposed(document).yaml)  # noqa: T201
        return
    kinds: Counter[str] = Counter()
    for seed in range(options.first, options.first + options.count):
        document = random_document(seed)
        try:
            outcome = inspected(document)
        except Exception as error:  # noqa: BLE001 # a crash is an outcome
            outcome = Outcome("crashed", repr(error))
        kinds[outcome.kind] += 1
        if outcome.kind in options.show.split(","):
            print(seed, outcome.kind, outcome.detail[:300], document.told, flush=True)  # noqa: T201
    print(dict(kinds))  # noqa: T201


if __name__ == "__main__":
    main()
