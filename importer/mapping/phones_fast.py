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

from importer.mapping.phone_bytes import LONGEST_PREFIX, Dialled, plain_phones, with_country
from importer.textbytes import Bytes, matches

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


class Settled(NamedTuple):
    """What is certain of a column of texts.

    `values` means something only where `known`, and is blank where the text is.
    """

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

    `abroad` is the prefix that goes before a country's code, `all_abroad` a pattern of all such, if
    there are others. `leading` says which numbers are the region's and not another's with the same
    code. `has_length` tells whether numbers are of a length, by that.
    """

    code: str
    abroad: str
    all_abroad: str | None
    home: str
    other_home: tuple[str, ...]
    general: str
    has_length: Mask
    types: str
    leading: str | None

    def settle(self, texts: Any) -> Settled:
        """Settle what is plain."""
        dialled = Dialled(texts)
        places, behind = self._readings(dialled, plain_phones(texts))
        nationals = dialled.texts(places, behind)
        valid = self._valid(nationals)
        if not valid.all():
            places, nationals = places[valid], nationals.filter(pa.array(valid))
        known = np.zeros(len(texts), dtype=bool)
        known[places] = True
        return Settled(known, with_country(self.code, nationals, places, len(texts)))

    def _readings(self, dialled: Dialled, plain: Mask) -> tuple[Integers, Integers]:
        """Which numbers can be read, and behind how many signs the national number begins."""
        plus = plain & dialled.begins("+")
        home = plain & ~plus & ~self._goes_abroad(dialled, plain & ~plus)
        own_code = home & dialled.begins(self.code)
        # A number may begin as the region's own code does.
        own = np.flatnonzero(own_code)
        own_code[own[matches(dialled.texts(own), self.general)]] = False
        behind = np.full(len(plain), -1, dtype=np.int64)
        behind[home] = 0
        behind[own_code] = len(self.code)
        for prefix in (f"+{self.code}", self.abroad + self.code):
            behind[plain & dialled.begins(prefix)] = len(prefix)
        prefixed = (behind == 0) & dialled.begins(self.home) if self.home else np.zeros_like(plain)
        for prefix in (self.home, *self.other_home):
            if prefix:
                # A rule may shorten what is left.
                behind[(behind >= 0) & dialled.begins(prefix, behind)] = -1
        behind[prefixed] = len(self.home)
        places = np.flatnonzero(behind >= 0)
        return places, behind[places]

    def _goes_abroad(self, dialled: Dialled, numbers: Mask) -> Mask:
        """Which of the numbers begin with any prefix that goes before a country's code."""
        if self.all_abroad is None:
            return dialled.begins(self.abroad)
        found = np.zeros(len(numbers), dtype=bool)
        places = np.flatnonzero(numbers)
        found[places] = matches(dialled.texts(places), self.all_abroad)
        return found

    def _valid(self, numbers: Any) -> Mask:
        valid = matches(numbers, self.general)
        valid &= self.has_length.take(Bytes(numbers).lengths, mode="clip")
        valid &= matches(numbers, self.types)
        if self.leading is not None:
            valid &= matches(numbers, self.leading)
        return valid


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
        or max(map(len, (f"{abroad}{metadata.country_code}", *prefixes))) > LONGEST_PREFIX
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
        all_abroad=None if all_abroad.isdigit() else f"^(?:{all_abroad})",
        home=prefixes[0],
        other_home=tuple(prefixes[1:]),
        general=_whole(general.national_number_pattern),
        has_length=np.isin(np.arange(_LONGEST + 2), lengths)
        & (np.arange(_LONGEST + 2) <= _LONGEST),
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
