"""HTML to Markdown, so that what people keep as HTML takes the way of their Markdown.

What is nested deeper than the converter can follow, some hundred levels, comes out as bare text.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

_LANGUAGE = re.compile(r"^(?:language|lang|highlight-source|highlight|brush)[-:]([A-Za-z0-9+#]+)$")
_LEFT_OUT = ("script", "style", "head", "template", "noscript", "svg", "iframe", "object", "video", "audio")
_NO_LANGUAGE = ("default", "notranslate", "none", "text", "plaintext")
_BLANKS = re.compile(r"\n[ \t]*(?:\n[ \t]*)+\n")


def to_markdown(html: str) -> str:
    """Return HTML as Markdown: headings with #, code fenced with its language, of images the alternative text."""
    if "<" not in html and "&" not in html:
        return html.strip()
    from bs4 import BeautifulSoup
    from markdownify import ATX, MarkdownConverter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # bs4 wonders whether a short text is a file name
        soup = BeautifulSoup(html, "lxml")
    for element in soup.find_all(_LEFT_OUT):
        element.decompose()
    for image in soup.find_all("img"):
        image.replace_with(str(image.get("alt") or ""))
    converter = MarkdownConverter(
        heading_style=ATX,
        bullets="-",
        escape_asterisks=False,
        escape_underscores=False,
        escape_misc=False,
        table_infer_header=True,
        code_language_callback=_language,
    )
    try:
        text: str = converter.convert_soup(soup)
    except RecursionError:
        text = soup.get_text("\n\n", strip=True)
    return _BLANKS.sub("\n\n", text.replace("\xa0", " ").replace("\r", "")).strip()


def _language(element: Any) -> str:
    places = (element.find("code"), element, element.parent)
    return language_of([" ".join(place.get("class") or ()) for place in places if place is not None])


def language_of(classes: Iterable[str]) -> str:
    """Return the language that one of the class attributes of a code block names, "" where none does."""
    names = (match[1] for group in classes for name in group.split() if (match := _LANGUAGE.match(name)))
    return next((name for name in names if name not in _NO_LANGUAGE), "")
