"""Long runs of what the tests sample; tests/README.md has their figures."""

from __future__ import annotations

from pathlib import Path

from retrieval.encoder import open_encoder
from retrieval.models import DEFAULT_MODEL


def exported_encoder(folder: Path) -> Path:
    """Export the default encoder to a folder and return it.

    The process that exports it has it in torch too and may encode in half precision, rounded otherwise than what the
    next process encodes: a clean build to compare with begins after that.
    """
    open_encoder(DEFAULT_MODEL, folder)
    return folder
