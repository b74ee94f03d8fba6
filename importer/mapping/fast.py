"""Whole columns at once: which rules have a fast path, and what it settles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.emails_fast import fast_emails
from importer.mapping.finding import Finding
from importer.mapping.phones_fast import Settled, fast_phones
from importer.mapping.rule import Rule, Type

FastPath = Callable[[Any], Settled]
"""From a pyarrow array of texts to what is certain of them, without faults of any kind."""

_ASKS_MORE = [
    "case",
    "map",
    "choices",
    "pattern",
    "min",
    "max",
    "min_length",
    "max_length",
    "multiple",
    "output",
    "input",
]


def fast_path(rule: Rule, type_: Type, region: str | None, finding: Finding) -> FastPath | None:
    """The fast path of a rule, if it has one; what that leaves open goes through the rule's steps.

    Only rules that ask for nothing but their type have one.
    """
    if any(getattr(rule, name) for name in _ASKS_MORE):
        return None
    if type_ == "email":
        return fast_emails
    if type_ != "phone" or rule.format not in {None, "digits", "e164"}:
        return None
    settle = fast_phones(rule.region or region)
    if settle is None:
        return None
    if rule.format == "e164":
        settle = _with_plus(settle)
    return _not_bare(settle) if finding.international else settle


def _with_plus(settle: FastPath) -> FastPath:
    def settled(texts: Any) -> Settled:
        known, digits = settle(texts)
        plus, nothing = pa.scalar("+", pa.large_string()), pa.scalar("", pa.large_string())
        return Settled(known, pc.binary_join_element_wise(plus, digits, nothing))

    return settled


def _not_bare(settle: FastPath) -> FastPath:
    """Where numbers have their plus, one that has neither that nor a zero is looked at."""

    def settled(texts: Any) -> Settled:
        known, values = settle(texts)
        prefixed = pc.match_substring_regex(texts, "^[+0]").to_numpy(zero_copy_only=False)
        return Settled(np.logical_and(known, prefixed), values)

    return settled
