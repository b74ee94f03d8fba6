"""E-mail addresses by the column: plain ones, settled at once, exactly as one by one.

What is settled is valid and comes out as email-validator gives it: ASCII letters, digits and
common signs, its domain in lower case. All else is left to the library: other alphabets, quotes,
punycode, reserved domains, addresses of unusual length, mailboxes whose case it changes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.phones_fast import Settled

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = (
    r"^[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+(?:\.[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+)*"
    rf"@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z])?$"
)
_LONGEST = 254
_LONGEST_LOCAL = 64


def fast_emails(texts: Any) -> Settled:
    """Settle the plain addresses among texts, a pyarrow array."""
    plain = pc.match_substring_regex(texts, _PLAIN)
    plain = pc.and_not(plain, pc.match_substring_regex(texts, _doubtful()))
    plain = pc.and_(plain, pc.less_equal(pc.binary_length(texts), _LONGEST))
    plain = pc.and_(plain, pc.match_substring_regex(texts, f"^[^@]{{1,{_LONGEST_LOCAL}}}@"))
    known = np.asarray(plain.to_numpy(zero_copy_only=False), dtype=bool)
    shouting = pc.and_(plain, pc.match_substring_regex(texts, "@.*[A-Z]"))
    if not pc.any(shouting).as_py():
        return Settled(known, texts)
    parts = texts.filter(shouting)
    local = pc.replace_substring_regex(parts, "@.*$", "@")
    domain = pc.ascii_lower(pc.replace_substring_regex(parts, "^[^@]*@", ""))
    nothing = pa.scalar("", texts.type)
    lowered = pc.binary_join_element_wise(local, domain, nothing)
    return Settled(known, pc.replace_with_mask(texts, shouting, lowered))


@lru_cache(maxsize=1)
def _doubtful() -> str:
    """What must be looked at one by one although it looks plain."""
    from email_validator import SPECIAL_USE_DOMAIN_NAMES
    from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES

    reserved = "|".join(name.replace(".", r"\.") for name in SPECIAL_USE_DOMAIN_NAMES)
    mailboxes = "|".join(CASE_INSENSITIVE_MAILBOX_NAMES)
    return rf"(?i)@.*--|[@.](?:{reserved})$|^(?:{mailboxes})@"
