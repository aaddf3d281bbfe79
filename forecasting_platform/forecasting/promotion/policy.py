"""The thresholds of a promotion: one versioned file, and the checksum that decisions record."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any, Self

FILE = "policy.toml"


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """What a promotion takes; `policy.toml` says what each number means."""

    version: int
    recipe_alpha: float
    shadow_alpha: float
    least_gain: float
    bootstrap_level: float
    worse_alpha: float
    season_cutoffs: int
    refresh_after_days: int
    least_coverage_80: float
    most_coverage_80: float
    most_loss_to_naive: float
    most_load_seconds: float
    most_megabytes: float
    tripwire_rmse_to_naive: float
    tripwire_coverage_95: float
    most_automatic_rollbacks: int
    cool_down_days: int
    sha256: str = ""

    @classmethod
    def packaged(cls) -> Self:
        """The policy this version of the platform comes with."""
        content = (files(__package__) / FILE).read_bytes()
        return cls(**tomllib.loads(content.decode()), sha256=hashlib.sha256(content).hexdigest())

    @classmethod
    def recorded(cls, policy: Mapping[str, Any]) -> Self:
        """The policy that a decision recorded."""
        return cls(**policy)

    def record(self) -> dict[str, Any]:
        """What a decision records."""
        return asdict(self)
