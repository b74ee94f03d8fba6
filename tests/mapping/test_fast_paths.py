"""The fast paths say exactly what the converters say of single texts, or nothing."""

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
from importer.mapping.conversion import BareMeaning, Converter, Finding
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
    for bare in get_args(BareMeaning)
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


def assert_settled_alike(rule: Rule, type_: Type, finding: Finding, texts: list[str]) -> list[bool]:
    """Compare what the fast path of a rule settles with the rule itself; give which that is."""
    settle = fast_path(rule, type_, None, finding)
    value = compile_value(rule, type_, None, None, finding)
    assert settle is not None
    assert value is not None
    known, values = settle(pa.array(texts, pa.large_string()))
    for text, sure, sent in zip(texts, known, values.to_pylist(), strict=True):
        assert not sure or value(text) == Value(sent), text
    return list(map(bool, known))


NUMBERS = st.one_of(
    st.from_regex(r"[+-]?[0-9]{0,5}(?:[., '][0-9]{1,5}){0,3}", fullmatch=True).filter(bool),
    st.from_regex(r"[0-9]{1,3}[.,][0-9]{3}", fullmatch=True),
    st.from_regex(r"-?0?[.,]?0{1,3}", fullmatch=True),
    st.integers().map(str),
    st.text(min_size=1, max_size=5),
)
NUMBER_FINDINGS = [
    Finding(point=point, decimal_mark=mark)
    for point in (None, "decimal", "unclear")
    for mark in (None, ".", ",")
]


@given(
    st.lists(NUMBERS, max_size=40),
    st.sampled_from([None, [","], ["."], [",", "."]]),
    st.sampled_from(NUMBER_FINDINGS),
)
def test_numbers_come_out_as_one_by_one(
    texts: list[str], mark: list[str] | None, finding: Finding
) -> None:
    rule = Rule(column=["A"], input=mark)
    assert_settled_alike(rule, "decimal", finding, texts)
    assert_settled_alike(rule, "integer", finding, texts)


def test_plain_numbers_are_settled_by_the_column() -> None:
    texts = ["0", "12", "-7", "1234,50", "0,5", "1.234,50", "-1,234", "1.5", "-0", "007"]
    declared, found = Rule(column=["A"], input=[","]), Rule(column=["A"])
    known = assert_settled_alike(declared, "decimal", Finding(), texts)
    assert known == [True] * 5 + [False, True] + [False] * 3
    known = assert_settled_alike(found, "decimal", Finding(decimal_mark=","), texts)
    assert known == [True] * 5 + [False, False, True, False, False]
    known = assert_settled_alike(found, "integer", Finding(), texts)
    assert known == [True] * 3 + [False] * 7
    # In a workbook's column a point is decimal, or it is unclear what it is.
    texts = ["1,5", "1.5", "1,234", "1.234"]
    known = assert_settled_alike(declared, "decimal", Finding(point="decimal"), texts)
    assert known == [True] * 4
    known = assert_settled_alike(declared, "decimal", Finding(point="unclear"), texts)
    assert known == [True, False, False, False]
    point = Rule(column=["A"], input=["."])
    for found_point in ("decimal", "unclear"):
        known = assert_settled_alike(point, "decimal", Finding(point=found_point), texts)
        assert known == [False, True, False, found_point == "decimal"]


DATE_FORMATS = [
    None,
    ["%d.%m.%Y"],
    ["%d/%m/%Y", "%m/%d/%Y"],
    ["%d.%m.%Y %H:%M", "%d.%m.%Y", "%Y-%m-%d"],
    ["%Y. %m. %d.", "%d.%m.%Y"],
    ["%H:%M:%S %d-%m-%Y", "%d-%m-%Y"],
    ["%Y-%d-%m"],
    ["%Y%m%d", "%d%m%Y"],
    ["%d.%m.%y"],
    ["%m/%Y/%d", "%Y.%m.%d."],
]
OUTPUTS = [None, ["%Y-%m-%d"], ["%d/%m/%Y %H:%M:%S"], ["%Y%m%d"], ["%m.%Y o'clock"], ["%j/%Y"]]
DATE_TEXTS = st.one_of(
    st.from_regex(r"[0-3]?[0-9][-./][01]?[0-9][-./](?:19|20)[0-9]{2}[.]?", fullmatch=True),
    st.from_regex(r"[012][0-9]{3}([-./])[01]?[0-9]\1[0-3]?[0-9][.]?", fullmatch=True),
    st.from_regex(
        r"(?:30[.]0[24][.]2024|29[.]2[.](?:19|20)00|2024-02-(?:29|30)|0[0-9]{3}-01-02)"
        r"(?:[ T][012]?[0-9]:[0-6][0-9](?::[0-6][0-9])?)?",
        fullmatch=True,
    ),
    st.from_regex(r"[0-9]{5,8}(?:[.][0-9]{1,3})?", fullmatch=True),
    st.text(min_size=1, max_size=12),
)


@given(
    st.lists(DATE_TEXTS, max_size=40),
    st.sampled_from(DATE_FORMATS),
    st.sampled_from(OUTPUTS),
    st.sampled_from([None, True, False]),
)
def test_dates_come_out_as_one_by_one(
    texts: list[str], formats: list[str] | None, output: list[str] | None, day_first: bool | None
) -> None:
    rule = Rule(column=["A"], input=formats, output=output)
    finding = Finding(day_first=day_first)
    for type_ in ("date", "datetime"):
        if fast_path(rule, type_, None, finding) is not None:
            assert_settled_alike(rule, type_, finding, texts)


def test_plain_dates_are_settled_by_the_column() -> None:
    texts = [
        "17.05.2024",
        "7.5.2024",
        "2024-05-17",
        "2024-05-17 10:26:55",
        "31.04.2024",
        "17/5/2024",
    ]
    for formats in (["%d.%m.%Y"], ["%d.%m.%Y", "%d-%m-%Y"], None):
        rule = Rule(column=["A"], input=formats)
        for type_ in ("date", "datetime"):
            known = assert_settled_alike(rule, type_, Finding(), texts)
            assert known == [True] * 4 + [False] * 2
    times = [f"2024-05-17 {clock}" for clock in ("23:59:59", "24:00", "10:60", "10:26:60")]
    known = assert_settled_alike(Rule(column=["A"]), "datetime", Finding(), times)
    assert known == [True, False, False, False]
    # Where two formats fit, and mean two dates, the converter has the last word.
    rule = Rule(column=["A"], input=["%d.%m.%Y", "%m.%d.%Y"])
    assert not any(assert_settled_alike(rule, "date", Finding(), texts[:2]))


@pytest.mark.parametrize(
    ("formats", "finding"),
    [
        (["%d.%m.%y"], Finding()),  # of which century?
        (["%d. %B %Y"], Finding()),
        (["%Y-%d-%m"], Finding()),  # which ISO 8601 reads otherwise
        (["%Y%m%d"], Finding()),
        (["%d.%m.%Y"], Finding(swapped=True)),
    ],
)
def test_dates_of_other_formats_have_no_fast_path(formats: list[str], finding: Finding) -> None:
    assert fast_path(Rule(column=["A"], input=formats), "date", None, finding) is None


@given(
    st.lists(st.text("0123456789aá\n ", min_size=1, max_size=7), max_size=20),
    st.sampled_from(["[0-9]{5}", "a|1", r"\w+", "(?i)A.*", "[0-9]*$"]),
)
def test_texts_of_a_pattern_come_out_as_one_by_one(texts: list[str], pattern: str) -> None:
    assert_settled_alike(Rule(column=["A"], pattern=pattern), "text", Finding(), texts)


def test_a_code_that_is_to_get_its_zeros_back_has_no_fast_path() -> None:
    rule = Rule(column=["A"], pattern="[0-9]{4,5}", repair=True)
    assert fast_path(rule, "text", None, Finding(width=5)) is None
    known = assert_settled_alike(rule, "text", Finding(), ["1234", "01234", "123"])
    assert known == [True, True, False]


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
