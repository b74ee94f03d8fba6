"""Records as a whole: contacts, phone_field, premium, disposition, stamp, filters and keys."""

import pytest

from importer.errors import MappingError
from tests.support.sheets import batch_of, bodies, body, codes, plan_of

P1, P2, P3 = "06301234567", "06201234567", "06701234567"
S1, S2, S3 = "36301234567", "36201234567", "36701234567"
FORM = "region: HU\nform: {x: X}\n"
SEND = "\nrows: {without_contact: send}\n"


def keys_of(text: str, headers: list[str], rows: list[list[str]]) -> list[str]:
    keys = plan_of(text, headers).evaluate(batch_of(rows)).checked.keys
    assert keys is not None
    found: list[str] = keys.to_pylist()
    return found


def test_contacts_are_keyed_by_number_and_without_data_left_out() -> None:
    text = FORM + "contacts: {1: {phone: A, title: {value: Boss}}, 4: {phone: B, name: N}}"
    sent = body(text, ["X", "A", "B", "N"], ["x", "", P1, "Ann"])
    assert sent["contacts"] == {"4": {"name": "Ann", "phone": S1}}
    assert "contacts" not in body(text + SEND, ["X", "A", "B", "N"], ["x", "", "", ""])


def test_a_contact_with_data_but_no_phone_makes_the_row_invalid_or_is_dropped() -> None:
    headers, row = ["X", "A", "N"], ["x", "", "Ann"]
    strict = FORM + "contacts: {1: {phone: A, name: N}}"
    assert codes(strict, headers, row) == ["contact_without_phone"]
    lenient = FORM + "contacts: {1: {phone: {column: A, on_error: blank}, name: N}}"
    assert codes(lenient + SEND, headers, row) == ["contact_dropped"]
    assert "contacts" not in body(lenient + SEND, headers, row)
    assert codes(lenient + SEND, headers, ["x", "12", "Ann"]) == ["bad_phone", "contact_dropped"]


def test_a_row_from_which_no_contact_comes_is_invalid_skipped_or_sent() -> None:
    headers, total = ["X", "A", "B"], ["Total", "", ""]
    text = FORM + "contacts: {1: {phone: A}, spread: B}"
    assert codes(text, headers, ["Ann", P1, ""], ["Bob", "", P1], total) == ["no_contact"]
    assert codes(text + SEND, headers, total) == []
    assert body(text + SEND, headers, total) == {"form": {"x": "Total"}}
    plan = plan_of(text + "\nrows: {without_contact: skip}", headers)
    checked = plan.evaluate(batch_of([["Ann", P1, ""], total])).checked
    assert [(row, p.code) for row, p in checked.filtered.items()] == [(3, "no_contact")]
    assert checked.problems == ()


def test_why_a_row_has_no_contact_is_told_once() -> None:
    headers = ["X", "A", "N"]
    text = FORM + "contacts: {1: {phone: {column: A, required: true}}}"
    assert codes(text, headers, ["x", "", ""]) == ["required"]
    text = FORM + "contacts: {1: {phone: A, name: N}}"
    assert codes(text, headers, ["x", "#N/A", ""]) == ["error_cell"]
    assert codes(text, headers, ["x", "", "Ann"]) == ["contact_without_phone"]
    assert codes(text, headers, ["", "", ""]) == ["nothing_to_send"]
    dropped = FORM + "contacts: {1: {phone: {column: A, on_error: blank}}}"
    assert codes(dropped, headers, ["x", "12", ""]) == [
        "bad_phone",
        "contact_dropped",
        "no_contact",
    ]


def test_where_no_contact_is_mapped_none_is_missed() -> None:
    assert codes(FORM, ["X"], ["x"]) == []


def test_an_invalid_phone_is_told_once() -> None:
    text = FORM + "contacts: {1: {phone: A, name: N}}"
    assert codes(text, ["X", "A", "N"], ["x", "12", "Ann"]) == ["bad_phone"]


def test_each_takes_the_numbers_whose_phone_column_exists() -> None:
    text = (
        FORM
        + """
contacts:
  2: {phone: Mobile}
  each: {phone: "Phone {n}", name: "Contact {n}", email: "Email {n}"}
"""
    )
    headers = ["X", "Mobile", "Phone 1", "Phone 2", "Phone 3", "Email 3"]
    row = ["x", P1, P2, P1, P3, "a@example.com"]
    assert body(text, headers, row)["contacts"] == {
        "1": {"phone": S2},
        "2": {"phone": S1},
        "3": {"phone": S3, "email": "a@example.com"},
    }
    with pytest.raises(MappingError) as caught:
        plan_of(text, ["X", "Mobile"])
    assert 'no column from "Phone 1" to "Phone 9"' in caught.value.mistakes[0]


def test_spread_fills_the_free_numbers_in_order_and_one_too_many_is_a_problem() -> None:
    text = FORM + "contacts: {2: {phone: A}, spread: {column: B, split: [';', '/']}}"
    sent = body(text, ["X", "A", "B"], ["x", P1, f"{P2}; {P3} / {P2}"])
    assert sent["contacts"] == {"1": {"phone": S2}, "2": {"phone": S1}, "3": {"phone": S3}}
    many = ";".join(f"0630123456{i}" for i in range(9))
    assert codes(text, ["X", "A", "B"], ["x", P1, many]) == ["too_many_phones"]
    assert codes(text, ["X", "A", "B"], ["x", P1, many.rsplit(";", 1)[0]]) == []


def test_phone_field_is_the_constant_the_rule_or_the_lowest_contact_with_a_phone() -> None:
    contacts = FORM + "contacts: {2: {phone: A}, 4: {phone: B}}\n"
    headers, row = ["X", "A", "B", "F"], ["x", P1, P2, "phone4"]
    assert body(contacts, headers, row)["phone_field"] == "phone2"
    assert body(contacts + "phone_field: phone4", headers, row)["phone_field"] == "phone4"
    ruled = contacts + "phone_field: {column: F}"
    assert body(ruled, headers, row)["phone_field"] == "phone4"
    assert body(ruled, headers, ["x", P1, P2, ""])["phone_field"] == "phone2"
    assert codes(ruled, headers, ["x", P1, P2, "phone3"]) == ["phone_field_without_phone"]
    assert codes(ruled, headers, ["x", P1, P2, "4"]) == ["bad_phone_field"]
    assert codes(contacts + "phone_field: phone4", headers, ["x", P1, "", ""]) == [
        "phone_field_without_phone"
    ]
    assert "phone_field" not in body(contacts + SEND, headers, ["x", "", "", ""])


def test_phone_field_may_name_a_contact_that_spread_fills() -> None:
    text = FORM + "contacts: {spread: B}\nphone_field: phone2"
    assert body(text, ["X", "B"], ["x", f"{P1};{P2}"])["phone_field"] == "phone2"
    assert codes(text, ["X", "B"], ["x", P1]) == ["phone_field_without_phone"]


def test_an_empty_premium_is_left_out() -> None:
    text = FORM + "premium: {price: P, commission: {column: C, type: decimal}}"
    assert body(text, ["X", "P", "C"], ["x", "100", "1,5"])["premium"] == {
        "price": "100",
        "commission": "1.5",
    }
    assert "premium" not in body(text, ["X", "P", "C"], ["x", "", ""])


def test_a_disposition_is_left_out_where_its_columns_are_blank_and_never_half_sent() -> None:
    text = FORM + "disposition: {dispositionid: {value: 1}, userid: U, next_calldate: {column: D}}"
    headers = ["X", "U", "D"]
    assert body(text, headers, ["x", "7", "2015-07-20 10:26"])["disposition"] == {
        "dispositionid": "1",
        "userid": "7",
        "next_calldate": "2015-07-20 10:26:00",
    }
    assert "disposition" not in body(text, headers, ["x", "", ""])
    assert codes(text, headers, ["x", "", "2015-07-20 10:26"]) == ["disposition_incomplete"]
    constant = FORM + "disposition: {dispositionid: {value: 1}, userid: {value: 7}}"
    assert body(constant, ["X"], ["x"])["disposition"] == {"dispositionid": "1", "userid": "7"}


def test_the_stamp_names_run_and_row() -> None:
    [_, second] = bodies(FORM + "stamp: ref", ["X"], ["a"], ["b"])
    assert second["form"]["ref"] == "run:3"


def test_a_row_of_which_the_mapping_takes_nothing_is_not_sent_as_an_empty_record() -> None:
    assert codes(FORM, ["X", "Y"], ["", "y"]) == ["nothing_to_send"]


def test_a_filter_takes_a_row_out_before_it_is_checked_whatever_the_case() -> None:
    text = FORM + "contacts: {1: {phone: A}}\nrows: {skip_when: {column: F, in: ['Yes', 'x']}}"
    plan = plan_of(text, ["X", "A", "F"])
    rows = [["x", "12", "YES "], ["x", P1, "no"], ["x", P1, "X"]]
    checked = plan.evaluate(batch_of(rows)).checked
    assert sorted(checked.filtered) == [2, 4]
    assert checked.problems == ()


def test_keys_compare_phones_in_normal_form_and_blank_ones_never() -> None:
    text = FORM + "contacts: {1: {phone: {column: A, format: raw}}}\n"
    text += "rows: {unique: [contacts.1.phone]}"
    rows = [["x", P1], ["y", "+36 30 1234567"], ["z", ""]]
    assert keys_of(text, ["X", "A"], rows) == [
        S1,
        S1,
        "",
    ]
    assert bodies(text, ["X", "A"], rows[1])[0]["contacts"]["1"]["phone"] == "+36 30 1234567"


@pytest.mark.parametrize(
    ("part", "unique"),
    [
        ("contacts: {1: {phone: {column: A, format: national, pattern: '06.*'}}}", "contacts.1"),
        ("contacts: {1: {phone: {column: A, format: raw, max_length: 20}}}", "contacts.1"),
        ("contacts: {1: {phone: {column: A, type: text}}}", "contacts.1"),
        ("contacts: {spread: {column: A, format: raw}}", "contacts.1"),
        ("contacts: {spread: {column: A, format: national}}", "contacts.1"),
    ],
)
def test_keys_compare_phones_as_numbers_whatever_else_the_rule_asks(part: str, unique: str) -> None:
    text = FORM + f"{part}\nrows: {{unique: [{unique}.phone]}}"
    rows = [["x", P1], ["y", "+36 30 1234567"], ["z", ""]]
    assert keys_of(text, ["X", "A"], rows) == [
        S1,
        S1,
        "",
    ]


def test_a_form_field_s_phones_are_keys_as_numbers_where_they_are_such() -> None:
    rule = "{column: A, type: phone, format: national, pattern: '0.*', on_error: warn}"
    text = f"region: HU\nform: {{x: X, p: {rule}}}\nrows: {{unique: [form.p]}}"
    rows = [["x", P1], ["y", "+36 30 1234567"], ["z", ""], ["z", "12"]]
    assert keys_of(text, ["X", "A"], rows) == [
        S1,
        S1,
        "",
        "12",
    ]


def test_a_spread_cell_s_first_text_is_its_key_though_it_is_no_number() -> None:
    part = "contacts: {spread: {column: A, on_error: warn, pipe: split}}"
    text = FORM + f"{part}\nrows: {{unique: [contacts.1.phone]}}"
    rows = [["x", f"12;{P1}"], ["y", P1]]
    assert keys_of(text, ["X", "A"], rows) == ["12", S1]


def test_what_is_wrong_with_a_text_is_told_once_though_a_cell_has_it_twice() -> None:
    text = FORM + "contacts: {spread: {column: A}}\n"
    assert codes(text, ["X", "A"], ["x", "12;12;12"]) == ["bad_phone"]


def test_several_unique_entries_mean_all_of_them_together() -> None:
    text = "form: {x: X, y: {column: Y, type: email}}\nrows: {unique: [form.x, form.y]}"
    rows = [["a", "E@example.com"], ["a", "e@example.com"], ["a", ""], ["b", "e@example.com"]]
    keys = keys_of(text, ["X", "Y"], rows)
    assert keys[0] == keys[1] != keys[3]
    assert keys[2] == ""


def test_a_unique_entry_that_the_sheet_cannot_fill_stops_the_run() -> None:
    text = FORM + 'contacts: {each: {phone: "P{n}"}}\nrows: {unique: [contacts.5.phone]}'
    with pytest.raises(MappingError) as caught:
        plan_of(text, ["X", "P1"])
    assert "no column that fills contacts.5.phone" in caught.value.mistakes[0]


def test_a_default_or_a_constant_makes_no_two_rows_the_same() -> None:
    text = "form: {x: X, e: {column: E, default: none}}\nrows: {unique: [form.e]}"
    rows = [["a", ""], ["b", ""], ["c", "e"]]
    assert keys_of(text, ["X", "E"], rows) == [
        "",
        "",
        "e",
    ]
    with pytest.raises(MappingError) as caught:
        plan_of("form: {x: X, e: {value: web}}\nrows: {unique: [form.e]}", ["X"])
    assert "the same in every row" in caught.value.mistakes[0]


def test_what_is_wrong_with_a_contact_that_is_left_out_does_not_matter() -> None:
    text = FORM + "contacts: {1: {phone: {column: A, on_error: blank}, email: E}}"
    headers, row = ["X", "A", "E"], ["x", "12", "nobody"]
    assert codes(text + SEND, headers, row) == ["bad_phone", "contact_dropped"]
    assert "contacts" not in body(text + SEND, headers, row)


def test_each_puts_its_number_into_constants_and_templates_too() -> None:
    text = (
        FORM
        + """
contacts:
  each: {phone: "P{n}", name: {template: "Contact {n}"}, title: {value: "Line {n}"}}
"""
    )
    assert body(text, ["X", "P2"], ["x", P1])["contacts"] == {
        "2": {"phone": S1, "name": "Contact 2", "title": "Line 2"}
    }


def test_a_filter_s_column_does_not_make_a_row_of_constants_empty() -> None:
    text = "form: {n: {value: x}}\nrows: {skip_when: {column: F, in: x}}"
    assert codes(text, ["F"], ["no"]) == []
