"""The fast paths of phones and e-mails say exactly what the libraries say, or nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.convert import CONVERTERS, Place
from importer.mapping.emails_fast import fast_emails
from importer.mapping.faults import Converter
from importer.mapping.phones_fast import Settled, fast_phones
from importer.mapping.rule import Rule, Type

REGIONS = [
    "HU",
    "DE",
    "AT",
    "CH",
    "GB",
    "US",
    "FR",
    "IT",
    "ES",
    "PL",
    "CZ",
    "SK",
    "RO",
    "NL",
    "BE",
    "SE",
    "NO",
    "DK",
    "FI",
    "PT",
    "GR",
    "HR",
    "SI",
    "RS",
    "UA",
    "TR",
    "IN",
    "ZA",
    "IE",
    "BG",
]
PHONES_EACH = 200_000 // len(REGIONS)
EMAILS = 200_000

MARKS = (" ", "-", "/", ".", "(", ")")
ODD_PHONES = ("2024-05-17", "45429", "3.63E+10", "36301234567.0", "12.5", "1.000", "123 456.")
LOCALS = [
    "anna.kovacs",
    "Info",
    "info",
    "SALES",
    "sales.team",
    "a",
    "x_y",
    "o'neil",
    "a+b",
    "-lead",
    "trail-",
    "dot..dot",
    ".a",
    "a.",
    "ö",
    "%1",
    "kim@x",
    "{a}",
    '"q"',
    "postMaster",
    "A" * 64,
    "b" * 65,
    "a b",
]
DOMAINS = [
    "example.com",
    "Example.COM",
    "gmail.com",
    "t-online.de",
    "xn--bcher-kva.de",
    "a--b.com",
    "ab--c.com",
    "foo.local",
    "foo.test",
    "foo.test.com",
    "x.arpa",
    "localhost",
    "a.b.c.de",
    "-a.de",
    "a-.de",
    "a.d1",
    "a.1d",
    "1.de",
    "x.y-z",
    "münchen.de",
    "foo.onion",
    "test",
    "my.invalid",
    "a_b.de",
    "foo.Local",
    "x.c-m",
    "foo..de",
    ".de",
    "de.",
    "a." + "c" * 63,
    "l" * 63 + ".de",
    "l" * 64 + ".de",
    ".".join(["l" * 60] * 4) + ".de",
]


def one_by_one(type_: Type, region: str | None = None) -> Converter:
    return CONVERTERS[type_](Rule.model_validate({"column": "c"}), Place(region, None))


def assert_alike(texts: list[str], settled: Settled, convert: Converter) -> int:
    """Compare what is settled; give how many texts that is."""
    values = settled.values.to_pylist()
    for text, known, value in zip(texts, settled.known, values, strict=True):
        if known:
            assert convert(text) == (value, None), text
    return int(settled.known.sum())


def phones(region: str, draw: random.Random) -> Iterator[str]:
    """Texts like phones of a region: with all prefixes, digits changed, too few and too many."""
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    assert metadata is not None
    examples = [
        phonenumbers.national_significant_number(number)
        for kind in range(11)
        if (number := phonenumbers.example_number_for_type(region, kind)) is not None
    ]
    code = str(metadata.country_code)
    home = metadata.national_prefix or ""
    others = ("0", "00", "8", "1", "06", "+", "+1", "0049", "90")
    while True:
        if draw.random() < 0.03:
            yield draw.choice(ODD_PHONES)
            continue
        example = draw.choice(examples)
        kept = draw.randrange(len(example) + 1)
        digits = example[:kept] + "".join(draw.choices("0123456789", k=len(example) - kept))
        digits = draw.choice((*[digits] * 8, digits[:-1], digits + "5"))
        prefix = draw.choice((f"+{code}", f"00{code}", code, home, home, "", draw.choice(others)))
        text = prefix + draw.choice(("", "", " ", "-", "(0)")) + digits
        if draw.random() < 0.3:
            place = draw.randrange(1, len(text))
            text = text[:place] + draw.choice(MARKS) + text[place:]
        yield text.strip()


@pytest.mark.parametrize("region", REGIONS)
def test_phones_come_out_as_the_library_gives_them(region: str) -> None:
    settle, draw = fast_phones(region), random.Random(region)
    assert settle is not None
    source = phones(region, draw)
    texts = [next(source) for _ in range(PHONES_EACH)]
    known = assert_alike(
        texts, settle(pa.array(texts, pa.large_string())), one_by_one("phone", region)
    )
    assert known > 0.25 * PHONES_EACH


@pytest.mark.parametrize("region", ["BR", "AR", "CA", None])
def test_a_region_with_rewriting_rules_or_in_anothers_plan_has_no_fast_path(
    region: str | None,
) -> None:
    assert fast_phones(region) is None


def test_emails_come_out_as_the_library_gives_them() -> None:
    draw = random.Random("emails")

    def part(known: list[str], signs: str, end: Callable[[], str]) -> str:
        if draw.random() < 0.6:
            return draw.choice(known)
        return "".join(draw.choices(signs, k=draw.randrange(1, 12))) + end()

    texts = [
        part(LOCALS, "abcXYZ019._-+'!#%&=?^`{|}~@ é", str)
        + "@"
        + part(DOMAINS, "abcXYZ019.-_ é", lambda: draw.choice((".de", ".com", ".HU", "")))
        for _ in range(EMAILS)
    ]
    settled = fast_emails(pa.array(texts, pa.large_string()))
    assert assert_alike(texts, settled, one_by_one("email")) > 0.1 * EMAILS


@given(st.lists(st.text(max_size=40)))
def test_any_text_is_settled_rightly_or_not_at_all(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    settle = fast_phones("HU")
    assert settle is not None
    assert_alike(texts, settle(column), one_by_one("phone", "HU"))
    assert_alike(texts, fast_emails(column), one_by_one("email"))


@given(st.lists(st.from_regex(r"[+0-9][0-9 ()/.-]{3,16}", fullmatch=True)))
def test_any_text_like_a_phone_is_settled_rightly_or_not_at_all(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    for region in ("HU", "DE", "US", "IT"):
        settle = fast_phones(region)
        assert settle is not None
        assert_alike(texts, settle(column), one_by_one("phone", region))
