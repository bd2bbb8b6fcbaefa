"""The first hits read again beside the question by a cross-encoder, where one is asked for.

The one more room of sentence-transformers beside encoder.py: a cross-encoder is no encoder,
it has no vectors to keep, and it is loaded only when --reranker names one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from retrieval.encoder import quiet_transformers
from retrieval.errors import EncoderError
from retrieval.models import find_model
from retrieval.types import Hit, embedded_text

MOST = 20  # hits that are read again; past that a laptop takes seconds a question


class Reranker:
    """A cross-encoder with one output, ready to score pairs."""

    def __init__(self, name: str, model: Any) -> None:
        self.name = name
        self._model = model

    def probabilities(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return how probable the model holds it that each text answers the query, in [0, 1], in their order."""
        import torch

        pairs = [(query, text) for text in texts]
        return [float(p) for p in self._model.predict(pairs, activation_fn=torch.nn.Sigmoid(), show_progress_bar=False)]


def open_reranker(name: str) -> Reranker:
    """Open a cross-encoder by folder or hub name. Raises EncoderError where it is none or cannot be found."""
    try:
        folder = find_model(name).folder
    except EncoderError as error:
        raise EncoderError(
            f"no reranker named {name!r}: it is not a folder, not in the local model cache, and could not be fetched; "
            "give --reranker the folder of a cross-encoder, or set PREP_DOWNLOAD_MODELS=1 to allow one download"
        ) from error
    from sentence_transformers import CrossEncoder

    quiet_transformers()
    try:
        model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    except Exception as error:  # transformers raises its own, torch's and safetensors' errors
        raise EncoderError(f"the reranker {name} cannot be loaded: {type(error).__name__}: {error}") from error
    if model.num_labels != 1:
        raise EncoderError(
            f"the reranker {name} has {model.num_labels} outputs; give --reranker a cross-encoder with one, a relevance"
        )
    return Reranker(name, model)


def rerank(query: str, hits: Sequence[Hit], reranker: Reranker) -> list[Hit]:
    """Return the hits with the first 20 in the order of the reranker, ties by the rank they had, which is kept.

    Their scores become its probability on top of the lowest score among them, so that scores
    go on falling down the list.
    """
    read, rest = list(hits[:MOST]), hits[MOST:]
    if not read:
        return []
    probabilities = reranker.probabilities(query, [embedded_text(hit.passage) for hit in read])
    floor = read[-1].score
    order = sorted(range(len(read)), key=lambda i: (-probabilities[i], i))
    moved = [
        replace(read[i], rank=rank, score=floor + probabilities[i], before=read[i].rank)
        for rank, i in enumerate(order, 1)
    ]
    return [*moved, *rest]
