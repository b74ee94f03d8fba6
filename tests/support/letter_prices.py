"""Makes `importer/sources/letters.json`: what pairs of letters cost in each language.

From the project's folder, in an environment of its own::

    python -m venv made
    python -m tests.support.letter_prices --packages > made/packages.txt
    made/bin/pip install --no-deps -r made/packages.txt
    made/bin/python -m tests.support.letter_prices

The same releases make the same file, byte by byte, and `letters.licenses.txt` beside it.

Words are taken from packages whose licences permit it (`PACKAGES`), and from `letter_words.py`,
which are our own. Of Faker, modules are left out that name Wikipedia or Wiktionary as a source:
these are under a licence that asks the same of what is made of them. Left out, too, is every word
of `code_page_lists.py`, so that what is measured there was not learnt by heart.

The price of a pair is the negative logarithm of its share among those pairs of a language that
have a letter beyond ASCII. Each different word counts once in each kind of words; each kind has its
weight (`WEIGHTS`). A tenth of every share is that of two letters that stand beside each other by
chance (`STRANGERS`), so that a pair that was not seen has a price, too.
"""

from __future__ import annotations

import gettext
import hashlib
import importlib
import importlib.metadata
import json
import math
import re
import string
import sys
from collections import Counter
from dataclasses import astuple, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.code_page_lists import LANGUAGES as MEASURED
from tests.support.letter_words import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TABLE = Path(__file__).parents[2] / "importer/sources/letters.json"
LICENCES = TABLE.with_name("letters.licenses.txt")


@dataclass(frozen=True, slots=True)
class Package:
    """A release, its licence (SPDX) and where in the release that is; what is taken of it."""

    version: str
    licence: str
    text: str
    taken: str


PACKAGES = {
    "babel": Package(
        "2.19.0",
        "Unicode-3.0",
        "babel/locale-data/LICENSE.unicode",
        "names of countries, languages, scripts, currencies, days, months and cities (CLDR)",
    ),
    "django": Package(
        "5.2.19", "BSD-3-Clause", "dist-info/licenses/LICENSE", "translations of its messages"
    ),
    "faker": Package(
        "40.63.0", "MIT", "dist-info/licenses/LICENSE.txt", "names, addresses, companies and jobs"
    ),
    "phonenumbers": Package(
        "9.0.43", "Apache-2.0", "dist-info/licenses/LICENSE", "names of places"
    ),
}

LETTERS = {
    "hu": "áéíóöúüőű",
    "de": "ßäéöü",
    "cs": "áéíóöúüýčďěňřšťůž",
    "sk": "áäéíóôöúüýčďĺľňŕšťž",
    "pl": "óąćęłńśźż",
    "sh": "ćčđšž",
    "sl": "ćčđšž",
    "ro": "âîăşţșț",
    "fr": "àâæçèéêëîïôùûüÿœ",
    "es": "áéíñóúü",
    "it": "àèéìíòóù",
    "pt": "àáâãçéêíóôõúü",
    "nl": "çèéêëïóöü",
    "ca": "àçèéíïòóúü",
    "sv": "äåéöü",
    "da": "åæéöøü",
    "nb": "åæèéòóôöøü",
    "fi": "äåéö",
    "is": "áæéíðóöúýþ",
    "lt": "ąčėęįšūųž",
    "lv": "āčēģīķļņšūž",
    "tr": "âçîöûüğİış",
    "en": "áçèéêëïñóöü",
    "ru": "абвгдежзийклмнопрстуфхцчшщъыьэюяё",
    "uk": "абвгдежзийклмнопрстуфхцчшщьюяєіїґ",
    "bg": "абвгдежзийклмнопрстуфхцчшщъьюя",
    "mk": "абвгдежзиклмнопрстуфхцчшѓѕјљњќџ",
    "sr": "абвгдежзиклмнопрстуфхцчшђјљњћџ",
    "el": "ΐάέήίΰαβγδεζηθικλμνξοπρςστυφχψωϊϋόύώ",
    "et": "äõöüšž",
}
"""The letters beyond ASCII of each language, those of names that are common in it included."""

LOCALES = {"sh": ("hr", "bs", "sr_Latn"), "nb": ("nb", "nn", "no"), "ca": ("ca", "es_CA")}
"""Locales of a language, where they are not named like it."""
CALLING_CODES = {
    "hu": ("36",),
    "de": ("49", "43"),
    "cs": ("420",),
    "sk": ("421",),
    "pl": ("48",),
    "sh": ("385", "387", "382"),
    "sl": ("386",),
    "ro": ("40",),
    "fr": ("33",),
    "es": ("34",),
    "it": ("39",),
    "pt": ("351", "55"),
    "sv": ("46",),
    "nb": ("47",),
    "fi": ("358",),
    "is": ("354",),
    "lt": ("370",),
    "lv": ("371",),
    "tr": ("90",),
    "et": ("372",),
    "en": ("353", "44"),
}
"""Countries whose places have their own names in phonenumbers' English table, too."""

WEIGHTS = {"names": 0.35, "places": 0.25, "prose": 0.2, "own": 0.2}
"""The weight of each kind; the weight of one that a language does not have goes to the others."""
STRANGERS = 0.1
"""The share of pairs that are priced as strangers."""
_SELDOM = 1e-4
"""The share of a letter that was not seen."""
_ENOUGH = 300
"""Pairs of a kind from which on it has its whole weight: few words say less."""
_DIGITS = string.digits + string.ascii_lowercase
"""Half nats."""
_CEDILLA, _COMMA = str.maketrans("șț", "şţ"), str.maketrans("şţ", "șț")
_TURKISH = str.maketrans("iı", "İi")
_WORD = re.compile(r"[^\W\d_]+")
_FIELD = re.compile(r"\{\{.*?\}\}|%\(\w+\)s|%\w|\{\w*\}|<[^>]*>|&\w+;")
_NOT_OURS = re.compile(r"wikipedia\.org|wiktionary\.org", re.IGNORECASE)


# ── texts ────────────────────────────────────────────────────────────────────────────────────


def _locales(language: str) -> tuple[str, ...]:
    return LOCALES.get(language, (language,))


def _strings(value: Any) -> Iterator[str]:
    """Every string within dicts, lists and tuples, keys of dicts included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


def _faker(language: str, provider: str) -> Iterator[str]:
    """The strings of Faker's modules of a language, in the order of their names."""
    package = Path(str(importlib.import_module("faker.providers").__file__)).parent / provider
    own = re.compile(rf"(?:{'|'.join(_locales(language))})(?:_[A-Z]{{2}})?")
    for folder in sorted(package.iterdir()):
        file = folder / "__init__.py"
        if not own.fullmatch(folder.name) or not file.is_file():
            continue
        if folder.name == "es_CA" and language == "es":
            continue
        if _NOT_OURS.search(file.read_text(encoding="utf-8")):
            continue
        module = importlib.import_module(f"faker.providers.{provider}.{folder.name}")
        for name, value in sorted(vars(module.Provider).items()):
            if not name.startswith("__"):
                yield from _strings(value)


def _places(language: str) -> Iterator[str]:
    data = importlib.import_module("phonenumbers.geodata").GEOCODE_DATA
    codes = CALLING_CODES.get(language, ())
    # English has names for the places of the whole world; they are of other languages.
    own = () if language == "en" else _locales(language)
    for prefix, names in data.items():
        for locale in (*own, *["en"] * prefix.startswith(codes)):
            if locale in names:
                yield names[locale]


def _cldr(language: str) -> Iterator[str]:
    babel = importlib.import_module("babel")
    known = set(importlib.import_module("babel.localedata").locale_identifiers())
    for name in _locales(language):
        if name not in known:
            continue
        locale = babel.Locale.parse(name)
        for names in (locale.territories, locale.languages, locale.scripts, locale.currencies):
            yield from (names[key] for key in sorted(names))
        for calendar in (locale.days, locale.months, locale.quarters):
            for form in sorted(calendar):
                for width in sorted(calendar[form]):
                    yield from (text for _, text in sorted(calendar[form][width].items()))
        for _, zone in sorted(locale.time_zones.items()):
            yield zone.get("city", "")


def _messages(language: str) -> Iterator[str]:
    """The translations that come with Django, in all its parts."""
    root = Path(str(importlib.import_module("django").__file__)).parent
    for name in _locales(language):
        for path in sorted(root.glob(f"**/locale/{name}/LC_MESSAGES/*.mo")):
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)
            # The headers of a catalogue name people.
            for key, text in sorted(vars(catalogue)["_catalog"].items(), key=str):
                if key:
                    yield text


def texts(language: str) -> dict[str, Iterable[str]]:
    """The texts of each kind of `WEIGHTS`, in one language."""
    return {
        "names": _faker(language, "person"),
        "places": (*_faker(language, "address"), *_places(language)),
        "prose": (
            *_cldr(language),
            *_messages(language),
            *_faker(language, "company"),
            *_faker(language, "job"),
        ),
        "own": [WORDS[language]],
    }


# ── prices ───────────────────────────────────────────────────────────────────────────────────


@cache
def measured() -> frozenset[str]:
    """The words of the lists that the choice of code page is measured with, in small letters."""
    texts = (text for words in MEASURED.values() for text in astuple(words)[1:])
    return frozenset(word.lower() for text in texts for word in _WORD.findall(text))


def words(texts: Iterable[str]) -> set[str]:
    """The different words in small letters, without those of `measured`."""
    found: set[str] = set()
    for text in texts:
        for word in _WORD.findall(_FIELD.sub(" ", text)):
            if word.islower() or word.istitle() or word.isupper():
                # Unicode makes of a Turkish capital an i and a dot.
                found.add(word.lower().replace("i\u0307", "i"))
    return found - measured()


def _forms(language: str, word: str) -> Mapping[str, int]:
    """How a word may be written, as codepage.py sees it, and how often that is.

    It makes letters small as Unicode does by itself: Turkish ``I`` is i there, and ``İ`` stays.
    """
    if language == "tr":
        begun = word[0].translate(_TURKISH) + word[1:]
        return Counter([*[word] * 3, *[begun] * 3, *[word.translate(_TURKISH)] * 2])
    if language == "ro":
        cedilla = word.translate(_CEDILLA)
        return {cedilla: 1, cedilla.translate(_COMMA): 1}
    return {word: 1}


def shares(language: str) -> dict[tuple[str, str], float]:
    """The share of each pair among those with a letter beyond ASCII; ``^`` is a word's end."""
    allowed = {*_plain(language), *LETTERS[language]}
    found: dict[tuple[str, str], float] = {}
    weights = 0.0
    for kind, listed in texts(language).items():
        pairs: dict[tuple[str, str], int] = {}
        for word in sorted(words(listed)):
            for form, times in _forms(language, word).items():
                if allowed.issuperset(form) and not form.isascii():
                    for pair in pairwise(f"^{form}^"):
                        if not "".join(pair).isascii():
                            pairs[pair] = pairs.get(pair, 0) + times
        count = sum(pairs.values())
        if count:
            weight = WEIGHTS[kind] * min(1.0, count / _ENOUGH)
            weights += weight
            for pair, times in sorted(pairs.items()):
                found[pair] = found.get(pair, 0.0) + weight * times / count
    return {pair: share / weights for pair, share in sorted(found.items())}


def _plain(language: str) -> str:
    """The end of a word, and the letters of ASCII where words have both."""
    return "^abcdefghijklmnopqrstuvwxyz" if LETTERS[language] < "\u0370" else "^"


def rows(language: str) -> dict[str, str]:
    """For each letter the prices after it and, behind a blank, those before it: see codepage.py."""
    letters, plain = LETTERS[language], _plain(language)
    found = shares(language)
    before = dict.fromkeys(plain + letters, _SELDOM)
    after = before.copy()
    for (one, other), share in found.items():
        before[one] += share
        after[other] += share

    def digit(one: str, other: str) -> str:
        share = (1 - STRANGERS) * found.get((one, other), 0.0)
        share += STRANGERS * before[one] * after[other]
        return _DIGITS[min(len(_DIGITS) - 1, round(-2 * math.log(share)))]

    return {
        letter: "".join(digit(letter, other) for other in plain + letters)
        + " "
        + "".join(digit(other, letter) for other in plain)
        for letter in letters
    }


def inputs() -> str:
    """A digest of all that the table is made of here: other words need another table."""
    here = (
        sorted(WORDS.items()),
        sorted(measured()),
        sorted(LETTERS.items()),
        sorted(LOCALES.items()),
        sorted(CALLING_CODES.items()),
        sorted(WEIGHTS.items()),
        STRANGERS,
        [(name, package.version) for name, package in PACKAGES.items()],
    )
    return hashlib.sha256(json.dumps(here).encode()).hexdigest()


def sources() -> list[str]:
    """What the table is made of, for its head."""
    return [
        *(
            f"{name} {package.version}, {package.licence}: {package.taken}"
            for name, package in PACKAGES.items()
        ),
        "tests/support/letter_words.py, MIT: words of our own",
    ]


def table() -> str:
    """The whole file."""
    made = {
        "about": "Prices of pairs of letters, made by tests/support/letter_prices.py",
        "sources": sources(),
        "licences": LICENCES.name,
        "inputs": inputs(),
        "languages": {
            language: {"letters": letters, "rows": rows(language)}
            for language, letters in LETTERS.items()
        },
    }
    return json.dumps(made, ensure_ascii=False, indent=0) + "\n"


def licences() -> str:
    """The notices of the packages."""
    parts = [
        "The table letters.json was made of words from these packages. It has none of the"
        "\nwords, but how frequent pairs of their letters are.\n"
    ]
    for name, package in PACKAGES.items():
        files = importlib.metadata.files(name) or ()
        [file] = [file for file in files if str(file).endswith(package.text)]
        heading = f"{name} {package.version}: {package.taken} ({package.licence})"
        parts.append(f"{'=' * 80}\n{heading}\n{'=' * 80}\n\n{file.read_text().strip()}\n")
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Write the two files; with ``--check``, say whether they are as they would be made.

    With ``--packages``, print what has to be installed.
    """
    if arguments == ["--packages"]:
        for name, package in PACKAGES.items():
            sys.stdout.write(f"{name}=={package.version}\n")
        return 0
    for name, package in PACKAGES.items():
        there = {found.version for found in importlib.metadata.distributions(name=name)}
        if there != {package.version}:
            sys.stderr.write(f"{name} {package.version} is needed: install it (--packages)\n")
            return 1
    made = {TABLE: table().encode(), LICENCES: licences().encode()}
    if arguments == ["--check"]:
        other = [path.name for path, content in made.items() if path.read_bytes() != content]
        sys.stdout.write(f"made otherwise: {', '.join(other)}\n" if other else "as made\n")
        return len(other)
    for path, content in made.items():
        path.write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
