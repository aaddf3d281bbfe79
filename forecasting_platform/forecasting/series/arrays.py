"""The types of NumPy arrays that the forecasting packages share."""

import numpy as np
import numpy.typing as npt

Days = npt.NDArray[np.datetime64]
"""Dates with the unit of a day."""
Floats = npt.NDArray[np.float64]
