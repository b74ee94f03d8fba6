"""What is decided by looking at a whole column: dates, numbers, codes."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.model import Problem, Severity
from tests.support.sheets import batch_of, bodies_of, informed, plan_of


def outcome(rule: str, cells: list[str]) -> tuple[list[str | None], list[Problem], list[str]]:
    """The values sent for a column, its remarks, and the codes of its rows' problems."""
    rows = [[cell, "x"] for cell in cells]
    plan = informed("form: {x: " + rule + ", y: B}", ["A", "B"], rows)
    sent = [body["form"].get("x") for body in bodies_of(plan, rows)]
    found = plan.evaluate(batch_of(rows)).checked.problems
    return sent, list(plan.remarks), [problem.code for problem in found]


DATE = "{column: A, type: date}"


@pytest.mark.parametrize(
    ("deciding", "read"), [("13/04/2024", "2024-04-03"), ("04/13/2024", "2024-03-04")]
)
def test_a_date_that_can_mean_two_is_read_as_the_column_s_others_are(
    deciding: str, read: str
) -> None:
    sent, [remark], codes = outcome(DATE, ["03/04/2024", deciding, "2024-05-17"])
    assert sent == [read, "2024-04-13", "2024-05-17"]
    assert codes == []
    assert (remark.row, remark.column, remark.target) == (None, "A", "form.x")
    assert (remark.code, remark.severity) == ("date_order_found", Severity.WARNING)
    assert '1 date such as "03/04/2024" in row 2' in remark.message
    assert f'1 other such as "{deciding}" in row 3' in remark.message
    assert remark.hint is not None
    assert "input: [" in remark.hint


@pytest.mark.parametrize("others", [[], ["13/04/2024", "04/13/2024"], ["13.04.2024"]])
def test_dates_of_which_the_column_shows_nothing_sure_stay_refused(others: list[str]) -> None:
    sent, [remark], codes = outcome(DATE, ["03/04/2024", "05/04/2024", *others])
    assert codes == ["ambiguous_date"] * 2
    assert sent[0] == "03/04/2024"
    assert remark.code == "date_order_unknown"
    assert "2 dates" in remark.message
    assert remark.hint is not None
    assert "%m/%d/%Y" in remark.hint


def test_a_column_without_doubtful_dates_needs_no_remark() -> None:
    assert outcome(DATE, ["13/04/2024", "04/13/2024", "05/05/2024"])[1:] == ([], [])


def test_times_and_several_columns_are_no_obstacle() -> None:
    rows = [["03/04/2024", "8:30"], ["13/04/2024", "9:00"]]
    text = "form: {x: {columns: [A, B], type: datetime}}"
    plan = informed(text, ["A", "B"], rows)
    sent = [body["form"]["x"] for body in bodies_of(plan, rows)]
    assert sent == ["2024-04-03 08:30:00", "2024-04-13 09:00:00"]


def test_years_of_two_digits_are_refused_unless_declared() -> None:
    sent, remarks, codes = outcome(DATE, ["13.04.24", "01.02.03"])
    assert (codes, remarks) == (["two_digit_year"] * 2, [])
    sent, _, codes = outcome("{column: A, type: date, input: '%d.%m.%y'}", ["13.04.24"])
    assert (sent, codes) == (["2024-04-13"], [])


def short(*options: str) -> str:
    return f"{{column: A, type: date, input: ['%d.%m.%Y', '%d.%m.%y']{', '.join(('', *options))}}}"


def ahead(years: int) -> str:
    """A date so many years ahead, its year of two digits."""
    return f"03.03.{(date.today().year + years) % 100:02}"  # noqa: DTZ011 -- only the year matters


@pytest.mark.parametrize("past", ["03.03.1941", "3.3.71", "2024-05-17"])
def test_a_short_year_of_the_future_is_refused_among_past_dates(past: str) -> None:
    """Read by strptime, births of 1942 would be of 2042."""
    texts = ["3.3.42", past, "3.3.71"]
    plan = informed(f"form: {{x: {short()}}}", ["A"], [[text] for text in texts])
    [problem] = plan.evaluate(batch_of([[text] for text in texts])).checked.problems
    assert (problem.row, problem.code) == (2, "two_digit_year")
    assert "1942-03-03 or 2042-03-03" in problem.message
    assert problem.hint is not None
    assert 'max: "' in problem.hint


@pytest.mark.parametrize(
    ("bounds", "read"),
    [
        (['min: "1927-01-01"', 'max: "2026-11-29"'], ["1942-03-03", "1971-03-03", "2024-03-03"]),
        (['min: "1971-03-03"'], ["2042-03-03", "1971-03-03", "2024-03-03"]),
    ],
)
def test_bounds_say_of_which_century_short_years_are(bounds: list[str], read: list[str]) -> None:
    assert outcome(short(*bounds), ["3.3.42", "3.3.71", "3.3.24"]) == (read, [], [])


def test_a_bound_at_the_end_alone_moves_no_date_by_a_century() -> None:
    codes = outcome(short('max: "2026-11-29"'), ["3.12.26", "3.3.71"])[2]
    assert codes in (["too_large"], ["two_digit_year"])


def test_dates_to_come_are_read_with_one_remark_where_none_is_past() -> None:
    texts = [ahead(1), ahead(2), ahead(2)]
    sent, [remark], codes = outcome(short(), texts)
    assert (codes, remark.code) == ([], "century_assumed")
    assert all(str(text).startswith("20") for text in sent)
    assert "3 dates" in remark.message
    assert outcome(short(), [ahead(1), ahead(12)])[2] == ["two_digit_year"] * 2


def test_short_years_of_children_among_births_are_told_once() -> None:
    sent, [remark], codes = outcome(short(), ["3.3.24", "4.4.24", "03.03.1951"])
    assert (sent[0], codes, remark.code) == ("2024-03-03", [], "century_assumed")
    assert "2024-03-03, and not as 1924-03-03" in remark.message
    assert outcome(short(), ["3.3.24", "4.4.24", "03.03.2021"])[1] == []


def test_call_backs_of_short_years_are_to_come() -> None:
    text = (
        'form: {x: {value: "1"}}\n'
        'disposition: {dispositionid: {value: "1"}, userid: {value: "7"},\n'
        '  next_calldate: {column: A, type: datetime, input: "%d.%m.%y %H:%M"}}'
    )
    rows = [[f"{day} 10:00"] for day in ("03.03.24", ahead(1))]
    assert list(informed(text, ["A"], rows).evaluate(batch_of(rows)).checked.problems) == []


def test_the_advice_for_a_short_year_reads_the_dates_that_were_read_without_it() -> None:
    texts = ["3.3.71", "02.02.1941"]
    plan = informed(f"form: {{x: {DATE}}}", ["A"], [[text] for text in texts])
    [problem] = plan.evaluate(batch_of([[text] for text in texts])).checked.problems
    assert problem.hint is not None
    advised = problem.hint[problem.hint.index("input: ") : problem.hint.index("]") + 1]
    assert "reads 71 as 1971" in problem.hint
    rule = f"{{column: A, type: date, {advised}}}"
    assert outcome(rule, texts) == (["1971-03-03", "1941-02-02"], [], [])


@pytest.mark.parametrize("text", ["02.02.1941", "1941.02.02.", "02.02.1941 8:30", "2/13/1941"])
def test_a_date_that_a_declared_format_made_wrong_is_told_so(text: str) -> None:
    rule = "{column: A, type: date, input: ['%d-%m-%Y']}"
    plan = informed(f"form: {{x: {rule}}}", ["A"], [[text]])
    [problem] = plan.evaluate(batch_of([[text]])).checked.problems
    assert "no other is read" in problem.message
    assert problem.hint is not None
    advised = problem.hint[problem.hint.index("input: ") :]
    assert outcome(f"{{column: A, type: date, {advised}}}", [text])[2] == []


def damaged(days: list[date], written: str = "%d/%m/%Y") -> list[str]:
    """What a program with the other order makes of dates: real ones where it can."""
    return [f"{d:%Y-%d-%m}" if d.day <= 12 else d.strftime(written) for d in days]


def some_days(seed: int, count: int) -> list[date]:
    chance = random.Random(seed)
    return [date(2023, 1, 1) + timedelta(days=chance.randrange(730)) for _ in range(count)]


@pytest.mark.parametrize("written", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y"])
def test_dates_that_were_turned_day_for_month_are_found_and_can_be_turned_back(
    written: str,
) -> None:
    days = some_days(1, 60)
    cells = damaged(days, written)
    wrong = sum(d.day <= 12 and d.day != d.month for d in days)
    sent, [remark], codes = outcome(DATE, cells)
    assert codes == ["dates_swapped"] * wrong
    assert remark.code == "dates_swapped"
    sent, [remark], codes = outcome("{column: A, type: date, repair: true}", cells)
    assert sent == [d.isoformat() for d in days]
    assert codes == ["repaired"] * wrong
    assert "repair" not in (remark.hint or "")


@pytest.mark.parametrize("repair", ["", ", repair: true"])
def test_a_day_that_stands_in_many_rows_is_no_evidence_of_damage(repair: str) -> None:
    """Two lists signed on one day each, one with real dates and one with texts, put together."""
    for real, text in (("2024-05-03", "17/04/2024"), ("2024-05-03 08:30:00", "17/04/2024 9:15")):
        cells = [real] * 50 + [text] * 50
        rule = DATE.replace("}", repair + "}")
        sent, remarks, codes = outcome(rule, cells)
        assert set(sent) == {"2024-05-03", "2024-04-17"}
        assert codes == []
        assert "dates_swapped" not in [remark.code for remark in remarks]


def test_the_same_days_at_many_times_are_still_few_days() -> None:
    cells = [f"2024-05-03 08:{n:02}:00" for n in range(40)]
    cells += [f"17/04/2024 9:{n:02}" for n in range(40)]
    _, _, codes = outcome("{column: A, type: datetime}", cells)
    assert codes == []


def test_bounds_are_compared_with_the_date_that_was_turned_back_and_are_not_turned_themselves() -> (
    None
):
    days = [*some_days(2, 60), date(2024, 2, 3)]
    rule = "{column: A, type: date, repair: true, min: 2023-01-01, max: 2024-03-02}"
    _, _, codes = outcome(rule, damaged(days))
    assert codes.count("too_large") == sum(d > date(2024, 3, 2) for d in days)


GENUINE = plan_of("form: {x: {column: A, type: date}}", ["A"])
FORMS = {
    "real": ["%Y-%m-%d"],
    "text": ["%d/%m/%Y"],
    "dotted": ["%d.%m.%Y"],
    "mixed": ["%Y-%m-%d", "%d/%m/%Y"],
}


@given(st.integers(0, 2**32), st.sampled_from(sorted(FORMS)))
def test_a_genuine_column_of_dates_is_never_taken_for_damaged(seed: int, how: str) -> None:
    chance = random.Random(seed)
    watch = GENUINE.fact_counter()
    days = some_days(seed, 500)
    watch.add(batch_of([[day.strftime(chance.choice(FORMS[how]))] for day in days]))
    remarks = GENUINE.with_facts(watch.facts()).remarks
    assert {remark.code for remark in remarks} <= {"date_order_found"}


@pytest.mark.parametrize(("real", "texts"), [(4, 4), (6, 6), (5, 40), (400, 8)])
def test_dates_that_may_be_turned_are_told_and_not_refused(real: int, texts: int) -> None:
    cells = [f"2024-{n % 12 + 1:02}-03" for n in range(real)]
    cells += [f"{n % 15 + 13}/04/2024" for n in range(texts)]
    sent, [remark], codes = outcome(DATE, cells)
    assert (remark.code, remark.severity) == ("dates_maybe_swapped", Severity.WARNING)
    assert codes == []
    assert sent[1] == "2024-02-03"


DECIMAL = "{column: A, type: decimal}"


@pytest.mark.parametrize(
    ("deciding", "read"),
    [
        ("1,5", ["1.234", "1234"]),
        ("1.234,56", ["1.234", "1234"]),
        ("1.234.567", ["1.234", "1234"]),
        ("1 234,5", ["1.234", "1234"]),
        ("1.5", ["1234", "1.234"]),
        ("1,234.56", ["1234", "1.234"]),
        ("1,234,567", ["1234", "1.234"]),
        ("0.125", ["1234", "1.234"]),
    ],
)
def test_a_number_that_can_mean_two_is_read_as_the_column_s_others_are(
    deciding: str, read: list[str]
) -> None:
    sent, [remark], codes = outcome(DECIMAL, ["1,234", "1.234", deciding, "7"])
    assert sent[:2] == read
    assert codes == []
    assert remark.code == "decimal_mark_found"
    assert "2 numbers" in remark.message
    assert deciding in remark.message


@pytest.mark.parametrize("others", [[], ["7"], ["1,5", "2.5"], ["abc"]])
def test_numbers_of_which_the_column_shows_nothing_sure_stay_refused(others: list[str]) -> None:
    _, [remark], codes = outcome(DECIMAL, ["1,234", *others])
    assert codes.count("ambiguous_number") == 1
    assert remark.code == "decimal_mark_unknown"


CODES = [str(n) for n in random.Random(3).choices(range(1000, 10000), k=40)]


def test_zeros_lost_at_the_front_are_told_and_filled_up_where_allowed() -> None:
    cells = [*CODES[:20], "612", *CODES[20:], "45"]
    sent, [remark], codes = outcome("A", cells)
    assert (sent, codes) == (cells, [])
    assert (remark.row, remark.code, remark.severity) == (None, "zeros_lost", Severity.WARNING)
    assert '2 of 42 codes have fewer than 4 digits, such as "612" in row 22' in remark.message
    assert remark.hint is not None
    assert "0612" in remark.hint
    rule = "{column: A, repair: true, pattern: '[0-9]{4}'}"
    sent, [remark], codes = outcome(rule, cells)
    assert sent == [cell.zfill(4) for cell in cells]
    assert codes == ["repaired"] * 2


@pytest.mark.parametrize(
    "cells",
    [
        [*CODES, "0612", "45"],
        [*CODES, *(["612"] * 11)],
        [*CODES, "12345"],
        [*CODES, "612", *(["A-1"] * 5)],
        [*CODES[:9], "612"],
        [str(n) for n in range(100, 6000, 7)],
        [str(n % 100) for n in range(100)],
        ["100", "2000"] * 20,
        ["123"] * 40 + ["12"],
        CODES,
    ],
    ids=[
        "one has its zero",
        "too many are shorter",
        "one is longer",
        "not all are codes",
        "too few",
        "running numbers",
        "small numbers",
        "mixed lengths",
        "short numbers",
        "all alike",
    ],
)
def test_columns_that_need_not_have_lost_zeros_are_left_alone(cells: list[str]) -> None:
    assert outcome("{column: A, repair: true}", cells) == (cells, [], [])


def test_codes_cut_after_fifteen_digits_are_told() -> None:
    cells = ["1234567890123450", "9876543210987650", "5555444433332220"]
    _, [remark], codes = outcome("A", cells)
    assert (remark.code, codes) == ("digits_lost", [])
    assert outcome("A", [*cells, "5555444433332221"])[1] == []


def test_a_few_codes_that_come_again_and_again_have_lost_no_zeros() -> None:
    cells = ["1001", "2002", "3003", "1001", "2002"] * 8 + ["900"] * 4
    sent, remarks, codes = outcome("{column: A, repair: true}", cells)
    assert (sent, remarks, codes) == (cells, [], [])


def test_one_long_number_in_all_rows_is_not_taken_for_a_cut_one() -> None:
    assert outcome("{column: A}", ["1234567890123450"] * 9)[1] == []
