"""Zip files from strangers (Office, EPUB, Anki), opened within limits and never extracted to disk by name.

zipfile reads no more of a member than its declared size, so that the declared sizes,
added up before anything is read, bound what can come out.
"""

from __future__ import annotations

import errno
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import ReadError

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # bzip2 and LZMA inflate a chunk at once, without a bound
_ENCRYPTED = 0x1
_DAMAGE = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, struct.error, RuntimeError, ValueError)
_MAX_MEMBERS = 20_000
_CHUNK = 2**20
_ENTITIES = ("<!ENTITY",)
_DOCTYPES = ("<!ENTITY", "<!DOCTYPE")


@contextmanager
def open_archive(path: Path, limit: int, *, counted: Collection[str] | None = None) -> Iterator[zipfile.ZipFile]:
    """Open a zip file whose members unpack to no more than `limit` bytes together.

    With `counted` only these are counted, for a caller that reads no others. Raises ReadError
    for what is no zip, a password, too much content, and damage met while it is open.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check(archive, path.name, limit, counted)
            yield archive
    except (*_DAMAGE, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:  # zipfile seeks before the start of the file
            raise
        raise ReadError(
            f"{path.name}: not a readable {path.suffix.lower()} file ({_reason(error)}); "
            "open it in the program it came from and save it again without a password"
        ) from error


def _check(archive: zipfile.ZipFile, name: str, limit: int, counted: Collection[str] | None) -> None:
    members = [m for m in archive.infolist() if counted is None or m.filename in counted]
    if len(members) > _MAX_MEMBERS:
        raise ReadError(f"{name}: {len(members):,} files in it, the limit is {_MAX_MEMBERS:,}; split it")
    if (size := sum(member.file_size for member in members)) > limit:
        raise ReadError(
            f"{name}: it unpacks to {size / 2**20:,.0f} MB, the limit is {limit / 2**20:,.0f} MB; split it or remove it"
        )
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise ReadError(f"{name}: it is protected by a password; save it again without one")
    if odd := next((member for member in members if member.compress_type not in _METHODS), None):
        raise ReadError(f"{name}: {odd.filename!r} in it is packed in an unusual way; zip it again with deflate")


def refuse_entities(archive: zipfile.ZipFile, name: str, *, doctype: bool) -> None:
    """Raise ReadError where XML in the archive declares entities, the stuff of XML bombs and of reads of other files.

    Office files may hold no document type at all (ECMA-376 part 2), so `doctype` refuses that too; the
    XHTML of an EPUB names one as a rule.
    """
    words = _DOCTYPES if doctype else _ENTITIES
    marks = [word.encode(encoding) for word in words for encoding in ("ascii", "utf-16-le", "utf-16-be")]
    overlap = max(map(len, marks)) - 1
    for member in archive.infolist():
        with archive.open(member) as stream:
            kept = b""
            while data := stream.read(_CHUNK):
                if not kept and not _looks_like_xml(data):
                    break
                window = kept + data
                if any(mark in window for mark in marks):
                    raise ReadError(f"{name}: XML in it declares entities, which is not safe to read; save it again")
                kept = window[-overlap:]


def _looks_like_xml(data: bytes) -> bool:
    return data.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")[:1] == b"<"


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
