"""Follows the text operators of one PDF page and keeps the words they set, with their places.

pypdf's own extraction gives positions but no widths, and its layout mode stays out of form
XObjects; without both, neither columns nor formulas can be told apart. Knows the operators
(PDF 32000-1, 9.4) and nothing of pypdf: fonts come in as `Glyphs`, operators one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Matrix = tuple[float, float, float, float, float, float]
IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)

# TeX's narrowest justified word gap is 0.22 em and its kerns stay under 0.1.
WORD_GAP = 0.17
MAX_STACK = 500
MAX_LENGTH = 20_000.0
"""The largest page of PDF 1.7 is 14,400 points; what is set beyond it is a broken matrix."""

PAINT = frozenset((b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*", b"S", b"s", b"sh", b"BI", b"INLINE IMAGE"))


@dataclass(frozen=True, slots=True)
class Word:
    """Ink without a gap. `y` is the baseline; points, origin at the lower left of the upright page."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    bold: bool = False
    mono: bool = False
    spaced: bool = False
    loose: bool = False
    """A sign of a math extension font: it hangs from its origin, so its baseline is only a guess."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A thin horizontal line: of a fraction, of a table, under a header."""

    x0: float
    x1: float
    y: float


@dataclass(frozen=True, slots=True)
class Glyphs:
    """A font: `decode` turns the bytes of a string into (text, width in em) pairs."""

    decode: Callable[[bytes], list[tuple[str, float]]]
    bold: bool = False
    mono: bool = False
    em: float = 1.0
    single_byte: bool = True
    drop: float = 0.0
    """How far, in em, the baseline of the line lies under the glyph's origin (TeX's big operators hang)."""


def multiply(m: Matrix, n: Matrix) -> Matrix:
    return (
        m[0] * n[0] + m[1] * n[2],
        m[0] * n[1] + m[1] * n[3],
        m[2] * n[0] + m[3] * n[2],
        m[2] * n[1] + m[3] * n[3],
        m[4] * n[0] + m[5] * n[2] + n[4],
        m[4] * n[1] + m[5] * n[3] + n[5],
    )


def matrix_of(values: Sequence[object]) -> Matrix:
    """Return six operands as a matrix; raises ValueError where they are not six numbers."""
    a, b, c, d, e, f = (_number(value) for value in values)
    return (a, b, c, d, e, f)


def _number(value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("not a number")
    return float(value)


@dataclass(slots=True)
class _Text:
    """The part of the graphics state that q saves and Q brings back."""

    ctm: Matrix
    font: Glyphs | None = None
    size: float = 0.0
    char: float = 0.0
    word: float = 0.0
    scale: float = 1.0
    leading: float = 0.0
    rise: float = 0.0


class Ink:
    """The state machine. Words are kept by quarter turn, because a page holds upright and sideways text."""

    def __init__(self, ctm: Matrix = IDENTITY) -> None:
        self.turns: tuple[list[Word], ...] = ([], [], [], [])
        self.rules: list[Rule] = []
        self.painted = False
        self.forms = 0
        self._state = _Text(ctm)
        self._stack: list[_Text] = []
        self._line = self._place = IDENTITY
        self._path: list[tuple[float, float]] = []

    @property
    def words(self) -> list[Word]:
        """The words of the direction that most of the page is written in; margin stamps and axis labels are not."""
        return _without_doubles(max(self.turns, key=lambda words: sum(len(word.text) for word in words)))

    def set_font(self, font: Glyphs | None, size: object) -> None:
        self._state.font = font
        if isinstance(size, (int, float)) and math.isfinite(size):
            self._state.size = float(size)

    def apply(self, operator: bytes, operands: Sequence[object]) -> None:
        """Follow one operator; one with operands that make no sense is passed over, as viewers do."""
        if operator in PAINT:
            self._stroke()
            return
        handler = _HANDLERS.get(operator)
        if handler is not None:
            try:
                handler(self, operands)
            except (ValueError, TypeError, IndexError):
                return

    def save(self, _: Sequence[object] = ()) -> None:
        if len(self._stack) < MAX_STACK:
            s = self._state
            self._stack.append(_Text(s.ctm, s.font, s.size, s.char, s.word, s.scale, s.leading, s.rise))

    def restore(self, _: Sequence[object] = ()) -> None:
        if self._stack:
            self._state = self._stack.pop()

    def concat(self, operands: Sequence[object]) -> None:
        self._state.ctm = multiply(matrix_of(operands), self._state.ctm)

    def _begin(self, _: Sequence[object]) -> None:
        self._line = self._place = IDENTITY

    def _set_matrix(self, operands: Sequence[object]) -> None:
        self._line = self._place = matrix_of(operands)

    def _move(self, operands: Sequence[object]) -> None:
        x, y = _number(operands[0]), _number(operands[1])
        self._line = self._place = multiply((1.0, 0.0, 0.0, 1.0, x, y), self._line)

    def _move_leading(self, operands: Sequence[object]) -> None:
        self._state.leading = -_number(operands[1])
        self._move(operands)

    def _next_line(self, _: Sequence[object] = ()) -> None:
        self._move((0.0, -self._state.leading))

    def _set_char(self, operands: Sequence[object]) -> None:
        self._state.char = _number(operands[0])

    def _set_word(self, operands: Sequence[object]) -> None:
        self._state.word = _number(operands[0])

    def _set_scale(self, operands: Sequence[object]) -> None:
        self._state.scale = _number(operands[0]) / 100

    def _set_leading(self, operands: Sequence[object]) -> None:
        self._state.leading = _number(operands[0])

    def _set_rise(self, operands: Sequence[object]) -> None:
        self._state.rise = _number(operands[0])

    def _show(self, operands: Sequence[object]) -> None:
        self._set_words(operands[:1])

    def _show_next(self, operands: Sequence[object]) -> None:
        self._next_line()
        self._show(operands[-1:])

    def _show_spaced(self, operands: Sequence[object]) -> None:
        self._set_word(operands)
        self._set_char(operands[1:])
        self._show_next(operands)

    def _show_array(self, operands: Sequence[object]) -> None:
        if isinstance(operands[0], Sequence):
            self._set_words(operands[0])

    def _set_words(self, items: Sequence[object]) -> None:
        state, font = self._state, self._state.font
        if font is None or not state.size:
            return
        size, scale = state.size * font.em, state.scale
        at = 0.0
        text, start, end, spaced = "", 0.0, 0.0, False
        for item in items:
            if isinstance(item, (int, float)):
                at -= item / 1000 * state.size * scale
                continue
            if not isinstance(item, bytes):
                continue
            for glyph, width in font.decode(item):
                blank = glyph.isspace()
                if text and (blank or not -size < at - end <= WORD_GAP * size * scale + state.char * scale):
                    self._keep(text, start, end, spaced)
                    text, spaced = "", False
                if blank:
                    spaced = True
                elif glyph:
                    start = start if text else at
                    text += glyph
                    end = at + width * size * scale
                at += (width * size + state.char + (state.word if blank and font.single_byte else 0.0)) * scale
        if text:
            self._keep(text, start, end, spaced)
        self._place = multiply((1.0, 0.0, 0.0, 1.0, at, 0.0), self._place)

    def _keep(self, text: str, start: float, end: float, spaced: bool) -> None:
        state = self._state
        font = state.font
        a, b, c, d, e, f = multiply(self._place, state.ctm)
        if font is None or not (a or b):
            return
        turn = round(math.atan2(b, a) / (math.pi / 2)) % 4
        lift = state.rise - font.drop * state.size
        x0, x1 = a * start + c * lift + e, a * end + c * lift + e
        y0, y1 = b * start + d * lift + f, b * end + d * lift + f
        if turn == 1:
            x0, x1, y0 = y0, y1, -x0
        elif turn == 2:
            x0, x1, y0 = -x0, -x1, -y0
        elif turn == 3:
            x0, x1, y0 = -y0, -y1, x0
        size = abs(state.size * font.em) * math.hypot(c, d)
        if 0 < size < MAX_LENGTH and max(abs(x0), abs(x1), abs(y0)) < MAX_LENGTH:
            word = Word(text, min(x0, x1), max(x0, x1), y0, size, font.bold, font.mono, spaced, font.drop > 0)
            self.turns[turn].append(word)

    def _path_point(self, operands: Sequence[object]) -> None:
        self._path.append((_number(operands[-2]), _number(operands[-1])))

    def _path_start(self, operands: Sequence[object]) -> None:
        self._path.clear()
        self._path_point(operands)

    def _path_box(self, operands: Sequence[object]) -> None:
        x, y, width, height = (_number(value) for value in operands)
        self._path[:] = [(x, y), (x + width, y + height)]

    def _path_end(self, _: Sequence[object]) -> None:
        self._path.clear()

    def _stroke(self) -> None:
        self.painted = True
        if len(self._path) == 2:
            a, b, c, d, e, f = self._state.ctm
            (x0, y0), (x1, y1) = ((a * x + c * y + e, b * x + d * y + f) for x, y in self._path)
            # A fraction bar is 0.4 pt thick, drawn as a line or as a filled box.
            if abs(y1 - y0) < 1.5 < abs(x1 - x0):
                self.rules.append(Rule(min(x0, x1), max(x0, x1), (y0 + y1) / 2))
        self._path.clear()


def _without_doubles(words: Sequence[Word]) -> list[Word]:
    """Return words without those that are drawn again a hair's breadth away, which makes poor man's bold."""
    seen: set[tuple[str, int, int]] = set()
    kept: list[Word] = []
    for word in words:
        # In half points; two letters l in a row stand nearer to each other than two words ever do.
        x, y, reach = round(2 * word.x0), round(2 * word.y), 1 if len(word.text) == 1 else 2
        steps = range(-reach, reach + 1)
        if not any((word.text, x + dx, y + dy) in seen for dx in steps for dy in steps):
            kept.append(word)
            seen.add((word.text, x, y))
    return kept


_HANDLERS: dict[bytes, Callable[[Ink, Sequence[object]], None]] = {
    b"q": Ink.save,
    b"Q": Ink.restore,
    b"cm": Ink.concat,
    b"BT": Ink._begin,
    b"Tm": Ink._set_matrix,
    b"Td": Ink._move,
    b"TD": Ink._move_leading,
    b"T*": Ink._next_line,
    b"Tc": Ink._set_char,
    b"Tw": Ink._set_word,
    b"Tz": Ink._set_scale,
    b"TL": Ink._set_leading,
    b"Ts": Ink._set_rise,
    b"Tj": Ink._show,
    b"TJ": Ink._show_array,
    b"'": Ink._show_next,
    b'"': Ink._show_spaced,
    b"m": Ink._path_start,
    b"l": Ink._path_point,
    b"re": Ink._path_box,
    b"n": Ink._path_end,
}
