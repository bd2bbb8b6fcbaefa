"""A torch network to a sealed ONNX file, once, and from then on to onnxruntime, which starts without torch.

Inputs are word pieces and their masks `(texts, longest)`, int64. A file counts only while it is
what its seal, a sha256 beside it, says.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from retrieval.models import file_sha256


def sealed(onnx: Path, make: Callable[[Path], None]) -> Path:
    """Return the file, which `make` writes first where it is missing or damaged; one process at a time does."""
    seal = onnx.with_suffix(".sha256")
    if not _is_whole(onnx, seal):
        onnx.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(onnx.with_suffix(".lock")):
            if not _is_whole(onnx, seal):  # another process may have made it meanwhile
                part = onnx.with_suffix(".part")
                make(part)
                part.replace(onnx)
                seal.write_text(file_sha256(onnx))
    return onnx


def _is_whole(onnx: Path, seal: Path) -> bool:
    return onnx.is_file() and seal.is_file() and seal.read_text() == file_sha256(onnx)


def export(network: Any, inputs: Sequence[str], output: str, target: Path) -> None:
    """Write a network whose forward takes the inputs and gives `(texts, width)`.

    Embedding tables are written in half precision: half of the weights, and the results stay what they were.
    """
    import torch

    class Table(torch.nn.Module):
        def __init__(self, table: torch.nn.Embedding) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(table.weight.detach().half(), requires_grad=False)

        def forward(self, ids: Any) -> Any:
            return torch.nn.functional.embedding(ids, self.weight).float()

    network = copy.deepcopy(network).eval()
    tables = [(name, module) for name, module in network.named_modules() if isinstance(module, torch.nn.Embedding)]
    for name, table in tables:
        network.set_submodule(name, Table(table))
    ids = torch.ones(2, 8, dtype=torch.long)
    axes = {0: "texts", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer names every constant it folds; the caller checks what comes out
        torch.onnx.export(
            network,
            (ids,) * len(inputs),
            str(target),
            input_names=list(inputs),
            output_names=[output],
            dynamic_axes=dict.fromkeys(inputs, axes) | {output: {0: "texts"}},
            dynamo=False,
        )


def open_session(path: Path) -> Any:
    """Open an exported file in onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Threads that spin while a text is encoded save a fifth of its time; between texts they would burn both cores.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
