"""Saved web pages: the main content, found by trafilatura, as Markdown.

Before it looks, code is marked so that empty lines and language survive, formulas are put
back as TeX, and the signs of themes (permalinks, "edit") are taken out. Where it loses
text, headings or code (on 21 of 48 real pages of book sites), what the page marks as its main
content is taken whole.
"""

from __future__ import annotations

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.decode import read_text
from ingest.documents import Document
from ingest.markup import language_of, to_markdown
from ingest.readers.markdown import parse_markdown
from retrieval.errors import ReadError
from retrieval.text import one_line

MAX_MARKUP = 16 * 2**20  # characters, pictures in the page not counted
_MARKED = (0.85, 1.0, 1.0)  # share of letters, headings and code that must be kept of a marked <article> or <main>
_UNMARKED = (0.2, 0.3, 0.5)  # the same of a page that marks no main content; much of it may be navigation
_PLACES = (
    "//article",
    "//main",
    "//*[@role='main']",
    "//*[@itemprop='articleBody']",
    "//*[contains(@class, 'markdown-body')]",
)
_EMPTY_LINE, _LANGUAGE_MARK = "⟦empty line⟧", "⟦language⟧"  # trafilatura drops what cannot be printed
_EMBEDDED = re.compile(r"data:[a-z]+/[\w.+-]+;[a-z0-9=;-]*base64,[A-Za-z0-9+/=%]*")
_FENCED = re.compile(rf"^(`{{3,}})[^\n]*\n(?:{_LANGUAGE_MARK}([\w+#-]*)\n)?", re.M)
_ESCAPED = re.compile(
    r"(?P<verbatim>^[ \t]*(?P<fence>`{3,})[^`\n]*\n.*?^[ \t]*(?P=fence)`*[ \t]*$"
    r"|(?<!\\)`+(?:[^`\n]|\n(?!\n))+`+"
    r"|^\$\$\n.+?\n\$\$$)"  # what was \[x\] in the page
    r"|(?P<formula>\$\$(?:[^$\n]|\n(?!\n))+\$\$|(?<![\\$\w])\$(?!\s)[^$\n]+(?<!\s)\$(?![\w$]))"
    r"|(?<!\\)\\(?P<sign>[_*\[\]])(?!\()",
    re.M | re.S,
)
_ESCAPED_TEX = re.compile(r"(?<!\\)(\\+)([_*\[\]`~<])")  # n backslashes before a sign have become 2n + 1
_INLINE_TEX = re.compile(r"\\\(((?:[^\\\n]|\\[^()\n])+)\\\)")
_TEXT_WITH_TEX = r"//text()[contains(., '\(')][not(ancestor::pre or ancestor::code or ancestor::script)]"
_LINE_END = "\u2028"  # str.splitlines knows it
_LINE_ENDS = re.compile(rf"(?:\r?\n)?{_LINE_END}(?:\r?\n)?")
_INNER_LINES = (  # of blocks in code, those that hold no other
    ".//*[self::li or self::div or self::p or self::tr][not(.//li or .//div or .//p or .//tr)]"
)
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # lxml refuses to be given these
_REFERENCE = re.compile(r"&#(?:[xX]0*([0-9a-fA-F]{1,6})|0*([0-9]{1,7}));?")
_DISPLAY = re.compile(r"^\{\\(?:display|text)style\s*(.*)\}$", re.S)
_LEFT_OUT = (
    "//nav | //footer | //aside | //script | //style | //noscript | //template | //svg | //iframe | //form | //button"
    "| //*[@role='navigation' or @role='banner' or @role='contentinfo' or @role='search' or @aria-hidden='true']"
)
_SIGNS = (
    "//a[contains(@class, 'headerlink') or contains(@class, 'anchor-link') or normalize-space() = '¶']"
    "| //*[contains(@class, 'mw-editsection') or contains(@class, 'MathJax_Preview')]"
    "| //*[starts-with(@class, 'MathJax')][following-sibling::*[1][self::script[starts-with(@type, 'math/tex')]]]"
    "| //*[contains(@class, 'copybtn') or contains(@class, 'linenos')]"
)
_FORMULAS = (  # the wrapper that stands for a formula, and where its TeX is
    (
        "//*[contains(@class, 'katex-display') or @class = 'katex' or contains(@class, 'mwe-math-element')]",
        ".//annotation",
    ),
    ("//*[local-name() = 'mjx-container']", ".//annotation"),
    ("//script[starts-with(@type, 'math/tex')]", "."),
    ("//math", ".//annotation"),
)


def read_html(path: Path) -> Document:
    """Read a saved page. Raises ReadError where it is not HTML or has too much of it."""
    source = _EMBEDDED.sub("", _REFERENCE.sub(_safe, _NOT_XML.sub("", read_text(path))))
    if len(source) > MAX_MARKUP:
        raise ReadError(
            f"{path.name}: {len(source) / 2**20:.0f} million characters of HTML, the limit is {MAX_MARKUP // 2**20}; "
            "save the page again as text or split it"
        )
    if not re.search(r"<[a-zA-Z!]", source):
        raise ReadError(f"{path.name}: no HTML in it; rename it to its real type or save the page again")
    text, title = html_text(source)
    if title and not re.search(r"^# ", text, re.M) and text:
        text = f"# {title}\n\n{text}"
    document = parse_markdown(text, path.stem)
    return replace(document, line_starts=None)


def _safe(reference: re.Match[str]) -> str:
    """Return a character reference, "" where it stands for what lxml refuses to be given back."""
    code = int(reference[1], 16) if reference[1] else int(reference[2])
    return reference[0] if code <= 0x10FFFF and not _NOT_XML.match(chr(code)) else ""


def html_text(source: str) -> tuple[str, str]:
    """Return the main content of a page as Markdown, and its title."""
    tree = _tree(source)
    if tree is None:
        return "", ""
    title = one_line(" ".join(tree.xpath("//title[1]//text()")))
    _prepare(tree)
    found = _main(tree)
    for element in tree.xpath(_LEFT_OUT):
        if element.getparent() is not None:
            element.drop_tree()
    places = next((places for path in _PLACES if len(places := tree.xpath(path)) == 1), None)
    marked = to_markdown(_serialized(places[0] if places else tree))
    shares = zip(_sizes(found), _sizes(marked), _MARKED if places else _UNMARKED, strict=True)
    kept = all(mine >= share * whole for mine, whole, share in shares)
    return _mended(_unescaped(found) if kept else marked), title


def _tree(source: str) -> Any:
    from lxml import etree, html  # type: ignore[import-untyped]

    try:
        return html.document_fromstring(source.encode("utf-8"), parser=html.HTMLParser(encoding="utf-8"))
    except (etree.LxmlError, ValueError):
        return None  # nothing but comments or white space


def _main(tree: Any) -> str:
    import trafilatura

    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    found = trafilatura.extract(
        _serialized(tree), output_format="markdown", include_formatting=True, include_comments=False, favor_recall=True
    )
    return found or ""


def _prepare(tree: Any) -> None:
    """Put TeX in place of drawn formulas, take out signs of themes, mark empty lines and language of code."""
    from lxml import html

    for element in tree.xpath(_SIGNS):
        if element.getparent() is not None:
            element.drop_tree()
    for wrapper, tex in _FORMULAS:
        for element in tree.xpath(wrapper):
            sources = element.xpath(tex)
            if element.getparent() is None or not sources:
                continue
            formula = " ".join(sources[0].text_content().split())
            formula = (match[1] if (match := _DISPLAY.match(formula)) else formula).strip()
            sign = "$$" if "display" in (element.get("class") or "") + (element.get("type") or "") else "$"
            element.tail = f"{sign}{formula}{sign}{element.tail or ''}"
            element.drop_tree()
    for text in tree.xpath(_TEXT_WITH_TEX):  # trafilatura escapes $x$ and not \(x\), and makes one of the other
        formula = _INLINE_TEX.sub(lambda match: f"${match[1].strip()}$", text)
        setattr(text.getparent(), "tail" if text.is_tail else "text", formula)
    for element in tree.xpath("//button | //*[@role='button']"):
        if element.text_content().strip().endswith("?"):  # a panel that unfolds under its question
            element.tag = "h3"
            element.attrib.clear()
    for element in tree.xpath("//pre[not(ancestor::pre)]"):
        language = language_of(
            [place.get("class", "") for place in (*element.iter("code"), element, element.getparent())]
        )
        for line in element.iter("br"):
            line.tail = "\n" + (line.tail or "").removeprefix("\n")
        for line in element.xpath(_INNER_LINES):
            line.tail = _LINE_END + (line.tail or "")
        lines = _LINE_ENDS.sub("\n", element.text_content()).strip("\r\n").splitlines()
        marked = [f"{_LANGUAGE_MARK}{language}", *(line if line.strip() else _EMPTY_LINE for line in lines)]
        for child in list(element):
            element.remove(child)
        element.text = None
        html.etree.SubElement(element, "code").text = "\n".join(marked)


def _unescaped(text: str) -> str:
    """Return trafilatura's Markdown without its escapes in formulas, and without the needless ones in prose."""

    def undone(match: re.Match[str]) -> str:
        if match["formula"]:
            return _ESCAPED_TEX.sub(lambda sign: "\\" * (len(sign[1]) // 2) + sign[2], match[0])
        return match["sign"] or match[0]

    return _ESCAPED.sub(undone, text)


def _mended(text: str) -> str:
    """Return Markdown with the code as it was."""
    text = _FENCED.sub(lambda match: f"{match[1]}{match[2] or ''}\n", text)
    return text.replace(_EMPTY_LINE, "").replace(_LANGUAGE_MARK, "").strip()


def _serialized(tree: Any) -> str:
    from lxml import html

    return str(html.tostring(tree, encoding="unicode"))


def _sizes(text: str) -> tuple[int, int, int]:
    """Return how many letters, headings under the title and blocks of code a text has."""
    return sum(map(str.isalnum, text)), len(re.findall(r"^#{2,6} ", text, re.M)), len(re.findall(r"^```", text, re.M))
