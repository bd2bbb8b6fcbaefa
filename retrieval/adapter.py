"""Low-rank adapters: what fine-tuning changes in an encoder, as one small file that is merged into the weights.

For each changed weight W `(out, in)` a file holds two half-precision matrices, `<weight>.a`
`(rank, in)` and `<weight>.b` `(out, rank)`; the merged weight is W + B A (Hu et al., 2021,
with the scale folded into B). A record beside it pins its hash and ten vectors it gave.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import EncoderError

SHIPPED = Path(__file__).parent / "adapter" / "adapter.safetensors"

LowRank = Mapping[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class Record:
    """What an adapter file must be and do: its sha256, and the vectors `(n, dimensions)` of some texts."""

    sha256: str
    texts: tuple[str, ...]
    vectors: NDArray[np.float32]


def record_path(adapter: Path) -> Path:
    return adapter.with_suffix(".json")


def write_record(adapter: Path, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Pin an adapter file and the vectors it gives."""
    data = {
        "sha256": hashlib.sha256(adapter.read_bytes()).hexdigest(),
        "texts": list(texts),
        "vectors": [[round(float(x), 6) for x in row] for row in vectors],
    }
    record_path(adapter).write_text(json.dumps(data) + "\n", encoding="utf-8")


def read_record(adapter: Path) -> Record:
    """Read the record beside an adapter. Raises EncoderError where it is missing or not a record."""
    try:
        data = json.loads(record_path(adapter).read_text(encoding="utf-8"))
        return Record(data["sha256"], tuple(data["texts"]), np.array(data["vectors"], dtype=np.float32))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(
            f"{record_path(adapter)} is not the record of an adapter ({error}); train it again"
        ) from error


def verified_sha256(adapter: Path) -> str:
    """Return the sha256 of an adapter file. Raises EncoderError where it is missing or not the recorded one."""
    wanted = read_record(adapter).sha256
    try:
        found = hashlib.sha256(adapter.read_bytes()).hexdigest()
    except OSError as error:
        raise EncoderError(f"the adapter {adapter} cannot be read ({error.strerror}); reinstall or train it") from error
    if found != wanted:
        raise EncoderError(
            f"the adapter {adapter} does not verify (sha256 {found[:12]}, wanted {wanted[:12]}); reinstall or train it"
        )
    return found


def save(adapter: Path, changes: LowRank) -> None:
    """Write an adapter file in half precision."""
    from safetensors.numpy import save_file

    tensors = {}
    for weight, (a, b) in changes.items():
        tensors[f"{weight}.a"] = np.ascontiguousarray(a, dtype=np.float16)
        tensors[f"{weight}.b"] = np.ascontiguousarray(b, dtype=np.float16)
    adapter.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, adapter)


def load(adapter: Path) -> dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Return `(A, B)` for each changed weight."""
    from safetensors.numpy import load_file

    tensors = load_file(adapter)
    weights = sorted({name.rpartition(".")[0] for name in tensors})
    return {w: (tensors[f"{w}.a"].astype(np.float32), tensors[f"{w}.b"].astype(np.float32)) for w in weights}


def merge(transformer: Any, adapter: Path) -> None:
    """Add an adapter to the weights of a torch module in place.

    Raises EncoderError where the module has not the weights that the adapter changes.
    """
    import torch

    parameters = dict(transformer.named_parameters())
    with torch.no_grad():
        for weight, (a, b) in load(adapter).items():
            change = torch.from_numpy(b @ a)
            if weight not in parameters or parameters[weight].shape != change.shape:
                raise EncoderError(f"the adapter {adapter} is not one for this model (it changes {weight})")
            parameters[weight] += change
