"""HTML to Markdown, so that what people keep as HTML takes the way of their Markdown.

What is nested deeper than the converter can follow, some hundred levels, comes out as bare text.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

_LANGUAGE = re.compile(r"^(?:language|lang|highlight|brush|sourceCode)[-: ]*([A-Za-z0-9+#]+)$")
_LEFT_OUT = ("script", "style", "head", "template", "noscript", "svg", "iframe", "object", "video", "audio")
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
    """Return the language that a <pre>, the <code> in it or the <div> around it names."""
    for place in (element, element.find("code"), element.parent):
        for name in (place.get("class") or ()) if place is not None else ():
            if match := _LANGUAGE.match(name):
                return match[1]
    return ""
