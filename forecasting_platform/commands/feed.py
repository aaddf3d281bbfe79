"""`feed`: look at a document and propose its description; load by a description without storing anything."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecasting_platform.commands.terminal.options import json_option
from forecasting_platform.commands.terminal.output import print_json, print_rows
from forecasting_platform.commands.terminal.sparkline import sparkline
from forecasting_platform.errors import ConfigurationError
from forecasting_platform.forecasting.series.days.date_range import DateRange

if TYPE_CHECKING:
    from forecasting_platform.adapters.feeds.inspection.dry_load import DryLoad
    from forecasting_platform.adapters.feeds.inspection.proposal import Proposal
    from forecasting_platform.feed_description.description import FeedDescription
    from forecasting_platform.ports.observation_feed import FeedDocument

PREVIEWED_DAYS = 5
_ASKED_DAYS = 400
"""Of a feed whose URL names the days asked for."""
_SHOWN_SERIES, _SHOWN_MONTHS, _SHOWN_REFUSED = 8, 24, 10


@click.group(epilog="Example: forecasting-platform feed inspect https://host/gas.csv --write gas.yaml")
def feed() -> None:
    """Propose the description of a feed, and check one, without storing anything."""


@feed.command(epilog="Example: forecasting-platform feed inspect https://host/gas.csv --write gas.yaml")
@click.argument("url")
@click.option("--write", "file", type=click.Path(path_type=Path, dir_okay=False), help="File for the description.")
@click.option("--header", "headers", multiple=True, help="Header of the request, as 'x-key: ${KEY}'; may be repeated.")
@click.option("--member", help="The file meant, where a zip holds more than one.")
@json_option
def inspect(url: str, file: Path | None, headers: tuple[str, ...], member: str | None, as_json: bool) -> None:
    """Look at the document at a URL or path, and propose its description."""
    if file is not None and file.exists():
        raise ConfigurationError("--write", f"names {file}, which is there already; name another file or move it")
    proposal = _proposal(url, headers, member)
    if file is not None:
        file.write_text(proposal.yaml, encoding="utf-8")
    if as_json:
        print_json(_proposal_document(proposal))
        return
    _print_proposal(proposal)
    if file is None:
        click.echo(f"\n{proposal.yaml}")
    else:
        click.echo(f"\nwritten to {file}; next: forecasting-platform feed check {file}")


@feed.command(epilog="Example: forecasting-platform feed check gas.yaml")
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> None:
    """Load by a description without storing anything: counts by month, what is refused, which days are missing."""
    from forecasting_platform.adapters.feeds.inspection.dry_load import dry_load
    from forecasting_platform.feed_description.file import read_description
    from forecasting_platform.feed_wiring import described_feed
    from forecasting_platform.settings import Settings

    description = read_description(file)
    settings = Settings().model_copy(update={"feed_archive": None})
    document = described_feed(description, settings).fetch(_asked(description))
    load = dry_load(document, description)
    if as_json:
        print_json(_load_document(load, document))
        return
    _print_load(load, document)


def _asked(description: "FeedDescription") -> DateRange:
    """All days; of a feed whose URL names the days asked for, those of the last year."""
    from forecasting_platform.adapters.feeds.inspection.proposal import EVERY_DAY

    if "{start}" not in description.source.url:
        return EVERY_DAY
    today = datetime.now(UTC).date()
    return DateRange(today - timedelta(days=_ASKED_DAYS), today)


def _proposal(url: str, headers: Iterable[str], member: str | None) -> "Proposal":
    from forecasting_platform.adapters.feeds.inspection.proposal import propose
    from forecasting_platform.feed_description.description import FeedDescription
    from forecasting_platform.feed_wiring import described_feed
    from forecasting_platform.settings import Settings

    address = url if "://" in url else Path(url).resolve().as_uri()
    source: dict[str, Any] = {"url": address}
    if sent := dict(_header(each) for each in headers):
        source["headers"] = sent
    if member:
        source["member"] = member
    description = FeedDescription.model_validate({"source": source})
    settings = Settings().model_copy(update={"feed_archive": None})
    raw = described_feed(description, settings).raw_document(_asked(description))
    return propose(
        raw.content, content_type=raw.content_type, source_words=source, source=raw.source, fetched_at=raw.fetched_at
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise click.UsageError(f"--header {text!r} is no header; write it as 'name: value'")
    return name.strip(), value.strip()


def _proposal_document(proposal: "Proposal") -> dict[str, Any]:
    return {
        "description": proposal.description.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "yaml": proposal.yaml,
        "found": [{"what": each.what, "found": each.value, "seen": each.seen} for each in proposal.found],
        "not_sure": [{"at": each.at, "why": each.why, "choices": list(each.choices)} for each in proposal.doubts],
        "left_out": dict(proposal.left_out),
        "preview": _preview(proposal.document),
        "refused": _refused(proposal.document),
        "missing_days": len(proposal.due.missing),
    }


def _print_proposal(proposal: "Proposal") -> None:
    rows = [{"what": each.what, "found": each.value, "seen by": each.seen} for each in proposal.found]
    print_rows(rows, title="found")
    if proposal.doubts:
        doubts = [
            {"about": each.at, "not sure": each.why, "choose": " or ".join(each.choices)} for each in proposal.doubts
        ]
        print_rows(doubts, title="not sure")
    print_rows(_preview(proposal.document), title=f"the newest {PREVIEWED_DAYS} days")
    print_rows(_lines(proposal.document), title="series")
    if refused := _refused(proposal.document):
        print_rows(refused, title="would be refused")
    if proposal.choices:
        words = ", ".join(each.at for each in proposal.choices)
        click.echo(f"\nThe document does not decide {words}: choose in the file, or nothing is loaded by it.")


def _preview(document: "FeedDocument") -> list[dict[str, Any]]:
    """The newest days, one column a series."""
    wide = document.observations.pivot(index="ds", columns="unique_id", values="y").tail(PREVIEWED_DAYS)
    shown = [str(name) for name in wide.columns[:_SHOWN_SERIES]]
    return [{"day": f"{day:%Y-%m-%d}", **{name: _number(row[name]) for name in shown}} for day, row in wide.iterrows()]


def _number(value: float) -> float | None:
    return None if value != value else float(value)


def _lines(document: "FeedDocument") -> list[dict[str, Any]]:
    series = document.observations.groupby("unique_id", sort=True)
    return [
        {
            "series": str(name),
            "values": len(rows),
            "first": f"{rows['ds'].min():%Y-%m-%d}",
            "last": f"{rows['ds'].max():%Y-%m-%d}",
            "from … to": f"{rows['y'].min():,.6g} … {rows['y'].max():,.6g}",
            "over time": sparkline(rows["y"].to_list()),
        }
        for name, rows in list(series)[: 3 * _SHOWN_SERIES]
    ]


def _refused(document: "FeedDocument") -> list[dict[str, Any]]:
    return [
        {"row": each.row, "series": each.unique_id, "written": each.raw[:60], "reason": each.reason}
        for each in document.refusals.examples[:_SHOWN_REFUSED]
    ]


def _reasons(document: "FeedDocument") -> dict[str, int]:
    """How often what was refused was refused for each reason, the commonest first."""
    return {str(reason): int(count) for reason, count in document.quarantined["reason"].value_counts().items()}


def _load_document(load: "DryLoad", document: "FeedDocument") -> dict[str, Any]:
    return {
        "values": load.values,
        "series": len(load.series),
        "refused": load.refused,
        "first": load.days.start if load.days else None,
        "last": load.days.end if load.days else None,
        "missing_days": len(load.missing),
        "missing": list(load.missing),
        "months": load.months,
        "by_series": [
            {
                "unique_id": each.unique_id,
                "values": each.values,
                "first": each.days.start,
                "last": each.days.end,
                "missing_days": len(each.missing),
            }
            for each in load.series
        ],
        "unpublished": len(document.unpublished),
        "reasons": _reasons(document),
        "examples": _refused(document),
    }


def _print_load(load: "DryLoad", document: "FeedDocument") -> None:
    months = list(load.months.items())
    rows = [{"month": month, "series": len(counts), "values": sum(counts.values())} for month, counts in months]
    print_rows(
        rows[-_SHOWN_MONTHS:], title=f"values by month, the newest {min(_SHOWN_MONTHS, len(rows))} of {len(rows)}"
    )
    series = [
        {
            "series": each.unique_id,
            "values": each.values,
            "first": str(each.days.start),
            "last": str(each.days.end),
            "missing days": len(each.missing),
        }
        for each in load.series
    ]
    print_rows(series, title="series")
    if refused := _refused(document):
        print_rows(
            [{"refused": reason, "times": count} for reason, count in _reasons(document).items()][:_SHOWN_REFUSED]
        )
        print_rows(refused, title="such as")
    missing = ", ".join(str(day) for day in load.missing[:_SHOWN_REFUSED])
    more = f" and {len(load.missing) - _SHOWN_REFUSED} more" if len(load.missing) > _SHOWN_REFUSED else ""
    click.echo(
        f"{load.values:,} values in {len(load.series)} series, {load.days or 'of no day'}; {load.refused} refused; "
        f"{len(load.missing)} due days without a value{f': {missing}{more}' if missing else ''}. Nothing was stored."
    )
