"""Phones by the column: numbers whose fate is plain, settled at once, exactly as one by one.

Of phonenumbers' rules only the part is redone here that most numbers need: digits with common
punctuation, in international form or as dialled at home, of a region without rewriting rules.
What is settled is valid and comes out as the library gives it; a text of which that is not
certain, every faulty one included, is left to :mod:`importer.mapping.phones`.

The rules (of `phonenumberutil.py`, by its functions):

1. `_maybe_strip_i18n_prefix_and_normalize`: a plus or the region's international prefix, not
   followed by a 0, goes before a country's code.
2. `_maybe_extract_country_code`: a number that begins with the region's own code, matches no
   pattern as a whole, and one without the code, is taken for international.
3. `_maybe_strip_national_prefix_carrier_code`: the national prefix goes if what is left matches.
4. `_number_type_helper`: a number is valid if it matches the general pattern and that of a type.
   Of regions that share a country's code only the first has a fast path, which asks for the
   leading digits that tell its numbers from the others', where there are such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined] # no public parser of patterns
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata
    from phonenumbers.phonemetadata import PhoneNumberDesc

Mask = npt.NDArray[np.bool_]

_PLAIN = r"^[(]?\+?[0-9][0-9 ()/.-]{4,30}$"
_DOUBTFUL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}|[.][0-9]{0,2}$|[.]0+$"
"""Dates, and numbers that a spreadsheet program has spoilt: they are looked at one by one."""
_IS_DIGIT_OR_PLUS = np.isin(np.arange(256), list(b"0123456789+"))
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


class Settled(NamedTuple):
    """What is certain of a column of texts; `values` means something only where `known`."""

    known: Mask
    values: Any


FastPhones = Callable[[Any], Settled]
"""From a pyarrow array of trimmed texts to their E.164 digits, without the plus."""


@lru_cache(maxsize=64)
def fast_phones(region: str | None) -> FastPhones | None:
    """The fast path of a region; None where the region, or the lack of one, has no such path."""
    plan = _plan(region) if region is not None else None
    return None if plan is None else plan.settle


@dataclass(frozen=True)
class _Plan:
    """A region's rules: prefixes as digits, all else as patterns of RE2.

    `abroad` is the prefix that goes before a country's code, `all_abroad` a pattern of all such.
    `leading` says which numbers are the region's and not another's with the same code.
    """

    code: str
    abroad: str
    all_abroad: str
    home: str
    other_home: tuple[str, ...]
    general: str
    general_lengths: tuple[int, ...]
    types: str
    leading: str | None

    def settle(self, texts: Any) -> Settled:
        """Settle what is plain."""
        plain = pc.match_substring_regex(texts, _PLAIN)
        plain = pc.and_not(plain, pc.match_substring_regex(texts, _DOUBTFUL))
        places = np.flatnonzero(plain.to_numpy(zero_copy_only=False))
        known = np.zeros(len(texts), dtype=bool)
        if not len(places):
            return Settled(known, texts)
        certain, national = self._nationals(_without_punctuation(texts.take(pa.array(places))))
        known[places[certain]] = True
        values = pa.nulls(len(texts), pa.large_string())
        code, nothing = pa.scalar(self.code, pa.large_string()), pa.scalar("", pa.large_string())
        found = pc.binary_join_element_wise(code, national, nothing)
        values = pc.replace_with_mask(values, pa.array(known), found)
        return Settled(known, values)

    def _nationals(self, digits: Any) -> tuple[Mask, Any]:
        """Which numbers are certain, and the national significant numbers of these."""
        places, nationals = [np.empty(0, dtype=np.int64)], [pa.array([], pa.large_string())]
        for mask, national in self._readings(digits):
            if len(national):
                valid = self._valid(national)
                places.append(np.flatnonzero(mask)[valid])
                nationals.append(_some(national, valid))
        found = np.concatenate(places)
        certain = np.zeros(len(digits), dtype=bool)
        certain[found] = True
        return certain, pa.concat_arrays(nationals).take(pa.array(np.argsort(found)))

    def _readings(self, digits: Any) -> Iterator[tuple[Mask, Any]]:
        """Each way to read a number, with those that are read so, and what is left of them."""
        plus, dialled = _starts(digits, "+"), _starts(digits, self.abroad)
        home = ~plus & ~_matches(digits, self.all_abroad)
        own_code = home & _starts(digits, self.code)
        matches = np.zeros(len(digits), dtype=bool)
        if own_code.any():
            matches[own_code] = self._general(_some(digits, own_code))
        for mask, lead in (
            (plus & _starts(digits, f"+{self.code}"), 1 + len(self.code)),
            (dialled & _starts(digits, self.abroad + self.code), len(self.abroad + self.code)),
            (own_code & ~matches, len(self.code)),
        ):
            yield self._without_prefix(digits, mask, lead)
        national = home & (~own_code | matches)
        prefixed = national & _starts(digits, self.home) if self.home else np.zeros_like(national)
        yield self._without_prefix(digits, national & ~prefixed, 0)
        if prefixed.any():
            rest = pc.utf8_slice_codeunits(_some(digits, prefixed), len(self.home))
            stripped = self._general(rest) & _has_length(rest, self.general_lengths)
            prefixed[np.flatnonzero(prefixed)[~stripped]] = False
            yield prefixed, rest.filter(pa.array(stripped))

    def _without_prefix(self, digits: Any, mask: Mask, lead: int) -> tuple[Mask, Any]:
        """The numbers without their first `lead` signs, but for those that a rule may shorten."""
        rest = pc.utf8_slice_codeunits(_some(digits, mask), lead)
        short = np.zeros(len(rest), dtype=bool)
        for prefix in (self.home, *self.other_home):
            if prefix:
                short |= _starts(rest, prefix)
        kept = mask.copy()
        kept[np.flatnonzero(mask)[short]] = False
        return kept, rest.filter(pa.array(~short))

    def _general(self, numbers: Any) -> Mask:
        return _matches(numbers, self.general)

    def _valid(self, numbers: Any) -> Mask:
        lengths = pc.binary_length(numbers).to_numpy(zero_copy_only=False)
        valid = _has_length(numbers, self.general_lengths) & (lengths <= _LONGEST)
        valid &= self._general(numbers) & _matches(numbers, self.types)
        if self.leading is not None:
            valid &= _matches(numbers, self.leading)
        return np.asarray(valid, dtype=bool)


def _plan(region: str) -> _Plan | None:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.country_code is None or metadata.general_desc is None:
        return None
    regions = COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
    if regions[0] != region:
        return None
    prefixes = (metadata.national_prefix_for_parsing or "").split("|")
    all_abroad = metadata.international_prefix or ""
    abroad = all_abroad.split("|")[0]
    shared = len(regions) > 1
    general = metadata.general_desc
    if (
        metadata.national_prefix_transform_rule
        or not abroad.isdigit()
        or not all(prefix.isdigit() for prefix in prefixes if prefix)
        or any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
        or not general.national_number_pattern
    ):
        return None
    lengths = tuple(general.possible_length)
    types = list(_types(metadata, lengths))
    if not lengths or not types:
        return None
    return _Plan(
        code=str(metadata.country_code),
        abroad=abroad,
        all_abroad=f"^(?:{all_abroad})",
        home=prefixes[0],
        other_home=tuple(prefixes[1:]),
        general=_whole(general.national_number_pattern),
        general_lengths=lengths,
        types=_whole("|".join(types)),
        leading=f"^(?:{metadata.leading_digits})" if shared and metadata.leading_digits else None,
    )


def _types(metadata: PhoneMetadata, possible: Sequence[int]) -> Iterator[str]:
    """The patterns of those types whose pattern alone decides, because it implies the length."""
    for name in _TYPES:
        description: PhoneNumberDesc | None = getattr(metadata, name)
        pattern = description.national_number_pattern if description else None
        if description is None or not pattern:
            continue
        lengths = set(description.possible_length or possible)
        if _lengths(parser.parse(pattern)) <= lengths:
            yield pattern


def _lengths(parsed: Any) -> set[int]:
    """The lengths of the texts that a parsed pattern matches; {-1} if it is no plain pattern."""
    total = {0}
    for kind, about in parsed:
        if kind in (codes.LITERAL, codes.IN):
            some = {1}
        elif kind is codes.BRANCH:
            some = set().union(*map(_lengths, about[1]))
        elif kind is codes.SUBPATTERN:
            some = _lengths(about[3])
        elif kind is codes.MAX_REPEAT and about[1] <= _LONGEST:
            low, high, inner = about
            once, some, so_far = _lengths(inner), set[int](), {0}
            for count in range(high + 1):
                if count >= low:
                    some |= so_far
                so_far = {a + b for a in so_far for b in once}
        else:
            return {-1}
        if -1 in some:
            return {-1}
        total = {a + b for a in total for b in some}
    return total


def _whole(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _without_punctuation(texts: Any) -> Any:
    """The digits and pluses of plain texts: six times as fast as by a pattern."""
    _, offsets, content = texts.buffers()
    ends = np.frombuffer(offsets, np.int64)[: len(texts) + 1]
    signs = np.frombuffer(content, np.uint8)[: ends[-1]]
    kept = _IS_DIGIT_OR_PLUS[signs]
    counts = np.zeros(len(signs) + 1, dtype=np.int64)
    np.cumsum(kept, out=counts[1:])
    return pa.LargeStringArray.from_buffers(
        len(texts), pa.py_buffer(counts[ends]), pa.py_buffer(signs[kept])
    )


def _some(texts: Any, mask: Mask) -> Any:
    return texts.filter(pa.array(mask))


def _starts(texts: Any, prefix: str) -> Mask:
    return np.asarray(pc.starts_with(texts, prefix).to_numpy(zero_copy_only=False), dtype=bool)


def _matches(texts: Any, pattern: str) -> Mask:
    found = pc.match_substring_regex(texts, pattern)
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


def _has_length(texts: Any, lengths: Sequence[int]) -> Mask:
    return np.isin(pc.binary_length(texts).to_numpy(zero_copy_only=False), lengths)
