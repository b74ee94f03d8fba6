"""The fast paths of phones and e-mails say exactly what the libraries say, or nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import get_args

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.request import encode
from importer.mapping.conversion import Bare, Converter, Finding
from importer.mapping.fast_paths import Settled, fast_emails, fast_path, fast_phones
from importer.mapping.spec import Rule, Type
from importer.mapping.values import CONVERTERS, JOINT, ConversionContext, Value, compile_value
from importer.model import Batch
from tests.support.sheets import batch_of, plan_of

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
    return CONVERTERS[type_](Rule.model_validate({"column": "c"}), ConversionContext(region, None))


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
        if draw.random() < 0.2:
            area = draw.randrange(1, 5)
            digits = draw.choice(("({}{}){}", "({}{}) {}", "({}) {}{}", "({}{}/{}")).format(
                draw.choice((home, code, f"+{code}", f"00{code} ", "0")),
                digits[:area],
                digits[area:],
            )
            yield digits
            continue
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


@pytest.mark.parametrize("region", ["AR", "BR", "CA", "JE", "JP", "KZ"])
def test_phones_of_regions_with_rewriting_rules_or_in_anothers_plan_do_so_too(region: str) -> None:
    settle, draw = fast_phones(region), random.Random(region)
    assert settle is not None
    source = phones(region, draw)
    texts = [next(source) for _ in range(PHONES_EACH)]
    known = assert_alike(
        texts, settle(pa.array(texts, pa.large_string())), one_by_one("phone", region)
    )
    assert known > 0.1 * PHONES_EACH


@pytest.mark.parametrize("region", [None, "ZZ"])
def test_without_a_region_there_is_no_fast_path(region: str | None) -> None:
    assert fast_phones(region) is None


FINDINGS = [
    Finding(bare=bare, plus_expected=expected)
    for bare in get_args(Bare)
    for expected in (False, True)
]


@pytest.mark.parametrize("finding", FINDINGS, ids=str)
@pytest.mark.parametrize("region", ["HU", "DE", "IT", "NO", "US"])
def test_phones_are_read_as_their_column_shows(region: str, finding: Finding) -> None:
    settle, draw = fast_phones(region, finding), random.Random(region)
    assert settle is not None
    source = phones(region, draw)
    texts = [next(source) for _ in range(PHONES_EACH // 6)]
    convert = CONVERTERS["phone"](Rule(column=["c"]), ConversionContext(region, None, finding))
    assert_alike(texts, settle(pa.array(texts, pa.large_string())), convert)


def usual_phones(metadata: phonenumbers.PhoneMetadata, draw: random.Random) -> list[str]:
    """Phones of a region as people write them; most are valid."""
    home = metadata.national_prefix or ""
    plus, abroad = f"+{metadata.country_code}", metadata.international_prefix or ""
    forms = [
        f"{plus}{{}}{{}}{{}}",
        f"{plus} {{}} {{}} {{}}",
        f"{plus} ({{}}) {{}}-{{}}",
        f"{home}{{}}{{}}{{}}",
        f"{home}{{}} {{}} {{}}",
        f"{home}{{}}/{{}}{{}}",
        f"{home}{{}} / {{}}-{{}}",
        f"({home}{{}}) {{}}-{{}}",
    ]
    if abroad.isdigit() and abroad[0] == "0":
        abroad += str(metadata.country_code)
        forms += [f"{abroad}{{}}{{}}{{}}", f"{abroad} {{}} {{}} {{}}"]
    if home == "0":
        forms += [f"{plus} (0){{}} {{}} {{}}", f"{plus} (0{{}}) {{}}/{{}}"]
    texts = []
    for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
        example = phonenumbers.example_number_for_type(metadata.id, kind)
        if example is None:
            continue
        number = phonenumbers.national_significant_number(example)
        for _ in range(5):
            kept = draw.randrange(2, len(number))
            changed = number[:kept] + "".join(draw.choices("0123456789", k=len(number) - kept))
            area, middle = (1, 3) if len(number) < 6 else (2, 4)
            parts = changed[:area], changed[area:middle], changed[middle:]
            texts += [form.format(*parts) for form in forms]
    return texts


def test_of_valid_phones_as_people_write_them_next_to_all_are_settled() -> None:
    settled = valid = 0
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        settle = fast_phones(region)
        assert metadata is not None
        assert settle is not None
        texts = usual_phones(metadata, random.Random(region))
        convert = one_by_one("phone", region)
        known = assert_alike(texts, settle(pa.array(texts, pa.large_string())), convert)
        good = sum(convert(text).fault is None for text in texts)
        assert region not in REGIONS or known >= 0.98 * good, region
        settled, valid = settled + known, valid + good
    assert settled >= 0.98 * valid


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


@given(st.lists(st.from_regex(r"[(]?[+0-9][0-9 ()/.-]{3,16}", fullmatch=True)))
def test_any_text_like_a_phone_is_settled_rightly_or_not_at_all(texts: list[str]) -> None:
    column = pa.array(texts, pa.large_string())
    for region in ("HU", "DE", "US", "IT"):
        settle = fast_phones(region)
        assert settle is not None
        assert_alike(texts, settle(column), one_by_one("phone", region))


PIECES = st.one_of(
    st.from_regex(r"[+0]?[0-9]{1,3}[ -]?[0-9]{3} ?[0-9]{3,5}", fullmatch=True),
    st.sampled_from(["06301234567", "+36 30 123 4567", "0036301234567", "a@b.hu", "A@B.HU", "12"]),
    st.sampled_from(["", " ", "\u00a0", "x", "#", "2024-05-17", "36301234567"]),
)
CELLS = st.lists(st.lists(PIECES, max_size=5), max_size=5)
RULES = [
    Rule(column=["A"], multiple=True, split=[";", ",", "|"]),
    Rule(column=["A"], multiple=True, split=[";"], pipe="split", format="e164"),
    Rule(column=["A"], multiple=True, split=[".", "||", ";"], pipe="replace", on_error="warn"),
    Rule(column=["A"], multiple=True, pipe="error", on_error="blank"),
]


@given(CELLS, st.sampled_from([";", ",", "|", " ; ", JOINT, ".", "||", ";;"]), st.booleans())
def test_cells_of_many_values_come_out_as_one_by_one(
    cells: list[list[str]], mark: str, plus: bool
) -> None:
    texts = [mark.join(pieces) for pieces in cells]
    finding = Finding(plus_expected=plus)
    types: tuple[Type, ...] = ("phone", "email")
    for rule in RULES:
        for type_ in types:
            settle = fast_path(rule, type_, "HU", finding)
            value = compile_value(rule, type_, "HU", None, finding)
            assert settle is not None
            assert value is not None
            known, values = settle(pa.array(texts, pa.large_string()))
            for text, sure, sent in zip(texts, known, values.to_pylist(), strict=True):
                assert not sure or value(text) == Value(sent)


def test_an_address_with_a_stray_pipe_in_it_is_not_settled() -> None:
    settle = fast_path(RULES[3], "email", None, Finding())
    assert settle is not None
    known, _ = settle(pa.array(["a|b@example.hu", "b@example.hu"], pa.large_string()))
    assert known.tolist() == [False, True]


def test_a_cell_whose_pieces_are_all_plain_is_settled_at_once() -> None:
    settle = fast_path(RULES[0], "phone", "HU", Finding())
    assert settle is not None
    texts = ["06301234567; +36 1 234 5678;;06301234567", "06301234567;12", "", "06301234567"]
    known, values = settle(pa.array(texts, pa.large_string()))
    assert known.tolist() == [True, False, False, True]
    assert values.to_pylist()[0] == "36301234567|3612345678"
    assert values.to_pylist()[3] == "36301234567"


def test_a_batch_of_no_rows_is_no_obstacle() -> None:
    """A run whose rows of one batch were all kept back, or all sent before it was resumed."""
    plan = plan_of("region: HU\nform: {x: A}\ncontacts: {1: {phone: B}, spread: C}", list("ABC"))
    batch = batch_of([["x", "06301234567", "06301234567;06301234568"]])
    nothing = Batch(batch.rows[:0], {i: texts[:0] for i, texts in batch.columns.items()})
    assert list(encode(plan.records(plan.evaluate(nothing), "run"))) == []
