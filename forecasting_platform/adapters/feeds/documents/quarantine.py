"""Collects the rows and values of a document that cannot be used, each with its reason, in the order found."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from forecasting_platform.errors import FeedDocumentError
from forecasting_platform.forecasting.series.quality.limits import storable_text
from forecasting_platform.forecasting.series.quality.refusals import Refused, varied_examples

RAW_CHARACTERS_KEPT = 1000
MAX_REFUSED = 500_000
"""Rows and values refused one by one; of a document with more nothing can be meant."""
MEND = "Correct the feed's description (`feed inspect` proposes one), or have the publisher mend the document."


@dataclass(slots=True)
class Quarantine:
    """Refused rows and values of a document."""

    source: str
    refused: list[Refused] = field(default_factory=list)
    days: list[date | None] = field(default_factory=list)

    def add(self, row: int, reason: str, raw: str, unique_id: str | None = None, day: date | None = None) -> None:
        """Refuse one thing; see `Refused`.

        Raises:
            FeedDocumentError: it is the one too many.
        """
        if len(self.refused) == MAX_REFUSED:
            such_as = "; ".join(map(str, varied_examples(self.refused)))
            problem = f"more than {MAX_REFUSED:,} of its rows and values cannot be used, such as {such_as}"
            raise FeedDocumentError(self.source, problem, MEND)
        kept = storable_text(raw[:RAW_CHARACTERS_KEPT])[:RAW_CHARACTERS_KEPT]
        self.refused.append(Refused(row, kept, reason, unique_id))
        self.days.append(day)

    def frame(self) -> pd.DataFrame:
        """`unique_id`, `ds`, `reason`, `raw`, one row each."""
        rows = [(each.unique_id, each.reason, each.raw) for each in self.refused]
        quarantined = pd.DataFrame(rows, columns=["unique_id", "reason", "raw"], dtype="object")
        quarantined.insert(1, "ds", day_column(self.days))
        return quarantined


def day_column(days: Iterable[date | None]) -> pd.Series:
    """Days as a frame has them."""
    return pd.Series(np.array(list(days), dtype="datetime64[D]").astype("datetime64[ns]"))
