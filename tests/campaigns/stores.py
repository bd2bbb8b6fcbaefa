"""The gold questions to one library in a folder and on Chroma servers: `python -m tests.campaigns.stores [LIBRARY]`.

One server is single-node Chroma, the other one searches sparse vectors (`tests/sparse_server.py`).
The library goes there by its export, so that all have the same vectors. Hits of all modes must be
the same passages in the same order, but where scores tie, and answers the same words.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from evals.gold import GOLD, load_gold
from ingest.transfer import export_library, import_library
from retrieval import Library
from retrieval.library import quiet
from retrieval.server import Address
from retrieval.server_store import ServerStore
from retrieval.store import Home
from retrieval.types import Hit
from tests.chroma_server import ChromaServer
from tests.sparse_server import sparse_server

_K = 10
_TIE = 1e-5  # of scores; Chroma gives a cosine back in single precision


def ask_all(home: Home, folder: Path) -> None:
    """Ask every store every gold question in every mode; print how many hits and answers were compared."""
    export_library(home, folder / "library.prep")
    server = ChromaServer(folder)
    server.start()
    try:
        with sparse_server(server.url) as sparse:
            for name, url in (("single-node", server.url), ("with sparse vectors", sparse.url)):
                database = name.replace(" ", "-")
                server.make_database(database)
                store = ServerStore(Address(url, database=database), folder / database, encoders_at=home.encoders)
                import_library(store, folder / "library.prep")
                print(f"{name}: {ask_both(home, store)}, {sparse.searches} searches of sparse vectors", flush=True)
                store.close()
    finally:
        server.kill()


def ask_both(home: Home, store: ServerStore) -> dict[str, int]:
    """Ask a folder and a server every gold question in every mode; return how much was compared."""
    tally = {"questions": 0, "hits": 0, "answered": 0, "declined": 0}
    with Library(home) as local, Library(store) as remote:
        for question in load_gold(GOLD / "bundled.jsonl"):
            for mode in ("hybrid", "dense", "lexical"):
                mine, theirs = (side.search(question.text, _K, mode=mode) for side in (local, remote))
                check_same_hits(mine, theirs, f"{mode}: {question.text}")
                tally["hits"] += len(mine)
            said, also = (side.ask(question.text) for side in (local, remote))
            assert (said.answered, said.sentences) == (also.answered, also.sentences), question.text
            tally["answered" if said.answered else "declined"] += 1
            tally["questions"] += 1
    return tally


def check_same_hits(mine: Sequence[Hit], theirs: Sequence[Hit], what: str) -> None:
    """Fail where two lists differ in more than the order of hits that tie, of which the end may cut off some."""
    assert [hit.score for hit in mine] == pytest.approx([hit.score for hit in theirs], abs=_TIE), what
    scores = {hit.passage.id: hit.score for hit in theirs}
    for hit in mine:
        tied_at_the_end = hit.score - mine[-1].score < _TIE
        assert tied_at_the_end or scores.get(hit.passage.id) == pytest.approx(hit.score, abs=_TIE), (what, hit)


def main() -> None:
    """Compare the stores and print what was compared."""
    quiet()
    with tempfile.TemporaryDirectory() as folder:
        library = Path(sys.argv[1] if len(sys.argv) > 1 else os.environ["PREP_INDEX"])
        ask_all(Home(library), Path(folder))


if __name__ == "__main__":
    main()
