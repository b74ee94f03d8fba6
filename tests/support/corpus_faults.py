"""What is wrong in samples/messy.xlsx, fault by fault."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, NamedTuple

COLUMNS = (
    *("ID", "Customer no", "Name", "Company", "City", "Phone", "Mobile", "Other phones", ""),
    *("E-mail", "Born", "Signed up", "Price", "Commission", "Units", "Account", "Contract"),
    *("Plan id", "Language", "Interests", "Newsletter", "Website", "Do not call", "Call back"),
    *("State", "Agent", "Call first", "Note", "Note", "Score"),
)
ROBINSON = "06 30 000 0911"

Cells = dict[str, Any]


class Formula(NamedTuple):
    """A cell with a formula and the value that is stored for it; a blank value is none."""

    text: str
    value: object


@dataclass(frozen=True, slots=True)
class Fault:
    """What is put into a row, why it is wrong, and the codes that say so."""

    cells: Cells
    why: str
    codes: tuple[str, ...]
    severity: str = "error"


def _fault(why: str, codes: str, severity: str = "error", **cells: Any) -> Fault:
    named = {name.replace("_", " ").replace("E mail", "E-mail"): c for name, c in cells.items()}
    return Fault(named, why, tuple(codes.split()), severity)


_BLANK: Cells = dict.fromkeys(filter(None, COLUMNS), "")

FAULTS: tuple[Fault, ...] = (
    _fault("the end of the number is missing", "bad_phone", Phone="06 30 123"),
    _fault("a letter O in the number", "phone_letters", Phone="06-30-O12-3456"),
    _fault("two numbers in one cell", "several_phones", Phone="06300000771, 06300000772"),
    _fault(
        "an extension, which the service cannot dial",
        "phone_extension",
        "warning",
        Phone="06 1 234 0701 ext. 12",
    ),
    _fault("Excel cut the number's last digits off", "digits_lost", Phone="3.63E+10"),
    _fault(
        "Excel made it a number, and nothing is lost", "damaged_number", Phone="3.6300000775E+10"
    ),
    _fault("Excel took the number for a date", "phone_became_date", Phone=dt.date(2024, 6, 30)),
    _fault(
        "the plus is gone that this foreign number needs", "phone_prefix_lost", Phone="436640002188"
    ),
    _fault(
        "no-break spaces and a zero-width space: nothing is wrong",
        "",
        Phone="06\u00a030\u200b000\u00a00778",
    ),
    _fault("nobody to call", "required", Phone=""),
    _fault(
        "eight numbers in one cell, and seven contacts left",
        "too_many_phones",
        Other_phones="; ".join(f"06 30 000 08{n:02}" for n in range(8)),
    ),
    _fault(
        "the mobile is no number: that contact is left out",
        "phone_letters contact_dropped",
        "warning",
        Mobile="same as above",
    ),
    _fault(
        "two contacts have the same number",
        "phone_twice_in_row",
        "warning",
        Phone="06 30 000 0781",
        Mobile="+36 30 000 0781",
    ),
    _fault(
        "the mobile of an earlier row's phone",
        "phone_repeated",
        "warning",
        Mobile="+36 30 000 0781",
    ),
    _fault(
        "the number of an earlier row, spelt otherwise",
        "duplicate",
        "warning",
        Phone="0036 (30) 000-0781",
    ),
    _fault("the number is on the do-not-call list", "do_not_call", "warning", Phone=ROBINSON),
    _fault("the supplier's own do-not-call mark", "filtered", "warning", Do_not_call="X"),
    _fault("no @ in the address", "bad_email", E_mail="tóth.anna.example.com"),
    _fault("a comma for the point", "bad_email", E_mail="kis.bela@example,com"),
    _fault("no name", "required", Name=" \u00a0"),
    _fault("day and month cannot be told apart", "ambiguous_date", Born="03/04/1980"),
    _fault("is it 1903 or 2003?", "two_digit_year", Born="01.02.03"),
    _fault("there is no 31 February", "bad_date", Born="31.02.1985"),
    _fault("a date that lost its format", "serial_date", Born=29221),
    _fault("a word for a number", "not_number", Price="on request"),
    _fault("a decimal comma, as the other prices show: nothing is wrong", "", Price="1,234"),
    _fault(
        "1.234 is more than one or more than a thousand", "ambiguous_number", Commission="1.234"
    ),
    _fault("half a unit", "not_integer", Units=2.5),
    _fault("less than none", "too_small", Units=-1),
    _fault("more than anybody buys", "too_large", Units=5000),
    _fault("not of the form AB-1234", "pattern", Contract="XY 77"),
    _fault("too short to be an account", "too_short", Account="117"),
    _fault("longer than the service keeps", "too_long", Company="Kft. " * 20),
    _fault("a language that the mapping does not know", "not_a_choice", Language="Hungarain"),
    _fault("a plan by its name, where ids are sent", "bad_valueid", Plan_id="Gold"),
    _fault("neither yes nor no", "not_boolean", Newsletter="maybe"),
    _fault("not a web address", "bad_url", Website="example.com"),
    _fault("a | inside one value would make two of it", "pipe_in_value", Interests="rock|pop"),
    _fault(
        "a look-up formula that found nothing",
        "error_cell",
        City=Formula("=VLOOKUP(1,A1:A2,1,0)", "#N/A"),
    ),
    _fault("a formula that was never calculated", "empty_formula", Price=Formula("=M7*1.27", "")),
    _fault(
        "a call-back that is over",
        "callback_in_past",
        "warning",
        Call_back="2020-01-31 10:00",
        State="1",
        Agent="7",
    ),
    _fault(
        "an hour that no day has", "bad_date", Call_back="2099-01-31 25:00", State="1", Agent="7"
    ),
    _fault(
        "an offset, and the mapping names no time zone",
        "offset_without_timezone",
        Call_back="2099-01-31T10:00:00+02:00",
        State="1",
        Agent="7",
    ),
    _fault(
        "a call-back of nobody", "disposition_incomplete", Call_back="2099-01-31 10:00", State="1"
    ),
    _fault(
        "the second phone is to be called, and there is none",
        "phone_field_without_phone",
        Call_first="phone2",
        Mobile="",
        Other_phones="",
    ),
    _fault("no phone is called that", "bad_phone_field", Call_first="mobile"),
    _fault("a value that is misspelt: found by --online", "", City="Budapset"),
    _fault("a value in another case: found by --online", "", City="debrecen"),
    _fault("a customer number that lost its zero", "repaired", "warning", Customer_no=91274),
    _fault(
        "only a score: the mapping takes nothing of it",
        "required nothing_to_send",
        **_BLANK | {"Score": 0.4},
    ),
)
