"""Whole columns at once: which rules have a fast path, and what it settles."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import BLANK, blanked, trimmed
from importer.mapping.conversion import Finding
from importer.mapping.emails_fast import fast_emails
from importer.mapping.phones_fast import Settled, fast_phones
from importer.mapping.spec import Rule, Type
from importer.mapping.values import HOLDS_TOGETHER, PIPE, marks_of
from importer.textbytes import Bytes

FastPath = Callable[[Any], Settled]
"""From a pyarrow array of texts to what is certain of them, without faults of any kind."""

_PREFIXES = [ord("+"), ord("0")]
_ASKS_MORE = [
    "case",
    "map",
    "choices",
    "pattern",
    "min",
    "max",
    "min_length",
    "max_length",
    "output",
    "input",
]


def fast_path(rule: Rule, type_: Type, region: str | None, finding: Finding) -> FastPath | None:
    """The fast path of a rule, if it has one; what that leaves open goes through the rule's steps.

    Only rules that ask for nothing but their type have one.
    """
    if any(getattr(rule, name) for name in _ASKS_MORE):
        return None
    if rule.multiple and rule.remove_prefix is not None:
        return None
    settle = _fast_type(rule, type_, region, finding)
    if settle is None or not rule.multiple:
        return settle
    return _of_pieces(settle, marks_of(rule))


def _fast_type(rule: Rule, type_: Type, region: str | None, finding: Finding) -> FastPath | None:
    if type_ == "email":
        return fast_emails
    if type_ != "phone" or rule.format not in {None, "digits", "e164"}:
        return None
    settle = fast_phones(rule.region or region)
    if settle is None:
        return None
    from phonenumbers import country_code_for_region

    if rule.format == "e164":
        settle = _with_plus(settle)
    if not finding.plus_expected:
        return settle
    settle = _not_bare(settle)
    if finding.bare != "plus" or (home := rule.region or region) is None:
        return settle
    return _with_lost_plus(settle, str(country_code_for_region(home)))


def _with_plus(settle: FastPath) -> FastPath:
    def settled(texts: Any) -> Settled:
        known, digits = settle(texts)
        plus = pc.binary_join_element_wise(pa.scalar("+", digits.type), digits, BLANK)
        return Settled(known, blanked(plus, ~known))

    return settled


def _with_lost_plus(settle: FastPath, country: str) -> FastPath:
    """Numbers that begin with their region's code, in a column whose numbers lost their plus."""

    def settled(texts: Any) -> Settled:
        own = pc.starts_with(texts, country)
        plus = pc.binary_join_element_wise(pa.scalar("+", texts.type), texts, BLANK)
        return settle(pc.if_else(own, plus, texts))

    return settled


def _of_pieces(settle: FastPath, marks: list[str]) -> FastPath:
    """Cells of many values, settled where all of their pieces are."""
    pattern = "|".join(map(re.escape, marks))

    def settled(texts: Any) -> Settled:
        parts = pc.split_pattern_regex(texts, pattern)
        pieces = trimmed(pc.list_flatten(parts))
        cell = pc.list_parent_indices(parts).to_numpy(zero_copy_only=False)
        filled = pc.not_equal(pieces, "")
        pieces, cell = pieces.filter(filled), cell[filled.to_numpy(zero_copy_only=False)]
        sure, values = settle(pieces)
        # Good as a value of its own, as in an e-mail, and yet the service would divide it.
        piped = pc.match_substring(pieces, PIPE).to_numpy(zero_copy_only=False)
        sure = np.logical_and(sure, ~piped)
        known = np.bincount(cell, minlength=len(texts)) > 0
        held_together = pc.match_substring_regex(texts, HOLDS_TOGETHER.pattern)
        known &= ~held_together.to_numpy(zero_copy_only=False)
        known[cell[~sure]] = False
        kept = known[cell]
        values, cell = values.filter(pa.array(kept)), cell[kept]
        # A value that a cell has twice is sent once, where it stands first.
        codes = values.dictionary_encode().indices.to_numpy()
        _, first = np.unique(cell * (len(values) + 1) + codes, return_index=True)
        first.sort()
        ends = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(np.bincount(cell[first], minlength=len(texts)), out=ends[1:])
        lists = pa.ListArray.from_arrays(pa.array(ends, pa.int32()), values.take(pa.array(first)))
        return Settled(known, pc.binary_join(lists, pa.scalar(PIPE, pa.large_string())))

    return settled


def _not_bare(settle: FastPath) -> FastPath:
    """Where numbers have their plus, one that has neither that nor a zero is looked at."""

    def settled(texts: Any) -> Settled:
        known, values = settle(texts)
        return Settled(known & np.isin(Bytes(texts).first, _PREFIXES), values)

    return settled
