"""Bytes to text, or a clear refusal of what is not text."""

from __future__ import annotations

from pathlib import Path

from retrieval.errors import ReadError

MAX_TEXT_BYTES = 64 * 2**20


def read_text(path: Path) -> str:
    """Return the text of a file, newlines untouched: UTF-8 if it is, else the encoding that is detected.

    Raises ReadError for binary content and for files over MAX_TEXT_BYTES.
    """
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise ReadError(
            f"{path.name}: {size / 2**20:.0f} MB of text, the limit is {MAX_TEXT_BYTES // 2**20} MB; split the file"
        )
    return decode(path.read_bytes(), path.name)


def decode(data: bytes, name: str) -> str:
    """Return bytes as text. Raises ReadError, naming the file, where they are no text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

        best = None if _looks_binary(data) else from_bytes(data).best()
        if best is None:
            raise ReadError(
                f"{name}: this is a binary file or in no known encoding; convert it to UTF-8 or remove it"
            ) from None
        text = str(best)
    if "\0" in text or _control_share(text) > 0.02:
        raise ReadError(f"{name}: this is a binary file, not text; rename it to its real type or remove it")
    return text


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
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def message(text: str) -> str:
    """Return text on one line that every terminal shows as it is: names of files may hold newlines and escapes."""
    shown = "".join(c if c.isprintable() else " " if c.isspace() else "\ufffd" for c in text)
    return " ".join(shown.split())
