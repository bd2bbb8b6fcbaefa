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


def mapped_bytes(path: Path) -> NDArray[np.uint8]:
    """Map the bytes of a file; one of nothing cannot be mapped. Raises OSError where it is missing."""
    if not path.stat().st_size:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r").view(np.ndarray)
