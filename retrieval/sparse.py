"""The words of a text as a sparse vector, for a Chroma server that searches them: BM25 as an inner product.

The vector of a passage holds, for each token, the part of BM25 that depends on the passage alone,
that of a question the rest of it (`server_lexical.py`). Words and 4-grams share one vector, since
a collection has one index of sparse vectors; their tokens have dimensions of their own.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from heapq import nlargest
from operator import itemgetter

from retrieval.arrays import Sparse
from retrieval.bm25 import length_norm
from retrieval.lexical import TOKENS, grams, words

KEY = f"words-{TOKENS}"  # of a record's metadata
FIELDS = (words, grams)
# Tokens of a passage of the bundled corpus, for the length norm of what is stored: a record never changes, and the mean
# of a library does. Which passages a server names depends on it a little, their scores do not.
_TYPICAL = (75.0, 311.0)
_MOST = 500  # tokens of a vector; hosted Chroma takes 4,096 bytes, and one passage in a hundred has more
_COUNTED = 2000  # texts whose tokens are kept at hand, about 50 MB


@lru_cache(_COUNTED)
def counted(text: str) -> tuple[Counter[str], ...]:
    """Return how often each token of each field stands in a text."""
    return tuple(Counter(tokens(text)) for tokens in FIELDS)


def passage_vector(text: str) -> Sparse:
    """Return the sparse vector of the text that is embedded of a passage."""
    values = {
        _dimension(field, token): count / (count + length_norm(counts.total(), _TYPICAL[field]))
        for field, counts in enumerate(counted(text))
        for token, count in counts.items()
    }
    return _vector(dict(nlargest(_MOST, values.items(), key=itemgetter(1))))


def query_vector(field: int, weights: Mapping[str, float]) -> Sparse:
    """Return the sparse vector that finds the tokens of a field by their weights."""
    return _vector({_dimension(field, token): weight for token, weight in weights.items()})


def _dimension(field: int, token: str) -> int:
    # Of 100,000 tokens two or three pairs share a dimension: a passage named for nothing.
    return zlib.crc32(token.encode(), field) >> 1


def _vector(values: Mapping[int, float]) -> Sparse:
    dimensions = sorted(values)
    return Sparse(dimensions, [values[d] for d in dimensions])
