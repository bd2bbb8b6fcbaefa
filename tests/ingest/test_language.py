from __future__ import annotations

from pathlib import Path

import py3langid
import pytest

from ingest.reading import Task, read_passages
from retrieval.encoder import Encoder


@pytest.mark.parametrize(
    ("sentence", "language"),
    [
        ("The loss falls when the rate is lower, and that is what you see in this plot.", "en"),
        ("Die Loss fällt mit der Learning Rate, und Early Stopping hilft gegen Overfitting.", "asked"),
        ("La loss baja con un learning rate menor, and then se prueba en producción con datos nuevos.", "asked"),
        ("训练的时候, 我们看 validation loss, and stop early when it rises. 学习率太大会震荡。", "asked"),
        ("Adam, RMSprop, AdaGrad, Nesterov momentum, weight decay, warmup, cosine schedule", "asked"),
    ],
)
def test_only_plain_english_is_told_without_the_model(
    sentence: str, language: str, tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that English notes do not wait for the model of languages, and that all others get its word."""
    monkeypatch.setattr(py3langid, "classify", lambda text: ("asked", 0.0))
    note = tmp_path / "note.md"
    note.write_text(f"# Note\n\n{sentence}\n\n{sentence} {sentence}\n", encoding="utf-8")
    assert read_passages(Task(note, note.name), encoder).language == language


def test_too_little_text_has_no_language(tmp_path: Path, encoder: Encoder) -> None:
    """This test ensures that a heading and a word are not guessed at."""
    note = tmp_path / "note.md"
    note.write_text("# Note\n\nThe loss falls.\n", encoding="utf-8")
    assert read_passages(Task(note, note.name), encoder).language is None
