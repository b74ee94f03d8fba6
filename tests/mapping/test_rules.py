"""What a rule does to its cells: source, trimming, division, checks and what an error leads to."""

import json

import pytest

from importer.errors import MappingError
from importer.model import EMPTY_FORMULA, Severity
from tests.support.sheets import batch_of, bodies, body, codes, informed, plan_of, problems


def form(text: str, headers: list[str], row: list[str]) -> object:
    return body("form: {x: " + text + "}", headers, row)["form"].get("x")


def test_cells_are_trimmed_of_white_space_of_every_kind_and_else_left_alone() -> None:
    assert form("A", ["A"], ["\u00a0\ufeff\t 0630 12 \u200b\n"]) == "0630 12"
    assert form("{column: A, trim: false}", ["A"], [" a "]) == " a "


def test_the_first_header_that_exists_is_taken() -> None:
    assert form("{column: [City, Town]}", ["Town", "Other"], ["Pécs", ""]) == "Pécs"


def test_a_blank_value_is_left_out_sent_or_replaced_by_the_default() -> None:
    headers, row = ["A", "B"], [" ", "b"]
    assert bodies("form: {x: A, y: B}", headers, row)[0]["form"] == {"y": "b"}
    sent = bodies("form: {x: {column: A, empty: send}, y: B}", headers, row)[0]["form"]
    assert sent == {"x": "", "y": "b"}
    sent = bodies("form: {x: {column: A, default: d}, y: B}", headers, row)[0]["form"]
    assert sent == {"x": "d", "y": "b"}


def test_columns_are_joined_without_the_blank_ones() -> None:
    assert form("{columns: [A, B, C]}", ["A", "B", "C"], ["a", " ", "c"]) == "a c"
    assert form('{columns: [A, B, C], join: ", "}', ["A", "B", "C"], ["a", "b", "c"]) == "a, b, c"


def test_a_template_is_filled_and_blank_where_all_its_cells_are() -> None:
    template = '{template: "{Zip} {City}, {Street}", default: "-"}'
    headers = ["Zip", "City", "Street"]
    assert form(template, headers, ["1011", "Budapest", "Fő u. 1"]) == "1011 Budapest, Fő u. 1"
    both = bodies("form: {x: " + template + ", y: Zip}", [*headers, "Z"], ["", " ", "", "z"])
    assert both[0]["form"]["x"] == "-"


def test_multiple_values_keep_their_order_and_lose_blanks_and_repeats() -> None:
    rule = '{columns: [A, B], multiple: true, split: [",", ";"]}'
    assert form(rule, ["A", "B"], ["b, a;;b", "c;a"]) == "b|a|c"


def test_a_pipe_inside_one_value_is_an_error_unless_the_mapping_says_otherwise() -> None:
    headers, row = ["A"], ["a|b, c"]
    rule = '{column: A, multiple: true, split: ","'
    assert codes("form: {x: " + rule + "}}", headers, row) == ["pipe_in_value"]
    assert form(rule + ", pipe: split}", headers, row) == "a|b|c"
    assert form(rule + ", pipe: replace}", headers, row) == "a/b|c"
    assert form("A", headers, row) == "a|b, c"


def test_map_comes_after_case_and_before_choices() -> None:
    rule = "{column: A, case: upper, map: {G: Gold, S: Silver}, choices: [Gold, Silver]}"
    assert form(rule, ["A"], ["g"]) == "Gold"
    [problem] = problems("form: {x: {column: A, choices: [Gold, Silver]}}", ["A"], ["Glod"])
    assert problem.code == "not_a_choice"
    assert problem.hint == 'did you mean "Gold"?'


def test_title_case_knows_hyphens_and_accents() -> None:
    assert form("{column: A, case: title}", ["A"], ["NAGY-ÉRI ödön"]) == "Nagy-Éri Ödön"


@pytest.mark.parametrize(
    ("rule", "text", "code"),
    [
        ("{column: A, pattern: '[0-9]{4}'}", "12345", "pattern"),
        ("{column: A, min_length: 3}", "ab", "too_short"),
        ("{column: A, max_length: 3}", "abcd", "too_long"),
        ("{column: A, type: integer, min: 5}", "4", "too_small"),
        ("{column: A, type: decimal, max: '5,5'}", "5.51", "too_large"),
        ("{column: A, type: date, min: 2024-01-01, output: '%d.%m.%Y'}", "31.12.2023", "too_small"),
        ("{column: A, required: true}", " ", "required"),
        ("A", "#N/A", "error_cell"),
        ("A", EMPTY_FORMULA, "empty_formula"),
    ],
)
def test_each_check_finds_its_fault(rule: str, text: str, code: str) -> None:
    assert codes("form: {x: " + rule + ", y: B}", ["A", "B"], [text, "b"]) == [code]


def test_what_passes_its_checks_has_no_problem() -> None:
    rule = "{column: A, type: date, min: 2024-01-01, max: 2024-12-31, output: '%d.%m.%Y'}"
    assert form(rule, ["A"], ["31.12.2024"]) == "31.12.2024"


def test_on_error_warn_sends_the_value_and_blank_leaves_it_out_both_with_a_warning() -> None:
    for on_error, sent in (("warn", "none"), ("blank", None)):
        text = "form: {y: B, x: {column: A, type: email, on_error: " + on_error + "}}"
        [problem] = problems(text, ["A", "B"], ["none", "b"])
        assert problem.severity is Severity.WARNING
        assert bodies(text, ["A", "B"], ["none", "b"])[0]["form"].get("x") == sent


def test_on_error_blank_drops_only_the_bad_one_of_several_values() -> None:
    rule = "{column: A, multiple: true, split: ',', type: integer, on_error: blank}"
    assert form(rule, ["A"], ["1,x,3"]) == "1|3"


def test_an_error_cell_is_never_excused() -> None:
    text = "form: {y: B, x: {column: A, on_error: blank, default: d}}"
    [problem] = problems(text, ["A", "B"], ["#REF!", "b"])
    assert (problem.code, problem.severity) == ("error_cell", Severity.ERROR)


def test_a_problem_names_row_column_target_and_value() -> None:
    [first, second] = problems("form: {x: {column: A, type: integer}}", ["A"], ["x"], ["1"], ["x"])
    assert (first.row, second.row) == (2, 4)
    assert (first.column, first.target, first.value) == ("A", "form.x", "x")


def test_a_valueid_is_sent_as_a_number_and_all_else_as_text() -> None:
    text = "form: {a: {column: A, type: valueid}, b: {column: A, type: integer}, c: {value: 3}}"
    assert body(text, ["A"], ["12"])["form"] == {"a": 12, "b": "12", "c": "3"}


def test_a_column_the_sheet_lacks_or_has_twice_stops_with_all_such_columns_named() -> None:
    with pytest.raises(MappingError) as caught:
        plan_of("form: {x: Nme, y: City, z: {template: '{Zip}'}}", ["Name", "City", "City"])
    lines = "\n".join(caught.value.mistakes)
    assert 'no column "Nme": nearest: "Name"' in lines
    assert 'the header "City" stands twice in the sheet (B and C)' in lines
    assert 'no column "Zip"' in lines


def test_headers_match_after_trimming_and_unicode_normalisation() -> None:
    assert form('" Ne\u0301v "', ["Név"], ["a"]) == "a"


@pytest.mark.parametrize(
    "header",
    [
        *(
            "Phone\u00a0number",
            "Phone\nnumber",
            "Phone\r\n number",
            "Phone  number",
            "PHONE NUMBER",
        ),
        *("Phone\u202fnumber", "\u200ePhone number", "Phone\u200b number", "Phone\u2069 number"),
    ],
)
@pytest.mark.parametrize("name", ["Phone number", "Phone\u00a0Number", "phone\nnumber"])
def test_a_header_is_found_that_is_the_same_but_for_what_cannot_be_seen_or_case(
    header: str, name: str
) -> None:
    assert form(json.dumps(name), [header, "Other"], ["a", "b"]) == "a"


def test_a_header_is_found_so_wherever_a_mapping_names_one() -> None:
    headers = ["full\u00a0name", "PHONE 1", "Phone\u00a0 2", "skip  me"]
    text = (
        "form: {x: {template: 'Dr. {Full name}'}}\n"
        "contacts: {each: {phone: 'Phone {n}'}}\n"
        "rows: {unique: [contacts.2.phone], skip_when: {column: Skip me, in: [x]}}"
    )
    plan = plan_of(text, headers)
    assert plan.unused_columns == ()
    assert set(plan.contacts.numbered) == {1, 2}


def test_the_header_written_exactly_comes_before_those_that_are_alike() -> None:
    assert form("name", ["NAME", "name"], ["a", "b"]) == "b"
    assert form("{column: [Town, City]}", ["TOWN", "City"], ["a", "b"]) == "b"
    assert form("{column: [Town, City]}", ["TOWN", "x"], ["a", "b"]) == "a"


def test_two_headers_that_are_alike_are_refused_and_shown_so_that_they_differ() -> None:
    with pytest.raises(MappingError) as caught:
        plan_of("form: {x: Phone number, y: A}", ["Phone\u00a0number", "PHONE number", "A"])
    [line] = caught.value.mistakes
    assert '"Phone\\xa0number" (A) and "PHONE number" (B)' in line
    assert '"Phone\\xa0number"' in str(caught.value.hint)


def test_a_mapping_of_another_file_is_told_in_one_message() -> None:
    text = "form: {x: Name, y: City, z: {template: '{Zip}'}}\ncontacts: {each: {phone: 'Tel {n}'}}"
    with pytest.raises(MappingError) as caught:
        plan_of(text, ["A", "B"])
    assert "none of the 4 columns" in str(caught.value)
    assert caught.value.mistakes == ()
    assert '"A", "B"' in str(caught.value.hint)


def test_columns_that_nothing_uses_are_listed_but_for_those_of_failure_files() -> None:
    plan = plan_of("form: {x: A}", ["A", "B", "", "_row", "C"])
    assert plan.unused_columns == ("B", "C")


def test_with_warn_a_value_that_fails_a_check_is_still_converted() -> None:
    text = "form: {x: {column: A, type: date, min: 2020-01-01, on_error: warn}}"
    [problem] = problems(text, ["A"], ["05.03.2019"])
    assert problem.severity is Severity.WARNING
    assert bodies(text, ["A"], ["05.03.2019"])[0]["form"] == {"x": "2019-03-05"}


def test_a_pipe_that_would_divide_a_value_is_never_only_a_warning() -> None:
    text = "form: {x: {column: A, multiple: true, pipe: error, on_error: warn}}"
    [problem] = problems(text, ["A"], ["a|b"])
    assert problem.severity is Severity.ERROR


def test_a_text_mapped_to_blank_is_blank_and_takes_the_default() -> None:
    assert form('{column: A, type: integer, map: {"-": ""}, default: 7}', ["A"], ["-"]) == "7"
    assert form("{column: A, multiple: true, split: ';', default: d}", ["A"], ["; ;"]) == "d"


def test_texts_are_compared_and_sent_in_one_unicode_form() -> None:
    rule = "{column: A, choices: [Győr]}"
    assert form(rule, ["A"], ["Gyo\u030br"]) == "Győr"
    text = "form: {x: A}\nrows: {skip_when: {column: F, in: igén}}"
    checked = plan_of(text, ["A", "F"]).evaluate(batch_of([["a", "ige\u0301n"]])).checked
    assert list(checked.filtered) == [2]


def test_a_unit_separator_in_a_cell_divides_nothing() -> None:
    rule = "{columns: [A, B], multiple: true, split: ','}"
    assert form(rule, ["A", "B"], ["a\x1fb", "c"]) == "a b|c"
    assert form("{column: A, multiple: true, split: ','}", ["A"], ["a\x1fb,c"]) == "a b|c"


@pytest.mark.parametrize(
    "rule",
    [
        "{column: A, type: integer, min: 10, max: 9}",
        "{column: A, type: decimal, input: ',', min: '1,5', max: '1,25'}",
        "{column: A, type: date, min: 2024-12-31, max: 2024-01-01, output: '%d.%m.%Y'}",
    ],
)
def test_a_least_above_the_most_is_a_mistake_with_its_place(rule: str) -> None:
    with pytest.raises(MappingError) as caught:
        plan_of("form:\n  x: " + rule, ["A"])
    [mistake] = caught.value.mistakes
    assert "m.yaml:3:" in mistake
    assert "is below min" in mistake


def test_a_value_that_was_mended_is_still_compared_with_its_bounds() -> None:
    text = "form: {x: {column: A, type: date, repair: true, max: 2024-01-01}}"
    assert codes(text, ["A"], ["45429"]) == ["too_large"]


SPLIT = "{column: A, multiple: true, split: [',', ';']}"


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ('"Home, garden", Sport', "Home, garden|Sport"),
        ('Sport; "Home; ""big"" garden"', 'Sport|Home; "big" garden'),
        ('"a, b"', "a, b"),
        ('""; a', "a"),
        ('say "a, b" now, c', 'say "a, b" now|c'),
        ('["a, b","c"]', "a, b|c"),
        ('["a", 1, 2.50, 1e5, true, null, "a", " ", "\\u0151"]', "a|1|2.50|1e5|true|ő"),
        ("[]", None),
        ("[a], b", "[a]|b"),
        ('"a [b", c', "a [b|c"),
        ("Pizza (large), tea", "Pizza (large)|tea"),
        ("rock'n'roll, it's", "rock'n'roll|it's"),
        ("a) first, b) second", "a) first|b) second"),
        ("fine :), sad :(, {x}", "fine :)|sad :(|{x}"),
        ('"Phone (home, work)", Post', "Phone (home, work)|Post"),
    ],
)
def test_a_cell_is_divided_with_regard_to_quotes_and_lists(cell: str, sent: str | None) -> None:
    assert codes("form: {y: B, x: " + SPLIT + "}", ["A", "B"], [cell, "b"]) == []
    assert body("form: {y: B, x: " + SPLIT + "}", ["A", "B"], [cell, "b"])["form"].get("x") == sent


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(('"a, b', "unbalanced_quote"), ('a", b', "unbalanced_quote")),
        *(('"a" or "b, c"', "unbalanced_quote"), ("“a, b”", "unbalanced_quote")),
        *(("[a, b]", "unbalanced_bracket"), ("a], b", "unbalanced_bracket")),
        *(("['a', 'b']", "unbalanced_bracket"), ('["a", ["b"]]', "nested_list")),
        *(('[{"a": 1}]', "nested_list"), ('["\\ud800"]', "nul_character")),
        ("[" * 5000 + "]" * 5000 + "]", "unbalanced_bracket"),
        *(("Phone (home, work), Post", "unbalanced_bracket"), ("{a,b}", "unbalanced_bracket")),
        ("(" * 3000 + "a," + ")" * 3000, "unbalanced_bracket"),
    ],
)
def test_a_piece_that_is_not_whole_holds_its_row_back(cell: str, code: str) -> None:
    found = problems("form: {y: B, x: " + SPLIT + "}", ["A", "B"], [cell, "b"])
    assert {(p.code, p.severity) for p in found} == {(code, Severity.ERROR)}


def test_only_the_pieces_between_brackets_are_told_of() -> None:
    found = problems("form: {x: " + SPLIT + "}", ["A"], ["tea, Phone (home, (night), work), Post"])
    assert [p.message.rpartition(": ")[2] for p in found] == ["Phone (home", "(night)", "work)"]


def test_an_inch_sign_is_told_and_sent() -> None:
    text = "form: {x: " + SPLIT + "}"
    found = problems(text, ["A"], ['TV 55", "pipe, 5""", 7" x 9"'])
    assert [(p.code, p.severity) for p in found] == [("inch_sign", Severity.WARNING)] * 2
    assert bodies(text, ["A"], ['TV 55", "pipe, 5""", 7" x 9"'])[0]["form"] == {
        "x": 'TV 55"|pipe, 5"|7" x 9"'
    }


def test_on_error_decides_on_pieces_that_are_not_whole_too() -> None:
    blank = "form: {x: {column: A, multiple: true, split: ',', on_error: blank}}"
    assert body(blank, ["A"], ['a, "b, c'])["form"] == {"x": "a"}


def test_each_of_several_cells_is_divided_by_itself() -> None:
    text = "form: {x: {columns: [A, B], multiple: true, split: ','}}"
    assert body(text, ["A", "B"], ['["a, b"]', '"c, d", e'])["form"] == {"x": "a, b|c, d|e"}
    assert codes(text, ["A", "B"], ['"a', 'b"']) == ["unbalanced_quote", "unbalanced_quote"]


def test_marks_that_are_quotes_or_brackets_divide_as_they_stand() -> None:
    text = "form: {x: {column: A, multiple: true, split: ['][', '\"']}}"
    assert body(text, ["A"], ['a"b][c'])["form"] == {"x": "a|b|c"}


def test_phones_of_one_cell_may_be_quoted_or_a_list() -> None:
    text = "region: HU\nform: {x: X}\ncontacts: {spread: {column: A, split: [',', ';']}}"
    for cell in ('["06301234567", "+36 20 123 4567"]', '"06301234567"; "06-20-1234567"'):
        assert body(text, ["X", "A"], ["x", cell])["contacts"] == {
            "1": {"phone": "36301234567"},
            "2": {"phone": "36201234567"},
        }
    assert "unbalanced_quote" in codes(text, ["X", "A"], ["x", '"06301234567; 06201234567'])


SHOWING_NOTHING = [
    *" \t\xa0\u2009\u202f\u3000\u2800\u3164",
    *"\x1a\xad\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2064\ufeff",
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
]


@pytest.mark.parametrize("pattern", ["(a+)+b", "([A-Za-z]+ ?)+", "(a|aa)+", "(.*)*[0-9]"])
def test_a_pattern_takes_time_in_proportion_to_the_text(pattern: str) -> None:
    """A backtracking matcher would not come back from forty letters, so these need no clock."""
    rule = "form: {x: {column: A, pattern: '" + pattern + "'}}"
    for text in ("a" * 40 + "!", "a" * 30_000 + "!"):
        assert codes(rule, ["A"], [text]) == ["pattern"]


def test_a_pattern_must_match_the_whole_value_after_the_steps_before_it() -> None:
    rule = "{column: A, case: upper, map: {X: Y1}, pattern: '[A-Z]|[A-Z][0-9]'}"
    for text, sent in (("a", "A"), ("b7", "B7"), ("x", "Y1")):
        assert form(rule, ["A"], [text]) == sent
    for text in ("ab", "a\n", "a1b", "7"):
        assert codes("form: {x: " + rule + "}", ["A"], [text + "."]) == ["pattern"]
    many = "{column: A, multiple: true, split: ';', pattern: '(?i)é[a-z]+'}"
    assert form(many, ["A"], ["Éa;éb"]) == "Éa|éb"
    assert codes("form: {x: " + many + "}", ["A"], ["Éa;b;éb"]) == ["pattern"]


def test_each_row_of_a_batch_is_matched_by_its_own_text() -> None:
    plan = plan_of("form: {x: {column: A, pattern: '[0-9]+'}}", ["A"])
    for start in (0, 3, 6):
        cells = [str(n) if n % 3 else f"x{n}" for n in range(start, start + 10)]
        told = plan.evaluate(batch_of([[cell] for cell in cells])).checked.problems
        assert [p.value for p in told] == [c for c in cells if not c.isdigit()]


def test_who_uses_an_ascii_class_on_other_letters_is_told_what_knows_them() -> None:
    rule = r"form: {x: {column: A, pattern: '\w+'}}"
    [problem] = problems(rule, ["A"], ["Vác"])
    assert problem.hint is not None and r"[\pL\pM\pN_]" in problem.hint
    [problem] = problems(rule, ["A"], ["V-c"])
    assert problem.hint is not None and "ASCII" not in problem.hint
    assert form(r"{column: A, pattern: '[\pL\pM\pN_]+'}", ["A"], ["Vác"]) == "Vác"


@pytest.mark.parametrize("blank", SHOWING_NOTHING, ids=ascii)
def test_what_shows_nothing_is_trimmed_wherever_texts_are_compared(blank: str) -> None:
    text = """
        form:
          city: {column: City, required: true, map: {"G\u200e": Vác}, choices: ["\u202aVác\u202c"]}
          mail: {column: Mail, type: email}
        contacts: {1: {phone: {column: Phone, region: HU}}}
        rows: {skip_when: [{column: Out, in: ["\u2066yes\u2069"]}]}
    """
    sheet = ["City", "Mail", "Phone", "Out"]
    row = [f"{blank}G{blank}", f"{blank}a{blank}@example{blank}.com{blank}"]
    row += [f"{blank}+36{blank}30{blank}1234567{blank}", f"{blank}no{blank}"]
    sent = body(text, sheet, row)
    assert sent["form"] == {"city": "Vác", "mail": "a@example.com"}
    assert sent["contacts"]["1"]["phone"] == "36301234567"
    assert codes(text, sheet, [blank * 3, *row[1:]]) == ["required"]
    plan = plan_of(text, sheet)
    checked = plan.evaluate(batch_of([[*row[:3], f"{blank}Yes{blank}"]])).checked
    assert list(checked.filtered) == [2]


def test_a_prefix_is_taken_off_the_front_before_anything_else() -> None:
    rule = 'remove_prefix: ["p:", "z:", "zip:"]'
    for cell in ("z:9021", " z: 9021 ", "zip:9021", "9021"):
        text = "form: {x: {column: A, type: integer, " + rule + "}}"
        assert body(text, ["A"], [cell])["form"] == {"x": "9021"}
    text = "form: {x: {column: A, required: true, " + rule + "}}"
    assert codes(text, ["A"], ["z:"])[:1] == ["required"]
    with pytest.raises(MappingError):
        plan_of('form: {x: {column: A, remove_prefix: ""}}', ["A"])


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ("p:+36 30 123 4567;p:+36 30 123 4568", ["36301234567", "36301234568"]),
        ("x9: 06301234567 ; x9:06301234568;", ["36301234567", "36301234568"]),
        (";x9:06301234567;06301234568", ["36301234567", "36301234568"]),
        ("x9:;x9:06301234567", ["36301234567"]),
        ('"x9:06301234567";"x9:06301234568"', ["36301234567", "36301234568"]),
        ('["x9:06301234567", "06301234568"]', ["36301234567", "36301234568"]),
        ('x9:["06301234567", "x9:06301234568"]', ["36301234567", "36301234568"]),
    ],
)
def test_a_prefix_is_taken_off_each_number_of_a_cell(cell: str, sent: list[str]) -> None:
    text = """
        region: HU
        form: {n: B}
        contacts: {spread: {column: A, split: [";"], remove_prefix: ["x9:", "p:"]}}
    """
    contacts = body(text, ["A", "B"], [cell, "n"])["contacts"]
    assert [contacts[n]["phone"] for n in sorted(contacts)] == sent


@pytest.mark.parametrize(
    ("cell", "sent"),
    [
        ("i:red;i:blue;i:red", "red|blue"),
        ("i:red", "red"),
        ("red, i:blue;i:", "red, i:blue"),
        ("i:i:red;i:i:blue", "i:red|i:blue"),
        ('i:"a;b";"i:c;d"', "a;b|c;d"),
    ],
)
def test_a_prefix_is_taken_off_each_value_once(cell: str, sent: str) -> None:
    text = "form: {x: {column: A, multiple: true, split: [';'], remove_prefix: 'i:'}}"
    assert body(text, ["A"], [cell])["form"] == {"x": sent}
    text = "form: {x: {columns: [A, B], multiple: true, remove_prefix: 'i:'}}"
    assert body(text, ["A", "B"], ["i:i:red", "i:blue"])["form"] == {"x": "i:red|blue"}


def test_the_numbers_behind_prefixes_show_what_their_column_has_lost() -> None:
    cells = [["x9:4915123456700;x9:4917612345678"], ["x9:49309018200;x9:4989123456"]]
    text = "region: DE\nform: {n: A}\n"
    text += "contacts: {spread: {column: A, split: [';'], remove_prefix: 'x9:'}}"
    plan = informed(text, ["A"], cells)
    assert plan.phones[0].plus_put_back == 4
    done = plan.evaluate(batch_of(cells))
    assert done.contacts.spread is not None
    assert done.contacts.spread.texts.to_pylist() == [
        "4915123456700|4917612345678",
        "49309018200|4989123456",
    ]
