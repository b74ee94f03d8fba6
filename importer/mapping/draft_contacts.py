"""Whom to call: which columns hold phones, where they are at home, and whose they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from importer.mapping.draft_kinds import Fit, fit
from importer.mapping.draft_sample import Column, Sample
from importer.mapping.draft_values import phone_marks
from importer.mapping.draft_words import Meaning, Role
from importer.mapping.draft_yaml import UNSURE, Line, flow, of_rule
from importer.mapping.spec import CONTACT_NUMBERS

Read = tuple[Column, Meaning]
"""A column that a mapping can name, and what its header means."""

_PLAUSIBLE = 0.5
_SURE = 0.9
_RARELY = 0.05
_TRIED = 200
_HOMES = {"hu": ("HU",), "de": ("DE", "AT", "CH"), "en": ("GB", "US")}
_ELSEWHERE = ("SK", "CZ", "PL", "RO", "SI", "HR", "FR", "IT", "ES", "NL")
_ABROAD = ("+", "00")


@dataclass(frozen=True, slots=True)
class Contacts:
    """What a draft says of contacts: lines below ``contacts:``, and columns used up by it.

    `key` is the path of the first phone, by which rows can be told apart. `no_place` are phone
    columns beyond the nine numbers of a record.
    """

    lines: tuple[Line, ...] = ()
    used: frozenset[int] = frozenset()
    key: str | None = None
    no_place: tuple[Column, ...] = ()


def phone_columns(columns: Sequence[Read], region: str | None) -> list[Read]:
    """The columns that hold phones: by their header and most of the texts, or by the texts alone.

    Without a header that tells, texts have to be in international form: any number is long.
    """
    found = []
    for column, meaning in columns:
        texts = list(column.texts)
        told = meaning.role in {Role.PHONE, Role.MOBILE}
        if not texts:
            if told:
                found.append((column, meaning))
        elif told:
            if phone_marks(texts, region)[1].share >= _PLAUSIBLE:
                found.append((column, meaning))
        elif meaning.role is None:
            abroad = sum(text.startswith("+") for text in texts)
            if abroad > _SURE * len(texts) and fit(texts, "phone", region).share >= _SURE:
                found.append((column, meaning))
    return found


def guess_region(columns: Sequence[Read], language: str | None) -> tuple[str | None, str | None]:
    """Where phones without a country's code are at home, and how sure that is.

    Each candidate is tried on these phones; among equals the country wins that most of the
    international phones belong to, then those where the headers' language is spoken.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    texts = [
        text
        for column, meaning in columns
        if meaning.role in {Role.PHONE, Role.MOBILE}
        for text in column.texts
    ]
    home = [text for text in texts if not text.startswith(_ABROAD)][:_TRIED]
    if not home:
        return None, None
    abroad = [text for text in texts if text.startswith("+")][:_TRIED]
    prefixes: Counter[str] = Counter()
    for value in fit(abroad, "phone").values:
        for length in (1, 2, 3) if value else ():
            regions = COUNTRY_CODE_TO_REGION_CODE.get(int(str(value)[:length]))
            if regions:
                prefixes[regions[0]] += 1
                break
    spoken = _HOMES.get(language or "", ())
    others = [region for regions in _HOMES.values() for region in regions]
    candidates = dict.fromkeys([*dict(prefixes.most_common(8)), *spoken, *others, *_ELSEWHERE])
    fits = {region: fit(home, "phone", region) for region in candidates}
    order = list(candidates)
    best = max(
        order,
        key=lambda region: (
            round(fits[region].good / len(home), 2),
            region in spoken,
            prefixes[region],
            -order.index(region),
        ),
    )
    if fits[best].share < _PLAUSIBLE:
        return None, f"{UNSURE}{len(home):,} phones have no country code: name the country's region"
    rivals = [
        region
        for region in order
        if region != best and fits[region].good >= fits[best].good * _SURE
    ][:3]
    also = f", as they would be in {' or '.join(rivals)}" if rivals else ""
    figures = f"{fits[best].good:,} of {len(home):,} phones without a country code are valid there"
    return best, f"{UNSURE}{figures}{also}"


class _Table:
    """Contacts as they are put together: phones by number, and what is left over."""

    def __init__(self, phones: Sequence[Read]) -> None:
        self.numbered: dict[int, Read] = {}
        rest = []
        for column, meaning in phones:
            n = meaning.number
            if n is not None and n in CONTACT_NUMBERS and n not in self.numbered:
                self.numbered[n] = (column, meaning)
            else:
                rest.append((column, meaning))
        self.no_place: list[Column] = []
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
    phones: Sequence[Read],
    columns: Sequence[Read],
    person: tuple[Mapping[str, Any], Sequence[Column]] | None,
    region: str | None,
) -> Contacts:
    """Number the phones, and give each what else the sheet knows of that contact.

    `person` is the rule that gives the record's own name, with the columns it needs. A name or
    e-mail joins a contact only if its phone is hardly ever blank beside it: a contact with data
    but no phone makes its row invalid.
    """
    many = {column.index: marks for column, _ in phones if (marks := _many(column, region))}
    spread = [(column, many[column.index]) for column, _ in phones if column.index in many]
    table = _Table([read for read in phones if read[0].index not in many])
    lines: list[Line] = []
    used = {column.index for column, _ in spread}
    used |= {column.index for column, _ in table.numbered.values()}
    if (stem := table.stem(sample)) is not None:
        every, taken = _each(sample, table, stem, columns)
        used |= taken
        lines.append(Line("each", flow(every), _how_good(table.numbered.values(), region)))
    else:
        for n, (column, meaning) in sorted(table.numbered.items()):
            parts, remarks = _contact(sample, n, (column, meaning), columns, person)
            used |= {c.index for c, _ in columns if parts.get("email") == {"column": c.header}}
            written = ", ".join(f"{key}: {of_rule(rule)}" for key, rule in parts.items())
            told = (*remarks, *_how_good([(column, meaning)], region))
            lines.append(Line(str(n), f"{{{written}}}", told))
    if spread:
        marks = list(dict.fromkeys(mark for _, own in spread for mark in own))
        names = [column.header for column, _ in spread]
        source = {"column": names[0]} if len(names) == 1 else {"columns": names}
        remark = "several phones in a cell fill the free contacts in order"
        lines.append(Line("spread", flow({**source, "split": marks}), (remark,)))
    free = set(CONTACT_NUMBERS) - set(table.numbered) if spread else set()
    first = min({*table.numbered, *free}, default=None)
    key = f"contacts.{first}.phone" if first else None
    return Contacts(tuple(lines), frozenset(used), key, tuple(table.no_place))


def _many(column: Column, region: str | None) -> list[str]:
    """What divides the phones in a column's cells, where more than a few cells hold several."""
    texts = list(column.texts)
    if not texts:
        return []
    marks, _ = phone_marks(texts, region)
    several = sum(any(mark in text for mark in marks) for text in texts)
    return marks if several >= 2 and several > _RARELY * len(texts) else []


def _contact(
    sample: Sample,
    n: int,
    phone: Read,
    columns: Sequence[Read],
    person: tuple[Mapping[str, Any], Sequence[Column]] | None,
) -> tuple[dict[str, Mapping[str, Any]], list[str]]:
    """The parts of one contact, and what to know of them."""
    column, meaning = phone
    parts: dict[str, Mapping[str, Any]] = {}
    remarks: list[str] = []
    own = [read for read in columns if read[1].number == n]
    name = next((c for c, m in own if m.role is Role.NAME), None)
    wanted: list[tuple[str, Mapping[str, Any], Sequence[Column]]] = []
    if name is not None:
        wanted.append(("name", {"column": name.header}, [name]))
    elif n == 1 and person is not None:
        wanted.append(("name", *person))
    unnumbered = [read for read in columns if n == 1 and read[1].number is None]
    email = next((c for c, m in (*own, *unnumbered) if m.role is Role.EMAIL), None)
    if email is not None:
        wanted.append(("email", {"column": email.header}, [email]))
    for key, rule, sources in wanted:
        alone = max(sample.filled_without(source, column) for source in sources)
        if alone > _RARELY * sample.rows:
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
    return {**parts, "phone": {"column": column.header}}, remarks


def _each(
    sample: Sample, table: _Table, stem: str, columns: Sequence[Read]
) -> tuple[dict[str, str], set[int]]:
    """The ``each`` of phones that share a header, and the columns of names and e-mails it uses."""
    parts, used = {"phone": stem}, set()
    for key, role in (("name", Role.NAME), ("email", Role.EMAIL)):
        stems: dict[str, list[Column]] = {}
        for column, meaning in columns:
            if meaning.role is role and meaning.stem and meaning.number in table.numbered:
                stems.setdefault(meaning.stem, []).append(column)
        for other, found in stems.items():
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
    return parts, used


def _how_good(phones: Iterable[Read], region: str | None) -> tuple[str, ...]:
    """How many of the phones are none, where any is."""
    texts = [text for column, _ in phones for text in islice(column.texts, _TRIED)]
    found: Fit = fit(texts, "phone", region)
    return found.remark("valid phones")
