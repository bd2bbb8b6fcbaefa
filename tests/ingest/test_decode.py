"""Bytes to text: byte order marks, stray bytes, other encodings."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.decode import decode
from ingest.readers.markdown import read_markdown


@pytest.mark.parametrize("stray", [b"\x96", b"\xe2\x80", b"\xff"])
def test_a_stray_byte_changes_no_other_letter(stray: bytes) -> None:
    """This test ensures that one pasted byte does not turn a UTF-8 file into mojibake."""
    text = decode("Überanpassung heißt: größer ".encode() + stray + " als nötig – immer.".encode(), "x.md")
    assert text == "Überanpassung heißt: größer \ufffd als nötig – immer."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("# Résumé\n\nLa régularisation pénalise les coefficients élevés et réduit le surapprentissage.\n", "cp1252"),
        ("Переобучение означает, что модель выучила обучающие данные наизусть.", "cp1251"),
        ("过拟合是指模型把训练数据中的噪声也学了进去，因此在新数据上表现很差。正则化可以缓解这个问题。", "gb18030"),
        ("過学習とは、モデルが訓練データの雑音まで覚えてしまい、新しいデータで外れることです。", "shift_jis"),
    ],
)
def test_another_encoding_is_not_taken_for_damaged_utf8(text: str, encoding: str) -> None:
    """This test ensures that what is no UTF-8 still goes to detection."""
    assert decode(text.encode(encoding), "x.md") == text


@pytest.mark.parametrize("head", ["# Title\n\n", "---\ntitle: Title\n---\n\n"])
def test_a_byte_order_mark_hides_no_title(tmp_path: Path, head: str) -> None:
    """This test ensures that a file of Windows Notepad has its title, and that spans and lines are those without it."""
    (tmp_path / "x.md").write_text(f"{head}Body.\n", encoding="utf-8-sig")
    document = read_markdown(tmp_path / "x.md")
    body = document.blocks[-1].span
    assert (document.title, document.text[slice(*body)]) == ("Title", "Body.")
    assert document.lines(body) == (head.count("\n") + 1,) * 2
