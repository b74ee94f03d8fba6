"""Fast paths: whole columns converted by Arrow, with the results that their converters give.

phonenumbers and email-validator take 30 to 100 µs a value, a date read by strptime, a decimal
number or a pattern 8 to 20: seconds for a list of 100,000 rows. A fast path takes about 1 µs. Its
rule: a value that it settles is valid, and is the one that the converter of
:mod:`importer.mapping.values` gives; all other texts, each faulty one included, are left to that
converter. Rules have a fast path that ask for nothing but their type, and texts for a pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from importer.mapping.cells import EMPTY, Indices, Mask, mask_of, matches, trimmed
from importer.mapping.conversion import NO_FINDING, Finding
from importer.mapping.patterns import whole_pattern
from importer.mapping.spec import Rule, Type
from importer.mapping.values import PIPE, QUOTES_AND_BRACKETS, separators_of

if TYPE_CHECKING:
    from phonenumbers import PhoneMetadata


class Settled(NamedTuple):
    """The result of a fast path: `values`, an Arrow array, certain only where `known` is set."""

    known: Mask
    values: Any


FastPath = Callable[[Any], Settled]
"""From a column of trimmed texts, an Arrow array of large strings, to its settled values."""

_ASKS_MORE = ["case", "map", "choices", "min", "max", "min_length", "max_length"]


def fast_path(rule: Rule, type_: Type, region: str | None, finding: Finding) -> FastPath | None:
    """The fast path of a rule, if it has one; `region` is the mapping's."""
    if any(getattr(rule, name) for name in _ASKS_MORE):
        return None
    if rule.multiple and rule.remove_prefix is not None:
        return None
    settle = _of_type(rule, type_, region, finding)
    return (
        _of_pieces(settle, separators_of(rule)) if settle is not None and rule.multiple else settle
    )


def _of_type(rule: Rule, type_: Type, region: str | None, finding: Finding) -> FastPath | None:
    if rule.pattern is not None:
        # A code that lost its zeros is matched once it has them back.
        mended = rule.repair and finding.width is not None
        return None if type_ != "text" or mended else fast_texts(rule.pattern)
    match type_:
        case "email":
            return fast_emails
        case "phone" if rule.format in {None, "digits", "e164"}:
            return fast_phones(rule.region or region, finding, plus=rule.format == "e164")
        case "integer":
            return fast_integers
        case "decimal":
            return fast_decimals(rule.input or (), finding)
        case "date" | "datetime":
            usual = "%Y-%m-%d" if type_ == "date" else "%Y-%m-%d %H:%M:%S"
            return fast_dates(rule.input, rule.output[0] if rule.output else usual, finding)
    return None


def _of_pieces(settle: FastPath, marks: list[str]) -> FastPath:
    """The fast path of cells of many values: a cell is settled where all of its values are."""
    pattern = "|".join(map(re.escape, marks))

    def settled(texts: Any) -> Settled:
        parts = pc.split_pattern_regex(texts, pattern)
        pieces = trimmed(pc.list_flatten(parts))
        cell = pc.list_parent_indices(parts).to_numpy(zero_copy_only=False)
        filled = pc.not_equal(pieces, "")
        pieces, cell = pieces.filter(filled), cell[filled.to_numpy(zero_copy_only=False)]
        sure, values = settle(pieces)
        # A | may be part of a good e-mail address, but the service would divide the value there.
        sure = np.logical_and(sure, ~matches(pieces, re.escape(PIPE)))
        known = np.bincount(cell, minlength=len(texts)) > 0
        known &= ~matches(texts, QUOTES_AND_BRACKETS.pattern)
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


# Phones. The rules of phonenumbers that are applied here, by the functions of phonenumberutil.py:
#
# _maybe_strip_i18n_prefix_and_normalize: a plus, or what the region dials before a country's code,
#     makes a number international.
# _maybe_strip_national_prefix_carrier_code: what is dialled before a national number goes, if what
#     is left is a number; where a region has a rule that rewrites numbers, those are left alone.
# _region_code_for_number_from_list, _number_type_helper: of the regions that share a country's
#     code, the first that claims a number decides; the number is valid if it matches the region's
#     general pattern and that of a type of its length.
#
# All patterns come from the metadata that phonenumbers makes public, and are matched by RE2. Those
# that are matched at the front of a number prefer earlier alternatives, in RE2 as in `re`.

_LIKE_A_PHONE = r"^[(]?[+]?[0-9][0-9 ()/.-]{3,29}[0-9]$"
_PUNCTUATION = " ()/.-"
_FEW_BEHIND = r"[0-9](?:[^0-9]*[0-9]){8}[^0-9]*/[^0-9]*[0-9](?:[^0-9]*[0-9]){0,2}$"
"""Few digits behind a slash may be a part of another number, or an extension: see phones.py."""
_DAMAGED = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$|^[0-9]+[.]0+$"
"""Texts like phones that may be a date, or a number that a spreadsheet program wrote as 3630.0."""
_ZERO_IN_BRACKETS = r"^[ (]*(?:[+]|00)?[ (]*[1-9](?: ?[0-9]){0,2}[ )./-]*[(/] *(?:0[0-9 ]*|8 *)[)/]"
"""The pattern of this name in phones.py, for texts like phones: +49 (0)30, and +7 (8) in Russia.
Any other 8 in brackets belongs to the number."""
_TYPES = (
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
)


def fast_phones(
    region: str | None, finding: Finding = NO_FINDING, *, plus: bool = False
) -> FastPath | None:
    """The fast path to the digits of E.164, with their `plus` or without; None without a region.

    It settles numbers with the country's code of the region, and national ones.
    """
    rules = _phone_rules(region) if region is not None else None
    return None if rules is None else partial(rules.settle, finding=finding, plus=plus)


@lru_cache(maxsize=64)
def _phone_rules(region: str) -> _PhoneRules | None:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    own = PhoneMetadata.metadata_for_region(region, None)
    if own is None or own.country_code is None:
        return None
    regions = COUNTRY_CODE_TO_REGION_CODE[own.country_code]
    found = [PhoneMetadata.metadata_for_region(each, None) for each in regions]
    return _PhoneRules(own, [metadata for metadata in found if metadata is not None])


class _PhoneRules:
    """How numbers of one region are read; `sharing` are all regions with its code, in order."""

    def __init__(self, own: PhoneMetadata, sharing: Sequence[PhoneMetadata]) -> None:
        self._code = str(own.country_code)
        self._dialled_abroad = rf"^(?:\+|{own.international_prefix or '[+]'})"
        self._regions = [_Region(metadata) for metadata in sharing]
        self._home = _Region(own)
        # Behind a country's code the rules of its main region hold.
        self._main = self._regions[0]

    def settle(self, texts: Any, finding: Finding, *, plus: bool) -> Settled:
        """Settle the certain numbers of a column; the values of other texts are blank."""
        like = matches(texts, _LIKE_A_PHONE) & ~matches(texts, f"{_DAMAGED}|{_FEW_BEHIND}")
        at = np.flatnonzero(like)
        digits = texts if like.all() else texts.take(pa.array(at))
        for mark in _PUNCTUATION:
            digits = pc.replace_substring(digits, mark, "")
        bracketed = matches(texts, _ZERO_IN_BRACKETS)[at]
        places, numbers = self._read(digits, bracketed, finding)
        known = np.zeros(len(texts), dtype=bool)
        known[at[places]] = True
        code = pa.scalar("+" * plus + self._code, texts.type)
        values = pa.repeat(pa.scalar("", texts.type), len(texts))
        in_full = pc.binary_join_element_wise(code, numbers, EMPTY)
        return Settled(known, pc.replace_with_mask(values, pa.array(known), in_full))

    def _read(self, digits: Any, bracketed: Mask, finding: Finding) -> tuple[Indices, Any]:
        """Which texts of digits are certain numbers, and the national numbers of these.

        `bracketed` texts had a zero in brackets behind a country's code.
        """
        behind_prefix = pc.replace_substring_regex(digits, self._dialled_abroad, "")
        abroad = _lengths(behind_prefix) < _lengths(digits)
        # With neither plus nor zero before it, a number may have lost its plus: see `_read` in
        # phones.py.
        bare = ~(mask_of(pc.starts_with(digits, "+")) | mask_of(pc.starts_with(digits, "0")))
        own_code = bare & ~abroad & mask_of(pc.starts_with(digits, self._code))
        national = ~(abroad | own_code | bracketed)
        if finding.plus_expected:
            national &= ~bare
        international = abroad & ~bare
        if finding.bare == "plus":
            international |= own_code
        international &= mask_of(pc.starts_with(behind_prefix, self._code))

        places = np.flatnonzero(international)
        behind_code = _without_code(behind_prefix.take(pa.array(places)), self._code)
        numbers, sure = self._main.national(behind_code)
        sure &= ~bracketed[places] | self._main.dropped_zero(behind_code, numbers)
        found = [self._valid(places, numbers, sure)]
        places = np.flatnonzero(national)
        found.append(self._valid(places, *self._home.national(digits.take(pa.array(places)))))
        own_code &= ~bracketed
        own_code[found[0][0]] = False
        if own_code.any():
            found.append(self._valid(*self._national_for_certain(digits, own_code)))
        places = np.concatenate([places for places, _ in found])
        numbers = pa.concat_arrays([numbers for _, numbers in found])
        return places, numbers.take(pa.array(np.argsort(places)))

    def _national_for_certain(self, digits: Any, own_code: Mask) -> tuple[Indices, Any, Mask]:
        """Of bare numbers that begin with the region's code, those that are invalid with a plus.

        Mobile phones in Italy begin with 39, in Norway with 47.
        """
        places = np.flatnonzero(own_code)
        numbers = digits.take(pa.array(places))
        behind_code = _without_code(numbers, self._code)
        stripped, _ = self._main.national(behind_code)
        with_plus = self._are_valid(behind_code) | self._are_valid(stripped)
        prefixed = _lengths(self._home.national(numbers)[0]) < _lengths(numbers)
        return places, numbers, ~(with_plus | prefixed)

    def _valid(self, places: Indices, numbers: Any, sure: Mask) -> tuple[Indices, Any]:
        """The national numbers that are `sure` and valid, and their places."""
        good = np.flatnonzero(sure & self._are_valid(numbers))
        return places[good], numbers.take(pa.array(good))

    def _are_valid(self, numbers: Any) -> Mask:
        """Which national numbers are valid, as phonenumbers.is_valid_number says."""
        valid = np.zeros(len(numbers), dtype=bool)
        open_ = np.arange(len(numbers))
        for region in self._regions:
            some = numbers if len(open_) == len(numbers) else numbers.take(pa.array(open_))
            fits = region.are_valid(some)
            claimed = fits if region.leading is None else matches(some, region.leading)
            valid[open_[claimed & fits]] = True
            open_ = open_[~claimed]
            if not len(open_):
                break
        return valid


class _Region:
    """The patterns of one region's metadata, as patterns of RE2."""

    def __init__(self, metadata: PhoneMetadata) -> None:
        from phonenumbers import PhoneNumberDesc

        general = metadata.general_desc or PhoneNumberDesc()
        self._general = f"^(?:{general.national_number_pattern})$"
        self._lengths = [length for length in general.possible_length if length > 0]
        kinds = [kind for name in _TYPES if (kind := getattr(metadata, name)) is not None]
        self._types: dict[int, str] = {}
        for length in self._lengths:
            patterns = [
                kind.national_number_pattern
                for kind in kinds
                if kind.national_number_pattern
                and (not kind.possible_length or length in kind.possible_length)
            ]
            if patterns:
                self._types[length] = f"^(?:{'|'.join(patterns)})$"
        self._prefix = self._last_group = None
        self._trunk = metadata.national_prefix
        if prefix := metadata.national_prefix_for_parsing:
            self._prefix = f"^(?:{prefix})"
            if metadata.national_prefix_transform_rule:
                self._last_group = rf"\{re.compile(prefix).groups}"
        self.leading = f"^(?:{metadata.leading_digits})" if metadata.leading_digits else None

    def national(self, numbers: Any) -> tuple[Any, Mask]:
        """Numbers without the region's national prefix, and for which of them that is certain.

        phonenumbers keeps a prefix if the rest would be no number: that is not certain here.
        """
        sure = np.ones(len(numbers), dtype=bool)
        if self._prefix is None:
            return numbers, sure
        left = pc.replace_substring_regex(numbers, self._prefix, "")
        places = np.flatnonzero(_lengths(left) < _lengths(numbers))
        sure[places] = self._are_possible(left.take(pa.array(places)))
        if self._last_group is not None:
            # The region's rule rewrites a number if the last group of the prefix has matched.
            whole, some = f"{self._prefix}.*", numbers.take(pa.array(places))
            group = pc.replace_substring_regex(some, whole, self._last_group)
            sure[places] &= _lengths(group) == 0
        return left, sure

    def dropped_zero(self, numbers: Any, left: Any) -> Mask:
        """Whether the zero in brackets was all that was taken off, or is part of what is `left`.

        phones.py drops such a zero first, and then the national prefix.
        """
        dropped: Mask = _lengths(numbers) - _lengths(left) == (1 if self._trunk == "0" else -1)
        dropped &= _lengths(self.national(left)[0]) == _lengths(left)
        return dropped | mask_of(pc.starts_with(left, "0"))

    def _are_possible(self, numbers: Any) -> Mask:
        return matches(numbers, self._general) & np.isin(_lengths(numbers), self._lengths)

    def are_valid(self, numbers: Any) -> Mask:
        """Which national numbers match the general pattern and that of a type of their length."""
        valid = np.zeros(len(numbers), dtype=bool)
        lengths = _lengths(numbers)
        for length, pattern in self._types.items():
            places = np.flatnonzero(lengths == length)
            if len(places):
                some = numbers.take(pa.array(places))
                valid[places] = matches(some, pattern) & matches(some, self._general)
        return valid


def _without_code(numbers: Any, code: str) -> Any:
    return pc.utf8_slice_codeunits(numbers, len(code))


def _lengths(texts: Any) -> Indices:
    lengths: Indices = pc.binary_length(texts).to_numpy()
    return lengths


# E-mails. Settled are addresses of ASCII letters, digits and common signs. Left to email-validator
# are other alphabets, quotes, punycode, reserved domains, unusual lengths, and mailboxes whose case
# it changes, such as Info@.

_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_EMAIL = (
    r"^[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+(?:\.[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+)*"
    rf"@(?:{_LABEL}\.)+[A-Za-z](?:[A-Za-z0-9-]{{0,61}}[A-Za-z])?$"
)
_LONGEST_EMAIL = 254
_LONG_LOCAL_PART = "^[^@]{65}"
_MAILBOX_WITH_CAPITALS = "^[a-z]*[A-Z][A-Za-z]*@"


def fast_emails(texts: Any) -> Settled:
    """Settle the plain addresses among texts: each as it is, its domain in lower case."""
    known = matches(texts, _PLAIN_EMAIL) & (_lengths(texts) <= _LONGEST_EMAIL)
    known &= ~matches(texts, _unusual_emails())
    capitals = known & matches(texts, "@.*[A-Z]")
    if not capitals.any():
        return Settled(known, texts)
    some = texts.filter(pa.array(capitals))
    local = pc.replace_substring_regex(some, "@.*$", "@")
    domain = pc.ascii_lower(pc.replace_substring_regex(some, "^[^@]*@", ""))
    lowered = pc.binary_join_element_wise(local, domain, EMPTY)
    return Settled(known, pc.replace_with_mask(texts, pa.array(capitals), lowered))


@lru_cache(maxsize=1)
def _unusual_emails() -> str:
    """A pattern of addresses that must be looked at singly although they look plain."""
    from email_validator import SPECIAL_USE_DOMAIN_NAMES

    reserved = "|".join(map(re.escape, SPECIAL_USE_DOMAIN_NAMES))
    return f"{_LONG_LOCAL_PART}|{_MAILBOX_WITH_CAPITALS}|@.*--|[@.](?i:{reserved})$"


def fast_texts(pattern: str) -> FastPath:
    """The fast path of texts that must match a pattern as a whole: each as it is."""
    whole = whole_pattern(pattern)
    return lambda texts: Settled(matches(texts, whole), texts)


# Numbers. Settled are digits with at most one decimal mark: no plus, no groups of three, no leading
# zeros.

_INTEGER = "-?[1-9][0-9]*|0"
_TWO_NUMBERS = "^-?[1-9][0-9]{0,2}[.,][0-9]{3}$"
"""1,234 and 1.234: which mark is decimal has to be known."""


def fast_integers(texts: Any) -> Settled:
    """Settle the plain whole numbers among texts: each as it is."""
    return Settled(matches(texts, f"^(?:{_INTEGER})$"), texts)


def fast_decimals(declared: Sequence[str], finding: Finding) -> FastPath:
    """The fast path of numbers with the decimal mark that is `declared`, if just one is.

    In a workbook's column of numbers a point is decimal, whatever is declared.
    """
    marks = set(declared if len(declared) == 1 else ".,")
    if finding.point == "decimal":
        marks.add(".")
    plain = rf"^(?:{_INTEGER})(?:[{''.join(sorted(marks))}][0-9]+)?$"
    unclear = len(declared) != 1 or finding.point == "unclear"

    def settle(texts: Any) -> Settled:
        known = matches(texts, plain)
        if unclear:
            known &= ~matches(texts, _TWO_NUMBERS)
        return Settled(known, pc.replace_substring(texts, ",", "."))

    return settle


# Dates. A plain format consists of numbers with marks between them: each number has one or two
# digits, a year four. Settled are dates of the calendar that only one format fits.

_PLAIN_FORMAT = re.compile(r"%[YmdHMS](?:(?:[-./:,T]| (?=%H))%[YmdHMS])+\.?")
_PLAIN_OUTPUT = re.compile(r"(?:%[YmdHMS]|[ -$&-~])+")
_ISO_FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
"""They are read whatever is declared."""
_UNDECLARED = ("%Y.%m.%d", "%Y.%m.%d.", "%Y/%m/%d", "%d.%m.%Y", "%d.%m.%Y.", "%d.%m.%Y %H:%M")
"""The most frequent of the formats that are read where none is declared."""


def fast_dates(
    declared: Sequence[str] | None, output: str, finding: Finding = NO_FINDING
) -> FastPath | None:
    """The fast path of dates in the `declared` formats, written as `output`.

    None where one of the formats is not plain, and where day and month have been swapped.
    """
    formats = tuple(
        dict.fromkeys((*(_UNDECLARED if declared is None else declared), *_ISO_FORMATS))
    )
    if finding.swapped or not all(map(_is_plain, formats)) or not _PLAIN_OUTPUT.fullmatch(output):
        return None
    shapes = [_shape(format_) for format_ in formats]
    pieces = re.split("%([YmdHMS])", output)

    def settle(texts: Any) -> Settled:
        fits = [matches(texts, shape) for shape in shapes]
        once = np.sum(fits, axis=0) == 1
        known = np.zeros(len(texts), dtype=bool)
        values = pa.repeat(pa.scalar("", texts.type), len(texts))
        for shape, fit in zip(shapes, fits, strict=True):
            places = np.flatnonzero(fit & once)
            if not len(places):
                continue
            parts = pc.extract_regex(texts.take(pa.array(places)), shape)
            good = _in_calendar(parts)
            written = _written(parts.filter(pa.array(good)), pieces)
            mask = np.zeros(len(texts), dtype=bool)
            mask[places[good]] = True
            values = pc.replace_with_mask(values, pa.array(mask), written)
            known |= mask
        return Settled(known, values)

    return settle


def _is_plain(format_: str) -> bool:
    named = re.findall("%(.)", format_)
    if _PLAIN_FORMAT.fullmatch(format_) is None or len(set(named)) < len(named):
        return False
    # A text that begins as ISO 8601 does is read as ISO, too: both readings must be equal.
    return {*"Ymd"} <= {*named} and (format_ in _ISO_FORMATS or not format_.startswith("%Y-"))


def _shape(format_: str) -> str:
    """A pattern (RE2) of the texts of a plain format, its numbers in groups of their names."""
    shape = re.sub("%([mdHMS])", r"(?P<\1>[0-9]{1,2})", re.sub(r"\.", "[.]", format_))
    return f"^{shape.replace('%Y', '(?P<Y>[0-9]{4})')}$"


def _in_calendar(parts: Any) -> Mask:
    """Which dates, a struct of the numbers' texts, are in the calendar and after the year 1000."""
    found = {
        field.name: pc.cast(parts.field(field.name), pa.int64()).to_numpy() for field in parts.type
    }
    months = ((found["Y"] - 1970) * 12 + found["m"] - 1).astype("datetime64[M]")
    following = months + np.timedelta64(1, "M")
    days = (following.astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
    good: Mask = (found["Y"] >= 1000) & (found["m"] >= 1) & (found["m"] <= 12)
    good &= (found["d"] >= 1) & (found["d"] <= days)
    for name, end in (("H", 24), ("M", 60), ("S", 60)):
        if name in found:
            good &= found[name] < end
    return good


def _written(parts: Any, pieces: Sequence[str]) -> Any:
    """Dates as a format has them, of which `pieces` are texts and names of numbers in turn."""
    named = {field.name: parts.field(field.name) for field in parts.type}
    columns = [
        pc.utf8_lpad(named[piece], 2, "0") if piece in named else pa.scalar("00", pa.large_string())
        for piece in pieces[1::2]
    ]
    texts = [pa.scalar(piece, pa.large_string()) for piece in pieces[::2]]
    rest = (part for pair in zip(columns, texts[1:], strict=True) for part in pair)
    return pc.binary_join_element_wise(texts[0], *rest, EMPTY)
