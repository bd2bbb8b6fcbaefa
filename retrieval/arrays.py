"""Arrays in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def mapped(path: Path) -> NDArray[Any]:
    """Map the array of a file, as a plain one: a single value of numpy's `memmap` takes ten times as long to get.

    Raises OSError or ValueError where it is missing or damaged.
    """
    array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    return array
