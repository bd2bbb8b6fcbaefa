"""Texts to unit vectors. Owns sentence-transformers.

A model is exported once, from verified weights, to ONNX (pooling and normalisation
inside); from then on onnxruntime and tokenizers serve it alone, which starts in 0.3 s
where torch and sentence-transformers take 5 s. The export is kept only if its vectors
agree with those of sentence-transformers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from retrieval import adapter
from retrieval.arrays import Tokens, Vectors
from retrieval.errors import EncoderError
from retrieval.half import HalfPrecision, half_device
from retrieval.models import ModelFiles, find_model, model_fingerprint
from retrieval.onnx_export import export, open_session, sealed
from retrieval.word_pieces import WordPieces

Progress = Callable[[int], None]

_EXPORT_VERSION = 2
_AGREEMENT = 0.99999
_HALF_AGREEMENT = 0.9999
MANY = 256  # texts that pay for the start of torch, about 5 s
_BATCH = 8  # fastest of 4, 8, 16 and 64 on 2 cores once texts are sorted by length
_PROBES = ("What is overfitting?", "L1 against L2 regularization", "why does my loss become NaN after a few steps " * 8)


class Encoder(WordPieces):
    """A model ready to encode: `dimensions` wide, at most `max_tokens` word pieces a text.

    Long work goes to torch in half precision where the hardware computes faster in it and the
    vectors agree. `loaded` is the model in sentence-transformers where it is at hand already.
    """

    def __init__(self, model: ModelFiles, onnx: Path, loaded: Any = None) -> None:
        super().__init__(model.tokenizer, model.max_tokens)
        self.name = model.name
        self.fingerprint = model_fingerprint(model)
        self._model = model
        self._loaded = loaded
        self._session = open_session(onnx)
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def encode(self, texts: Sequence[str], progress: Progress | None = None, *, many: bool = False) -> Vectors:
        """Return unit vectors `(n, dimensions)` in the order of `texts`; each is read up to `max_tokens`.

        Batches hold texts of like length, so that little is spent on padding. `progress`
        is called with the number of texts done since the last call. `many` marks a part of
        long work (`MANY` texts or more), for which torch may be started.
        """
        out = np.empty((len(texts), self.dimensions), dtype=np.float32)
        encodings = self._tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids), reverse=True)
        half = self._half if many else None
        batch = half.batch if half else _BATCH
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            tokens, mask = _padded([encodings[i].ids for i in rows])
            out[rows] = half(tokens, mask) if half else _run(self._session, tokens, mask)
            if progress:
                progress(len(rows))
        return out

    @cached_property
    def _half(self) -> HalfPrecision | None:
        """The model in half precision, or None where that is not faster or not as good."""
        if (device := half_device()) is None:
            return None
        half = HalfPrecision(self._loaded or load_model(self._model), device)
        tokens, mask = _padded([e.ids for e in self._tokenizer.encode_batch(list(_PROBES))])
        agreement = (half(tokens, mask) * _run(self._session, tokens, mask)).sum(axis=1)
        return half if float(agreement.min()) >= _HALF_AGREEMENT else None

    def encode_query(self, text: str) -> Vectors:
        """Return the unit vector `(dimensions,)` of one query."""
        vector: Vectors = self.encode([text])[0]
        return vector


def open_encoder(name: str, cache: Path) -> Encoder:
    """Open a model through its ONNX export under `cache`, exporting it first where that is missing or damaged.

    Raises EncoderError if the model cannot be found, read or verified.
    """
    model = find_model(name)
    loaded = None

    def make(target: Path) -> None:
        nonlocal loaded
        loaded = load_model(model)
        _export(loaded, target)

    try:
        key = f"{Path(model.name).name}-{model.weights_sha256[:16]}-v{_EXPORT_VERSION}"
        return Encoder(model, sealed(cache / f"{key}.onnx", make), loaded)
    except EncoderError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno:  # the disk's; transformers raises it for what is no model
            raise
        raise EncoderError(f"the model {name} cannot be loaded: {type(error).__name__}: {error}") from error


def load_model(model: ModelFiles) -> Any:
    """Return the model as sentence-transformers has it, adapters merged in."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from sentence_transformers import SentenceTransformer

    quiet_transformers()
    loaded = SentenceTransformer(str(model.folder), device="cpu", local_files_only=True)
    loaded.max_seq_length = model.max_tokens
    for path in model.adapters:
        adapter.merge(loaded[0].auto_model, path)
    return loaded.eval()


def _export(loaded: Any, target: Path) -> None:
    """Write the model as ONNX (ids and mask in, unit vectors out) and check it against sentence-transformers."""
    import torch

    class Sentence(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = loaded

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            if "token_type_ids" in loaded.tokenizer.model_input_names:
                features["token_type_ids"] = torch.zeros_like(input_ids)
            for module in self.model:
                features = module(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    export(Sentence(), ("input_ids", "attention_mask"), "vector", target)
    _check_agreement(loaded, open_session(target))


def _check_agreement(loaded: Any, session: Any) -> None:
    encodings = [loaded.tokenizer(text, truncation=True)["input_ids"] for text in _PROBES]
    ours = _run(session, *_padded(encodings))
    theirs = loaded.encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False)
    worst = float((ours * theirs).sum(axis=1).min())
    if worst < _AGREEMENT:
        raise EncoderError(
            f"the ONNX export disagrees with sentence-transformers (cosine {worst:.6f}, wanted {_AGREEMENT})"
        )


def _padded(ids: Sequence[Sequence[int]]) -> tuple[Tokens, Tokens]:
    """Return word pieces and their mask, `(texts, longest)` each."""
    width = max(len(row) for row in ids)
    tokens = np.zeros((len(ids), width), dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for i, row in enumerate(ids):
        tokens[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return tokens, mask


def _run(session: Any, tokens: Tokens, mask: Tokens) -> Vectors:
    vectors: Vectors = session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
    return vectors


def quiet_transformers() -> None:
    """Turn off what transformers prints while it loads a model."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
