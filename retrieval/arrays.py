"""Arrays: the kinds we speak of, unit vectors, and arrays in files."""

from __future__ import annotations

import tokenize
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]  # one `(dimensions,)` or several `(n, dimensions)`
Tokens = NDArray[np.int64]  # word pieces or their mask `(texts, longest)`


def unit(vectors: Vectors) -> Vectors:
    """Return vectors at length one; a vector of zeros stays one."""
    scaled: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
    return scaled


def mapped(path: Path) -> NDArray[Any]:
    """Map the array of a file, as a plain one: a single value of numpy's `memmap` takes ten times as long to get.

    Raises OSError or ValueError where it is missing or damaged.
    """
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="r").view(np.ndarray)
    except (EOFError, tokenize.TokenError) as error:  # of a file that was emptied, of a head that was garbled
        raise ValueError(f"{path.name} holds no array ({error})") from error
    return array


def mapped_bytes(path: Path) -> NDArray[np.uint8]:
    """Map the bytes of a file; one of nothing cannot be mapped. Raises OSError where it is missing."""
    if not path.stat().st_size:
        return np.empty(0, np.uint8)
    return np.memmap(path, np.uint8, mode="r").view(np.ndarray)


class Sparse(NamedTuple):
    """A sparse vector: its dimensions in ascending order, and the value of each."""

    indices: list[int]
    values: list[float]
