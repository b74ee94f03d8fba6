"""Types: what is understood, what is refused, and the hint that goes with it."""

import pytest

from importer.mapping.conversion import Converted
from importer.mapping.spec import Rule, Type
from importer.mapping.values import ConversionContext, converter_for


def convert(type_: Type, text: str, home: str | None = "HU", **options: object) -> Converted:
    rule = Rule.model_validate({"column": "A", "type": type_, **options})
    converter = converter_for(rule, type_, ConversionContext(home, None))
    assert converter is not None
    return converter(text)


def code(type_: Type, text: str, home: str | None = "HU", **options: object) -> str:
    fault = convert(type_, text, home, **options).fault
    assert fault is not None
    return fault.code


@pytest.mark.parametrize(
    "text",
    [
        "06301234567",
        "+36 30 123 4567",
        "36301234567",
        "0036301234567",
        "06/30/123-4567",
        "(06-30) 123 4567",
        "06\u00a030\u200b123\u202f4567",
        "\ufeff+36301234567",
    ],
)
def test_a_phone_is_read_however_it_is_written(text: str) -> None:
    assert convert("phone", text) == ("36301234567", None)


@pytest.mark.parametrize(
    ("format_", "sent"),
    [
        ("digits", "36301234567"),
        ("e164", "+36301234567"),
        ("international", "+36 30 123 4567"),
        ("national", "06 30 123 4567"),
        ("raw", "0630/123 4567"),
    ],
)
def test_a_phone_is_sent_in_the_format_asked_for(format_: str, sent: str) -> None:
    assert convert("phone", "0630/123 4567", format=format_) == (sent, None)


def test_a_rule_s_region_beats_the_mapping_s() -> None:
    assert convert("phone", "0664 1234567", "HU", region="AT") == ("436641234567", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123", "bad_phone"),
        ("0630123456789", "bad_phone"),
        ("0630ABC4567", "phone_letters"),
        ("06301234567 / 06201234567", "several_phones"),
        ("+999 123456", "bad_phone"),
        ("-", "bad_phone"),
        ("3.63E+10", "digits_lost"),
        ("36301234567.0", "damaged_number"),
    ],
)
def test_a_phone_that_is_none_is_refused_and_kept_as_it_came(text: str, expected: str) -> None:
    assert code("phone", text) == expected
    assert convert("phone", text).value == text


def test_a_phone_s_hint_counts_its_digits() -> None:
    fault = convert("phone", "+36 30 123 45678 9").fault
    assert fault is not None
    assert fault.hint == "11 digits, expected 9 after +36"


def test_a_national_phone_without_a_region_is_a_problem_not_a_guess() -> None:
    assert code("phone", "06301234567", None) == "phone_without_region"
    assert convert("phone", "+36301234567", None) == ("36301234567", None)


def test_an_extension_is_left_out_with_a_warning() -> None:
    value, fault = convert("phone", "06 1 234 5678 ext. 12")
    assert value == "3612345678"
    assert fault is not None
    assert fault.warning


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("36301234567.0", "36301234567"),
        ("06301234567.0", "36301234567"),
        ("3.6301234567E+10", "36301234567"),
    ],
)
def test_a_damaged_phone_is_mended_with_a_warning_where_no_digit_is_lost(
    text: str, value: str
) -> None:
    converted = convert("phone", text, repair=True)
    assert converted.value == value
    assert converted.fault is not None
    assert converted.fault.warning


def test_digits_that_are_lost_are_never_guessed() -> None:
    assert code("phone", "3.63012E+10", repair=True) == "digits_lost"


@pytest.mark.parametrize(
    "text",
    [
        "2024-05-07",
        "2024-05-07 00:00:00",
        "2024.05.07",
        "2024. 05. 07.",
        "2024. 5. 7.",
        "2024/05/07",
        "07.05.2024",
        "7.5.2024",
        "2024-05-07T08:30",
    ],
)
def test_a_date_is_read_where_nothing_is_declared(text: str) -> None:
    assert convert("date", text) == ("2024-05-07", None)


@pytest.mark.parametrize("text", ["13/04/2024", "04/13/2024", "13-04-2024"])
def test_day_and_month_that_can_be_told_apart_are(text: str) -> None:
    assert convert("date", text) == ("2024-04-13", None)


@pytest.mark.parametrize("text", ["03/04/2024", "03-04-2024"])
def test_day_and_month_that_cannot_be_told_apart_are_refused(text: str) -> None:
    assert code("date", text) == "ambiguous_date"


def test_declared_formats_decide_and_iso_is_always_understood() -> None:
    assert convert("date", "03/04/2024", input="%m/%d/%Y").value == "2024-03-04"
    assert convert("date", "2024-03-04", input="%m/%d/%Y").value == "2024-03-04"
    assert code("date", "2024.03.04", input="%m/%d/%Y") == "bad_date"


def test_declared_formats_that_disagree_about_a_date_are_ambiguous() -> None:
    both = ["%d/%m/%Y", "%m/%d/%Y"]
    assert code("date", "03/04/2024", input=both) == "ambiguous_date"
    assert convert("date", "13/04/2024", input=both).value == "2024-04-13"


@pytest.mark.parametrize("text", ["31.02.2024", "2024-13-01", "tomorrow", "2024-05-07 25:00"])
def test_what_is_not_in_the_calendar_is_refused(text: str) -> None:
    assert code("date", text) == "bad_date"


def test_a_serial_number_is_a_damaged_date_and_can_be_mended() -> None:
    assert code("date", "45429") == "serial_date"
    assert convert("date", "45429", repair=True).value == "2024-05-17"


def test_a_date_is_sent_as_asked_for() -> None:
    assert convert("date", "2024-05-07", output="%d.%m.%Y").value == "07.05.2024"
    assert convert("datetime", "7.5.2024 8:30").value == "2024-05-07 08:30:00"


def test_a_time_with_an_offset_is_converted_to_the_timezone_or_refused() -> None:
    rule = Rule.model_validate({"column": "A", "type": "datetime"})
    here = converter_for(rule, "datetime", ConversionContext(None, "Europe/Budapest"))
    assert here is not None
    assert here("2024-07-01T10:00:00Z").value == "2024-07-01 12:00:00"
    assert here("2024-01-01T10:00:00+00:00").value == "2024-01-01 11:00:00"
    assert code("datetime", "2024-07-01T10:00:00Z") == "offset_without_timezone"


def _in_budapest(text: str, *formats: str) -> tuple[str, str | None]:
    """The value of a time in Budapest, or its fault's message, and the code of the fault."""
    options = {"input": list(formats)} if formats else {}
    rule = Rule.model_validate({"column": "A", "type": "datetime", **options})
    assert rule.check_type("datetime") == []
    here = converter_for(rule, "datetime", ConversionContext(None, "Europe/Budapest"))
    assert here is not None
    value, fault = here(text)
    return (value, None) if fault is None else (f"{fault.message} ({fault.hint})", fault.code)


@pytest.mark.parametrize(
    "text",
    [
        *("2030-05-17T10:26:55Z", "2030-05-17t10:26:55z", "20300517T102655Z", "20300517 102655Z"),
        *("2030-05-17 10:26:55 UTC", "2030-05-17 10:26:55 gmt", "2030-05-17 10:26:55+00"),
        *("2030-05-17 10:26:55-0000", "2030-05-17 12:26:55+02", "2030-05-17 12:26:55+0200"),
        *("2030-05-17 12:26:55 +02:00", "2030-05-17T12:26:55 GMT+2", "20300517T122655+0200"),
        *("2030-05-17 05:26:55-05", "2030-05-17T15:56:55+05:30", "2030-05-17T08:26:55\u221202:00"),
        *("2030-05-17 10:26:55.1+00", "20300517T102655,123456789012Z", "2030-05-17T122655+02"),
        *("2030-05-17 12:26:55", "20300517T122655", "17.05.2030 10:26:55 UTC"),
        *("2030-05-17 12:26:55 CEST", "2030-05-17 12:26:55.999 CEST"),
    ],
)
def test_a_time_of_iso_8601_is_the_same_moment_however_it_is_written(text: str) -> None:
    assert _in_budapest(text) == ("2030-05-17 12:26:55", None)


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("2030-05-17 10:26:55 UTC", "%Y-%m-%d %H:%M:%S %Z"),
        ("17/05/2030 10:26:55 UTC", "%d/%m/%Y %H:%M:%S %Z"),
        ("17/05/2030 10:26:55Z", "%d/%m/%Y %H:%M:%SZ"),
        ("17/05/2030 10:26:55 GMT", "%d/%m/%Y %H:%M:%S GMT"),
        ("17/05/2030 10:26:55.000+0000", "%d/%m/%Y %H:%M:%S.000+0000"),
        ("17/05/2030 12:26:55+02", "%d/%m/%Y %H:%M:%S%z"),
        ("17/05/2030 12:26:55 +02:00", "%d/%m/%Y %H:%M:%S %z"),
        ("17/05/2030 12:26:55 CEST", "%d/%m/%Y %H:%M:%S %Z"),
        ("17/05/2030 12:26:55 CEST", "%d/%m/%Y %H:%M:%S CEST"),
        ("2030-05-17 11:26:55 Europe/London", "%Y-%m-%d %H:%M:%S Europe/London"),
        ("17/05/2030 06:26:55 America/New_York", "%d/%m/%Y %H:%M:%S %Z"),
        ("17/05/2030 12:26:55+0200 [Europe/Berlin]", "%d/%m/%Y %H:%M:%S%z [Europe/Berlin]"),
        ("17.05.2030 10:26:55.1234567 Z", "%d.%m.%Y %H:%M:%S.%f %z"),
        ("2030-05-17 12:26:55.123456789+02", "%Y-%m-%d %H:%M:%S.%f%z"),
        ("Fri May 17 10:26:55 UTC 2030", "%a %b %d %H:%M:%S %Z %Y"),
        ("Fri May 17 2030 12:26:55 GMT+0200 (CEST)", "%a %b %d %Y %H:%M:%S GMT%z (CEST)"),
        ("2030-05-17T10:26:55Z", "%d/%m/%Y"),
        ("17/05/2030 12:26:55 Uhr", "%d/%m/%Y %H:%M:%S Uhr"),
    ],
)
def test_a_declared_zone_is_converted_however_it_is_declared(text: str, format_: str) -> None:
    assert _in_budapest(text, format_) == ("2030-05-17 12:26:55", None)


@pytest.mark.parametrize("text", ["2030-05-17 10:26:55 CET", "2030-05-17 10:26:55 EST"])
@pytest.mark.parametrize("formats", [(), ("%d.%m.%Y",), ("%Y-%m-%d %H:%M:%S %Z",)])
def test_a_zone_name_that_the_time_zone_does_not_have_then_is_refused(
    text: str, formats: tuple[str, ...]
) -> None:
    assert _in_budapest(text, *formats)[1] == "unknown_zone"
    assert _in_budapest("2030-01-17 10:26:55 CET", *formats) == ("2030-01-17 10:26:55", None)
    assert code("datetime", "2030-01-17 10:26:55 CET") == "unknown_zone"


def test_a_place_whose_clocks_do_not_tell_the_moment_is_refused() -> None:
    for text in ("2030-10-27 01:30 Europe/London", "2030-03-31 01:30 Europe/London"):
        assert _in_budapest(text, "%Y-%m-%d %H:%M %Z")[1] == "unknown_zone"
    assert _in_budapest("2030-05-17 10:26 Europe/Nowhere", "%Y-%m-%d %H:%M %Z")[1] == "unknown_zone"


def test_a_zone_that_no_format_declares_is_named_with_the_format_to_declare() -> None:
    message, code = _in_budapest("17/05/2030 10:26:55 UTC", "%d/%m/%Y %H:%M:%S")
    assert code == "bad_date"
    assert "has the time zone UTC" in message
    assert 'input: ["%d/%m/%Y %H:%M:%S %z"]' in message
    assert "+15:00" in _in_budapest("2030-05-17 10:26:55+15:00")[0]


def test_a_format_that_names_the_zone_twice_is_a_mistake() -> None:
    rule = Rule.model_validate({"column": "A", "type": "datetime", "input": "%H:%M %z (%Z)"})
    assert any("twice" in what for _, what in rule.check_type("datetime"))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("2030-05-17 24:00:00", "hour 24"),
        ("2030-05-17T10:60", "minute 60"),
        ("20300517T102660Z", "second 60"),
        ("2030-13-17", "month 13"),
        ("2030-04-31", "April has no day 31"),
        ("2029-02-29", "February 2029 has no day 29"),
        ("0000-05-17", "year 0"),
        ("2030-05-17 10:26.5", "fraction"),
        ("2030-05-17T10.5", "fraction"),
        ("2030-05-17 10", "not a date that is understood"),
        ("2030-W20-5", "week"),
        ("2030-137", "day of a year"),
        ("2030-05", "no day"),
        ("17/05/2030 10:26 PM", "%d/%m/%Y %I:%M %p"),
    ],
)
def test_what_is_wrong_with_a_date_is_named(text: str, wrong: str) -> None:
    message, code = _in_budapest(text)
    assert code == "bad_date"
    assert wrong in message


@pytest.mark.parametrize(
    ("text", "format_"),
    [
        ("17 May 2030", "%d %B %Y"),
        ("17-Jun-30", "%d-%b-%y"),
        ("September 3, 2030 10:26 AM", "%B %d, %Y %I:%M %p"),
        ("Fri, 17 May 2030 10:26:55 +0200", "%a, %d %B %Y %H:%M:%S %z"),
        ("2030-05-17,10:26", "%Y-%m-%d,%H:%M"),
    ],
)
def test_the_format_that_is_to_be_declared_reads_the_date(text: str, format_: str) -> None:
    message, code = _in_budapest(text)
    assert code in ("bad_date", "two_digit_year")
    assert f'input: ["{format_}"]' in message
    assert _in_budapest(text, format_)[1] is None


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("1900000000", "seconds counted from 1970"),
        ("1900000000000", "thousandths of a second"),
        ("17. május 2030", "write the month as a number"),
        ("17 May 2030 10:00 EST", "write the month as a number"),
        ("17 May", "write year, month and day"),
        ("2030-05-17 10:26 Europe/London", "%Y-%m-%d %H:%M …"),
    ],
)
def test_no_format_is_advised_that_would_not_read_the_date(text: str, advice: str) -> None:
    assert advice in _in_budapest(text)[0]


@pytest.mark.parametrize(
    ("text", "format_", "wrong"),
    [
        ("31/04/2030", "%d/%m/%Y", "April has no day 31"),
        ("05/13/2030", "%d/%m/%Y", "other way round"),
        ("17.05.2030 24:00", "%d.%m.%Y %H:%M", "hour 24"),
        ("17.05.2030", "%d/%m/%Y", 'input: ["%d/%m/%Y", "%d.%m.%Y"]'),
    ],
)
def test_what_is_wrong_with_a_declared_date_is_named(text: str, format_: str, wrong: str) -> None:
    assert wrong in _in_budapest(text, format_)[0]


def test_a_declared_order_of_day_and_month_is_not_overruled_by_iso_without_a_word() -> None:
    assert code("date", "2024-05-03", input="%Y-%d-%m") == "ambiguous_date"
    assert convert("date", "2024-17-05", input="%Y-%d-%m").value == "2024-05-17"
    assert convert("date", "01102024", input="%d%m%Y").value == "2024-10-01"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.5", "1.5"),
        ("1,5", "1.5"),
        ("1 234,56", "1234.56"),
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("1.234.567", "1234567"),
        ("-0,50", "-0.50"),
        ("007", "7"),
        ("0.125", "0.125"),
    ],
)
def test_a_decimal_is_sent_with_a_point(text: str, value: str) -> None:
    assert convert("decimal", text) == (value, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,234", "ambiguous_number"),
        ("1.234", "ambiguous_number"),
        ("12.34.5", "not_number"),
        ("12 34", "not_number"),
        ("1e5", "not_number"),
        ("abc", "not_number"),
    ],
)
def test_a_number_that_is_none_or_two_is_refused(text: str, expected: str) -> None:
    assert code("decimal", text) == expected


def test_the_declared_mark_decides() -> None:
    assert convert("decimal", "1,234", input=",").value == "1.234"
    assert convert("decimal", "1,234", input=".").value == "1234"
    assert convert("integer", "1.234", input=",").value == "1234"


def test_an_integer_is_whole() -> None:
    assert convert("integer", "5.0") == ("5", None)
    assert code("integer", "5.5") == "not_integer"


def test_booleans_are_read_in_the_languages_of_the_sheets() -> None:
    assert [convert("boolean", t).value for t in ("Igen", "ja", "TRUE", "x")] == ["true"] * 4
    assert convert("boolean", "nem", output=["1", "0"]).value == "0"
    assert code("boolean", "perhaps") == "not_boolean"


def test_emails_are_checked_and_normalised() -> None:
    assert convert("email", " Ann.Lee@EXAMPLE.com\u200b") == ("Ann.Lee@example.com", None)
    assert convert("email", "ann lee@example.com").value == "annlee@example.com"
    assert code("email", "ann.example.com") == "bad_email"


def test_urls_and_valueids() -> None:
    assert convert("url", "https://example.com/a?b=c").fault is None
    assert code("url", "example.com") == "bad_url"
    assert code("url", "http://[::1") == "bad_url"
    assert convert("valueid", "0012").value == "12"
    assert code("valueid", "Gold") == "bad_valueid"


@pytest.mark.parametrize("text", ["06 1 234 5678 mellék 3", "06 1 234 5678 kl. 3", "0612345678 x3"])
def test_extensions_are_known_in_the_languages_of_the_sheets(text: str) -> None:
    value, fault = convert("phone", text)
    assert value == "3612345678"
    assert fault is not None
    assert fault.code == "phone_extension"


def test_a_label_before_a_phone_is_no_part_of_it() -> None:
    assert convert("phone", "Tel.: 06 30 123 4567") == ("36301234567", None)


def test_every_example_number_of_every_region_is_taken() -> None:
    """Our own checks refuse nothing that the metadata calls valid, however it is written."""
    import phonenumbers

    for region in phonenumbers.SUPPORTED_REGIONS:
        number = phonenumbers.example_number(region)
        if number is None or not phonenumbers.is_valid_number(number):
            continue
        digits = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:]
        for format_ in (
            phonenumbers.PhoneNumberFormat.E164,
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.NATIONAL,
        ):
            text = phonenumbers.format_number(number, format_)
            parsed = phonenumbers.parse(text, region)
            if parsed == number:
                assert convert("phone", text, region) == (digits, None), (region, text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_that_no_calendar_reaches_is_refused(text: str) -> None:
    rule = Rule.model_validate({"column": "A", "type": "datetime"})
    here = converter_for(rule, "datetime", ConversionContext(None, "Europe/Budapest"))
    assert here is not None
    assert here(text).fault is not None


def test_dates_may_have_blanks_after_their_points_declared_or_not() -> None:
    assert convert("date", "5. 3. 2024").value == "2024-03-05"
    assert convert("date", "5. 3. 2024", input="%d.%m.%Y").value == "2024-03-05"
    assert convert("date", "2024. 03. 05.", input="%Y. %m. %d.").value == "2024-03-05"


def test_there_is_no_minus_zero_and_no_year_24() -> None:
    assert convert("integer", "-0").value == "0"
    assert code("date", "0024-01-05") == "bad_date"
