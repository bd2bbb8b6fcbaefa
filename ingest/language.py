"""Which language a source is written in, so that `prep status` can say what the encoder was not made for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval.types import Passage

_ENOUGH = 100  # letters; fewer say nothing
_READ = 3000  # characters of prose that decide

# Frequent in English, and rare or unknown in every other language that is written in Latin letters.
_ENGLISH = re.compile(
    r"\b(?:and|because|between|does|from|have|how|should|than|that|the|they|this|what|when|which|with|you)\b", re.I
)
_ENGLISH_SHARE = 0.05  # of the letters of a text stand in such words
_ASCII_SHARE = 0.9  # of the letters; Chinese with English terms between has fewer


def language_of(passages: Sequence[Passage]) -> str | None:
    """Return the ISO 639-1 code of the prose of a source, None where there is too little of it.

    Plain English is told by its frequent words, all else by py3langid (97 languages, 4 MB, offline), which named each
    of 395 Markdown files of English, Chinese and Japanese notes rightly. Code is left out: it reads as whatever its
    names look like.
    """
    prose = "\n".join(p.text for p in passages if p.kind != "code")[:_READ]
    letters = [c for c in prose if c.isalpha()]
    if len(letters) < _ENOUGH:
        return None
    if _is_plainly_english(prose, letters):
        return "en"
    import py3langid

    return str(py3langid.classify(prose)[0])


def _is_plainly_english(prose: str, letters: Sequence[str]) -> bool:
    """Tell whether a text is English beyond doubt; False says nothing.

    It spares most libraries the two seconds in which py3langid unpacks its model, in each process that reads files. Of
    426 sources, 12 of them Chinese or Japanese, 0.90 are decided here, each as py3langid has it.
    """
    common = sum(map(len, _ENGLISH.findall(prose)))
    ascii_letters = sum(c.isascii() for c in letters)
    return common >= _ENGLISH_SHARE * len(letters) and ascii_letters >= _ASCII_SHARE * len(letters)
