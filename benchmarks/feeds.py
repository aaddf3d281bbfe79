"""Unknown documents: what `feed inspect` proposes for each, and what a load by it gives.

`make bench NAME=feeds DATA=<folder>` inspects every file below a folder, without a look at what it is; without a
folder, random documents of the tests, whose values are known. `description` is `alone` where the proposed file loads
as it is, or the words that a person has to choose, each one line. Seconds are of the processor, for inspection and
load.
"""

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.results_file import Aim, report
from forecasting_platform.adapters.feeds.inspection.notes import NoLayoutError
from forecasting_platform.adapters.feeds.inspection.proposal import propose
from forecasting_platform.adapters.feeds.raw_document import content_type_of, unpacked
from forecasting_platform.errors import FeedDocumentError
from forecasting_platform_tests.adapters.feeds.inspection.random_documents import inspected, random_document

FULL = os.environ.get("FULL", "1") != "0"
RANDOM_DOCUMENTS = 1000 if FULL else 50
MAX_BYTES = 1 << 30
MAX_EDITS = 2
_NO_DOCUMENTS = {".md", ".txt", ".yaml", ".yml"}


def files(folder: Path) -> Iterator[dict[str, Any]]:
    """A row a file."""
    for path in sorted(each for each in folder.rglob("*") if each.is_file() and each.suffix not in _NO_DOCUMENTS):
        began = time.process_time()
        found = _of_file(path, str(path.relative_to(folder)))
        yield {"file": str(path.relative_to(folder)), **found, "seconds": round(time.process_time() - began, 2)}


def _of_file(path: Path, name: str) -> dict[str, Any]:
    nothing = {"values": 0, "series": 0, "refused": 0, "no value yet": 0, "first": None, "last": None}
    try:
        proposal = propose(
            unpacked(path.read_bytes(), name, MAX_BYTES),
            content_type=content_type_of(path.name),
            source_words={"url": path.resolve().as_uri()},
            source=name,
            fetched_at=datetime.now(UTC),
        )
    except (NoLayoutError, FeedDocumentError) as error:
        return {"description": f"refused: {error.problem[:100]}", **nothing}
    document, choices = proposal.document, [doubt.at for doubt in proposal.choices]
    observations = document.observations
    return {
        "description": f"choose {', '.join(choices)}" if choices else "alone",
        "values": len(observations),
        "series": observations["unique_id"].nunique(),
        "refused": len(document.quarantined),
        "no value yet": len(document.unpublished),
        "first": f"{observations['ds'].min():%Y-%m-%d}",
        "last": f"{observations['ds'].max():%Y-%m-%d}",
    }


def random_outcomes() -> list[dict[str, Any]]:
    """How many random documents came out how."""
    outcomes = Counter(inspected(random_document(seed)).kind for seed in range(RANDOM_DOCUMENTS))
    return [{"outcome": kind, "documents": count} for kind, count in outcomes.most_common()]


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, help="folder of documents")
    folder = parser.parse_args().data
    if folder is not None:
        rows = list(files(folder))
        edits = max((row["description"].count(",") + 1 for row in rows if "choose" in row["description"]), default=0)
        aims = [Aim("lines to edit, at most", edits, f"<= {MAX_EDITS}", edits <= MAX_EDITS)]
    else:
        rows = random_outcomes()
        wrong = sum(row["documents"] for row in rows if row["outcome"] in {"WRONG", "LOST"})
        aims = [Aim("documents with a value wrong or lost without a word", wrong, "0", wrong == 0)]
    report("feeds", rows, aims)


if __name__ == "__main__":
    main()
