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

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from importer.mapping.phone_bytes import LONGEST_PREFIX, Dialled, plain_phones
from importer.mapping.phone_patterns import Patterns, patterns_of
from importer.textbytes import matches

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]


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
    """A region's rules: prefixes as digits, and the patterns of its numbers.

    `abroad` is the prefix that goes before a country's code, `all_abroad` a pattern of all such, if
    there are others.
    """

    code: str
    abroad: str
    all_abroad: str | None
    home: str
    other_home: tuple[str, ...]
    patterns: Patterns

    def settle(self, texts: Any) -> Settled:
        """Settle what is plain."""
        dialled = Dialled(texts)
        places, behind = self._readings(dialled, plain_phones(texts))
        valid = self.patterns.allow(dialled, places, behind)
        if not valid.all():
            places, behind = places[valid], behind[valid]
        known = np.zeros(len(texts), dtype=bool)
        known[places] = True
        return Settled(known, dialled.with_country(self.code, places, behind))

    def _readings(self, dialled: Dialled, plain: Mask) -> tuple[Integers, Integers]:
        """Which numbers can be read, and behind how many signs the national number begins."""
        plus = plain & dialled.begins("+")
        home = plain & ~plus & ~self._goes_abroad(dialled, plain & ~plus)
        own_code = home & dialled.begins(self.code)
        # A number may begin as the region's own code does; one that is valid with that code and
        # within the region is read as its column shows, and not here.
        own = np.flatnonzero(own_code)
        whole, inner = np.zeros_like(own), np.full_like(own, len(self.code))
        both = self.patterns.allow(dialled, own, whole) & self.patterns.allow(dialled, own, inner)
        if self.home:
            both |= dialled.begins(self.home, np.full(len(plain), len(self.code)))[own]
        home[own[both]] = own_code[own[both]] = False
        own = own[~both]
        own_code[own[matches(dialled.texts(own), self.patterns.general)]] = False
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


def _plan(region: str) -> _Plan | None:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    metadata = PhoneMetadata.metadata_for_region(region, None)
    if metadata is None or metadata.country_code is None:
        return None
    regions = COUNTRY_CODE_TO_REGION_CODE[metadata.country_code]
    if regions[0] != region:
        return None
    prefixes = (metadata.national_prefix_for_parsing or "").split("|")
    all_abroad = metadata.international_prefix or ""
    abroad = all_abroad.split("|")[0]
    patterns = patterns_of(metadata, shared=len(regions) > 1)
    if (
        patterns is None
        or metadata.national_prefix_transform_rule
        or not abroad.isdigit()
        or not all(prefix.isdigit() for prefix in prefixes if prefix)
        or any(a != b and a.startswith(b) for a in prefixes for b in prefixes)
        or max(map(len, (f"{abroad}{metadata.country_code}", *prefixes))) > LONGEST_PREFIX
    ):
        return None
    return _Plan(
        code=str(metadata.country_code),
        abroad=abroad,
        all_abroad=None if all_abroad.isdigit() else f"^(?:{all_abroad})",
        home=prefixes[0],
        other_home=tuple(prefixes[1:]),
        patterns=patterns,
    )
