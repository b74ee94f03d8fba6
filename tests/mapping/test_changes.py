"""Single parts of a mapping's text are changed; every other byte of it stays."""

from __future__ import annotations

import copy
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.errors import UsageError
from importer.mapping.changes import (
    Change,
    lines_of,
    remarks,
    with_changes,
    with_field_renamed,
    without_remark,
)
from importer.mapping.load import YamlReader, load_mapping, mapping_in

MAPPINGS = sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml"))

TEXT = """\
# Leads of the spring fair.
version: 1   # the format
region: HU
form:
  name: Full name          # as they call themselves
  city:
    column: [City, Town]   # the first that is there
    # towns are written in capitals
    case: title
  note: |
    Note
  "odd: key": {value: 'it''s'}   # a constant
contacts:
  1: {phone: {column: Phone}, name: Full name}
rows:
  skip_when:
    - {column: Stop, in: [x]}   # they asked for it
    - column: Dead
      in: ["1"]

# The end.
"""


def data_of(text: str) -> Any:
    reader = YamlReader(Path("mapping.yaml"))
    found = reader.read(text)
    assert not reader.mistakes
    return found


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that only one of two texts has: first those of the former."""
    old, new = before.splitlines(), after.splitlines()
    return [one for one in old if one not in new], [one for one in new if one not in old]


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (
            Change(("form", "name"), "Name: all"),
            ["  name: Full name          # as they call themselves"],
            ['  name: "Name: all"          # as they call themselves'],
        ),
        (
            Change(("form", "name", "required"), value=True),
            ["  name: Full name          # as they call themselves"],
            ["  name: {column: Full name, required: true}          # as they call themselves"],
        ),
        (Change(("form", "city", "required"), value=True), [], ["    required: true"]),
        (Change(("form", "note"), "Remark"), ["  note: |", "    Note"], ["  note: Remark"]),
        (Change(("form", "city", "case"), None), ["    case: title"], []),
        (
            Change(("form", "city", "column"), ["Place"]),
            ["    column: [City, Town]   # the first that is there"],
            ["    column: [Place]   # the first that is there"],
        ),
        (Change(("form", "mail"), {"column": "E-mail"}), [], ["  mail: {column: E-mail}"]),
        (
            Change(("contacts", "1", "phone", "region"), "DE"),
            ["  1: {phone: {column: Phone}, name: Full name}"],
            ["  1: {phone: {column: Phone, region: DE}, name: Full name}"],
        ),
        (
            Change(("contacts", "1", "phone"), None),
            ["  1: {phone: {column: Phone}, name: Full name}"],
            ["  1: {name: Full name}"],
        ),
        (Change(("contacts", "2"), {"phone": "Mobile"}), [], ["  2: {phone: Mobile}"]),
        (
            Change(("rows", "skip_when", "0"), None),
            ["    - {column: Stop, in: [x]}   # they asked for it"],
            [],
        ),
        (
            Change(("rows", "skip_when", "1", "column"), None),
            ["    - column: Dead", '      in: ["1"]'],
            ['    - in: ["1"]'],
        ),
        (
            Change(("rows", "skip_when", "2"), {"column": "Gone", "in": ["x"]}),
            [],
            ["    - {column: Gone, in: [x]}"],
        ),
        (Change(("premium", "price"), "Price"), [], ["premium:", "  price: Price"]),
        (Change(("region",), None), ["region: HU"], []),
        (
            Change(("form", "city"), None, commented=True),
            [
                "  city:",
                "    column: [City, Town]   # the first that is there",
                "    # towns are written in capitals",
                "    case: title",
            ],
            [
                "  # city:",
                "  #   column: [City, Town]   # the first that is there",
                "  #   # towns are written in capitals",
                "  #   case: title",
            ],
        ),
    ],
)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_a_change_is_of_one_part(
    change: Change, old: list[str], new: list[str], line_break: str
) -> None:
    text = TEXT.replace("\n", line_break)
    after = with_changes(text, [change])
    assert changed_lines(text, after) == (old, new)
    assert after.count("\n") == after.count(line_break)


def test_what_is_left_empty_goes_with_what_it_was_for() -> None:
    text = "version: 1\nform: {a: A}\ncontacts:\n  1: {phone: P}  # one\nregion: HU\n"
    after = with_changes(text, [Change(("contacts", "1", "phone"), None)])
    assert after == "version: 1\nform: {a: A}\nregion: HU\n"


def test_nothing_is_changed_where_it_would_change_something_else_too() -> None:
    text = "version: 1\nform:\n  a: &rule {column: A}\n  b: *rule\n  c: {<<: *rule, case: upper}\n"
    for path in (("form", "a"), ("form", "b")):
        with pytest.raises(UsageError, match=r"form\..\.required is written in a way"):
            with_changes(text, [Change((*path, "required"), value=True)])
    assert "d: D" in with_changes(text, [Change(("form", "d"), "D")])
    own = with_changes(text, [Change(("form", "c", "required"), value=True)])
    assert "c: {<<: *rule, case: upper, required: true}" in own


def test_a_change_to_what_is_so_already_is_none() -> None:
    for change in (Change(("form", "name"), "Full name"), Change(("form", "none"), None)):
        assert with_changes(TEXT, [change]) == TEXT


def test_the_lines_of_a_key_have_its_remarks() -> None:
    assert lines_of(TEXT, "version") == "version: 1   # the format"
    assert lines_of(TEXT, "rows").splitlines()[-1] == '      in: ["1"]'
    assert lines_of(TEXT, "stamp") == ""


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def changes(draw: st.DrawFn) -> Change:
    where = draw(st.sampled_from(["field", "option", "contact", "part", "top"]))
    value: Any = draw(NAMES | st.booleans() | st.lists(NAMES, min_size=1, max_size=3) | st.none())
    field = draw(st.sampled_from(["name", "city", "note", "odd: key", "new"]) | NAMES)
    match where:
        case "field":
            rule = draw(NAMES | st.fixed_dictionaries({"column": NAMES}) | st.none())
            return Change(("form", field), rule, draw(st.booleans()))
        case "option":
            return Change(("form", field, draw(st.sampled_from(["column", "case", "map"]))), value)
        case "contact":
            number = str(draw(st.integers(1, 9)))
            return Change(("contacts", number, draw(st.sampled_from(["phone", "name"]))), value)
        case "part":
            place = str(draw(st.integers(0, 1)))
            return Change(("rows", "skip_when", place, "in"), value)
    return Change((draw(st.sampled_from(["region", "stamp", "timezone"])),), value)


@given(
    st.sampled_from([TEXT, *(p.read_text("utf-8") for p in MAPPINGS)]),
    st.lists(changes(), max_size=3),
)
def test_after_any_changes_the_mapping_is_what_it_was_but_for_them(
    text: str, made: list[Change]
) -> None:
    for change in made:
        before = data_of(text)
        try:
            after = with_changes(text, [change])
        except UsageError:
            continue
        found = data_of(after)
        assert untouched(found, change) == untouched(before, change)
        text = after


def untouched(data: Any, change: Change) -> Any:
    """The data without the part that a change is about, and what was made or emptied for it."""
    data = copy.deepcopy(data)
    top, *way = change.path
    if not way or not isinstance(data.get(top), dict):
        data.pop(top, None)
        return data
    data[top].pop(way[0], None)
    if not data[top] and top != "form":
        del data[top]
    return data


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_a_rule_of_a_real_mapping_is_made_required_and_back(path: Path) -> None:
    text = path.read_text("utf-8")
    spec = load_mapping(path).spec
    for name, rule in spec.form.items():
        if rule.required or rule.value is not None or rule.default is not None:
            continue
        more = with_changes(text, [Change(("form", name, "required"), value=True)])
        assert mapping_in(more, path).spec.form[name].required
        back = with_changes(more, [Change(("form", name, "required"), None)])
        assert mapping_in(back, path).spec == spec


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "e\u0301", "\u212b", "=", "<<"])
def test_any_text_can_be_written_where_a_key_and_where_a_value_stands(text: str) -> None:
    """Also one that could be read as another: a number that equals nothing, letters in parts."""
    for before in ("version: 1\nform:\n  a: A\n", "version: 1\nform: {a: A}\n"):
        for change in (Change(("form", text), text), Change(("form", "a"), {"map": {text: text}})):
            again = with_changes(with_changes(before, [change]), [Change(("region",), "HU")])
            assert unicodedata.normalize("NFC", text) in str(data_of(again)["form"])


def test_a_key_in_another_normal_form_is_the_same_key() -> None:
    text = "version: 1\nform:\n  # unsure: why\n  ne\u0301v: A\n"
    after = with_changes(text, [Change(("form", "n\u00e9v", "required"), value=True)])
    assert after == text.replace(": A", ": {column: A, required: true}")
    assert [one.path for one in remarks(text)] == [("form", "n\u00e9v")]


@pytest.mark.parametrize(
    "rule",
    [
        "  Full name: {column: A}\n",
        "  name:\n    column:\n      - A\n      - B\n",
        "  name:\n    column: A\n    map:\n      x y: z\n",
    ],
)
def test_a_remark_ends_where_a_part_is_commented_out(rule: str) -> None:
    text = f"form:\n  # unsure: first\n{rule}  # unsure: second\n  b: B\n"
    name = rule.split(":", maxsplit=1)[0].strip()
    after = with_changes(text, [Change(("form", name), None, commented=True)])
    assert [one.texts for one in remarks(after)] == [("second",)]
    bare = with_changes(
        text.replace("  # unsure: second\n", ""), [Change(("form", name), None, True)]
    )
    assert remarks(bare) == []


def test_a_remark_in_words_with_colons_is_whole() -> None:
    text = "form:\n  # unsure: only 0 and 1; if they mean no and\n  # yes: type: boolean\n  b: B\n"
    (found,) = remarks(text)
    assert found.texts == ("only 0 and 1; if they mean no and yes: type: boolean",)
    assert without_remark(text, found) == "form:\n  b: B\n"


NAMED = """\
version: 1
form:
  plan: {column: Plan, type: text}  # what they pay
  'odd: one': Odd
rows:
  unique: [form.plan, contacts.1.phone]
new_values: {plan: [Gold]}
"""


def test_a_field_is_renamed_wherever_it_is_named() -> None:
    after = with_field_renamed(NAMED, "plan", "tariff: new")
    assert '  "tariff: new": {column: Plan, type: text}  # what they pay\n' in after
    assert "unique: [" in after
    found = data_of(after)
    assert list(found["form"]) == ["tariff: new", "odd: one"]
    assert found["rows"]["unique"] == ["form.tariff: new", "contacts.1.phone"]
    assert found["new_values"] == {"tariff: new": ["Gold"]}
    assert "  plain: Odd\n" in with_field_renamed(NAMED, "odd: one", "plain")


@pytest.mark.parametrize(("old", "new"), [("plan", "odd: one"), ("gone", "new")])
def test_a_field_is_not_renamed_to_one_that_is_there(old: str, new: str) -> None:
    with pytest.raises(UsageError):
        with_field_renamed(NAMED, old, new)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12))
def test_a_field_can_have_any_name(name: str) -> None:
    if not name.strip() or name in data_of(NAMED)["form"]:
        return
    found = data_of(with_field_renamed(NAMED, "plan", name))
    assert list(found["form"]) == [name, "odd: one"]


LISTS = """\
form:
  a:
    column:   # the first that is there
    - A
    - B
    case: upper
  ? c
  : C
rows:
  skip_when:
  - # they asked for it
    column: A
    in: [x]
  -   column: B
      in: [y]
"""


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        (
            Change(("form", "a", "column"), "C"),
            "column:   # the first that is there\n    - A\n    - B\n",
            "column: C   # the first that is there\n",
        ),
        (
            Change(("form", "a", "column"), ["C", "D"]),
            "column:   # the first that is there\n    - A\n    - B\n",
            "column: [C, D]   # the first that is there\n",
        ),
        (Change(("rows", "skip_when", "0", "in"), ["z"]), "in: [x]", "in: [z]"),
        (Change(("rows", "skip_when", "1"), None), "  -   column: B\n      in: [y]\n", ""),
    ],
)
def test_lists_are_changed_however_they_are_indented(change: Change, old: str, new: str) -> None:
    for line_break in ("\n", "\r\n"):
        text, old_, new_ = (one.replace("\n", line_break) for one in (LISTS, old, new))
        assert with_changes(text, [change]) == text.replace(old_, new_)


def test_what_has_no_place_of_its_own_is_left_for_the_text() -> None:
    for text in (LISTS, LISTS.replace("\n", "\r")):
        with pytest.raises(UsageError, match="can only be changed in the text"):
            with_changes(text, [Change(("form", "c"), None)])


def test_the_ways_to_read_a_field_go_by_its_new_name() -> None:
    text = "form:\n  # unsure: why\n  # a b: {column: A, type: date}\n  a b: A\n"
    after = with_field_renamed(text, "a b", "e\u0301")
    assert after == text.replace("a b", "\u00e9")
    (found,) = remarks(after)
    assert found.alternatives == ({"column": "A", "type": "date"},)
    with pytest.raises(UsageError, match="already"):
        with_field_renamed(f"{after}  c: C\n", "c", "e\u0301")
