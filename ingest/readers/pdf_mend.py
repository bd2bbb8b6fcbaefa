"""Undoes what typesetting does to words: ligatures, line ends, hyphens.

NFKC as a whole would turn x² into x2 and ½ into 1⁄2, so only what is a way of drawing a
letter is expanded: ligatures, styled letters (𝑥), contextual forms, radicals, accents set apart.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

SOFT_HYPHEN = "\xad"
HYPHENS = "-\u2010" + SOFT_HYPHEN

_DRAWN = re.compile(
    "[\ufb00-\ufb06\ufb13-\ufb17\ufb1d-\ufdfb\ufe70-\ufefc\u2f00-\u2fdf\uff01-\uff5e\u0132\u0133\u01c4-\u01cc"
    "\U0001d400-\U0001d7ff\u2113\u210e\u2126\u212b]"
)
# Private codes: bullets of Word's Symbol font, and the pieces that TeX builds tall brackets of (the top one counts).
_PRIVATE = str.maketrans(
    {"\uf0b7": "•", "\uf0a7": "▪", "\uf0d8": "➢", "\uf0fc": "✓", "\uf0e0": "→", "\uf0a8": "☐"}
    | {"\uf8eb": "(", "\uf8f6": ")", "\uf8ee": "[", "\uf8f9": "]", "\uf8f1": "{", "\uf8fc": "}"}
    | dict.fromkeys(
        "\uf8e5\uf8e6\uf8e7\uf8ec\uf8ed\uf8ef\uf8f0\uf8f2\uf8f3\uf8f4\uf8f7\uf8f8\uf8fa\uf8fb\uf8fd\uf8fe", ""
    )
)
_NOTHING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\ufffe\uffff\ud800-\udfff]"
)
_BLANK = re.compile(r"[^\S\n]+")
_ACCENTS = {
    "´": "\u0301",
    "¨": "\u0308",
    "ˆ": "\u0302",
    "˜": "\u0303",
    "ˇ": "\u030c",
    "˘": "\u0306",
    "˚": "\u030a",
    "¯": "\u0304",
}
_SET_APART = re.compile(f"([{''.join(_ACCENTS)}]) ?([A-Za-zıȷ\u0370-\u03ff])")
_WORD = re.compile(r"[^\W_]+(?:[-\u2010][^\W_]+)*")
_CJK = re.compile("[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_PREFIXES = frozenset(("self", "cross", "well", "non", "semi", "quasi"))


def characters(text: str) -> str:
    """Return text with drawn characters as plain ones and single spaces; soft hyphens stay for `join`."""
    text = _NOTHING.sub("", text.translate(_PRIVATE))
    if not text.isascii():
        text = _DRAWN.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
        text = _SET_APART.sub(_accented, text)
        text = unicodedata.normalize("NFC", text.replace("⁄=", "≠").replace("⁄∈", "∉"))
    return _BLANK.sub(" ", text).strip()


def _accented(match: re.Match[str]) -> str:
    letter = {"ı": "i", "ȷ": "j"}.get(match[2], match[2])
    return unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How often the document writes each word away from line ends."""

    words: Counter[str]

    @classmethod
    def of(cls, lines: Iterable[str]) -> Vocabulary:
        words: Counter[str] = Counter()
        broken = False
        for line in lines:
            found = [word.casefold() for word in _WORD.findall(line)]
            start = 1 if broken else 0
            broken = line[-1:] in HYPHENS and bool(line)
            words.update(found[start : len(found) - 1 if broken else len(found)])
        for word in list(words):
            if "-" in word:
                words[word.split("-")[0] + "-"] += words[word]
        return cls(words)

    def joined(self, head: str, tail: str) -> str:
        """Return what the two halves of a word hyphenated at a line end read.

        The hyphen goes unless it is one of the word's own: the document writes the hyphenated form at
        least as often as the joined one; or the second half is no lower-case word; or the first half has
        a hyphen already (state-of-the-/art); or it is a first half that the document hyphenates elsewhere
        or that is always one (self-), and the joined form occurs nowhere.
        """
        solid, spelled = (head + tail).casefold(), f"{head}-{tail}".casefold()
        joined, hyphenated = self.words[solid], self.words[spelled]
        if joined or hyphenated:
            return head + tail if joined >= hyphenated and tail[0].islower() else f"{head}-{tail}"
        prefix = head.casefold()
        compound = len(tail) > 3 and (
            prefix in _PREFIXES or (self.words[prefix + "-"] > 0 and self.words[tail.casefold()] > 0)
        )
        if not tail[0].islower() or "-" in head or compound:
            return f"{head}-{tail}"
        return head + tail


_HEAD = re.compile(rf"([^\W\d_]+(?:[-\u2010][^\W_]+)*|[^\W_]+)([{HYPHENS}])$")
_TAIL = re.compile(r"[^\W_]+")


def join(texts: Sequence[str], vocabulary: Vocabulary) -> str:
    """Join the lines of a paragraph with single spaces, hyphenated words whole."""
    whole = ""
    for text in texts:
        head, tail = _HEAD.search(whole), _TAIL.match(text)
        if whole.endswith(SOFT_HYPHEN):
            whole = whole.rstrip(SOFT_HYPHEN) + text
        elif head and tail:
            whole = whole[: head.start()] + vocabulary.joined(head[1], tail[0]) + text[tail.end() :]
        elif not whole or not text or (_CJK.match(whole[-1]) and _CJK.match(text)):
            whole += text
        else:
            whole += " " + text
    return whole.replace(SOFT_HYPHEN, "")
