"""Bytes to text, or a clear refusal of what is not text."""

from __future__ import annotations

import re
from pathlib import Path

from retrieval.errors import ReadError
from retrieval.text import valid

MAX_TEXT_BYTES = 64 * 2**20
_DECLARED = re.compile(rb"(?:charset|coding)[\"']?\s*[:=]", re.I)
_SIGNS = "‘’‚“”„–—…•™«»€§©®°±²·×µ\xa0"
_WESTERN = tuple(
    frozenset(letters + _SIGNS)
    for letters in (
        "äöüßàâçéèêëîïôœùû",  # German, French, Dutch, and what English borrows
        "áéíñóúü¿¡",  # Spanish
        "áàâãçéêíóôõú",  # Portuguese
        "àèéìòù",  # Italian
        "åäöæøéü",  # Scandinavian, Finnish
    )
)
_QUOTED_INSIDE = re.compile(r"[^\W\d_][‚„“”][^\W\d_]")


def read_text(path: Path) -> str:
    """Return the text of a file, newlines untouched, without a byte order mark, as `decode` tells its encoding.

    Raises ReadError for binary content and for files over MAX_TEXT_BYTES.
    """
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise ReadError(
            f"{path.name}: {size / 2**20:.0f} MB of text, the limit is {MAX_TEXT_BYTES // 2**20} MB; split the file"
        )
    return decode(path.read_bytes(), path.name)


def decode(data: bytes, name: str) -> str:
    """Return bytes as text: UTF-8 if they are, stray bytes replaced, else Windows-1252, else what is detected.

    Raises ReadError, naming the file, where they are no text.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        best = None if _looks_binary(data) else _nearly_utf8(data) or _western(data) or _detected(data)
        if best is None:
            raise ReadError(
                f"{name}: this is a binary file or in no known encoding; convert it to UTF-8 or remove it"
            ) from None
        text = best
    text = text.removeprefix("\ufeff")
    if "\0" in text or _control_share(text) > 0.02:
        raise ReadError(f"{name}: this is a binary file, not text; rename it to its real type or remove it")
    return text


def _nearly_utf8(data: bytes) -> str | None:
    """Return text with a replacement mark for each stray byte, None where they are more than half of its other marks.

    Of the letters over ASCII in other encodings hardly any make a valid sequence, so one pasted
    byte among a few UTF-8 letters tells, and detection would turn all of those into others.
    """
    text = data.decode("utf-8", "replace")
    beyond = len(text) - len(text.encode("ascii", "ignore"))
    stray = text.count("\ufffd") - data.count("\ufffd".encode())
    return text if 2 * stray <= beyond - stray else None


def _western(data: bytes) -> str | None:
    """Return text in Windows-1252 where one language of Western Europe has all its letters and nothing is declared.

    Detection took half of such texts of 32 words in ten languages for Windows-1250, 1258 or a Mac's (charset-normalizer
    3.5). Letters of other encodings hardly ever make up one alphabet; of DOS they make quotes inside words.
    """
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    letters = {c for c in set(text.lower()) if not c.isascii()}
    western = any(letters <= alphabet for alphabet in _WESTERN)
    return text if western and not _QUOTED_INSIDE.search(text) and not _DECLARED.search(data[:8192]) else None


def _detected(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data).best()
    return None if best is None else str(best)


def _looks_binary(data: bytes) -> bool:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return False
    head = data[:65536]
    return b"\0" in head or sum(b < 9 or 13 < b < 32 for b in head) > 0.02 * len(head)


def _control_share(text: str) -> float:
    head = text[:65536]
    return sum(c < " " and c not in "\t\n\r\f\x1b" for c in head) / max(1, len(head))


def storable(text: str) -> str:
    """Return text without NUL and lone surrogates, which JSON and XML can spell but no text file holds."""
    return valid(text.replace("\0", ""))


def message(text: str) -> str:
    """Return text on one line that every terminal shows as it is: names of files may hold newlines and escapes."""
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    return " ".join(shown.split())
