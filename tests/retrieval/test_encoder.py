"""The encoder against sentence-transformers, its limits, and the models it refuses."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ingest.pipeline import ingest
from retrieval import encoder as encoder_module
from retrieval import vectors as vectors_module
from retrieval.encoder import Encoder, load_model, open_encoder
from retrieval.errors import EncoderError
from retrieval.half import HalfPrecision
from retrieval.models import BASE_MODEL, DEFAULT_MODEL, find_model
from retrieval.store import Home
from retrieval.vectors import VectorCache

TEXTS = [
    "What is overfitting?",
    "L1",
    "Résumé, naïve, 机器学习",
    "a long one " * 300,
    "Precision is TP / (TP + FP) and recall is TP / (TP + FN).",
]


def test_vectors_equal_those_of_sentence_transformers(encoders: Path) -> None:
    """This test ensures that the fast path computes the same model, padding and cutting included."""
    from sentence_transformers import SentenceTransformer

    reference = SentenceTransformer(str(find_model(BASE_MODEL).folder), device="cpu", local_files_only=True)
    theirs = reference.encode(TEXTS, normalize_embeddings=True, show_progress_bar=False)
    cosines = (open_encoder(BASE_MODEL, encoders).encode(TEXTS) * theirs).sum(axis=1)
    assert cosines.min() > 0.99999


def test_vectors_do_not_depend_on_their_batch(encoder: Encoder) -> None:
    """This test ensures that order and company change nothing."""
    together = encoder.encode(TEXTS)
    alone = np.stack([encoder.encode([text])[0] for text in TEXTS])
    assert np.abs(together - alone).max() < 1e-5
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


def test_long_work_runs_in_half_precision_and_agrees(encoders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that many texts go the fast way, on any processor here, to vectors that agree."""
    monkeypatch.setattr(encoder_module, "half_device", lambda: "cpu")
    ours = open_encoder(DEFAULT_MODEL, encoders)
    texts = [f"{text} {n}" for n in range(8) for text in TEXTS]
    exact, fast = ours.encode(texts), ours.encode(texts, many=True)
    assert 0.9999 < float((exact * fast).sum(axis=1).min()) < 1.0
    assert np.linalg.norm(fast, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-5)
    assert np.abs(ours.encode(texts[:5]) - exact[:5]).max() < 1e-5  # a few texts stay exact


def test_few_texts_are_exact_and_many_are_not(tmp_path: Path, encoders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the texts alone decide their precision, whoever exported the model."""
    monkeypatch.setattr(encoder_module, "half_device", lambda: "cpu")
    monkeypatch.setattr(vectors_module, "MANY", 8)
    ours = open_encoder(DEFAULT_MODEL, encoders)
    monkeypatch.setattr(ours, "_loaded", load_model(find_model(DEFAULT_MODEL)))  # as where it was exported just now
    texts = [f"{text} {n}" for n in range(2) for text in TEXTS]
    exact = ours.encode(texts)
    with VectorCache(tmp_path / "few.sqlite", ours) as cache:
        assert np.abs(cache.encode(texts[:7]) - exact[:7]).max() < 1e-5
    with VectorCache(tmp_path / "many.sqlite", ours) as cache:
        assert 1e-5 < np.abs(cache.encode(texts) - exact).max() < 1e-2


def test_half_precision_that_disagrees_is_not_used(encoders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a machine that computes badly is found out before its vectors are kept."""
    monkeypatch.setattr(encoder_module, "half_device", lambda: "cpu")
    right = HalfPrecision.__call__
    monkeypatch.setattr(HalfPrecision, "__call__", lambda *given: np.roll(right(*given), 1, axis=1))
    texts = [f"question {n}" for n in range(40)]
    ours = open_encoder(DEFAULT_MODEL, encoders)
    assert (
        float((ours.encode(texts, many=True) * np.stack([ours.encode_query(t) for t in texts])).sum(axis=1).min())
        > 0.99999
    )


def test_nothing_to_encode_is_an_empty_matrix(encoder: Encoder) -> None:
    """This test ensures that no texts give shape (0, dimensions)."""
    assert encoder.encode([]).shape == (0, 384)


def test_a_damaged_export_is_made_again(tmp_path: Path, encoders: Path, encoder: Encoder) -> None:
    """This test ensures that a file that does not verify is never used."""
    open_encoder(DEFAULT_MODEL, tmp_path)
    (onnx,) = tmp_path.glob("*.onnx")
    onnx.write_bytes(b"damaged")
    again = open_encoder(DEFAULT_MODEL, tmp_path)
    assert again.encode_query("x") @ encoder.encode_query("x") > 0.99999


def test_word_pieces_are_counted_past_the_limit(encoder: Encoder) -> None:
    """This test ensures that the count of a long text is that of all of it, special tokens left out."""
    sizes = [0, 1, 253, 254, 255, 256, 257, 512, 513, 3000]
    assert encoder.count_tokens(["word " * size for size in sizes]) == sizes


def test_threads_may_share_an_encoder(encoder: Encoder) -> None:
    """This test ensures that a text is counted whole and encoded up to the limit, whatever another thread does."""
    counts = set()
    with ThreadPoolExecutor(1) as beside:
        encoding = beside.submit(lambda: [encoder.encode_query("word") for _ in range(200)])
        while not encoding.done():
            counts.add(encoder.count_tokens(["word " * 600])[0])
    assert counts == {600}
    np.testing.assert_array_equal(encoding.result()[-1], encoding.result()[0])


@pytest.mark.parametrize("name", ["no/such-model", "no-such-model", "../nowhere", "~nobody-of-this-name/model"])
def test_an_unknown_model_is_a_clear_error(name: str, tmp_path: Path) -> None:
    """This test ensures that a name that is not on disk says so and what to give instead, without the network."""
    with pytest.raises(EncoderError, match="--model"):
        open_encoder(name, tmp_path)


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    """This test ensures that any folder is not taken for a model."""
    with pytest.raises(EncoderError, match="no model weights"):
        open_encoder(str(tmp_path), tmp_path)


def test_a_model_without_its_configuration_is_refused(tmp_path: Path, home: Home, notes: Path) -> None:
    """This test ensures that half a model is named, where it is the encoder that changes."""
    ingest(home, [notes])
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(EncoderError, match=r"half holds no model configuration .*give the folder of a model"):
        ingest(home, [notes], model=str(tmp_path / "half"))


def test_a_folder_around_a_model_is_refused(tmp_path: Path) -> None:
    """This test ensures that weights which are not where transformers looks are one sentence."""
    whole = find_model(BASE_MODEL).folder
    for file in whole.glob("*.json"):
        (tmp_path / file.name).symlink_to(file)
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "model.safetensors").symlink_to(whole / "model.safetensors")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        open_encoder(str(tmp_path), tmp_path / "encoders")


def test_a_model_that_was_trained_again_is_another_one(tmp_path: Path) -> None:
    """This test ensures that a process that goes on running sees new weights at the same place."""
    weights = tmp_path / "model.safetensors"
    hashes = []
    for content, time in ((b"first", 1), (b"other", 2), (b"other", 3), (b"longer", 3)):
        weights.write_bytes(content)
        os.utime(weights, (time, time))
        hashes.append(find_model(str(tmp_path)).weights_sha256)
    assert hashes[1] == hashes[2]
    assert len(set(hashes)) == 3
