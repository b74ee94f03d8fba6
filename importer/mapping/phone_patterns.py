"""Which national numbers the patterns of a numbering plan allow.

A pattern of Google's metadata looks closely at the first digits of a number, and lets any others
follow. So of the numbers of one length all that begin alike are valid, or none is: a beginning is
asked about once, and looked up from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from re import _constants as codes  # type: ignore[attr-defined] # no public parser of patterns
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from importer.mapping.phone_bytes import Dialled
from importer.textbytes import Bytes, arrow_texts, matches

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonemetadata import PhoneNumberDesc

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_TYPES = [
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "fixed_line",
    "mobile",
]
_LONGEST = 17
_MOST_LOOKED_UP = 6
"""First digits, of which a million beginnings take as many bytes for each length."""
_UNKNOWN, _INVALID, _VALID = range(3)
_ANY_DIGIT = ([(codes.CATEGORY, codes.CATEGORY_DIGIT)], [(codes.RANGE, (ord("0"), ord("9")))])


@dataclass(frozen=True)
class Patterns:
    """A region's patterns, of RE2; `has_length` tells whether numbers are of a length, by that.

    `leading` says which numbers are the region's and not another's with the same code. `decisive`
    is how many first digits decide on a number of known length; None where that cannot be told,
    or they are too many.
    """

    general: str
    types: str
    leading: str | None
    has_length: Mask
    decisive: int | None
    _verdicts: npt.NDArray[np.uint8] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        beginnings = 0 if self.decisive is None else 10**self.decisive
        verdicts = np.zeros((len(self.has_length), beginnings), dtype=np.uint8)
        object.__setattr__(self, "_verdicts", verdicts.reshape(-1))

    def allow(self, dialled: Dialled, places: Integers, behind: Integers) -> Mask:
        """Which of the numbers at some places are valid, each behind so many signs."""
        if self.decisive is None:
            return self.allow_texts(dialled.texts(places, behind))
        lengths = dialled.lengths[places] - behind
        sound = self.has_length.take(lengths, mode="clip")
        asked = lengths * 10**self.decisive + dialled.beginnings(places, behind, self.decisive)
        asked *= sound
        found = self._verdicts[asked]
        if (found[sound] == _UNKNOWN).any():
            self._learn(asked[sound & (found == _UNKNOWN)])
            found = self._verdicts[asked]
        return np.asarray(sound & (found == _VALID), dtype=bool)

    def allow_texts(self, numbers: Any) -> Mask:
        """Which texts of digits are valid numbers."""
        valid = matches(numbers, self.general)
        valid &= self.has_length.take(Bytes(numbers).lengths, mode="clip")
        valid &= matches(numbers, self.types)
        if self.leading is not None:
            valid &= matches(numbers, self.leading)
        return valid

    def _learn(self, asked: Integers) -> None:
        """Ask about one number for each length and beginning."""
        decisive = self.decisive or 0
        new = np.unique(asked)
        pairs = (divmod(number, 10**decisive) for number in new.tolist())
        texts = [f"{beginning:0{decisive}d}".ljust(length, "0") for length, beginning in pairs]
        valid = self.allow_texts(arrow_texts(texts))
        self._verdicts[new] = np.where(valid, _VALID, _INVALID)


def patterns_of(metadata: PhoneMetadata, *, shared: bool) -> Patterns | None:
    """The patterns of a region, whose code may be `shared`; None where they are not plain."""
    general = metadata.general_desc
    if general is None or not general.national_number_pattern:
        return None
    lengths = tuple(general.possible_length)
    types = "|".join(_types(metadata, lengths))
    if not lengths or not types:
        return None
    leading = metadata.leading_digits if shared else None
    counts = np.arange(_LONGEST + 2)
    return Patterns(
        general=_whole(general.national_number_pattern),
        types=_whole(types),
        leading=f"^(?:{leading})" if leading else None,
        has_length=np.isin(counts, lengths) & (counts <= _LONGEST),
        decisive=_decisive(general.national_number_pattern, types, leading, min(lengths)),
    )


def _decisive(general: str, types: str, leading: str | None, shortest: int) -> int | None:
    """How many first digits decide, if they are few, and every number has as many."""
    whole = _either([_shape(parser.parse(pattern)) for pattern in (general, types)])
    begins = _shape(parser.parse(leading or ""))
    if whole is None or begins is None:
        return None
    depth = max(whole.depth, *begins.lengths)
    return depth if depth <= min(_MOST_LOOKED_UP, shortest) else None


def _types(metadata: PhoneMetadata, possible: Sequence[int]) -> Iterator[str]:
    """The patterns of those types whose pattern alone decides, because it implies the length."""
    for name in _TYPES:
        description: PhoneNumberDesc | None = getattr(metadata, name)
        pattern = description.national_number_pattern if description else None
        if description is None or not pattern:
            continue
        lengths = set(description.possible_length or possible)
        shape = _shape(parser.parse(pattern))
        if shape is not None and shape.lengths <= lengths:
            yield pattern


class _Shape(NamedTuple):
    """The lengths of the texts that a pattern matches, and how many first signs it looks at."""

    lengths: frozenset[int]
    depth: int


def _shape(parsed: Any) -> _Shape | None:
    """The shape of a parsed pattern; None if it is no plain pattern."""
    whole = _Shape(frozenset({0}), 0)
    for kind, about in parsed:
        part: _Shape | None = None
        if kind is codes.LITERAL:
            part = _Shape(frozenset({1}), 1)
        elif kind is codes.IN:
            part = _Shape(frozenset({1}), 0 if about in _ANY_DIGIT else 1)
        elif kind is codes.BRANCH:
            part = _either([_shape(branch) for branch in about[1]])
        elif kind is codes.SUBPATTERN:
            part = _shape(about[3])
        elif kind is codes.MAX_REPEAT and about[1] <= _LONGEST:
            part = _repeated(_shape(about[2]), about[0], about[1])
        if part is None:
            return None
        whole = _then(whole, part)
    return whole


def _then(first: _Shape, second: _Shape) -> _Shape:
    lengths = frozenset(a + b for a in first.lengths for b in second.lengths)
    beyond = max(first.lengths) + second.depth if second.depth else 0
    return _Shape(lengths, max(first.depth, beyond))


def _either(shapes: Sequence[_Shape | None]) -> _Shape | None:
    lengths, depth = frozenset[int](), 0
    for shape in shapes:
        if shape is None:
            return None
        lengths, depth = lengths | shape.lengths, max(depth, shape.depth)
    return _Shape(lengths, depth)


def _repeated(once: _Shape | None, low: int, high: int) -> _Shape | None:
    if once is None:
        return None
    so_far, lengths = _Shape(frozenset({0}), 0), frozenset[int]()
    for count in range(high + 1):
        if count >= low:
            lengths |= so_far.lengths
        if count < high:
            so_far = _then(so_far, once)
    return _Shape(lengths, so_far.depth)


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"
