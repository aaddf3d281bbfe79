"""What one check found, series by series: what incidents of series are made of (`causes`)."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta

MAX_TOLD = 20
"""So many series are told with words; of the others the day is kept."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found in one series: since which day, and in a few words."""

    since: date
    said: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a check found.

    Attributes:
        judged: how many series could be judged.
        bad: what was found, by series, the worst first.
        unknown: series that could not be judged: what was found before still holds.
    """

    judged: int
    bad: Mapping[str, Finding]
    unknown: frozenset[str] = frozenset()

    def to_json(self) -> str:
        """As a check's metadata holds it.

        >>> Findings.from_json(Findings(2, {"a": Finding(date(2023, 7, 1), "fell")}, frozenset("b")).to_json()).judged
        2
        """
        bad = [
            [name, found.since.isoformat(), found.said if at < MAX_TOLD else ""]
            for at, (name, found) in enumerate(self.bad.items())
        ]
        return json.dumps({"judged": self.judged, "bad": bad, "unknown": sorted(self.unknown)})

    @classmethod
    def from_json(cls, text: str) -> "Findings":
        """The inverse of `to_json`."""
        stored = json.loads(text)
        bad = {name: Finding(date.fromisoformat(since), said) for name, since, said in stored["bad"]}
        return cls(stored["judged"], bad, frozenset(stored["unknown"]))


def silent_since(last_days: Iterable[tuple[str, date]], said: str) -> dict[str, Finding]:
    """Findings in series that have no value after a day.

    >>> silent_since([("a", date(2023, 7, 1))], "has ended")
    {'a': Finding(since=datetime.date(2023, 7, 2), said='has ended: its last value is of 2023-07-01')}
    """
    return {name: Finding(last + timedelta(days=1), f"{said}: its last value is of {last}") for name, last in last_days}
