"""A guess of the region that the phones of a sheet are at home in.

A number without a country's code is valid in many countries: 06 20 123 4567 in Hungary, Italy,
Germany and Austria. So the phones only show which countries are candidates: those in which about as
many of them are valid as in the best. The rest of the sheet gives weighted evidence for one of
these: other phones that have a country's code, headers, addresses, towns, post codes, currencies,
how numbers are divided. Where there is no evidence, or it is contradictory, no region is drafted: a
number of the wrong country is valid, and calls a stranger. `places.toml` has the words and signs
that show a country.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import islice, pairwise
from typing import TYPE_CHECKING

from importer.drafting.columns import ReadColumn, SampledColumn, dialled_before
from importer.drafting.headers import Role, words_of
from importer.drafting.yaml import quoted
from importer.mapping.writing import UNSURE

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

_TRIED = 200
"""Distinct phones, of those without a country's code and of those with one."""
_LOOKED_AT = 400
"""Distinct texts of a column that are searched for evidence."""
_LONGEST = 200
"""Characters of a text that are looked at; no phone is longer."""
_PLAUSIBLE = 0.5
"""The share of phones that must be valid in a candidate."""
_RARELY = 0.1
"""Where a smaller share of the phones lacks a country's code, these are mostly no numbers."""
_ALIKE = 0.1
"""The share of phones by which a candidate may be behind the best country: a text that is no number
in the right country is hardly ever one in another."""
_FEWEST_APART = 2
_BARE = 0.8
"""The share of phones that must begin with one country's code, for the plus to be lost."""
_FEW = 5
"""Texts with evidence from which on a kind of evidence has its full weight."""
_DECIDES, _SURE = 0.5, 1.0
"""The lead of the best candidate for it to be drafted, and to be drafted without a doubt."""
_TELLS = 0.15
"""Points of evidence from which on it is named in the remark."""
_PRIOR = 0.14
"""Points of the countries that most lists come from: too few to decide."""
_NANP = frozenset({"US", "CA"})
"""Of the countries with the code 1, those whose numbers are looked for: the others are islands."""
_PARTS = re.compile(r"[;,|\n]|//")
_SLASH = " / "
"""Stands between two phones, and as often between an area's digits and the others of one phone."""
_CODES = 20
"""Distinct codes, and distinct phones, that are combined."""
_OF_OTHERS = 0.05
"""The share of rows of other countries from which on no region is right for a list."""
_WHOLE_PHONE = 7
"""So many digits on each side of a slash are two phones."""
_ABROAD = re.compile(r"[^\d+]*(?:\+|00)")
_FEWEST_DIGITS = 5
_AREAS = range(2, 7)
"""Digits before which a number is divided, if it is divided where the area ends."""
_DOMAIN = re.compile(r"[\w-]\.([a-z]{2})(?=$|[/:?#\s>;,])", re.IGNORECASE)
_DOMAINS_ANYBODY_TAKES = frozenset(
    {"io", "ai", "me", "tv", "co", "cc", "ly", "to", "eu", "fm", "gg", "ws", "am"}
)
"""Domains of countries that are used all over the world."""
_LETTERS_OR_SIGN = re.compile(r"[^\W\d_]+|[€£$]")
_DISTRICTS = 3


@dataclass(frozen=True, slots=True)
class Home:
    """Where phones without a country's code are at home.

    `region` is None where the evidence does not decide; `remark` says how it was found, or what is
    missing. `likely` is the best guess, by which columns of phones are recognised in any case.
    """

    region: str | None = None
    likely: str | None = None
    remark: str | None = None


def guess_region(columns: Sequence[ReadColumn], examples: Sequence[Sequence[str]]) -> Home:
    """Guess where the phones of these columns are at home."""
    home, abroad = _phones(columns)
    codes = [code for text in abroad if (code := _country(text)) is not None]
    if not home:
        return Home()
    if (several := _of_several_countries(columns, examples)) is not None:
        return several
    evidence = _evidence(columns, home, codes)
    named = [region for kind in evidence for region in kind.votes]
    regions = dict.fromkeys([*named, *_places().regions])
    few = len(home) < _RARELY * (len(home) + len(codes))
    if few:
        # The few phones without a country's code are mostly no numbers.
        regions = dict.fromkeys(codes)
    tried = {region: _read(home, region) for region in regions}
    good = {region: len(numbers) for region, numbers in tried.items()}
    most = max(good.values())
    if most < _PLAUSIBLE * len(home):
        if few:
            return Home()
        return Home(
            remark=f"{UNSURE}{len(home):,} phones have no country code, and most are valid in no "
            "country that was tried: name the region whose they are"
        )
    apart = max(_FEWEST_APART, _ALIKE * len(home))
    alike = [r for r in good if good[r] >= most - apart and good[r] >= _PLAUSIBLE * len(home)]
    # Damaged phones are invalid in countries with numbers of fixed length: such a country stays a
    # candidate if the other evidence is clearly for it.
    points = {region: sum(kind.points(region) for kind in evidence) for region in good}
    most_points = max(points[region] for region in alike)
    alike += [
        region
        for region in good
        if region not in alike
        and good[region] >= _PLAUSIBLE * len(home)
        and points[region] >= most_points + _SURE
    ]
    alike = _distinct_readings(alike, tried)
    evidence += _evidence_of_habits(alike, tried)
    scores = {r: sum(kind.points(r) for kind in evidence) for r in alike}
    order = sorted(alike, key=lambda region: (-scores[region], -good[region]))
    best, rest = order[0], order[1:]
    lead = scores[best] - scores[rest[0]] if rest else _SURE
    figures = f"{good[best]:,} of {len(home):,} phones without a country code are valid there"
    if lead < _DECIDES:
        close = [r for r in order if scores[best] - scores[r] < _DECIDES]
        return Home(None, best, _undecided(close, len(home)))
    if rest:
        leads: dict[str, float] = {}
        for kind in evidence:
            lead_by = kind.points(best) - kind.points(rest[0])
            leads[kind.what] = leads.get(kind.what, 0.0) + lead_by
        why = sorted((what for what in leads if leads[what] >= _TELLS), key=lambda w: -leads[w])[:3]
        figures += f", as they would be in {_listed(rest[:3], 'or')}, but for {_listed(why, 'and')}"
    sure = lead >= _SURE and good[best] >= (1 - _ALIKE) * len(home)
    if not rest:
        sure = sure and len(home) >= _FEW
    return Home(best, best, ("" if sure else UNSURE) + figures)


def _of_several_countries(
    columns: Sequence[ReadColumn], examples: Sequence[Sequence[str]]
) -> Home | None:
    """No region, where phones without a country's code stand in rows of several countries.

    A column of the list says of which; None where there is none, or it says of one.
    """
    phones = [
        column.index
        for column, meaning in columns
        if meaning.role in {Role.PHONE, Role.MOBILE} and not dialled_before(column, columns)
    ]
    for column, meaning in columns:
        if meaning.role is not Role.COUNTRY:
            continue
        rows: Counter[str] = Counter()
        for cells in examples if column.index < len(examples[0]) else ():
            parts = [part for at in phones if at < len(cells) for part in _parts(cells[at])]
            at_home = [part for part in parts if part.strip() and not _ABROAD.match(part)]
            if at_home and len(regions := _countries(cells[column.index])) == 1:
                rows.update(regions)
        likely = [region for region, _ in rows.most_common()]
        if len(likely) > 1 and rows[likely[0]] <= (1 - _OF_OTHERS) * rows.total():
            return Home(
                None,
                likely[0],
                f"{UNSURE}by {quoted(column.header)} the phones without a country code are of "
                f"{_listed(likely[:4], 'and')}, and a region is for all rows: some would be read "
                "as a stranger's. Such rows are held back. Write these phones with their country's"
                " code, or import each country by a mapping of its own, with the other countries"
                " under rows.skip_when",
            )
    return None


def _undecided(close: Sequence[str], count: int) -> str:
    """The remark on a draft whose phones may be at home in several countries."""
    phones = "1 phone has" if count == 1 else f"{count:,} phones have"
    return (
        f"{UNSURE}{phones} no country code and may be at home in {_listed(close[:4], 'or')}: "
        "neither headers nor towns, post codes, e-mail addresses or other phones tell which. Such "
        "rows are held back until you name the region: take the # away, and put the right one in"
    )


def _listed(words: Sequence[str], last: str) -> str:
    return f" {last} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


@dataclass(frozen=True, slots=True)
class _Evidence:
    """One kind of evidence for a region: the points of each region, `weight` at most."""

    what: str
    weight: float
    votes: Mapping[str, float]

    def points(self, region: str) -> float:
        return self.weight * self.votes.get(region, 0.0)


def _evidence_from_votes(
    what: str, weight: float, found: Iterable[Iterable[str]], among: int
) -> _Evidence:
    """Evidence of texts that each vote for some regions; `among` counts all texts looked at.

    The votes of a region are the share of the voting texts that vote for it; less where few of the
    texts vote at all.
    """
    votes: Counter[str] = Counter()
    telling = 0
    for regions in found:
        votes.update(set(regions))
        telling += 1
    trust = min(1.0, telling / max(1.0, min(_FEW, among / 4))) if telling else 0.0
    return _Evidence(what, weight, {r: trust * n / telling for r, n in votes.items()})


def _evidence(
    columns: Sequence[ReadColumn], home: Sequence[str], codes: Sequence[str]
) -> list[_Evidence]:
    """The evidence of the sheet for countries, without the way in which its phones are written.

    `codes` are the countries of the phones that have a country's code.
    """
    share = len(codes) / (len(codes) + len(home))
    found = [
        _Evidence(
            "phones with a country code",
            2.0 * min(1.0, 3 * share),
            {region: n / len(codes) for region, n in Counter(codes).items()},
        ),
        _bare(home),
        _headers(columns),
        _Evidence("the countries lists are from", _PRIOR, dict.fromkeys(_places().near, 1.0)),
    ]
    texts = [(c, m.role, list(islice(c.texts, _LOOKED_AT))) for c, m in columns]

    def gathered(
        what: str, weight: float, tell: Callable[[str], Iterable[str]], roles: set[Role | None]
    ) -> None:
        looked = [text[:_LONGEST] for _, role, some in texts if role in roles for text in some]
        votes = [regions for text in looked if (regions := set(tell(text)))]
        found.append(_evidence_from_votes(what, weight, votes, len(looked)))

    gathered("the column of countries", 3.0, _countries, {Role.COUNTRY})
    gathered("e-mail and web addresses", 2.0, _domain, {Role.EMAIL, Role.URL})
    gathered("towns", 2.0, _towns, {Role.CITY, Role.ADDRESS})
    gathered("post codes", 1.0, _postcode, {Role.ZIP})
    amounts: set[Role | None] = {None, Role.AMOUNT, Role.PRICE, Role.COMMISSION}
    gathered("currencies", 1.0, _currency, amounts)
    wordy: set[Role | None] = {
        *(None, Role.NAME, Role.FIRST_NAME, Role.LAST_NAME, Role.COMPANY, Role.CITY),
        *(Role.STREET, Role.ADDRESS, Role.NOTE, Role.TITLE),
    }
    gathered("its language", 1.5, _words, wordy)
    for column, role, some in texts:
        votes = [regions for text in some if (regions := set(_towns(text)))]
        if role is None and len(votes) * 3 > len(some) and _nameless(column):
            found.append(_evidence_from_votes("towns", 2.0, votes, len(some)))
    return [kind for kind in found if kind.votes and kind.weight]


def _nameless(column: SampledColumn) -> bool:
    return not any("@" in text for text in islice(column.texts, _FEW))


def _headers(columns: Sequence[ReadColumn]) -> _Evidence:
    """The language that explains most headers; English, which is used everywhere, counts little."""
    known = [meaning.languages for _, meaning in columns if meaning.languages]
    explained = Counter(language for languages in known for language in languages)
    most = max(explained.values(), default=0)
    spoken = sorted(language for language, count in explained.items() if count == most)
    foreign = sum("en" not in languages for languages in known)
    if spoken == ["en"] or not foreign:
        english = _places().english if known else ()
        return _Evidence("English headers", 0.3, dict.fromkeys(english, 1.0))
    votes = {r: 1 / len(spoken) for language in spoken for r in _regions_speaking(language)}
    return _Evidence("its headers", 1.5 * min(1.0, foreign / 2), votes)


def _regions_speaking(language: str) -> Sequence[str]:
    return _places().spoken.get(language, ())


def _bare(home: Sequence[str]) -> _Evidence:
    """Numbers that begin with a country's code but have no plus, where nearly all do so."""
    from phonenumbers import normalize_digits_only

    digits = [normalize_digits_only(text) for text in home]
    codes = Counter(
        country
        for number in digits
        if not number.startswith("0") and (country := _country(f"+{number}")) is not None
    )
    country, count = next(iter(codes.most_common(1)), ("", 0))
    votes = {country: 1.0} if count >= _BARE * len(home) else {}
    return _Evidence("the code they begin with", 2.0, votes)


def _phones(columns: Sequence[ReadColumn]) -> tuple[list[str], list[str]]:
    """The phones without a country's code, and those with one."""
    home: dict[str, None] = {}
    abroad: dict[str, None] = {}
    for column, meaning in columns:
        if meaning.role not in {Role.PHONE, Role.MOBILE}:
            continue
        for text in _whole_phones(column, columns):
            for part in _parts(text):
                if len(part) <= _LONGEST and sum(map(str.isdigit, part)) >= _FEWEST_DIGITS:
                    (abroad if _ABROAD.match(part) else home)[part.strip()] = None
    return list(home)[:_TRIED], list(abroad)[:_TRIED]


def _whole_phones(phone: SampledColumn, columns: Sequence[ReadColumn]) -> Iterable[str]:
    """A column's phones, behind some codes that belong before them where the sheet has these.

    Which code belongs to which phone is not known here, unless each row has another of both.
    """
    codes = [islice(code.texts, _CODES) for code in dialled_before(phone, columns)]
    if not codes:
        return phone.texts
    before = [" ".join(some) for some in zip(*codes, strict=False)]
    if len(before) == len(phone.texts):
        return map(" ".join, zip(before, phone.texts, strict=True))
    return (f"{code} {text}" for text in islice(phone.texts, _CODES) for code in before)


def _parts(text: str) -> Iterator[str]:
    """The phones of a cell: ``0664 / 555 1234`` is one, ``0664 5551234 / 01 5551234`` are two."""
    for part in _PARTS.split(text):
        pieces = part.split(_SLASH)
        whole = all(sum(map(str.isdigit, piece)) >= _WHOLE_PHONE for piece in pieces)
        yield from pieces if whole else (part,)


def _country(text: str) -> str | None:
    """The country of a number that begins with its code; None where it is not valid."""
    import phonenumbers

    digits = phonenumbers.normalize_digits_only(text)
    try:
        number = phonenumbers.parse(f"+{digits.removeprefix('00')}")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.region_code_for_country_code(number.country_code or 0)


def _read(texts: Sequence[str], region: str) -> dict[str, PhoneNumber]:
    """The texts that are valid numbers of a region, or of one with which it shares its code."""
    import phonenumbers

    found = {}
    for text in texts:
        number = _valid(text, region)
        if number is None and not phonenumbers.normalize_digits_only(text).startswith("0"):
            # A spreadsheet program takes the zero off; a check reports that.
            number = _valid("0" + text.lstrip("(/ "), region)
        if number is not None:
            found[text] = number
    return found


def _valid(text: str, region: str) -> PhoneNumber | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if number.country_code != phonenumbers.country_code_for_region(region):
        return None
    if region in _NANP and phonenumbers.region_code_for_number(number) not in _NANP:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _distinct_readings(
    regions: Sequence[str], read: Mapping[str, Mapping[str, PhoneNumber]]
) -> list[str]:
    """Leave out each region that reads all texts as the numbers that an earlier region reads."""
    seen: set[tuple[tuple[str, int | None, int | None], ...]] = set()
    kept = []
    for region in regions:
        what = tuple((t, n.country_code, n.national_number) for t, n in read[region].items())
        if what not in seen:
            seen.add(what)
            kept.append(region)
    return kept


def _evidence_of_habits(
    regions: Sequence[str], read: Mapping[str, Mapping[str, PhoneNumber]]
) -> list[_Evidence]:
    """The kinds of numbers that they would be, and whether they are written as is usual there.

    A national prefix may be lost, and numbers of one town may look like mobile ones elsewhere: so
    only the way in which numbers are divided has the weight to decide by itself.
    """
    shares = {region: _habits_in(region, read[region]) for region in regions}
    return [
        _Evidence("how the numbers are divided", 1.0, {r: s.divided for r, s in shares.items()}),
        _Evidence("how the numbers are divided", 0.6, {r: s.alike for r, s in shares.items()}),
        _Evidence("what is dialled before them", 0.4, {r: s.dialled for r, s in shares.items()}),
        _Evidence("how they begin", 0.4, {r: s.mobile for r, s in shares.items()}),
        _Evidence("how many areas they are of", 0.3, {r: s.spread for r, s in shares.items()}),
    ]


@dataclass(frozen=True, slots=True)
class _Habits:
    """The shares of a region's numbers that are of a kind.

    `dialled`: begun with the national prefix. `divided`: with a blank or sign where the area code
    or the prefix ends. `alike`: divided throughout as the library prints them. `mobile`: of a
    mobile network. `spread`: not in the area of which there are most.
    """

    dialled: float
    divided: float
    alike: float
    mobile: float
    spread: float


def _habits_in(region: str, numbers: Mapping[str, PhoneNumber]) -> _Habits:
    """The habits of these texts, each with the number that it is in that region; at least one."""
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region, None)
    trunk = (metadata.national_prefix or "") if metadata and region not in _NANP else ""
    begun = parted = divided = alike = mobile = 0
    areas: Counter[str] = Counter()
    for text, number in numbers.items():
        digits = phonenumbers.normalize_digits_only(text)
        national = phonenumbers.national_significant_number(number)
        length = phonenumbers.length_of_national_destination_code(number)
        begun += digits.startswith(trunk)
        mobile += phonenumbers.number_type(number) == PhoneNumberType.MOBILE
        areas[national[:length]] += 1
        places_ = set(_divisions(text))
        if any(place in _AREAS for place in places_):
            parted += 1
            ends = {len(digits) - len(national) + length, len(trunk)}
            divided += not ends.isdisjoint(places_)
            printed = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
            alike += set(_divisions(printed)) == places_
    count = len(numbers)
    trust = min(1.0, parted / _FEW)  # one number may be divided in any way
    return _Habits(
        begun / count,
        trust * divided / count,
        trust * alike / count,
        mobile / count,
        1 - max(areas.values()) / count,
    )


def _divisions(text: str) -> Iterator[int]:
    """After how many digits a number is divided by blanks or signs."""
    digits = 0
    for char, following in pairwise(text):
        digits += char.isdigit()
        if char.isdigit() and not following.isdigit():
            yield digits


@dataclass(frozen=True, slots=True)
class _Places:
    """The tables of `places.toml`, inverted where texts are looked up in them.

    Regions are two letters in upper case; `regions` are those of which something is known, the
    only ones that are tried.
    """

    regions: tuple[str, ...]
    english: tuple[str, ...]
    near: tuple[str, ...]
    spoken: Mapping[str, Sequence[str]]
    countries: Mapping[str, frozenset[str]]
    towns: Mapping[str, frozenset[str]]
    words: Mapping[str, Sequence[str]]
    endings: Mapping[str, Sequence[str]]
    letters: Mapping[str, Sequence[str]]
    currencies: Mapping[str, frozenset[str]]
    postcodes: Mapping[str, re.Pattern[str]]


@cache
def _places() -> _Places:
    """The tables; the file is read when the first list has a phone without a country's code."""
    text = files("importer.drafting").joinpath("places.toml").read_text("utf-8")
    data = tomllib.loads(text)
    named = [
        (name, region)
        for names, regions in data["currencies"].items()
        for name in names.split()
        for region in regions
    ]
    return _Places(
        regions=tuple(data["cities"]),
        english=tuple(data["english"]),
        near=tuple(data["near"]),
        spoken=data["spoken"],
        countries=_by_phrase((p, r) for r, found in data["countries"].items() for p in found),
        towns=_by_phrase((p, r) for r, found in data["cities"].items() for p in found),
        words=data["words"],
        endings=data["endings"],
        letters=data["letters"],
        currencies=_by_phrase(named),
        postcodes={r: re.compile(p, re.IGNORECASE) for r, p in data["postcodes"].items()},
    )


def _by_phrase(pairs: Iterable[tuple[str, str]]) -> dict[str, frozenset[str]]:
    """For each phrase, all regions that it is paired with."""
    found: dict[str, set[str]] = {}
    for phrase, region in pairs:
        found.setdefault(phrase, set()).add(region)
    return {phrase: frozenset(regions) for phrase, regions in found.items()}


def _countries(text: str) -> frozenset[str]:
    words = " ".join(words_of(text))
    if len(words) == 2 and words.upper() in _places().regions:
        return frozenset({words.upper()})
    return _places().countries.get(words, frozenset())


def _domain(text: str) -> Iterator[str]:
    for match in _DOMAIN.finditer(text):
        ending = match[1].casefold()
        if ending not in _DOMAINS_ANYBODY_TAKES:
            yield "GB" if ending == "uk" else ending.upper()


def _towns(text: str) -> frozenset[str]:
    """The countries of a town, whatever district or post code stands with it."""
    towns = _places().towns
    for part in text.split(","):
        words = [word for word in words_of(part) if not word.isdigit()]
        if not words or len(words) > _DISTRICTS + 2:
            continue
        for length in range(len(words), 0, -1):
            if found := towns.get(" ".join(words[:length])):
                return found
    return frozenset()


def _postcode(text: str) -> list[str]:
    return [
        region for region, shape in _places().postcodes.items() if shape.fullmatch(text.strip())
    ]


def _currency(text: str) -> frozenset[str]:
    signs = _LETTERS_OR_SIGN.findall(text)
    if len(signs) != 1 or not any(map(str.isdigit, text)):
        return frozenset()
    word = " ".join(words_of(signs[0])) or signs[0]
    return _places().currencies.get(word, frozenset())


def _words(text: str) -> set[str]:
    """The countries whose letters are in a text; failing those, whose words are."""
    found: set[str] = set()
    letters = set(text.casefold())
    for telling, regions in _places().letters.items():
        if not letters.isdisjoint(telling):
            found.update(regions)
    if found:
        return found
    for word in words_of(text):
        found.update(_places().words.get(word, ()))
        for ending, regions in _places().endings.items():
            if word.endswith(ending):
                found.update(regions)
    return found
