"""Everything that the author of a candidate imports; docs/your-own-candidate.md shows a whole example.

A package adds candidates by the entry points `forecasting_platform.candidates`; `candidate_contract` tests them.
"""

from forecasting_platform.forecasting.models.candidates.candidate import (
    LEVEL,
    NAMED_PARTS,
    Candidate,
    FittedCandidate,
    Positions,
    Task,
    named_parts,
)
from forecasting_platform.forecasting.models.candidates.pooled.onnx import FittedOnnx, OnnxCandidate
from forecasting_platform.forecasting.models.candidates.pooled.pooled import FittedPooled, PooledCandidate
from forecasting_platform.forecasting.models.candidates.pooled.pooled_columns import POOLED_NAMES
from forecasting_platform.forecasting.models.candidates.registry import GROUP, register_candidate
from forecasting_platform.forecasting.models.steps_ahead import trained_step
from forecasting_platform.forecasting.series.arrays import Floats
from forecasting_platform.forecasting.series.features.history import MAX_WINDOW_DAYS
from forecasting_platform.forecasting.series.features.input_blocks import InputBlock
from forecasting_platform.forecasting.series.features.inputs import INPUT_NAMES, ModelInputs
from forecasting_platform.forecasting.series.features.panel import Panel
from forecasting_platform.forecasting.series.frames import FEATURE_NAMES

__all__ = [
    "FEATURE_NAMES",
    "GROUP",
    "INPUT_NAMES",
    "LEVEL",
    "MAX_WINDOW_DAYS",
    "NAMED_PARTS",
    "POOLED_NAMES",
    "Candidate",
    "FittedCandidate",
    "FittedOnnx",
    "FittedPooled",
    "Floats",
    "InputBlock",
    "ModelInputs",
    "OnnxCandidate",
    "Panel",
    "PooledCandidate",
    "Positions",
    "Task",
    "named_parts",
    "register_candidate",
    "trained_step",
]
