"""E-mail addresses by the column: plain ones, settled at once, exactly as one by one.

What is settled is valid and comes out as email-validator gives it: ASCII letters, digits and
common signs, its domain in lower case. All else is left to the library: other alphabets, quotes,
punycode, reserved domains, addresses of unusual length, mailboxes whose case it changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.phones_fast import Settled
from importer.textbytes import Bytes, between, matches

Mask = npt.NDArray[np.bool_]

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = (
    r"^[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+(?:\.[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+)*"
    rf"@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z])?$"
)
_LONGEST = 254
_LONGEST_LOCAL = 64
_LOWER = 0x20
"""The bit that letters of ASCII have in lower case only."""


def fast_emails(texts: Any) -> Settled:
    """Settle the plain addresses among texts, a pyarrow array."""
    found = Bytes(texts)
    known = matches(texts, _PLAIN) & (found.lengths <= _LONGEST)
    capitals = found.holding(between(found.data, "A", "Z"))
    suspects = (found.lengths > _LONGEST_LOCAL) | _dashed(found) | _may_be_reserved(found)
    _leave(known, suspects, texts, _doubtful())
    _leave(known, capitals, texts, _mailboxes())
    places = np.flatnonzero(known & capitals)
    places = places[matches(texts.take(pa.array(places)), "@.*[A-Z]")]
    if not len(places):
        return Settled(known, texts)
    parts = texts.take(pa.array(places))
    local = pc.replace_substring_regex(parts, "@.*$", "@")
    domain = pc.ascii_lower(pc.replace_substring_regex(parts, "^[^@]*@", ""))
    lowered = pc.binary_join_element_wise(local, domain, pa.scalar("", texts.type))
    shouting = np.zeros(len(texts), dtype=bool)
    shouting[places] = True
    return Settled(known, pc.replace_with_mask(texts, pa.array(shouting), lowered))


def _leave(known: Mask, suspects: Mask, texts: Any, pattern: str) -> None:
    """Take out of what is known those of the suspects in which a pattern is found."""
    places = np.flatnonzero(known & suspects)
    if len(places):
        known[places] = ~matches(texts.take(pa.array(places)), pattern)


def _dashed(found: Bytes) -> Mask:
    """Which texts may have two dashes together."""
    dashes = found.data == ord("-")
    dashes[1:] &= dashes[:-1].copy()
    dashes[0] = False
    return found.holding(dashes)


def _may_be_reserved(found: Bytes) -> Mask:
    """Which texts end as a reserved domain does, whatever their case."""
    signs, endings = _endings()
    at = found.starts[1:] - signs
    last = np.zeros(len(at), dtype=np.uint64)
    for place in range(signs):
        sign = found.data[np.maximum(at + place, 0)] | np.uint8(_LOWER)
        last = last << np.uint64(8) | sign
    alike: Mask = np.isin(last, endings) & (found.lengths > signs)
    return alike


@lru_cache(maxsize=1)
def _endings() -> tuple[int, npt.NDArray[np.uint64]]:
    """The last signs of the reserved domains, each as one number, and how many they are."""
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    signs = min(4, *map(len, SPECIAL_USE_DOMAIN_NAMES))
    ends = {name[-signs:].encode() for name in SPECIAL_USE_DOMAIN_NAMES}
    numbers = [int.from_bytes(bytes(sign | _LOWER for sign in end)) for end in ends]
    return signs, np.array(numbers, dtype=np.uint64)


@lru_cache(maxsize=1)
def _doubtful() -> str:
    """What must be looked at one by one although it looks plain."""
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    reserved = "|".join(name.replace(".", r"\.") for name in SPECIAL_USE_DOMAIN_NAMES)
    return rf"^[^@]{{{_LONGEST_LOCAL + 1},}}|@.*--|[@.](?i:{reserved})$"


@lru_cache(maxsize=1)
def _mailboxes() -> str:
    """The mailboxes of which the library changes the case."""
    from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

    return rf"^(?i:{'|'.join(CASE_INSENSITIVE_MAILBOX_NAMES)})@"
