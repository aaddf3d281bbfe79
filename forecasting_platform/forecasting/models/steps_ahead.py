"""Days ahead in groups, as errors are judged and shown. What is measured in them is elsewhere."""

import numpy as np
import numpy.typing as npt

STEP_BUCKETS = ("1-3", "4-7", "8+")


def bucket_of(step: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Positions in `STEP_BUCKETS`.

    >>> bucket_of(np.array([1, 3, 4, 7, 8, 60])).tolist()
    [0, 0, 1, 1, 2, 2]
    """
    return np.searchsorted([4, 8], step, side="right")
