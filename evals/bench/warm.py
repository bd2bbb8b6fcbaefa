"""Ask questions of an index in one process, as the app does; prints the seconds of each as JSON.

    python -m evals.bench.warm INDEX ENCODERS QUERIES.json

INDEX is the folder of a generation, whose manifest and topics are not needed.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from retrieval.encoder import open_encoder
from retrieval.lexical import LexicalIndex
from retrieval.library import quiet
from retrieval.local_index import LocalIndex
from retrieval.models import DEFAULT_MODEL
from retrieval.search import Searcher


def main() -> None:
    """Ask them all, the first one twice."""
    index, encoders, file = (Path(argument) for argument in sys.argv[1:])
    quiet()
    encoder = open_encoder(DEFAULT_MODEL, encoders)
    searcher = Searcher(encoder, LocalIndex(index), LexicalIndex.load(index / "lexical"))
    queries = json.loads(file.read_text(encoding="utf-8"))
    searcher.search(queries[0], 5)
    seconds = []
    for query in queries:
        started = time.perf_counter()
        searcher.search(query, 5)
        seconds.append(time.perf_counter() - started)
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
