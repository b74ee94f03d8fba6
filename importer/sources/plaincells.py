"""The cells of a piece of a sheet's XML, found by array operations where the XML is plain.

Plain is XML as spreadsheet programs write it: every row begins with ``<row r="1"``, every cell
with ``<c r="A1"``, in order. Of such a piece all cells are found, and the values of plain cells:
texts without entities, and numbers that are written as they are shown. Other cells (dates, truth
values, errors, rich text) are odd and given as they stand. A piece that is not plain is
given up whole, so that a file made to deceive only makes its reader slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from importer.sources.bytewise import FIRST, Piece, sign, word
from importer.sources.cellheads import Form

if TYPE_CHECKING:
    import numpy.typing as npt

    from importer.sources.bytewise import Places
    from importer.sources.cellheads import Heads

COLUMN_BITS = 14
"""Of a cell's place, which is its row and its column in one number, counted from 0."""
TEXT, SHARED, ODD = range(3)
"""What a cell holds: a text, the number of a shared string, or something else."""

_LONGEST_PIECE = 4 * 2**20
_ROW, _ROW_END, _CELL, _CELL_END = map(sign, (b"<row", b"</ro", b"<c r", b"</c>"))
_V, _V_END, _IS, _IS_END = map(sign, (b"<v>", b"</v>", b"<is>", b"</is"))
_F, _F_END = map(sign, (b"<f>", b"</f>"))
T, T_END = map(sign, (b"<t>", b"</t>"))
THREE = np.uint32(0xFFFFFF)
_ROW_START, _CELL_START, _ROW_ENDING = word(b'<row r="'), word(b'<c r="'), sign(b"row>")
PRESERVED = b'<t xml:space="preserve">'
_PRESERVED = [(at, word(PRESERVED[at : at + 8])) for at in (0, 8, 16)]
_QUOTE, _GREATER, _LESS, _SLASH, _A, _Z = b'"></AZ'
_IS_IN_V = np.isin(np.arange(len(Form)), (Form.NUMBER, Form.RESULT, Form.SHARED))
_MOST_TAGS = 6
"""Of a cell: its own, its text's, what is around that, and the ends of the three."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells that hold something, in order.

    `places` are ``row << COLUMN_BITS | column``, `holds` what each holds: the next of `texts` (an
    Arrow array), of `shared`, or of `odd` (what stands after the reference, to the cell's end).
    """

    places: npt.NDArray[np.int64]
    holds: npt.NDArray[np.uint8]
    texts: Any
    shared: npt.NDArray[np.int64]
    odd: list[bytes]


class Tags:
    """The tags of a piece: where each begins, and its first four bytes.

    What looks for a tag behind the last one finds the piece's end.
    """

    def __init__(self, piece: Piece) -> None:
        at = np.flatnonzero(piece.bytes == _LESS)
        self.count = len(at)
        self.at: Places = np.append(at, np.full(_MOST_TAGS, piece.size))
        self.signs = piece.halves[self.at]

    def follow(self, index: Places, length: int) -> npt.NDArray[np.bool_]:
        """Whether tags that are so long are followed by the next tag at once."""
        follows: npt.NDArray[np.bool_] = self.at[index + 1] == self.at[index] + length
        return follows


@dataclass(frozen=True, slots=True)
class _Found:
    """Cells with a value: their first tag, how many tags they have, where their heads begin."""

    index: Places
    span: Places
    head: Places
    forms: npt.NDArray[np.uint8]


def plain_cells(part: bytes, heads: Heads) -> Cells | None:
    """The cells of a piece that is plain; None for one that is not."""
    if len(part) > _LONGEST_PIECE or b"\0" in part:
        return None
    if (b"!" in part and b"<!" in part) or (b"?" in part and b"<?" in part):
        return None
    piece = Piece(part)
    if not piece.is_utf8():
        return None
    tags = Tags(piece)
    index = np.flatnonzero(tags.signs == _CELL)
    row_index = np.flatnonzero(tags.signs == _ROW)
    row_ends = tags.signs == _ROW_END
    bounds = np.flatnonzero((tags.signs == _CELL) | (tags.signs == _ROW) | row_ends)
    if tags.count and (not len(row_index) or row_index[0] > 0):
        return None
    spans = np.diff(bounds, append=tags.count)
    of_cells = tags.signs[bounds] == _CELL
    if (spans[~of_cells] != 1).any() or not _rows_are_plain(piece, tags):
        return None
    if (located := _located(piece, tags, index, row_index, heads)) is None:
        return None
    places, head = located
    forms = heads.forms(piece, head, tags.at[index + 1])
    if forms is None:
        return None
    span = spans[of_cells]
    full = forms != Form.EMPTY
    if (span[~full] != 1).any():
        return None
    found = _Found(index[full], span[full], head[full], forms[full])
    closed = tags.signs[found.index + found.span - 1] == _CELL_END
    if not closed.all() or np.count_nonzero(tags.signs == _CELL_END) != len(closed):
        return None
    return _valued(piece, tags, places[full], found)


def _rows_are_plain(piece: Piece, tags: Tags) -> bool:
    """Whether rows begin and end in turn, by plain tags, and cells stand in rows only.

    A row without cells may have no end of its own.
    """
    index = np.flatnonzero((tags.signs == _ROW) | (tags.signs == _ROW_END))
    is_end = tags.signs[index] == _ROW_END
    is_open = ~is_end & (piece.bytes[tags.at[index + 1] - 2] != _SLASH)
    inside = np.cumsum(is_open) - np.cumsum(is_end)
    if len(index) and (inside[-1] or (inside != is_open).any()):
        return False
    if (tags.signs[index[~is_open] + 1] == _CELL).any():
        return False
    return bool((piece.halves[tags.at[index[is_end]] + 2] == _ROW_ENDING).all())


def _located(
    piece: Piece, tags: Tags, index: Places, row_index: Places, heads: Heads
) -> tuple[Places, Places] | None:
    """The places of all cells, and where their references end; None if one is not as it should be.

    A reference must have the row's own number, so that this is read once for a row.
    """
    row_at = tags.at[row_index] + len('<row r="')
    row, digits = _row_numbers(piece, row_at)
    if (piece.words[tags.at[row_index]] != _ROW_START).any() or (digits == 0).any():
        return None
    if not heads.have_rows(piece, row_at + digits + 1, tags.at[row_index + 1]):
        return None
    first_cells = np.searchsorted(index, row_index)
    row_of = np.repeat(np.arange(len(row)), np.diff(first_cells, append=len(index)))
    at = tags.at[index]
    start = piece.words[at]
    letters = [piece.bytes[at + place].astype(np.int64) for place in (6, 7, 8)]
    two = (letters[1] >= _A) & (letters[1] <= _Z)
    three = two & (letters[2] >= _A) & (letters[2] <= _Z)
    if ((start & FIRST[6]) != _CELL_START).any() or ((letters[0] < _A) | (letters[0] > _Z)).any():
        return None
    column = letters[0] - _A
    column = np.where(two, (column + 1) * 26 + letters[1] - _A, column)
    column = np.where(three, (column + 1) * 26 + letters[2] - _A, column)
    number_at = at + 7 + two + three
    mask = FIRST[digits + 1]  # the quote, too
    other = (piece.words[number_at] ^ piece.words[row_at][row_of]) & mask[row_of]
    places = ((row[row_of] - 1) << COLUMN_BITS) | column
    if other.any() or (column >> COLUMN_BITS).any() or (np.diff(places) <= 0).any():
        return None
    return places, number_at + digits[row_of] + 1


def _row_numbers(piece: Piece, at: Places) -> tuple[Places, Places]:
    """The numbers that begin there, and how many digits each has: 0 for one that is malformed."""
    number, digits = np.zeros(len(at), np.int64), np.zeros(len(at), np.int64)
    going = piece.bytes[at] != ord("0")
    for place in range(8):
        digit = piece.bytes[at + place].astype(np.int64) - ord("0")
        going &= (digit >= 0) & (digit <= 9)
        np.copyto(number, number * 10 + digit, where=going)
        digits += going
    digits[(piece.bytes[at + digits] != _QUOTE) | (digits > 7)] = 0
    return number, digits


def _valued(piece: Piece, tags: Tags, places: Places, found: _Found) -> Cells:
    """The cells with what they hold."""
    holds = np.full(len(places), ODD, np.uint8)
    begin, end = np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
    for cells, first, last in (_in_v(tags, found), _in_is(piece, tags, found)):
        begin[cells], end[cells] = first, last
        forms = found.forms[cells]
        for form, holding in (
            (Form.NUMBER, TEXT),
            (Form.SHARED, SHARED),
            (Form.RESULT, TEXT),
            (Form.INLINE, TEXT),
        ):
            if len(chosen := np.flatnonzero(forms == form)):
                plain = _is_plain(piece, form, first[chosen], last[chosen])
                holds[cells[chosen[plain]]] = holding
    odd = np.flatnonzero(holds == ODD)
    odd_end = tags.at[found.index[odd] + found.span[odd] - 1] + len("</c>")
    spans = zip(found.head[odd].tolist(), odd_end.tolist(), strict=True)
    texts, shared = holds == TEXT, holds == SHARED
    return Cells(
        places=places,
        holds=holds,
        texts=piece.texts(begin[texts], end[texts]),
        shared=piece.texts(begin[shared], end[shared]).cast(pa.int64()).to_numpy(),
        odd=[piece.part[first:last] for first, last in spans],
    )


def _is_plain(piece: Piece, form: Form, begin: Places, end: Places) -> npt.NDArray[np.bool_]:
    match form:
        case Form.NUMBER:
            return piece.numbers(begin, end)
        case Form.SHARED:
            return piece.digits(begin, end)
        case Form.RESULT:
            return (end > begin) & piece.plain_texts(begin, end)
    return piece.plain_texts(begin, end)


def _in_v(tags: Tags, found: _Found) -> tuple[Places, Places, Places]:
    """The cells that have a value, and before it a formula at most; where it begins and ends."""
    fits = _IS_IN_V[found.forms] & (found.span == 4)
    maybe = np.flatnonzero(_IS_IN_V[found.forms] & (found.span == 6))
    index = found.index[maybe]
    has_formula = ((tags.signs[index + 1] & THREE) == _F) & (tags.signs[index + 2] == _F_END)
    fits[maybe] = has_formula & tags.follow(index + 2, len("</f>"))
    cells = np.flatnonzero(fits)
    index = found.index[cells] + found.span[cells] - 3
    plain = ((tags.signs[index] & THREE) == _V) & (tags.signs[index + 1] == _V_END)
    plain &= tags.follow(index + 1, len("</v>"))
    cells, index = cells[plain], index[plain]
    return cells, tags.at[index] + len("<v>"), tags.at[index + 1]


def _in_is(piece: Piece, tags: Tags, found: _Found) -> tuple[Places, Places, Places]:
    """The cells whose own text is all they have, and where it begins and ends.

    White space around it counts only where that is said.
    """
    cells = np.flatnonzero((found.forms == Form.INLINE) & (found.span == 6))
    index = found.index[cells]
    plain = (tags.signs[index + 1] == _IS) & tags.follow(index + 1, len("<is>"))
    plain &= (tags.signs[index + 3] == T_END) & tags.follow(index + 3, len("</t>"))
    plain &= (tags.signs[index + 4] == _IS_END) & tags.follow(index + 4, len("</is>"))
    begin, end, whole = text_between(piece, tags, index + 2)
    plain &= whole & (piece.bytes[tags.at[index + 4] + 4] == _GREATER)
    return cells[plain], begin[plain], end[plain]


def text_between(
    piece: Piece, tags: Tags, index: Places
) -> tuple[Places, Places, npt.NDArray[np.bool_]]:
    """Where the texts in ``<t>`` begin and end, and whether the tags before them are plain."""
    at, end = tags.at[index], tags.at[index + 1]
    plain = (tags.signs[index] & THREE) == T
    preserved = np.ones(len(at), np.bool_)
    if not plain.all():
        for place, part in _PRESERVED:
            preserved &= piece.words[np.minimum(at + place, piece.size)] == part
        preserved &= ~plain
    else:
        preserved[:] = False
    begin = at + np.where(preserved, len(PRESERVED), len("<t>"))
    plain &= ~piece.edged(begin, end)
    return begin, end, (plain | preserved) & (end >= begin)
