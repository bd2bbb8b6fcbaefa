"""What a library holds, in the numbers a person asks for."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from retrieval.manifest import Manifest
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Store

MULTILINGUAL_MODEL = "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2"
"""A sentence-transformers model for 50 languages, as small as such models are."""


def facts(home: Store, folder: Path, manifest: Manifest) -> dict[str, Any]:
    """Return the facts of a generation in the order they are shown; sizes in MB."""
    indexed = [r for r in manifest.sources if r.passages or r.same_as]
    kinds = Counter(r.kind for r in indexed)
    return {
        "home": home.place,
        "generation": folder.name,
        "updated": manifest.created,
        "files": len(indexed),
        "kinds": ", ".join(f"{n} {kind}" for kind, n in sorted(kinds.items())),
        "languages": ", ".join(f"{n} {code}" for code, n in _languages(manifest).most_common()),
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


def language_advice(manifest: Manifest) -> str | None:
    """Return what to do where the bundled encoder, which is English, has met sources that are not."""
    others = _languages(manifest)
    del others["en"]
    if manifest.model != DEFAULT_MODEL or not others:
        return None
    count = others.total()
    return (
        f"{count} {'source is' if count == 1 else 'sources are'} not in English ({', '.join(sorted(others))}); the "
        "bundled encoder is English, so that they are found by their words more than by their meaning; for a "
        f"multilingual one: prep ingest --rebuild --model {MULTILINGUAL_MODEL}"
    )


def _languages(manifest: Manifest) -> Counter[str]:
    return Counter(r.language for r in manifest.sources if r.language and r.passages)
