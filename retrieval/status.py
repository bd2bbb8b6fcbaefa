"""What a library holds, in the numbers a person asks for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from retrieval.manifest import Manifest
from retrieval.store import Home


def facts(home: Home, folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Return the facts of a generation in the order they are shown; sizes in MB."""
    indexed = [r for r in manifest.sources if r.passages or r.same_as]
    kinds = Counter(r.kind for r in indexed)
    return {
        "home": str(home.path),
        "generation": folder.name,
        "updated": manifest.created,
        "files": len(indexed),
        "kinds": ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())),
        "passages": manifest.passages,
        "questions": manifest.questions,
        "failed": len(manifest.failures()),
        "skipped": sum(r.skipped is not None for r in manifest.sources),
        "model": manifest.model,
        "encoder": manifest.encoder,
        "chunker": manifest.chunker,
        "roots": sorted({r.root for r in manifest.sources}),
        "index_mb": round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20, 1),
    }
