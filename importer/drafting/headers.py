"""The meaning of headers by their words; `words.toml` lists these words in 14 languages.

Headers are compared without accents and case, cut into words at blanks, signs, digits and
capitals within a word.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.resources import files


class Role(StrEnum):
    """What a column is for; the value is the conventional name of a field for it."""

    DO_NOT_CALL = "do_not_call"
    MAYBE_DO_NOT_CALL = "blocked"
    MAY_CALL = "consent"
    CALL_BACK = "call_back"
    FAX = "fax"
    EMAIL = "email"
    BIRTH = "birth_date"
    AREA_CODE = "area_code"
    MOBILE = "mobile"
    PHONE = "phone"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    COMPANY = "company"
    NAME = "name"
    CITY = "city"
    ZIP = "zip"
    STREET = "street"
    ADDRESS = "address"
    COUNTRY = "country"
    TITLE = "title"
    COMMISSION = "commission"
    PRICE = "price"
    NOTE = "note"
    URL = "website"
    INTERESTS = "interests"
    DATE = "date"
    AMOUNT = "amount"
    COUNT = "count"
    ID = "id"


_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_PIECE = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of a header: its role, the number in it, and the languages that it may be in.

    `stem` is the header with its number replaced by ``{n}``, None where it has not exactly one.
    """

    role: Role | None
    number: int | None
    stem: str | None
    languages: frozenset[str]


def words_of(text: str) -> list[str]:
    """The words and numbers of a header, in lower case, in ASCII where they have such a form.

    Format characters within words, such as soft hyphens, are passed over: nobody sees them.
    """
    seen = text if text.isascii() else "".join(c for c in text if unicodedata.category(c) != "Cf")
    parted = _HUMP.sub(" ", seen).casefold().translate(_LETTERS)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(c)
    )
    return _PIECE.findall(plain)


_Phrases = tuple[tuple[Role, str, tuple[str, ...]], ...]
"""A role, a language, and the words of a phrase for that role in it."""


@cache
def _phrases() -> tuple[_Phrases, _Phrases]:
    """Phrases that must be the whole header, and phrases that may stand anywhere in it, in order.

    The file is read when the first header is looked at, so that other commands do not wait for it.
    """
    text = files("importer.drafting").joinpath("words.toml").read_text("utf-8")
    roles: dict[str, dict[str, dict[str, list[str]]]] = tomllib.loads(text)
    whole, anywhere = (
        tuple(
            (Role(role), language, tuple(phrase.split()))
            for role, languages in roles[where].items()
            for language, phrases in languages.items()
            for phrase in phrases
        )
        for where in ("whole", "anywhere")
    )
    return whole, anywhere


def meaning_of(header: str) -> Meaning:
    """The meaning of a header."""
    words = words_of(header)
    number, stem = _number(header)
    role, languages = _role([word for word in words if not word.isdigit()])
    return Meaning(role, number, stem, languages)


def _number(header: str) -> tuple[int | None, str | None]:
    found = list(re.finditer(r"[0-9]+", header))
    if len(found) != 1 or "{n}" in header or len(found[0][0]) > 2:
        return None, None
    start, end = found[0].span()
    return int(found[0][0]), f"{header[:start]}{{n}}{header[end:]}"


def _role(words: Sequence[str]) -> tuple[Role | None, frozenset[str]]:
    """The first role of which the words hold a phrase, and the languages of such phrases."""
    whole, anywhere = _phrases()
    found = [
        (role, language)
        for role, language, phrase in whole
        if len(phrase) == len(words) and _begins(words, phrase)
    ] or [
        (role, language)
        for role, language, phrase in anywhere
        if any(_begins(words[i:], phrase) for i in range(len(words)))
    ]
    if not found:
        return None, frozenset()
    first = found[0][0]
    return first, frozenset(language for role, language in found if role is first)


def _begins(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return len(phrase) <= len(words) and all(map(_fits, words, phrase))


def _fits(word: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return word.startswith(pattern[:-1])
    return word.endswith(pattern[1:]) if pattern.startswith("*") else word == pattern


def field_name(text: str) -> str:
    """A header as the name of a field: lower case ASCII with underscores; blank if none is left."""
    name = "_".join(words_of(text)).encode("ascii", "ignore").decode()
    name = re.sub("_+", "_", name).strip("_")[:_NAME_LENGTH].rstrip("_")
    return f"field_{name}" if name[:1].isdigit() else name
