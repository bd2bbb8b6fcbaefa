"""What a sentence claims and what a passage says, compared word by word: the features of the support check.

Everything here is text against text; `retrieval.support` adds the encoder and judges.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from retrieval.lexical import words
from retrieval.text import plain, sentences

# A minus is a sign where nothing stands before it that it could join: it is one in (2,-1), 10^-3 and 1e-5, and none
# in top-5, 3-5, +/-5 and --5.
_NUMBER = re.compile(
    r"(?P<sign>(?:(?<![\w.)\]}%+/-])|(?<=\de))[-−–])?"
    r"(?P<digits>(?<![\w.])\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
)
# Words before a number that stand for its minus, or for none: a fall of 5 % is a difference of -5 %, n minus 1 is n-1.
_FALLS = re.compile(
    r"\b(?:minus|negative|(?:fell|fall\w*|drop\w*|decreas\w*|declin\w*|lower\w*|reduc\w*|loss\w*|down)"
    r"(?:\s+(?:by|of|about|around|nearly|only))*)[\s$]+$"
)
_BEFORE = 40  # characters before a number in which such words are looked for
_SMALL = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen".split()
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_SPELLED = (
    {word: str(n) for n, word in enumerate(_SMALL)}
    | {ten: str(10 * n) for n, ten in enumerate(_TENS, 2)}
    | {f"{ten} {unit}": str(10 * n + m) for n, ten in enumerate(_TENS, 2) for m, unit in enumerate(_SMALL[1:10], 1)}
)
_RHETORICAL = frozenset("0 1 2".split())  # said in words they count nothing: "for one", "the two"
_FORMULA = re.compile(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]|`([^`]+)`", re.S)
_QUOTED = re.compile(r"[\"“]([^\"“”]{12,})[\"”]")
_CLAUSE = re.compile(
    r"[;:,()]|\s(?:and|but|while|whereas|because|since|so that|so|if|when|unless|although|though|than)\s"
)
_NEGATION = re.compile(
    r"\b(?:not|no|never|none|nothing|nobody|neither|nor|cannot|without|instead of|rather than|lacks?|absent|hardly|"
    r"seldom|rarely|barely|unlike|fails? to|\w+n['’]t)\b",
    re.I,
)
_STRONG = frozenset(
    "all always every any only never none everything everybody guarantee guarantees guaranteed completely entirely "
    "whatever cures removes impossible unnecessary best no".split()
)
_OPPOSITES = (
    ("more", "less"), ("more", "fewer"), ("most", "least"), ("high", "low"), ("higher", "lower"), ("highest", "lowest"),
    ("large", "small"), ("larger", "smaller"), ("largest", "smallest"), ("long", "short"), ("longer", "shorter"),
    ("increase", "decrease"), ("rise", "fall"), ("grow", "shrink"), ("growing", "shrinking"), ("up", "down"),
    ("upward", "downward"), ("before", "after"), ("first", "last"), ("early", "late"), ("earlier", "later"),
    ("fast", "slow"), ("faster", "slower"), ("over", "under"), ("above", "below"), ("toward", "away"),
    ("overfit", "underfit"), ("good", "bad"), ("better", "worse"), ("best", "worst"), ("cheap", "expensive"),
    ("positive", "negative"), ("valid", "invalid"), ("dense", "sparse"), ("linear", "logarithmic"),
    ("same", "different"), ("with", "without"), ("possible", "impossible"), ("always", "never"), ("strong", "weak"),
    ("full", "empty"), ("maximum", "minimum"), ("maximize", "minimize"), ("gain", "loss"), ("easy", "hard"),
    ("left", "right"), ("steep", "flat"), ("steeper", "flatter"), ("frequent", "rare"), ("accept", "reject"),
    ("accept", "raise"), ("include", "exclude"), ("online", "offline"), ("local", "global"),
    ("supervised", "unsupervised"),
)  # fmt: skip
_ORDER = re.compile(
    r"(?:^|[;:.!?])\W*(?:INST\]\s*)?(?:please\s+)?(?:"
    r"(?:ignore|disregard|forget|override)\b.{0,40}\binstructions?\b"
    r"|you are (?:now|no longer) .{0,30}\bmode\b"
    r"|(?:reveal|print|repeat) (?:the|your) (?:system )?(?:prompt|instructions)\b"
    r"|tell (?:the (?:reader|user|asker)|them) to\b"
    r"|answer (?:it|this|that) instead\b)",
    re.I,
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_WORD_OR_NUMBER = re.compile(
    rf"(?:{'|'.join(_TENS)})[-‐ ](?:{'|'.join(_SMALL[1:10])})(?!['’]?[^\W_])|{_WORD.pattern}"  # twenty-five, one number
)
_RAISED = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+|⁻")
_NEAR = 4  # content words within which two neighbors of a claim stand together in a passage too


@dataclass(frozen=True, slots=True)
class Clause:
    """The content words between two commas or conjunctions, and whether they are denied."""

    stems: frozenset[str]
    denies: bool

    def share_in(self, other: Clause) -> float:
        """Return the share of its words that another clause holds."""
        return len(self.stems & other.stems) / len(self.stems) if self.stems else 0.0


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or a run of sentences with what is compared of it."""

    stems: tuple[str, ...]
    clauses: tuple[Clause, ...]
    lexemes: frozenset[str]

    @classmethod
    def of(cls, text: str) -> Text:
        text = plain(text)
        low = text.casefold()
        cut = [Clause(frozenset(words(part)), bool(_NEGATION.search(part))) for part in _CLAUSE.split(low)]
        whole = Clause(frozenset(words(text)), bool(_NEGATION.search(low)))
        clauses = tuple(c for c in cut if len(c.stems) > 1) or (whole,)
        return cls(tuple(words(text)), clauses, frozenset(_WORD.findall(low)))


def numbers(text: str) -> frozenset[str]:
    """Return the numbers of a text in one spelling: digits without thousands' commas, words of small ones as digits.

    Each is there as "±5" too, which is what a sentence states whose words leave the sign open.
    """
    text = _folded(text)
    found: set[str] = set()
    for number, is_open in (*_in_digits(text), *_in_words(text)):
        bare_number = number.lstrip("-")
        found |= {number, f"±{bare_number}"} | ({bare_number, f"-{bare_number}"} if is_open else set())
    return frozenset(found)


def stated_numbers(text: str) -> frozenset[str]:
    """Return the numbers that a text states, and that what it cites must hold: all in digits, and words from three.

    A lost minus is a wrong claim, so that neither 5 nor -5 is held by the other. One whose words leave its sign open
    ("fell by 5") is "±5", held by both.
    """
    text = _folded(text)
    said = (*_in_digits(text), *((n, is_open) for n, is_open in _in_words(text) if n not in _RHETORICAL))
    return frozenset(f"±{n.lstrip('-')}" if is_open else n for n, is_open in said)


def formulas(text: str) -> list[str]:
    """Return the formulas and code spans of a text without blanks and marks."""
    return [f for groups in _FORMULA.findall(text) if (f := bare("".join(groups)))]


def quotations(text: str) -> list[str]:
    """Return what a text puts between quotation marks, those of a few letters left out."""
    return [" ".join(q.split()).strip(" .,;") for q in _QUOTED.findall(text)]


def bare(text: str) -> str:
    """Return a text without blanks, dollar signs and backticks, to look for a formula in."""
    return re.sub(r"[\s$`{}]|\\[,;!]|\\(?:left|right)\b", "", text)


def without_orders(text: str) -> str:
    """Return a text with every sentence that orders whoever answers blanked out, and a question that it is about.

    An order states nothing. Only plain ones are known, at the beginning of a sentence or of a part of it; spans stay.
    """
    spans = sentences(text)
    orders = [bool(_ORDER.search(text[start:end])) for start, end in spans]
    for (start, end), order, next_is in zip(spans, orders, [*orders[1:], False], strict=True):
        if order or (next_is and text[start:end].endswith("?")):
            text = text[:start] + " " * (end - start) + text[end:]
    return text


def coverage(claim: Text, said: Text, context: frozenset[str] = frozenset()) -> float:
    """Return the share of a claim's content words that are said, or known from the heading."""
    held = frozenset(said.stems) | context
    return sum(s in held for s in claim.stems) / len(claim.stems) if claim.stems else 0.0


def weakest_clause(claim: Text, said: Text) -> float:
    """Return how much of the claim's worst clause stands together in one clause said: what swapped roles lack."""
    return min(max((c.share_in(o) for o in said.clauses), default=0.0) for c in claim.clauses)


def neighbors(claim: Text, said: Text) -> float:
    """Return the share of neighboring content words of a claim that stand near each other, in order, where said."""
    pairs = [(a, b) for a, b in zip(claim.stems, claim.stems[1:], strict=False) if a != b]
    if not pairs:
        return 0.0
    places: dict[str, list[int]] = {}
    for n, stem in enumerate(said.stems):
        places.setdefault(stem, []).append(n)
    near = sum(any(0 < j - i <= _NEAR for i in places.get(a, ()) for j in places.get(b, ())) for a, b in pairs)
    return near / len(pairs)


def opposed(claim: Text, said: Text) -> int:
    """Return how many words of a claim are the opposite of a word said and are not said themselves."""
    return sum(
        (a in claim.lexemes and a not in said.lexemes and b in said.lexemes and b not in claim.lexemes)
        or (b in claim.lexemes and b not in said.lexemes and a in said.lexemes and a not in claim.lexemes)
        for a, b in _OPPOSITES
    )


def overstated(claim: Text, said: Text) -> int:
    """Return how many words of a claim leave no exception where nothing of the kind is said."""
    return len((claim.lexemes & _STRONG) - said.lexemes)


def denied(claim: Text, said: Text) -> bool:
    """Tell whether a clause of a claim denies what the clause nearest to it says, or the other way round."""
    return any(
        c.denies != max(said.clauses, key=lambda o: len(c.stems & o.stems) / len(c.stems | o.stems or {""})).denies
        for c in claim.clauses
    )


def _folded(text: str) -> str:
    # 10⁶ would become 106, and 10⁻³ a range, 10−3.
    return unicodedata.normalize("NFKC", _RAISED.sub(r"^\g<0>", text)).casefold()


def _in_digits(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the numbers in digits of a folded text, and whether words before them leave the sign open."""
    for match in _NUMBER.finditer(text):
        number = match["digits"].replace(",", "")
        number = number.rstrip("0").rstrip(".") if "." in number else number
        yield "-" * bool(match["sign"] and number.strip("0")) + number, _is_open(text, match.start())


def _in_words(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the numbers in words of a folded text as digits, and whether words before them leave the sign open."""
    for match in _WORD_OR_NUMBER.finditer(text):
        if number := _SPELLED.get(re.sub("[-‐]", " ", match.group())):
            yield number, _is_open(text, match.start())


def _is_open(text: str, at: int) -> bool:
    return bool(_FALLS.search(text[max(0, at - _BEFORE) : at]))
