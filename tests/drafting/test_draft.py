"""A draft is a mapping that fits its sheet, whatever the sheet holds, and owns up to guesses."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from importer.drafting.columns import Sampler
from importer.drafting.draft import Sheet, draft_mapping
from importer.drafting.headers import Role, meaning_of
from importer.mapping.bound import bind_mapping
from importer.mapping.load import LoadedMapping, load_mapping
from importer.mapping.spec import MappingSpec
from importer.model import Field, FieldType, FieldValue, Problem, Project, SourceInfo
from importer.settings import SourceOptions
from tests.support.examples import examples
from tests.support.sheets import batch_of


def drafted(
    headers: Sequence[str], rows: Sequence[Sequence[str]], project: Project | None = None
) -> str:
    """The draft for a small sheet."""
    sampler = Sampler(headers)
    sampler.add(batch_of(rows))
    info = SourceInfo("leads.csv", "csv", tuple(headers), 1, encoding="utf-8", delimiter=",")
    return draft_mapping(Sheet(info, SourceOptions(), sampler.finish()), project)


def loaded(text: str, path: Path) -> LoadedMapping:
    path.write_text(text, "utf-8")
    return load_mapping(path)


def draft_of(tmp_path: Path, headers: Sequence[str], *rows: Sequence[str]) -> MappingSpec:
    return loaded(drafted(headers, rows), tmp_path / "m.yaml").spec


def rule(spec: MappingSpec, name: str) -> dict[str, object]:
    return spec.form[name].model_dump(exclude_unset=True)


ODD = st.sampled_from(
    [
        *("", "Phone", "Phone 1", "Phone 2", "Name", "Name 2", "E-mail", "Ne hívd", "Consent"),
        *("Ár", "Telefon {n}", "{n}", "a: b", "# c", "true", "null", "1", "\N{GRINNING FACE}"),
        *('"', "'", "- x", "Call back", "x" * 2000, "a\nb", "nan", "[a]", "{b}", "&a", "*a", "!t"),
        *("%a", "@a", "`a"),
    ]
)
CELLS = st.one_of(
    st.sampled_from(["", "+36301234567", "06 30 123 4567; 06 30 123 4568", "a@b.example", "x"]),
    st.sampled_from(["01/02/2024", "2024-01-31", "31.01.2024 10:30", "1,234", "12,5", "#N/A"]),
    st.text(max_size=8),
)


@settings(max_examples=examples(75), deadline=None)
@given(st.data())
def test_every_sheet_has_a_draft_that_fits_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
    raw = data.draw(st.lists(st.one_of(ODD, text), min_size=1, max_size=8))
    headers = [unicodedata.normalize("NFC", header.strip()) for header in raw]
    row = st.lists(CELLS, min_size=len(headers), max_size=len(headers))
    rows = data.draw(st.lists(row, min_size=1, max_size=12))
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    mapping = loaded(drafted(headers, rows), path)
    bind_mapping(mapping, headers)


def test_five_hundred_columns_make_a_draft(tmp_path: Path) -> None:
    headers = [f"Column {n} \N{GRINNING FACE}: #" for n in range(500)]
    mapping = loaded(drafted(headers, [["a"] * 500]), tmp_path / "m.yaml")
    assert len(mapping.spec.form) == 500
    bind_mapping(mapping, headers)


@pytest.mark.parametrize(
    ("header", "role"),
    [
        ("Mobile phone", Role.MOBILE),
        ("Handynummer", Role.MOBILE),
        ("2. telefonszám", Role.PHONE),
        ("Kundennummer", Role.ID),
        ("Firmenname", Role.COMPANY),
        ("Kapcsolattartó neve", Role.NAME),
        ("Contact 3 name", Role.NAME),
        ("Rückruf am", Role.CALL_BACK),
        ("Geb.-Datum", Role.BIRTH),
        ("GebDat", Role.BIRTH),
        ("geb.", Role.BIRTH),
        ("geb. Name", None),
        ("Szül. dátum", Role.BIRTH),
        ("Datum narození", Role.BIRTH),
        ("Ne hívd", Role.DO_NOT_CALL),
        ("Product name", None),
    ],
)
def test_headers_are_understood_in_three_languages(header: str, role: Role | None) -> None:
    assert meaning_of(header).role is role


def test_types_are_guessed_with_what_they_need(tmp_path: Path) -> None:
    headers = ["Name", "Signed", "Amount", "Site", "Member", "Met at", "Count"]
    spec = draft_of(
        tmp_path,
        headers,
        ["Ann", "31.01.2024", "12,5", "https://a.example/", "yes", "2024-01-31 10:30:00", "3"],
        ["Bob", "01.02.2024", "1 200,00", "https://b.example/", "no", "2024-02-01 09:00:00", "4"],
    )
    assert rule(spec, "signed") == {"column": ["Signed"], "type": "date", "input": ["%d.%m.%Y"]}
    assert rule(spec, "amount") == {"column": ["Amount"], "type": "decimal", "input": [","]}
    assert rule(spec, "site") == {"column": ["Site"], "type": "url"}
    assert rule(spec, "member") | {"output": 0} == {
        "column": ["Member"],
        "type": "boolean",
        "output": 0,
    }
    assert rule(spec, "met_at") == {"column": ["Met at"], "type": "datetime"}
    assert rule(spec, "count") == {"column": ["Count"], "type": "integer"}


def test_dates_and_numbers_that_mean_two_things_are_not_guessed(tmp_path: Path) -> None:
    rows = [["01/02/2024", "1,234", "007"], ["03/04/2024", "5,678", "008"]]
    text = drafted(["Date", "Amount", "Code"], rows)
    spec = loaded(text, tmp_path / "m.yaml").spec
    assert {name: rule(spec, name) for name in spec.form} == {
        "date": {"column": ["Date"], "type": "date"},
        "amount": {"column": ["Amount"]},
        "code": {"column": ["Code"]},
    }
    assert "unsure: 2 dates have a day and a month that cannot be told apart" in text
    assert '# date: {column: Date, type: date, input: ["%m/%d/%Y"]}' in text


def test_a_day_beyond_twelve_tells_day_and_month_apart(tmp_path: Path) -> None:
    spec = draft_of(tmp_path, ["Date"], ["01/02/2024"], ["01/31/2024"])
    assert rule(spec, "date") == {"column": ["Date"], "type": "date", "input": ["%m/%d/%Y"]}


def test_numbered_phones_become_each_with_their_names(tmp_path: Path) -> None:
    headers = ["Phone 1", "Contact 1", "Phone 2", "Contact 2"]
    text = drafted(headers, [["+36301234567", "Ann", "+36301234568", "Bob"]] * 3)
    contacts = loaded(text, tmp_path / "m.yaml").spec.contacts
    assert contacts.each is not None
    assert contacts.each.phone.column == ["Phone {n}"]
    assert contacts.each.name is not None
    assert contacts.each.name.column == ["Contact {n}"]


def test_cells_with_several_phones_are_spread_over_the_free_contacts(tmp_path: Path) -> None:
    rows = [["A", f"06 30 123 456{n}", f"06 30 123 457{n}; 06 1 234 567{n}"] for n in range(4)]
    spec = draft_of(tmp_path, ["Név", "Telefon", "Egyéb telefon"], *rows)
    assert spec.region == "HU"
    assert spec.contacts.spread is not None
    assert spec.contacts.spread.column == ["Egyéb telefon"]
    assert spec.contacts.spread.split == [";"]
    assert spec.rows.unique == ["contacts.1.phone"]


def test_a_name_joins_a_contact_only_if_its_phone_is_hardly_ever_blank(tmp_path: Path) -> None:
    rows = [["Ann", "+36301234567" if n % 2 else "", "+36301234568"] for n in range(10)]
    spec = draft_of(tmp_path, ["Name", "Phone", "Mobile"], *rows)
    assert spec.contacts.numbered()[1].name is None
    assert rule(spec, "name") == {"column": ["Name"]}


def test_no_row_with_a_phone_is_lost_for_want_of_another(tmp_path: Path) -> None:
    headers = ["Name", "Phone", "Mobile", "E-mail"]
    rows = [
        [f"P{n}", f"06 30 123 45{n:02}" if n else "", f"06 30 765 43{n:02}", f"p{n}@x.example"]
        for n in range(40)
    ]
    assert problems(headers, rows, tmp_path / "m.yaml") == []
    spec = loaded(drafted(headers, rows), tmp_path / "m.yaml").spec
    assert {"name", "email"} <= set(spec.form)


def test_texts_that_fit_no_type_are_counted_by_their_cells() -> None:
    rows = [[f"P{n}", "by post" if n % 2 else f"+36 30 123 45{n:02}"] for n in range(20)]
    told = "10 of 11 different values are valid phones; the others stand in 10 of 20 cells"
    assert told in " ".join(drafted(["Name", "Phone"], rows).replace("#", "").split())


@pytest.mark.parametrize("data", ["06 30 123 4567", "a@b.example", "2024-01-31", "12345678"])
def test_a_list_without_headers_is_said_to_look_like_one(data: str) -> None:
    text = " ".join(drafted(["Ann", data], [["Bob", data]]).replace("#", "").split())
    assert "unsure: row 1 was taken for the column headers, but column B of it looks like" in text
    assert "looks like data" not in drafted(["Phone 1", "2024", "Sales 2023/24"], [["1", "2", "3"]])


def test_a_draft_that_calls_nobody_says_so(tmp_path: Path) -> None:
    text = drafted(["Name", "City"], [["Ann", "Pécs"]])
    assert "unsure: no column was taken for phones" in text
    assert loaded(text, tmp_path / "m.yaml").spec.contacts.numbered() == {}


def test_who_may_not_be_called_is_skipped_only_where_the_header_says_so(tmp_path: Path) -> None:
    rows = [["Ann", "tilos", "x", "no"], ["Bob", "nem", "", "yes"], ["C", "", "", ""]]
    text = drafted(["Name", "Ne hívd", "Blocked", "Consent"], rows)
    [entry] = loaded(text, tmp_path / "m.yaml").spec.rows.skip_when
    assert entry.column == "Ne hívd"
    assert {"igen", "x", "tilos"} <= set(entry.in_)
    assert "nem" not in entry.in_
    assert text.count("# skip_when:") == 2


def test_what_is_odd_in_a_do_not_call_column_names_the_column() -> None:
    rows = [["A", "yes"], ["B", "no"], ["C", "rather not"]]
    text = " ".join(drafted(["Name", "DNC"], rows).replace("#", "").split())
    assert '1 of 3 different values in "DNC" are neither yes nor no' in text


def test_a_suggestion_alone_leaves_no_empty_key(tmp_path: Path) -> None:
    assert draft_of(tmp_path, ["Consent"], [""]).rows.skip_when == []


def test_a_draft_holds_nobody_s_data() -> None:
    rows = [["Ann Smith", "ann@x.example", "+36301234567", "likes tea", "Gold"]] * 5
    text = drafted(["Name", "E-mail", "Phone", "Note", "Plan"], rows)
    assert not [
        secret for secret in ("Ann Smith", "ann@", "1234567", "likes tea") if secret in text
    ]
    assert "Gold" in text


def test_columns_that_cannot_be_named_are_listed_with_the_reason() -> None:
    text = drafted(["Name", "City", "City", "", "_row"], [["a", "b", "c", "d", "e"]])
    assert '#   B "City": its header stands twice: rename one' in text
    assert '#   D "": it has no header' in text


def test_a_project_gives_the_names_and_says_which_values_are_new(tmp_path: Path) -> None:
    project = Project(
        134,
        (
            Field("full_name", "Name", FieldType.TEXT),
            Field("town", "Town", FieldType.SIMPLE, (FieldValue("Wien", 1),)),
            Field("likes", "Likes", FieldType.MULTIPLE),
            Field("remark", "Remark", FieldType.TEXT),
            Field("score", "Score", FieldType.TEXT),
        ),
    )
    headers = ["Név", "Város", "Érdeklődés", "Megjegyzés", "Egyéb"]
    text = drafted(
        headers, [["A", "Wien", "a, b", "n", "o"], ["B", "Graz", "b", "m", "p"]], project
    )
    spec = loaded(text, tmp_path / "m.yaml").spec
    assert spec.project == 134
    assert set(spec.form) == {"full_name", "town", "likes", "remark"}
    assert rule(spec, "likes") == {"column": ["Érdeklődés"], "multiple": True, "split": [","]}
    assert 'unsure: 1 of 2 different values are new to the field "town"' in text
    assert '"Egyéb": the project has no field like it' in text
    assert '"score"' in text


def test_a_date_by_its_short_header_fills_the_project_s_field_as_a_date(tmp_path: Path) -> None:
    project = Project(
        134,
        (
            Field("name", "Name", FieldType.TEXT),
            Field("birth_date", "Date of birth", FieldType.TEXT),
        ),
    )
    rows = [["A", "02.02.1941"], ["B", "1942-03-03"], ["C", "4. April 1943"], ["D", "5.5.1944"]]
    spec = loaded(drafted(["Name", "Geb.-Datum"], rows, project), tmp_path / "m.yaml").spec
    assert rule(spec, "birth_date") == {
        "column": ["Geb.-Datum"],
        "type": "date",
        "input": ["%d.%m.%Y", "%d. %B %Y"],
    }
    rows = [["A", "02.02.1941"], ["B", "03.03.1942"], ["C", "about 1943"]]
    text = " ".join(drafted(["Name", "Geb.-Datum"], rows, project).replace("#", "").split())
    assert "unsure: only 2 of 3 different values are dates, so it is kept as text" in text


def problems(headers: Sequence[str], rows: Sequence[Sequence[str]], path: Path) -> list[Problem]:
    plan = bind_mapping(loaded(drafted(headers, rows), path), headers)
    return list(plan.evaluate(batch_of(rows)).checked.problems)


def test_a_check_with_the_draft_finds_only_what_is_wrong(tmp_path: Path) -> None:
    headers = ["Name", "Phone", "Mobile", "E-mail", "Signed up", "Price", "Notes"]
    days = [f"{n % 28 + 1}.03.2024" for n in range(40)]
    rows = [
        [f"P{n}", f"06 30 123 45{n:02}", "", f"p{n}@x.example", day, "1,50", "a,b"]
        for n, day in enumerate(days)
    ]
    rows[7][1], rows[9][3], rows[11][4] = "12", "nobody", "31.02.2024"
    found = {(p.row, p.column) for p in problems(headers, rows, tmp_path / "m.yaml")}
    assert found == {(9, "Phone"), (11, "E-mail"), (13, "Signed up")}


ONE_THING = {
    "dates": "05/10/2024, 06/10/2024, 05/11/2024, 12/12/2024",
    "dates and times": "05/10/2024 10:30|05/11/2024 10:30|06/10/2024 11:30",
    "short dates": "05/10, 06/10, 05/11, 06/11",
    "months": "05/2024, 06/2024, 05/2023, 06/2023",
    "quarters": "Q1/2024, Q2/2024, Q1/2023, Q2/2023",
    "seasons": "2023/24, 2024/25, 2023/25, 2024/24",
    "dates in words": "May 5, 2024|May 6, 2024|June 5, 2024|Friday, 6 May 2023",
    "fractions": "1/2, 1/4, 3/4, 3/2",
    "spaced fractions": "1 / 2, 1 / 4, 3 / 4, 3 / 2",
    "hours": "24/7, 8/5, 24/5, n/a",
    "opening hours": "8:00 / 16:00, 8:00 / 17:00, 9:00 / 16:00",
    "units": "km/h, m/h, km/s, m/s",
    "prices per time": "EUR/month, EUR/year, HUF/month, HUF/year",
    "choices": "and/or, he/she, his/her, yes/no",
    "paths": "/a/b/c.csv, /a/d/c.csv, /e/b/c.csv, /e/d/c.csv",
    "departments": "Sales/DACH, Sales/US, HR/DACH, HR/US",
    "phones": "06/30/123, 06/20/123, 06/30/124, 06/20/124",
    "prices": "1,50|2,50|1,99|2,99",
    "prices with a currency": "1,50 €|2,50 €|1,99 €|2,99 €",
    "thousands": "1,500|2,500|1,250|2,250",
    "places": "47.51, 19.04|47.52, 19.05|47.51, 19.05",
    "names": "Smith, John|Smith, Ann|Kiss, John|Kiss, Ann",
    "towns": "Wien, Austria|Graz, Austria|Wien, AT|Graz, AT",
}


@pytest.mark.parametrize("header", ["Info", "Signed on"])
@pytest.mark.parametrize("kind", ONE_THING)
def test_one_thing_with_a_mark_in_it_is_never_divided(
    tmp_path: Path, kind: str, header: str
) -> None:
    texts = ONE_THING[kind]
    cells = texts.split("|") if "|" in texts else texts.split(", ")
    rows = [[f"P{n}", cells[n % len(cells)]] for n in range(40)]
    form = draft_of(tmp_path, ["Name", header], *rows).form
    assert not form["info" if header == "Info" else "signed_on"].multiple


@pytest.mark.parametrize("mark", [", ", ",", ";", "; ", " | ", "\n", " / "])
def test_lists_are_divided_at_their_marks(tmp_path: Path, mark: str) -> None:
    words = ["sport", "music", "film", "books", "24/7"]
    rows = [[f"P{n}", mark.join(words[(n + k) % 5] for k in range(1 + n % 3))] for n in range(40)]
    own = draft_of(tmp_path, ["Name", "Info"], *rows).form["info"]
    if mark == " / ":
        assert not own.multiple
    else:
        assert own.split == [mark if mark == "\n" else mark.strip()]


@pytest.mark.parametrize("header", ["Signed", "Tags", "X"])
@pytest.mark.parametrize(
    ("form", "type_", "formats"),
    [
        ("{a:02}/{b:02}/2024", "date", ("%d/%m/%Y", "%m/%d/%Y")),
        ("{a}-{b}-2024", "date", ("%d-%m-%Y", "%m-%d-%Y")),
        ("{a:02}/{b:02}/24", "date", ("%d/%m/%y", "%m/%d/%y")),
        ("{a:02}/{b:02}/2024 10:{b:02}", "datetime", ("%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M")),
        ("{a}/{b}/2024 1:05 PM", "datetime", ("%d/%m/%Y %I:%M %p", "%m/%d/%Y %I:%M %p")),
    ],
)
def test_dates_whose_order_is_open_are_dates_with_both_orders_to_choose_from(
    tmp_path: Path, header: str, form: str, type_: str, formats: tuple[str, str]
) -> None:
    days = [form.format(a=n % 12 + 1, b=n * 5 % 12 + 1) for n in range(40)]
    headers, rows = ["Phone", header], [["+36301234567", day] for day in days]
    text = drafted(headers, rows)
    spec = loaded(text, tmp_path / "m.yaml").spec
    assert rule(spec, header.lower()) == {"column": [header], "type": type_}
    assert problems(headers, rows, tmp_path / "m.yaml"), "a check refuses them"
    for format_ in formats:
        [choice] = (line for line in text.splitlines() if f'"{format_}"' in line)
        [empty] = (line for line in text.splitlines() if line.endswith(f"type: {type_}}}"))
        chosen = text.replace(empty, choice.replace("# ", ""))
        plan = bind_mapping(loaded(chosen, tmp_path / "m.yaml"), headers)
        assert list(plan.evaluate(batch_of(rows)).checked.problems) == []


def test_the_order_of_dates_is_that_of_nearly_all_that_show_one(tmp_path: Path) -> None:
    days = [f"{n % 28 + 1:02}/03/2024" for n in range(60)]
    for odd, told in ((["03/14/2024"], ["%d/%m/%Y"]), (["03/14/2024"] * 20, ["%d/%m/%Y"])):
        spec = draft_of(tmp_path, ["Signed"], *[[day] for day in [*days, *odd]])
        assert rule(spec, "signed").get("input") == told
    torn = ["01/03/2024", "14/03/2024", "03/15/2024", "02/03/2024"]
    assert "input" not in rule(draft_of(tmp_path, ["Signed"], *[[d] for d in torn]), "signed")
    timed = ["14/03/2024", "02/03/2024", "02/03/2024 10:30"]
    spec = draft_of(tmp_path, ["Signed"], *[[d] for d in timed])
    assert rule(spec, "signed")["input"] == ["%d/%m/%Y", "%d/%m/%Y %H:%M"]


def test_a_column_of_phones_stays_a_contact_though_its_numbers_are_not_valid(
    tmp_path: Path,
) -> None:
    headers, rows = ["Name", "Phone"], [["A", f"(0) 99999-99999-{n:02}"] for n in range(20)]
    found = problems(headers, rows, tmp_path / "m.yaml")
    assert {p.target for p in found} == {"contacts.1.phone"}
    assert len(found) == 20
    assert "phone" in draft_of(tmp_path, headers, *[["A", "yes"]] * 9).form


def test_a_stamp_is_suggested_by_the_project_s_own_field_where_it_has_one() -> None:
    text = drafted(["Name"], [["Ann"]])
    assert "reconcile" in text
    assert "\n# stamp: import_ref\n" in text
    fields = (Field("name", "Name", FieldType.TEXT), Field("lead_ref", "", FieldType.TEXT))
    assert "\n# stamp: lead_ref\n" in drafted(["Name"], [["A"]], Project(1, fields))
    named = (*fields, Field("import_ref", "", FieldType.TEXT))
    assert "\nstamp: import_ref\n" in drafted(["Name"], [["A"]], Project(1, named))
    text = drafted(["Name"], [["A"]], Project(1, fields[:1]))
    assert "The project has no such field yet" in " ".join(text.replace("#", "").split())


def test_a_code_in_a_column_of_its_own_is_dialled_before_the_phone(tmp_path: Path) -> None:
    spec = draft_of(
        tmp_path,
        ["Name", "Vorwahl", "Rufnummer", "Ort"],
        ["Ann", "030", "12345678", "Berlin"],
        ["Bob", "089", "1234567", "München"],
    )
    assert spec.region == "DE"
    assert spec.contacts.numbered()[1].phone.template == "{Vorwahl} {Rufnummer}"
    assert "vorwahl" not in spec.form


def test_a_country_s_code_without_a_plus_gets_one(tmp_path: Path) -> None:
    rows = [["Ann", "43", "6601234567"], ["Bob", "36", "201234568"]]
    spec = draft_of(tmp_path, ["Name", "Country code", "Phone"], *rows)
    assert spec.contacts.numbered()[1].phone.template == "+{Country code} {Phone}"
    blank = draft_of(tmp_path, ["Name", "Country code", "Phone"], *rows, ["Cid", "", "6601234568"])
    assert blank.contacts.numbered()[1].phone.template is None


def test_phones_that_are_whole_need_no_code(tmp_path: Path) -> None:
    rows = [["Ann", "030", "030 12345678"], ["Bob", "089", "+49 89 1234567"]]
    spec = draft_of(tmp_path, ["Name", "Vorwahl", "Telefon"], *rows)
    assert spec.contacts.numbered()[1].phone.template is None


@pytest.mark.parametrize("header", ["Geb.-Datum", "Born"])
def test_births_of_short_years_lie_in_the_past_hundred_years(tmp_path: Path, header: str) -> None:
    rows = [[f"P{n}", f"{n % 12 + 13}.03.{n:02}"] for n in range(20, 60)]
    text = drafted(["Name", header], rows)
    drafted_rule = rule(loaded(text, tmp_path / "m.yaml").spec, "birth_date")
    assert drafted_rule["input"] == ["%d.%m.%y"]
    plan = bind_mapping(loaded(text, tmp_path / "m.yaml"), ["Name", header])
    evaluated = plan.evaluate(batch_of([["A", "13.03.42"], ["B", "13.03.24"]]))
    assert list(evaluated.checked.problems) == []
    values = evaluated.form["birth_date"].column.texts.to_pylist()
    assert values == ["1942-03-13", "2024-03-13"]


def test_rows_of_several_countries_have_no_region() -> None:
    rows = [["0660 1234567", "Österreich"], ["0171 1234567", "Deutschland"], ["01 5123456", "AT"]]
    text = drafted(["Telefon", "Land"], rows)
    assert "# region: AT" in text
    remark = "the phones without a country code are of AT and DE"
    assert remark in " ".join(text.replace("#", "").split())
    # Where the others have their country's code, the region is that of the rest.
    abroad = [["0660 1234567", "Österreich"], ["+49 171 1234567", "Deutschland"]]
    at_home = [["01 5123456", "AT"], ["0664 7654321", "AT"]]
    assert "\nregion: AT" in drafted(["Telefon", "Land"], [*abroad, *at_home])


def test_columns_beside_an_e_mail_address_are_none(tmp_path: Path) -> None:
    spec = draft_of(
        tmp_path,
        ["Name", "Phone", "Phonetic name", "E-mail type", "E-mail address"],
        ["Ann", "+36301234567", "", "SMTP", "ann@b.example"],
        ["Bob", "+36301234568", "", "SMTP", "bob@b.example"],
    )
    assert spec.contacts.numbered().keys() == {1}
    email = spec.contacts.numbered()[1].email
    assert email is not None
    assert email.column == ["E-mail address"]
    assert "email" not in spec.form


def test_in_hungarian_a_year_of_two_digits_may_stand_first(tmp_path: Path) -> None:
    days = [["Ann", "24.11.03"], ["Bob", "24.11.04"]]
    assert rule(draft_of(tmp_path, ["Név", "Dátum"], *days), "datum") == {
        "column": ["Dátum"],
        "type": "date",
    }
    assert rule(draft_of(tmp_path, ["Name", "Datum"], *days), "datum")["input"] == ["%d.%m.%y"]


def test_numbers_that_a_spreadsheet_stores_are_dates_under_the_header_of_one(
    tmp_path: Path,
) -> None:
    spec = draft_of(tmp_path, ["Born", "Date"], ["29358", "17.05.1981"], ["30088", "45429"])
    assert rule(spec, "birth_date")["type"] == "date"
    assert rule(spec, "date")["input"] == ["%d.%m.%Y"]


def test_a_soft_hyphen_in_a_header_is_not_seen() -> None:
    assert meaning_of("Tele\xadfon").role is Role.PHONE


@pytest.mark.parametrize(
    ("header", "yes", "no"),
    [("No llamar", "Sí", "No"), ("Ne hívd", "☑", "☐"), ("Nevolat", "x", "-")],
)
def test_who_may_not_be_called_is_understood_in_more_languages(
    tmp_path: Path, header: str, yes: str, no: str
) -> None:
    spec = draft_of(tmp_path, ["Name", header], ["Ann", yes], ["Bob", no])
    [skip] = spec.rows.skip_when
    assert yes.casefold() in skip.in_
    assert no.casefold() not in skip.in_


def test_what_programs_write_for_a_blank_is_drafted_as_blank(tmp_path: Path) -> None:
    rows = [
        ["Ann", "+36301234567", "NULL", "Vác", "2024-05-17"],
        ["Bob", "+36301234568", "nincs", "-", "0000-00-00"],
        ["Cid", "+36301234569", "000000", "NULL", "2024-05-18"],
        ["Dan", "+36301234570", "+36201234570", "Eger", "-"],
    ]
    headers = ["Name", "Phone", "Mobile", "City", "Date"]
    spec = draft_of(tmp_path, headers, *rows)
    assert rule(spec, "city")["map"] == {"-": "", "NULL": ""}
    assert rule(spec, "date") == {
        "column": ["Date"],
        "type": "date",
        "map": {"0000-00-00": "", "-": ""},
    }
    assert spec.contacts.numbered()[2].phone.map == {"NULL": "", "nincs": "", "000000": ""}
    assert problems(headers, rows, tmp_path / "m.yaml") == []
