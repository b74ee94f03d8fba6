"""The contacts of a draft: which columns hold phones, and which belong to a phone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from importer.drafting.columns import (
    ReadColumn,
    Sample,
    SampledColumn,
    dialled_before,
    fit,
    is_codes,
    phone_marks,
    placeholder_remark,
)
from importer.drafting.headers import Meaning, Role, meaning_of
from importer.drafting.yaml import DraftLine, quoted, rule_text
from importer.mapping.spec import CONTACT_NUMBERS
from importer.mapping.writing import UNSURE, flow

_PLAUSIBLE = 0.5
"""The share of texts that must be phones under a header that names phones."""
_SURE = 0.9
"""The share of texts that must be phones under any other header."""
_RARELY = 0.05
"""The share of rows that may be exceptions."""
_NONE = frozenset(
    {
        *("none", "no", "unknown", "x", "nincs", "nincs telefon", "nem", "nem ismert"),
        *("ismeretlen", "kein", "keine", "keines", "ohne", "unbekannt", "aucun", "ninguno"),
        *("nessuno", "brak", "nema", "není", "nie má"),
    }
)
"""What people write where there is no phone."""
_ZEROS = re.compile(r"[0 ./-]*0[0 ./-]*")
_FEWEST_DIGITS = 6


Person = tuple[Mapping[str, Any], Sequence[SampledColumn]]
"""The rule that gives the record's own name, and the columns that it takes."""


@dataclass(frozen=True, slots=True)
class DraftedContacts:
    """The drafted lines below ``contacts:``, and the columns that they use.

    `key` is the path of the first phone, for ``rows.unique``. `no_place` are phone columns beyond
    the nine contacts of a record.
    """

    lines: tuple[DraftLine, ...] = ()
    used: frozenset[int] = frozenset()
    key: str | None = None
    no_place: tuple[SampledColumn, ...] = ()


def phone_columns(columns: Sequence[ReadColumn], region: str | None) -> list[ReadColumn]:
    """The columns that hold phones: by their header and most of the texts, or by the texts alone.

    Under a header that names phones, invalid numbers are phones, too: as contacts they make their
    rows invalid; as text of the form they would be sent, and nobody would be called. Under any
    other header the texts have to be in international form, since any long number may be a phone.
    """
    found = []
    for read in columns:
        column, meaning = read[0].without(_no_phones(read)), read[1]
        texts = list(column.texts)
        named = meaning.role in {Role.PHONE, Role.MOBILE} or (
            # "Vorwahl und Rufnummer"
            meaning.role is Role.AREA_CODE and not is_codes(column)
        )
        if not texts:
            if named:
                found.append((column, meaning))
        elif named:
            numbers = sum(sum(map(str.isdigit, text)) >= _FEWEST_DIGITS for text in texts)
            if (
                numbers >= _PLAUSIBLE * len(texts)
                or phone_marks(texts, region)[1].share >= _PLAUSIBLE
            ):
                found.append((column, meaning))
        elif meaning.role is None:
            abroad = sum(text.startswith("+") for text in texts)
            if abroad > _SURE * len(texts) and fit(texts, "phone", region).share >= _SURE:
                found.append((column, meaning))
    return found


def _no_phones(read: ReadColumn) -> list[str]:
    """What people write into a column of phones where there is none: zeros, or "none"."""
    column, meaning = read
    if meaning.role not in {Role.PHONE, Role.MOBILE}:
        return []
    return [t for t in column.texts if t.casefold() in _NONE or _ZEROS.fullmatch(t)]


class _ContactNumbers:
    """The contact number of each column of phones.

    A phone keeps the number in its header where that is free; the others take the lowest numbers
    that are left, in the order of the sheet. `no_place` are those beyond the last number.
    """

    def __init__(self, phones: Sequence[ReadColumn]) -> None:
        self.numbered: dict[int, ReadColumn] = {}
        rest = []
        for column, meaning in phones:
            n = meaning.number
            if n is not None and n in CONTACT_NUMBERS and n not in self.numbered:
                self.numbered[n] = (column, meaning)
            else:
                rest.append((column, meaning))
        self.no_place: list[SampledColumn] = []
        for read in rest:
            free = next((n for n in CONTACT_NUMBERS if n not in self.numbered), None)
            if free is None:
                self.no_place.append(read[0])
            else:
                self.numbered[free] = read

    def stem(self, sample: Sample) -> str | None:
        """The header that all phones share, but for their number, where ``each`` can write it.

        There must be no other column that ``each`` would then take for a phone.
        """
        stems = {meaning.stem for _, meaning in self.numbered.values()}
        [stem] = stems if len(stems) == 1 else [None]
        if stem is None or len(self.numbered) < 2:
            return None
        exist = {n for n in CONTACT_NUMBERS if _header(stem, n) in sample.headers}
        right = all(c.header == _header(stem, n) for n, (c, _) in self.numbered.items())
        return stem if right and exist == set(self.numbered) else None


def _header(stem: str, n: int) -> str:
    return stem.replace("{n}", str(n))


def draft_contacts(
    sample: Sample,
    phones: Sequence[ReadColumn],
    columns: Sequence[ReadColumn],
    person: Person | None,
    region: str | None,
) -> DraftedContacts:
    """Number the phones, and add to each the name and e-mail that belong to it.

    `person` gives the record's own name. A name or
    e-mail joins a contact only if its phone is hardly ever blank beside it: a contact with data
    but no phone makes its row invalid.
    """
    many = {
        column.index: marks for column, _ in phones if (marks := _phone_dividers(column, region))
    }
    spread = [(column, many[column.index]) for column, _ in phones if column.index in many]
    table = _ContactNumbers([read for read in phones if read[0].index not in many])
    lines: list[DraftLine] = []
    used = {column.index for column, _ in spread}
    used |= {column.index for column, _ in table.numbered.values()}
    if (stem := table.stem(sample)) is not None:
        every, taken, alone = _each(sample, table, stem, columns)
        used |= taken
        alone += _validity_remark(table.numbered.values(), region)
        lines.append(DraftLine("each", flow(every), alone))
    else:
        for n, (column, meaning) in sorted(table.numbered.items()):
            # With several phones a row can be called without this one: none may become invalid.
            most = 0 if len(phones) > 1 else _RARELY * sample.rows
            wanted = _name_and_email(n, columns, person)
            parts, remarks = _contact(sample, (n, column, meaning), wanted, most)
            if codes := _filled_beside(sample, column, dialled_before(column, columns)):
                parts["phone"] = _with_codes(codes, column)
                used |= {code.index for code in codes}
                before = " and ".join(quoted(code.header) for code in codes)
                remarks.append(f"{UNSURE}{before} stands before the phones, which need it")
            used |= {c.index for c, _ in columns if parts.get("email") == c.rule()}
            written = ", ".join(f"{key}: {rule_text(rule)}" for key, rule in parts.items())
            if not codes:
                remarks += _validity_remark([(column, meaning)], region)
            lines.append(DraftLine(str(n), f"{{{written}}}", remarks))
    if spread:
        marks = list(dict.fromkeys(mark for _, own in spread for mark in own))
        names = [column.header for column, _ in spread]
        source = {"column": names[0]} if len(names) == 1 else {"columns": names}
        remark = "several phones in a cell fill the free contacts in order"
        lines.append(DraftLine("spread", flow({**source, "split": marks}), (remark,)))
    free = set(CONTACT_NUMBERS) - set(table.numbered) if spread else set()
    first = min({*table.numbered, *free}, default=None)
    key = f"contacts.{first}.phone" if first else None
    return DraftedContacts(tuple(lines), frozenset(used), key, tuple(table.no_place))


def _filled_beside(
    sample: Sample, phone: SampledColumn, codes: Sequence[SampledColumn]
) -> list[SampledColumn]:
    """The columns of codes, without those that are blank beside a phone and get a plus."""
    return [
        code for code in codes if not _lacks_plus(code) or not sample.filled_without(phone, code)
    ]


def _lacks_plus(column: SampledColumn) -> bool:
    """Whether a column has countries' codes with neither a plus nor zeros before them."""
    is_country = meaning_of(column.header).role is Role.COUNTRY
    return is_country and not any(text.lstrip("( ").startswith(("+", "0")) for text in column.texts)


def _with_codes(codes: Sequence[SampledColumn], phone: SampledColumn) -> dict[str, str]:
    """The rule of phones that have their area's or country's code in columns of their own."""
    before = [
        f"+{{{code.header}}}" if _lacks_plus(code) else f"{{{code.header}}}" for code in codes
    ]
    return {"template": " ".join([*before, f"{{{phone.header}}}"])}


def _phone_dividers(column: SampledColumn, region: str | None) -> list[str]:
    """The marks that divide the phones in a column's cells; none where few cells hold several."""
    texts = list(column.texts)
    if not texts:
        return []
    marks, _ = phone_marks(texts, region)
    several = sum(any(mark in text for mark in marks) for text in texts)
    return marks if several >= 2 and several > _RARELY * len(texts) else []


_Part = tuple[str, Mapping[str, Any], Sequence[SampledColumn]]
"""A key of a contact, its rule, and the columns that the rule takes."""


def _name_and_email(n: int, columns: Sequence[ReadColumn], person: Person | None) -> list[_Part]:
    """The parts with a contact's name and e-mail."""
    own = [read for read in columns if read[1].number == n]
    name = next((c for c, m in own if m.role is Role.NAME), None)
    wanted: list[_Part] = []
    if name is not None:
        wanted.append(("name", name.rule(), [name]))
    elif n == 1 and person is not None:
        wanted.append(("name", *person))
    unnumbered = [read for read in columns if n == 1 and read[1].number is None]
    emails = (c for c, m in (*own, *unnumbered) if m.role is Role.EMAIL)
    email = next(filter(_may_be_emails, emails), None)
    if email is not None:
        wanted.append(("email", email.rule(), [email]))
    return wanted


def _may_be_emails(column: SampledColumn) -> bool:
    """Whether a column headed so has e-mail addresses, and not their kind or label."""
    return not column.texts or any("@" in text for text in column.texts)


def _contact(
    sample: Sample, phone: tuple[int, SampledColumn, Meaning], wanted: Sequence[_Part], most: float
) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """The parts of one contact, and remarks on them.

    A part that is filled without the phone in more than `most` rows is left out.
    """
    n, column, meaning = phone
    parts: dict[str, Mapping[str, Any]] = {}
    remarks: list[str] = []
    for key, rule, sources in wanted:
        alone = max(sample.filled_without(source, column) for source in sources)
        if alone > most:
            remarks.append(
                f"the {key} is not part of this contact: in {alone:,} of {sample.rows:,} rows it "
                "stands without this phone, and a contact needs one"
            )
        else:
            parts[key] = rule
            if alone:
                remarks.append(
                    f"{UNSURE}{alone:,} of {sample.rows:,} rows have the {key} but not this phone: "
                    "they are invalid"
                )
    if n > 1 and meaning.number is None:
        parts["title"] = {"value": column.header}
    remarks += placeholder_remark(column)
    return {**parts, "phone": column.rule()}, remarks


def _each(
    sample: Sample, table: _ContactNumbers, stem: str, columns: Sequence[ReadColumn]
) -> tuple[dict[str, str], set[int], list[str]]:
    """The ``each`` of phones that share a header, the columns it uses besides, and remarks."""
    parts: dict[str, str] = {"phone": stem}
    used: set[int] = set()
    remarks: list[str] = []
    for key, role in (("name", Role.NAME), ("email", Role.EMAIL)):
        stems: dict[str, list[SampledColumn]] = {}
        for column, meaning in columns:
            if meaning.role is role and meaning.stem and meaning.number in table.numbered:
                stems.setdefault(meaning.stem, []).append(column)
        for other, found in stems.items():
            if key == "email" and not any(map(_may_be_emails, found)):
                continue
            beside = {column.header: column for column in found}
            exist = {n for n in table.numbered if _header(other, n) in sample.headers}
            pairs = [
                (beside[_header(other, n)], table.numbered[n][0])
                for n in exist
                if _header(other, n) in beside
            ]
            alone = max((sample.filled_without(*pair) for pair in pairs), default=sample.rows)
            whole = len(pairs) == len(found) == len(exist)
            if whole and alone <= _RARELY * sample.rows and key not in parts:
                parts[key] = other
                used |= {column.index for column in found}
                if alone:
                    remarks.append(
                        f"{UNSURE}{alone:,} of {sample.rows:,} rows have the {key} of a contact but"
                        " not its phone: they are invalid"
                    )
    return parts, used, remarks


def _validity_remark(phones: Iterable[ReadColumn], region: str | None) -> tuple[str, ...]:
    """A remark that counts the phones that are not valid; none where all are."""
    cells: Counter[str] = Counter()
    for column, _ in phones:
        cells.update(column.texts)
    return fit(cells, "phone", region).remark("valid phones", cells)
