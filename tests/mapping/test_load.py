"""Mistakes in a mapping are all reported at once, each with its place and a hint."""

from pathlib import Path

import pytest

from importer.errors import MappingError
from importer.mapping.load import load_mapping
from tests.support.sheets import mapping_of


def mistakes(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "m.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(MappingError) as caught:
        load_mapping(path)
    return [line.removeprefix(f"{path}:") for line in caught.value.mistakes]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("version: 1\nform:\n  x: !include other.yaml\n", "3:6: form.x: the tag !include is not"),
        (
            "version: 1\nform:\n  x: !!python/object:os.system {column: A}\n",
            "3:6: form.x: the tag !!python/object:os.system is not",
        ),
        ("version: 1\nform:\n  x: {column: !env A}\n", "3:15: form.x.column: the tag !env is not"),
        ("version: 1\nform:\n  !secret x: A\n", "3:3: form: the tag !secret is not known here"),
        ("version: 1\nform: !!omap\n  - x: A\n", "the tag !!omap is not known here"),
        ("version: 1\nform:\n  x: !!binary aGk=\n", "3:6: form.x: the tag !!binary is not"),
    ],
)
def test_a_tag_that_does_nothing_is_a_mistake(tmp_path: Path, text: str, complaint: str) -> None:
    assert any(complaint in mistake for mistake in mistakes(tmp_path, text))


def test_the_tags_of_plain_data_are_no_mistake(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "version: 1\nform: !!map\n  x: !!str A\n  <<: {y: B}\n"
        "  z: {column: ! C, map: {a: '!include x'}, min_length: !!int 3}\n"
        "  v: {column: D, choices: !!seq [!!str 1]}\n",
        "utf-8",
    )
    assert set(load_mapping(path).spec.form) == {"x", "y", "z", "v"}


def test_an_unknown_key_is_named_with_line_column_path_and_the_nearest_key(tmp_path: Path) -> None:
    text = "version: 1\nform:\n  name: {column: Name, requried: true}\n"
    assert mistakes(tmp_path, text) == [
        '3:24: form.name.requried: unknown key "requried": did you mean "required"?'
    ]


def test_mistakes_of_shape_and_of_sense_are_reported_together_in_file_order(tmp_path: Path) -> None:
    text = """\
version: 2
regon: HU
form:
  name: {column: Name, type: fone}
  city: {column: City, split: ","}
  name: Name
contacts:
  1: {phone: Phone, nme: Name}
  10: {phone: Phone}
rows:
  uniqe: [form.name]
"""
    found = mistakes(tmp_path, text)
    assert [line.split(": ")[0] for line in found] == [
        "1:1",
        "2:1",
        "4:24",
        "5:24",
        "6:3",
        "8:21",
        "9:3",
        "11:3",
    ]
    assert 'did you mean "phone"?' in found[2]
    assert "split works only with multiple: true" in found[3]
    assert 'key "name" stands twice' in found[4]
    assert "contacts are numbered 1 to 9" in found[6]


def test_what_refers_to_fields_and_contacts_is_judged_beside_broken_ones(tmp_path: Path) -> None:
    text = """\
version: 1
regon: HU
timezone: Europe/Budapst
form:
  name: {column: Name, multiple: perhaps}
  city: City
contacts:
  1: {phone: Phone, nme: Name}
  3: {phone: {column: Mobile, formt: e164}, email: {column: Email, split: ","}}
  12: {phone: Other}
phone_field: phone77
stamp: city
rows:
  unique: [form.name, contacts.1.phone, contacts.3.email, contacts.4.phone, form.nme]
  on_duplicate: shout
  skip_when: [{colum: A, in: [x]}]
  do_not_call: {file: a.csv, region: XX}
new_values: {name: [a], citty: [b]}
disposition: {dispositionid: {value: 1, typ: x}, userid: {split: ","}}
"""
    found = mistakes(tmp_path, text)
    assert [line.split(": ")[1] for line in found] == [
        *("regon", "timezone", "form.name.multiple", "contacts.1.nme", "contacts.3.phone.formt"),
        *("contacts.3.email.split", "contacts.12", "phone_field", "stamp", "rows.unique.3"),
        *("rows.unique.4", "rows.on_duplicate", "rows.skip_when.0"),
        *("rows.skip_when.0.colum", "rows.do_not_call.0.region", "new_values.citty"),
        *("disposition.dispositionid.typ", "disposition.userid", "disposition.userid.split"),
    ]
    assert any('"phone77" is not one of phone1 to phone9' in line for line in found)


@pytest.mark.parametrize(
    "broken",
    [
        *("form: [a]", "contacts: [a]", "contacts: {1: x}", "rows: [a]", "region: Hu"),
        *(
            "phone_field: [a]",
            "contacts: {each: {name: 'A {n}'}}",
            "contacts: {spread: {colum: A}}",
        ),
        *("disposition: {userid: {value: 1}}", "new_values: [a]", "premium: {prize: A}", "foo: 1"),
        "source: {sheet: [1]}",
    ],
)
def test_one_mistake_is_told_once_and_nothing_that_follows_from_it(
    tmp_path: Path, broken: str
) -> None:
    good = {
        "form": "form: {name: Name}",
        "contacts": "contacts: {1: {phone: Phone}, each: {phone: 'P {n}'}}",
        "phone_field": "phone_field: phone1",
        "rows": "rows: {unique: [form.name, contacts.1.phone], within: 9d}",
        "new_values": "new_values: {name: [a]}",
    }
    key = broken.partition(":")[0]
    text = "\n".join(["version: 1", *{**good, key: broken}.values()]) + "\n"
    assert len({line.split(": ")[1] for line in mistakes(tmp_path, text)}) == 1


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ("{}", "no source"),
        ("{column: A, value: x}", "column and value exclude each other"),
        ("{value: x, required: true}", "does nothing to a constant"),
        ("{column: A, join: '-'}", "join works only with columns"),
        ("{column: A, region: HU}", "region does nothing to a text"),
        ("{column: A, type: phone, region: XX}", "XX is not a region"),
        ("{column: A, type: phone, region: hu}", "'hu' is not a region such as HU"),
        ("{column: A, min: 3}", "min does nothing to a text"),
        ("{column: A, type: integer, min: abc}", '"abc" is not a number'),
        ("{column: A, type: decimal, input: '%d'}", "decimal mark"),
        ("{column: A, type: boolean, output: [a, b, c]}", "two texts"),
        ("{column: A, type: date, output: ['%Y', '%d']}", "is one format"),
        ("{column: A, pattern: '('}", "not a regular expression of RE2: missing )"),
        ("{column: A, pattern: 'a)|(b'}", "not a regular expression of RE2: "),
        (r"{column: A, pattern: '\Qa'}", "not a regular expression of RE2: "),
        ("{column: A, pattern: '(?=a).*'}", "it has no look-around: write what"),
        ("{column: A, pattern: '.*(?<!a)'}", "it has no look-around: write what"),
        (r"{column: A, pattern: '(a)\1'}", "it has no back references"),
        ("{column: A, pattern: '(?P<x>a)(?P=x)'}", "it has no back references"),
        ("{column: A, pattern: 'a++'}", "it has no possessive repeats, and needs none"),
        ("{column: A, pattern: '(?>a)'}", "it has no atomic groups"),
        ("{column: A, pattern: '(?x) a'}", "of (?…) it knows (?:…), (?P<name>…)"),
        (r"{column: A, pattern: 'a\Z'}", "must match anyway: leave it out"),
        (r"{column: A, pattern: '\u00e9'}", r"write the character itself, or \x{20AC}"),
        ("{column: A, pattern: '(a{1000}){1000}'}", "repeat at most 1000 times"),
        ("{column: A, pattern: '" + "(a?){1000}" * 10 + "'}", "quick to match"),
        ("{column: A, pattern: '" + "(" * 300_000 + "'}", "more than 2,000: make it shorter"),
        ("{column: A, choices: [a], default: b}", "'b' is not among the choices"),
        ("{column: A, choices: [a], map: {x: b}}", "gives b, not among the choices"),
        ("{column: A, required: true, default: b}", "never blank"),
        ("{column: A, min_length: 5, max_length: 2}", "less than min_length"),
        ("{column: A, type: valueid, multiple: true}", "a valueid is one value"),
        ("{column: A, type: valueid, on_error: warn}", "only a number"),
        ("{column: A, type: valueid, default: x}", "'x' is not a valueid"),
        ("{column: A, type: email, default: x}", '"x" is not an e-mail address'),
        ("{template: none}", "no {column} in it"),
        ("{column: A, type: date, input: DD.MM.YYYY}", "not a date format"),
        ("{column: A, type: date, input: '%d %d'}", "not a date format"),
        ("{column: A, type: date, input: '%d.%m.'}", "has no year"),
        ("{column: A, type: datetime, input: ['%d.%m.%Y', '%H:%M']}", '"%H:%M" has no year'),
        ("{column: A, type: date, output: '%Q'}", "not a date format"),
        ("{column: A, multiple: true, split: ''}", "divides nothing"),
        ('{value: "\\ud800"}', "surrogate"),
        ("{column: A, required: perhaps}", "neither true nor false"),
    ],
)
def test_a_rule_that_contradicts_itself_is_a_mistake(
    tmp_path: Path, rule: str, complaint: str
) -> None:
    [mistake] = mistakes(tmp_path, f"version: 1\nform:\n  x: {rule}\n")
    assert mistake.startswith("3:")
    assert ": form.x" in mistake
    assert complaint in mistake


@pytest.mark.parametrize(
    ("lines", "complaint"),
    [
        ("phone_field: phone10", "not one of phone1 to phone9"),
        ("phone_field: phone2", "no contact 2 in this mapping"),
        ("stamp: x", "form.x is filled twice"),
        ("timezone: Mars", 'unknown time zone "Mars"'),
        ("premium: {price: {column: A, type: date}}\ntimezone: Mars", "unknown time zone"),
        ("region: XX", "XX is not a region"),
        ("rows: {unique: [form.y]}", 'did you mean "form.x"?'),
        ("rows: {on_duplicate: ignore}", "not one of 'skip', 'reject' or 'allow'"),
        ("rows: {within: 90d}", '"unique" must say what makes them so'),
        ("rows: {unique: [form.x], within: 90}", "is no number of days: write it as 90d"),
        ("new_values: {y: [a]}", 'nothing here fills "form.y": one of x'),
        ("new_values: {x: []}", "new_values.x: "),
        ("contacts: {each: {phone: Phone}}", "has no {n}"),
    ],
)
def test_a_part_that_does_not_fit_the_rest_is_a_mistake(
    tmp_path: Path, lines: str, complaint: str
) -> None:
    contacts = "" if lines.startswith("contacts") else "contacts: {1: {phone: P}}\n"
    found = mistakes(tmp_path, f"version: 1\nform: {{x: A}}\n{contacts}{lines}\n")
    assert len(found) == 1
    assert complaint in found[0]


@pytest.mark.parametrize(
    "text", ["a: [", "- 1", "", "a:\n\tb: 1", "? [a]\n: b", "\0", "a: !!binary x"]
)
def test_text_that_is_no_mapping_gets_a_message_and_no_traceback(tmp_path: Path, text: str) -> None:
    assert mistakes(tmp_path, text)


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory(tmp_path: Path) -> None:
    lines = ["version: 1", "a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    path = tmp_path / "m.yaml"
    for text in ("\n".join(lines), "a: &x [*x]"):
        path.write_text(text, "utf-8")
        with pytest.raises(MappingError, match="too large or too deep"):
            load_mapping(path)


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_mapping_that_cannot_be_read_is_an_error_for_the_user(tmp_path: Path, name: str) -> None:
    (tmp_path / "mising.yaml").write_text("version: 1")
    with pytest.raises(MappingError) as caught:
        load_mapping(tmp_path / name)
    assert caught.value.hint


def test_a_mapping_that_is_not_utf8_is_an_error_for_the_user(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_bytes("version: 1\nform: {name: Név}".encode("cp1250"))
    with pytest.raises(MappingError, match="not UTF-8"):
        load_mapping(path)


def test_plain_scalars_keep_the_text_they_were_written_with() -> None:
    spec = mapping_of(
        """
        form:
          a: {value: 007}
          b: {value: +36301234567}
          c: {value: 1.50}
          d: {value: yes}
          e: {value: true}
          f: {value: 12}
          g: {column: 2024, map: {1: one, no: zero}}
        """
    ).spec
    values = [spec.form[name].value for name in "abcdef"]
    assert values == ["007", "+36301234567", "1.50", "yes", "true", "12"]
    assert spec.form["g"].column == ["2024"]
    assert spec.form["g"].map == {"1": "one", "no": "zero"}


def test_merge_keys_share_a_rule_and_own_keys_win() -> None:
    spec = mapping_of(
        """
        form:
          a: &date {column: A, type: date, input: "%d.%m.%Y"}
          b: {<<: *date, column: B}
        """
    ).spec
    assert spec.form["b"].column == ["B"]
    assert spec.form["b"].input == ["%d.%m.%Y"]


def test_of_several_merged_anchors_the_earlier_wins() -> None:
    spec = mapping_of(
        """
        form:
          a: &a {column: A, case: upper}
          b: &b {column: B, case: lower}
          c: {<<: [*a, *b], required: true}
        """
    ).spec
    assert (spec.form["c"].column, spec.form["c"].case) == (["A"], "upper")


def test_an_anchor_merged_into_itself_is_refused() -> None:
    with pytest.raises(MappingError):
        mapping_of("form: &a {n: N, <<: *a}")


def test_a_spreadsheet_after_m_is_called_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(b"PK\x03\x04\xff\xff")
    with pytest.raises(MappingError, match="a spreadsheet, not a mapping"):
        load_mapping(path)
