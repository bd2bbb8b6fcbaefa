"""The shipped adapter: loaded, verified, reproduced; and the adapters that are refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from retrieval import adapter
from retrieval.encoder import Encoder, open_encoder
from retrieval.errors import EncoderError
from retrieval.models import BASE_MODEL, DEFAULT_MODEL, find_model, model_fingerprint

LARGEST = 3_000_000


def test_the_shipped_adapter_reproduces_its_recorded_vectors(encoder: Encoder) -> None:
    """This test ensures that what runs here is what was trained and measured, ten sentences to cosine 0.9999."""
    record = adapter.read_record(adapter.SHIPPED)
    cosines = (encoder.encode(record.texts) * record.vectors).sum(axis=1) / np.linalg.norm(record.vectors, axis=1)
    assert len(record.texts) == 10
    assert cosines.min() > 0.9999
    assert adapter.SHIPPED.stat().st_size <= LARGEST


def test_the_plain_base_is_another_encoder(encoders: Path, encoder: Encoder) -> None:
    """This test ensures that the adapter is part of the fingerprint and changes vectors."""
    plain = open_encoder(BASE_MODEL, encoders)
    text = "i keep blanking when they ask why my validation score collapses"
    assert plain.fingerprint != encoder.fingerprint
    assert float(plain.encode_query(text) @ encoder.encode_query(text)) < 0.999


def test_an_adapter_file_is_a_model_over_the_default(tmp_path: Path, encoders: Path, encoder: Encoder) -> None:
    """This test ensures that a further adapter is added to the shipped one, and that one of zeros changes nothing."""
    own = tmp_path / "own.safetensors"
    weight = "encoder.layer.0.attention.self.query.weight"
    adapter.save(own, {weight: (np.ones((2, 384), dtype=np.float32), np.zeros((384, 2), dtype=np.float32))})
    adapter.write_record(own, ["x"], encoder.encode(["x"]))
    with_own = open_encoder(str(own), encoders)
    assert with_own.fingerprint != encoder.fingerprint
    assert float(with_own.encode_query("why") @ encoder.encode_query("why")) > 0.99999


def test_a_changed_adapter_is_refused(tmp_path: Path) -> None:
    """This test ensures that a damaged file is named and never used."""
    own = tmp_path / adapter.SHIPPED.name
    shutil.copy(adapter.SHIPPED, own)
    shutil.copy(adapter.record_path(adapter.SHIPPED), tmp_path)
    own.write_bytes(own.read_bytes()[:-1] + b"?")
    with pytest.raises(EncoderError, match="does not verify"):
        model_fingerprint(find_model(str(own)))


def test_an_adapter_without_its_record_is_refused(tmp_path: Path) -> None:
    """This test ensures that nothing unverified is merged."""
    own = tmp_path / "own.safetensors"
    shutil.copy(adapter.SHIPPED, own)
    with pytest.raises(EncoderError, match="record"):
        model_fingerprint(find_model(str(own)))


def test_an_adapter_for_another_model_is_refused(tmp_path: Path, encoder: Encoder) -> None:
    """This test ensures that an adapter whose weights the model has not is one clear error."""
    own = tmp_path / "own.safetensors"
    adapter.save(own, {"decoder.weight": (np.ones((2, 8), dtype=np.float32), np.ones((8, 2), dtype=np.float32))})
    adapter.write_record(own, ["x"], encoder.encode(["x"]))
    with pytest.raises(EncoderError, match="not one for this model"):
        open_encoder(str(own), tmp_path)


def test_the_default_is_the_base_with_the_shipped_adapter() -> None:
    """This test ensures that both names stand on the same verified weights."""
    assert find_model(DEFAULT_MODEL).folder == find_model(BASE_MODEL).folder
    assert find_model(DEFAULT_MODEL).adapters == (adapter.SHIPPED,)
