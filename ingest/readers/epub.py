"""EPUB books: the chapters in reading order, each as Markdown under its name in the table of contents.

The package and its contents are small XML, read with lxml without entities; members are
looked up by name in the archive and never written anywhere.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.archive import open_archive, refuse_entities
from ingest.decode import decode, storable
from ingest.documents import Document
from ingest.markup import to_markdown
from ingest.readers.markdown import parse_markdown
from retrieval.errors import ReadError
from retrieval.text import one_line

MAX_UNPACKED_BYTES = 256 * 2**20
MAX_CHAPTER_BYTES = 16 * 2**20
_VOID = "area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr"
_SELF_CLOSED = re.compile(rf"<(?!(?:{_VOID})\b)([A-Za-z][\w:-]*)((?:\s[^<>]*?)?)/>")
_HEADING_TAG = re.compile(r"(</?[hH])([1-6])\b")


def read_epub(path: Path) -> Document:
    """Read a book. Raises ReadError where it is none, is protected, or too much of it."""
    with open_archive(path, MAX_UNPACKED_BYTES) as archive:
        refuse_entities(archive, path.name, doctype=False)
        package = _package(archive, path.name)
        root = _xml(archive, path.name, package)
        title = one_line(storable(" ".join(root.xpath("//*[local-name()='title'][1]//text()"))))
        spine = _spine(root, posixpath.dirname(package))
        _refuse_protected(archive, path.name, spine)
        names = _contents(archive, path.name, root, posixpath.dirname(package))
        there = set(archive.namelist())
        chapters = [_chapter(archive, path.name, m, names.get(m, "")) for m in spine if m in there]
    title = title or one_line(path.stem.replace("_", " "))
    text = "\n\n".join([f"# {title}", *filter(None, chapters)])
    document = parse_markdown(text, path.stem)
    if not any(chapters):
        document = parse_markdown("", path.stem)
    return replace(document, line_starts=None)


def _package(archive: zipfile.ZipFile, name: str) -> str:
    container = _xml(archive, name, "META-INF/container.xml")
    found = container.xpath("//*[local-name()='rootfile']/@full-path")
    if not found:
        raise ReadError(f"{name}: not a readable EPUB (it names no package); convert it to EPUB again")
    return posixpath.normpath(unquote(str(found[0])))


def _xml(archive: zipfile.ZipFile, name: str, member: str) -> Any:
    from lxml import etree  # type: ignore[import-untyped]

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = etree.fromstring(archive.read(member), parser=parser)
    except (KeyError, etree.LxmlError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ReadError(f"{name}: not a readable EPUB ({reason}); convert it to EPUB again") from error
    if root is None:
        raise ReadError(f"{name}: not a readable EPUB ({member} is damaged); convert it to EPUB again")
    return root


def _spine(root: Any, folder: str) -> list[str]:
    """Return the members that are read, in order, without the table of contents."""
    items = {item.get("id"): item for item in root.xpath("//*[local-name()='manifest']/*[local-name()='item']")}
    wanted = [items.get(ref) for ref in root.xpath("//*[local-name()='spine']/*[local-name()='itemref']/@idref")]
    return list(
        dict.fromkeys(
            _member(folder, item.get("href") or "")
            for item in wanted
            if item is not None and "html" in (item.get("media-type") or "html")
            if "nav" not in (item.get("properties") or "").split()
        )
    )


def _member(folder: str, href: str) -> str:
    return posixpath.normpath(posixpath.join(folder, unquote(href.split("#", 1)[0])))


def _refuse_protected(archive: zipfile.ZipFile, name: str, spine: list[str]) -> None:
    """Raise ReadError where chapters are encrypted; encrypted fonts are common and do no harm."""
    if "META-INF/encryption.xml" in archive.namelist():
        locked = {unquote(uri) for uri in _xml(archive, name, "META-INF/encryption.xml").xpath("//@URI")}
        if locked & set(spine):
            raise ReadError(f"{name}: the book is protected (DRM); only the program it was bought for can read it")


def _contents(archive: zipfile.ZipFile, name: str, root: Any, folder: str) -> dict[str, str]:
    """Return what the table of contents calls each member, EPUB 3 or 2; the first name of a member counts."""
    found: dict[str, str] = {}
    paths = root.xpath(
        "//*[local-name()='item'][contains(concat(' ', @properties, ' '), ' nav ')]/@href"
        "| //*[local-name()='item'][@media-type='application/x-dtbncx+xml']/@href"
    )
    for member in (_member(folder, str(href)) for href in paths):
        if member not in archive.namelist():
            continue
        contents = _xml(archive, name, member)
        links = [(a.get("href"), a) for a in contents.xpath("//*[local-name()='nav']//*[local-name()='a'][@href]")]
        points = contents.xpath("//*[local-name()='navPoint']")
        links += [
            (src, label)
            for point in points
            for src in point.xpath("./*[local-name()='content']/@src")
            for label in point.xpath("./*[local-name()='navLabel']")
        ]
        for href, label in links:
            found.setdefault(
                _member(posixpath.dirname(member), str(href)), one_line(storable("".join(label.itertext())))
            )
    return found


def _chapter(archive: zipfile.ZipFile, name: str, member: str, label: str) -> str:
    """Return a chapter as Markdown whose highest heading is of level 1; its name goes above where it has none."""
    if archive.getinfo(member).file_size > MAX_CHAPTER_BYTES:
        raise ReadError(f"{name}: {member} is over {MAX_CHAPTER_BYTES // 2**20} MB of text; split the book")
    source = _SELF_CLOSED.sub(r"<\1\2></\1>", storable(decode(archive.read(member), f"{name} ({member})")))
    source = re.sub(r"^\s*<\?xml[^>]*\?>", "", source.removeprefix("\ufeff"))
    highest = min((int(level) for _, level in _HEADING_TAG.findall(source)), default=1)
    text = to_markdown(_HEADING_TAG.sub(lambda m: f"{m[1]}{int(m[2]) - highest + 1}", source))
    first = text.split("\n", 1)[0]
    if label and text and not first.startswith("#"):
        return f"# {label}\n\n{text}"
    return text
