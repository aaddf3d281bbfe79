"""One cause, one incident: checks that fail for the same series and days are one incident, the others its evidence.

An incident of a series is opened by the first check that finds something in it. What other checks find there, if it
begins within four weeks, joins it without a word; the incident ends when no check finds anything any more. Of many
series that move within one week there is one incident. Something that begins later in a series is an incident of its
own. Pure; how incidents go on is in `incidents`.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta

import numpy as np

from forecasting_platform.forecasting.monitoring.control.shared_budget import find_moved_together, how_many_are_many
from forecasting_platform.forecasting.monitoring.findings import Finding, Findings
from forecasting_platform.forecasting.monitoring.incidents import Alert, Severity
from forecasting_platform.forecasting.monitoring.next_steps import with_next_step

SERIES, MANY_SERIES = "series", "many_series"
"""First parts of the fingerprints of such incidents; the name of the series, or the first day, follows."""
SAME_CAUSE = timedelta(days=28)
MAX_NAMED = 5

LIKELIEST_FIRST = (
    "observations_are_plausible",
    "newest_values_are_complete",
    "every_series_goes_on",
    "actuals_are_complete",
    "feature_table_matches_reference",
    "actuals_match_earlier_years",
    "observations_meet_expectations",
    "forecast_bias_within_budget",
    "forecasts_are_stable",
    "forecast_rmse_within_budget",
    "forecast_coverage_within_budget",
    "forecasts_beat_naive",
)
"""Checks, what is wrong with values before what follows for forecasts."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where findings come from: the check's fingerprint, and what its incidents would have shown."""

    check: str
    severity: str
    owner: str | None = None
    runbook: str | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What checks have found of one cause.

    Attributes:
        begin: the first day of what was found when the incident opened.
        found: by check and series: since which day, and in words.
        sources: by check.
        seen: the number of the newest result that was taken in, by check.
    """

    begin: date
    found: Mapping[str, Mapping[str, Finding]]
    sources: Mapping[str, Source]
    seen: Mapping[str, int]

    @property
    def series(self) -> list[str]:
        """All series, in the order in which they were found."""
        return list(dict.fromkeys(name for of in self.found.values() for name in of))

    @property
    def leading(self) -> Source:
        """Of the check that is nearest to the cause."""
        return self.sources[min(self.found, key=_likeliness)]

    @property
    def severity(self) -> Severity:
        """`error` where the finding of a check is one."""
        return "error" if any(self.sources[check].severity == "error" for check in self.found) else "warning"

    def explains(self, check: str, name: str, finding: Finding) -> bool:
        """Whether a finding is of this cause: it is known already, or begins soon after the incident's begin."""
        if name not in self.series:
            return False
        return name in self.found.get(check, {}) or finding.since <= self.begin + SAME_CAUSE

    def after(self, source: Source, event_id: int, findings: Findings) -> "Evidence":
        """With what a check has found now in the place of what it had found before."""
        before = self.found.get(source.check, {})
        still = {name: found for name, found in before.items() if name in findings.unknown}
        own = still | {name: found for name, found in findings.bad.items() if self.explains(source.check, name, found)}
        found = {check: of for check, of in self.found.items() if check != source.check}
        return replace(
            self,
            found=found | ({source.check: own} if own else {}),
            sources={**self.sources, source.check: source},
            seen={**self.seen, source.check: event_id},
        )

    def describe(self) -> str:
        """The likeliest cause first, then the other checks as its evidence, then what to do."""
        leading, names = self.leading.check, self.series
        if len(names) == 1:
            found = self.found[leading][names[0]]
            said = f"{names[0]}: {found.said or _name(leading)} (since {found.since})"
        else:
            told = "; ".join(
                f"{name}: {of.said}" for name, of in list(self.found[leading].items())[:MAX_NAMED] if of.said
            )
            said = f"{len(names)} series moved within a week from {self.begin}: {told or ', '.join(names[:MAX_NAMED])}"
            said += "; look for one cause first"
        others = [
            f"{_name(check)} (since {min(found.since for found in of.values())})"
            for check, of in sorted(self.found.items(), key=lambda each: _likeliness(each[0]))
            if check != leading
        ]
        return with_next_step(said + (f"; evidence: {', '.join(others)}" if others else ""), leading)

    def to_json(self) -> str:
        """As the ledger keeps it."""
        found = {
            check: [[name, of.since.isoformat(), of.said] for name, of in by.items()]
            for check, by in self.found.items()
        }
        sources = [asdict(source) for source in self.sources.values()]
        return json.dumps({"begin": self.begin.isoformat(), "found": found, "sources": sources, "seen": self.seen})

    @classmethod
    def from_json(cls, text: str) -> "Evidence":
        """The inverse of `to_json`."""
        stored = json.loads(text)
        found = {
            check: {name: Finding(date.fromisoformat(since), said) for name, since, said in of}
            for check, of in stored["found"].items()
        }
        sources = {source["check"]: Source(**source) for source in stored["sources"]}
        return cls(date.fromisoformat(stored["begin"]), found, sources, stored["seen"])


def new_causes(
    source: Source, event_id: int, bad: Mapping[str, Finding], judged: int, taken: Iterable[str]
) -> Iterator[tuple[str, Evidence]]:
    """The incidents that findings open, with their fingerprints: one of many series that moved within a week, one of
    each other series.

    Args:
        bad: findings that no open incident explains.
        judged: how many series the check has judged.
        taken: fingerprints of open incidents.
    """
    open_now = set(taken)
    together = _moved_together(bad, judged)
    for names in ([together] if together else []) + [[name] for name in bad if name not in set(together)]:
        found = {name: bad[name] for name in names}
        begin = min(of.since for of in found.values())
        fingerprint = f"{MANY_SERIES}:{begin}" if len(names) > 1 else f"{SERIES}:{names[0]}"
        if fingerprint in open_now:  # something else is wrong with it, which began long before
            fingerprint = f"{fingerprint}:{begin}"
        yield fingerprint, Evidence(begin, {source.check: found}, {source.check: source}, {source.check: event_id})


def _moved_together(bad: Mapping[str, Finding], judged: int) -> list[str]:
    """The series of the week in which most of them moved; none where they are few."""
    begins = np.array([of.since for of in bad.values()], dtype="datetime64[D]")
    paging = np.ones(len(begins), dtype=bool)
    together = find_moved_together(paging, begins, how_many_are_many(judged))
    return [name for name, moved in zip(bad, together.tolist(), strict=True) if moved]


def _likeliness(check: str) -> int:
    name = _name(check)
    return LIKELIEST_FIRST.index(name) if name in LIKELIEST_FIRST else len(LIKELIEST_FIRST)


def _name(check: str) -> str:
    return check.partition(":")[2]


def checks_of(evidence: str | None) -> Sequence[str]:
    """The fingerprints of the checks that an incident's evidence comes from; none of an incident of another kind."""
    return list(json.loads(evidence)["found"]) if evidence else ()


def is_about(alert: Alert, unique_id: str) -> bool:
    """Whether an incident is of a series alone, or of many of which it is one while the incident lasts."""
    own = f"{SERIES}:{unique_id}"
    if alert.fingerprint == own or re.fullmatch(re.escape(own) + r":\d{4}-\d\d-\d\d", alert.fingerprint):
        return True
    found = json.loads(alert.evidence)["found"] if alert.evidence else {}
    return any(name == unique_id for of in found.values() for name, *_ in of)


def newest_seen(evidence: Iterable[str | None]) -> dict[str, int]:
    """The number of the newest result of each check that any incident of series has taken in."""
    newest: dict[str, int] = {}
    for text in evidence:
        for check, event_id in (json.loads(text)["seen"] if text else {}).items():
            newest[check] = max(event_id, newest.get(check, -1))
    return newest
