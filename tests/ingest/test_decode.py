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
        ("naïve Bayes – it’s fine", "cp1252"),
        ("The façade of “accuracy” hides R² – Schrödinger’s naïve résumé isn’t the best café.", "cp1252"),
        ("A precisão é enganosa quando as classes são desbalanceadas; a árvore não generaliza bem.", "cp1252"),
        (
            "Più dati non è sempre meglio. La qualità del modello dipende dalla varietà dei dati; così si sceglie.",
            "cp1252",
        ),
        ("Ylisovitus tarkoittaa, että malli oppii myös koulutusaineiston kohinan eikä siksi yleisty hyvin.", "cp1252"),
        ("¿Por qué engaña la exactitud? El año pasado añadimos más ejemplos a la pequeña muestra.", "latin-1"),
        ("Przeuczenie oznacza, że model nauczył się szumu w danych. Regularyzacja zmniejsza jego złożoność.", "cp1250"),
        ("Přeučení znamená, že se model naučil šum v trénovacích datech, a proto špatně funguje na nových.", "cp1250"),
        ("A túltanulás azt jelenti, hogy a modell a tanítóadatok zaját is tudja, ezért rosszul működik.", "cp1250"),
        ("Persimokymas reiškia, kad modelis išmoko mokymo duomenų triukšmą, todėl blogai veikia su naujais.", "cp1257"),
        ("Le modèle général prédit la moyenne pondérée à partir des données observées, même bruitées.", "cp850"),
        ("Переобучение означает, что модель выучила обучающие данные наизусть.", "cp1251"),
        ("过拟合是指模型把训练数据中的噪声也学了进去，因此在新数据上表现很差。正则化可以缓解这个问题。", "gb18030"),
        ("過学習とは、モデルが訓練データの雑音まで覚えてしまい、新しいデータで外れることです。", "shift_jis"),
    ],
)
def test_another_encoding_is_not_taken_for_damaged_utf8(text: str, encoding: str) -> None:
    """This test ensures that what is no UTF-8 still goes to detection."""
    assert decode(text.encode(encoding), "x.md") == text


@pytest.mark.parametrize("head", ['<meta charset="windows-1250">', '<?xml version="1.0" encoding="windows-1250"?>'])
def test_a_declared_encoding_is_followed(head: str) -> None:
    """This test ensures that letters which could be Portuguese are Hungarian where the page says so."""
    assert decode(f"{head}<p>Az előrejelzés jó.</p>".encode("cp1250"), "x.html").endswith("<p>Az előrejelzés jó.</p>")


@pytest.mark.parametrize("head", ["# Title\n\n", "---\ntitle: Title\n---\n\n"])
def test_a_byte_order_mark_hides_no_title(tmp_path: Path, head: str) -> None:
    """This test ensures that a file of Windows Notepad has its title, and that spans and lines are those without it."""
    (tmp_path / "x.md").write_text(f"{head}Body.\n", encoding="utf-8-sig")
    document = read_markdown(tmp_path / "x.md")
    body = document.blocks[-1].span
    assert (document.title, document.text[slice(*body)]) == ("Title", "Body.")
    assert document.lines(body) == (head.count("\n") + 1,) * 2
