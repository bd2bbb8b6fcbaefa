"""Which library is meant: one in a folder, or one on a Chroma server; its tenant, database and token are read here."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from retrieval.library import default_home
from retrieval.store import Home, Store

CHROMA = "PREP_CHROMA"


def find_store(index: Path | None, chroma: str | None, tell: Callable[[str], None] | None = None) -> Store:
    """Return the library at a server's address, else that in a folder, else the person's own.

    With a server `index` is where its mirror, the encoder and what a person notes are kept on this machine.
    """
    folder = index or default_home()
    if not chroma:
        return Home(folder)
    from retrieval.server import DEFAULT_DATABASE, DEFAULT_TENANT, Address
    from retrieval.server_store import ServerStore

    address = Address(
        chroma.rstrip("/"),
        tenant=os.environ.get("PREP_CHROMA_TENANT") or DEFAULT_TENANT,
        database=os.environ.get("PREP_CHROMA_DATABASE") or DEFAULT_DATABASE,
        token=os.environ.get("PREP_CHROMA_TOKEN") or None,
    )
    return ServerStore(address, folder, tell=tell)
