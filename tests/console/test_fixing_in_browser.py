"""Mending a list in a real browser: by the keyboard, in two tabs, without scripts, at any width."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from importer.console.drafts import Drafts
from tests.support.live_browser import Tab, open_tab
from tests.support.live_console import LiveConsole

if TYPE_CHECKING:
    from playwright.sync_api import APIResponse, Browser, Route

MAPPING = """\
version: 1
form:
  name: {column: Name, required: true}
  city: {column: City, choices: [Pécs, Győr]}
contacts:
  1: {phone: {column: Phone, region: HU}}
"""
LIST = """\
Name,City,Phone
Ann,Pécs,06 30 123 4567
Bob,Pecs,06 30 123 4568
Cid,Pecs,12
,Győr,06 30 123 4570
<script>document.title='evil'</script>,Gyor,<img src=x onerror=document.title='evil'>
"""
WIDTHS = (400, 1280, 2560)


NAMES_MAPPING = """\
version: 1
form:
  name: {template: "{Last} {First}", required: true}
  city: {column: City, choices: [Pécs, Győr]}
contacts:
  1: {phone: {column: Phone, region: HU}}
"""
NAMES = """\
Last,First,City,Phone
Kis,Ann,Pecs,06 30 123 4567
,,Pécs,06 30 123 4568
,,Pécs,06 30 123 4569
Nagy,Bob,Gyor,06 30 123 4570
"""


def enter(
    tab: Tab,
    tmp_path: Path,
    state_dir: Path,
    *,
    scripts: bool = True,
    text: str = LIST,
    mapping: str = MAPPING,
) -> None:
    """Upload the list, give it a mapping, and go to the step."""
    path = tmp_path / "leads.csv"
    path.write_text(text, "utf-8")
    tab.page.set_input_files("#file", path)
    if not scripts:
        tab.page.locator(".drop button").click()
    tab.page.wait_for_url("**/file")
    draft_id = tab.page.url.split("/")[-2]
    Drafts(state_dir / "console" / "drafts").set_mapping(draft_id, mapping)
    tab.page.goto(tab.page.url.replace("/file", "/fix"))
    tab.page.locator("table.fixing").wait_for()


def focused(tab: Tab) -> str:
    where: str = tab.page.evaluate("document.activeElement.id")
    return where


def test_a_list_is_mended_by_the_keyboard_alone(tab: Tab, tmp_path: Path, state_dir: Path) -> None:
    enter(tab, tmp_path, state_dir)
    tab.page.evaluate("window.stays = true")
    tab.page.focus("#cell-3-1")
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("Pécs")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-4-1")  # the next one that is wrong, before the answer is there
    tab.says("#fix-said", "Row 3, City: “Pecs” → “Pécs”. 3 of 5 rows need mending.")
    tab.focuses("#cell-4-1")
    # What is typed into a row while the answer about it is on its way stays there.
    tab.page.keyboard.type("Pécs")
    tab.page.keyboard.press("Tab")
    tab.focuses("#cell-4-2")
    tab.page.keyboard.type("06 30 123 4569")
    tab.says("#fix-said", "Row 4, City")
    tab.holds("#cell-4-2", "06 30 123 4569")
    tab.focuses("#cell-4-2")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-5-0")
    tab.says("#fix-verdict", "2 of 5 rows need mending")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-6-1")  # Enter alone changes nothing, and goes on
    tab.page.keyboard.type("x")
    tab.page.keyboard.press("Escape")
    tab.holds("#cell-6-1", "Gyor")
    assert tab.page.evaluate("window.stays"), "parts are exchanged, the page stays"
    assert tab.page.title().startswith("leads.csv")
    tab.page.reload()
    tab.has("table.fixing tbody tr", 2)


def test_all_of_a_kind_rows_and_undo(tab: Tab, tmp_path: Path, state_dir: Path) -> None:
    enter(tab, tmp_path, state_dir)
    field = tab.page.locator("#fix-wrong [name=text]")
    field.fill("Pécs")
    field.press("Enter")
    tab.says("#fix-said", "City, wherever it stands: “Pecs” → “Pécs”. Row 3 is ready now.")
    tab.has("#fix-wrong form", 0)
    tab.has(":focus", 1)
    tab.page.click("#out-5")
    tab.says("#row-5", "left out by you")
    tab.has(":focus", 1)
    tab.page.click("#back-5")
    tab.says("#row-5", "to be mended")
    tab.page.click("#open-3")
    tab.holds("#cell-3-0", "Bob")
    tab.has("[id^='cell-3-']:focus", 1)
    tab.page.fill("#cell-3-0", "Bobby")
    tab.page.press("#cell-3-0", "Enter")
    tab.says("#fix-said", "Row 3, Name")
    tab.page.click("#fix-edits summary")
    tab.page.click("#undo-4")
    tab.says("#fix-said", "Undone: Row 3, Name: “Bob” → “Bobby”.")
    tab.page.fill("#cell-3-0", "Typed")
    tab.page.once("dialog", lambda dialog: dialog.dismiss())
    tab.page.click("#shut-3")
    tab.holds("#cell-3-0", "Typed")
    tab.page.fill("#cell-3-0", "Bob")
    tab.page.click("#shut-3")
    tab.has("#open-3", 1)
    tab.has("#cell-3-0", 0)
    assert tab.page.locator("#fix-edits details").evaluate("each => each.open"), "it stays open"
    tab.page.click("#undo-1")
    tab.says("#fix-verdict", "4 of 5 rows need mending")
    tab.has("#fix-wrong form", 1)
    tab.has("#fix-edits *", 0)
    tab.has(":focus", 1)


def test_what_is_typed_while_an_answer_is_on_its_way_stays(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    tab.page.route("**/fix/cell", hold)
    tab.page.fill("#cell-3-1", "Pécs")
    tab.page.press("#cell-3-1", "Enter")
    tab.page.fill("#cell-4-2", "06 30 1")  # row 4 is another: its city is no longer in two rows
    tab.page.evaluate("document.getElementById('row-4').dataset.before = 'yes'")
    held[0].continue_()
    tab.says("#fix-said", "Row 3, City")
    tab.has("#row-4[data-before]", 0)
    tab.holds("#cell-4-2", "06 30 1")
    assert focused(tab) == "cell-4-2"
    tab.page.keyboard.type("23 4569")
    tab.holds("#cell-4-2", "06 30 123 4569")


def test_all_that_was_typed_into_a_row_is_kept_with_one_of_its_cells(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir, text=NAMES, mapping=NAMES_MAPPING)
    tab.page.fill("#cell-3-0", "Kučera")
    tab.page.fill("#cell-3-1", "Dušan")
    tab.page.press("#cell-3-1", "Enter")
    tab.says("#row-3", "ready")
    tab.has("#row-3 .mended", 2)
    tab.says("#row-3", "Kučera")
    tab.says("#row-3", "Dušan")


def test_enter_goes_on_to_a_row_whose_error_is_of_several_cells_and_not_on_from_a_wrong_value(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir, text=NAMES, mapping=NAMES_MAPPING)
    tab.page.focus("#cell-2-2")
    tab.page.keyboard.press("Control+A")
    tab.page.keyboard.type("Pecz")
    tab.page.keyboard.press("Enter")
    tab.says("#row-2", "changed, and still wrong")
    tab.focuses("#cell-2-2")
    tab.page.keyboard.type("Pécs")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-3-0")
    tab.says("#row-2", "ready")
    tab.focuses("#cell-3-0")
    tab.page.keyboard.type("Kučera")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-4-0")  # one of the two names is enough
    tab.says("#row-3", "ready")
    tab.page.keyboard.press("Enter")
    tab.focuses("#cell-5-2")
    assert tab.faults() == []


def test_what_was_typed_stays_in_a_row_that_another_edit_has_mended(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir, text=NAMES, mapping=NAMES_MAPPING)
    second = Tab(tab.page.context.new_page())
    second.page.goto(tab.page.url)
    second.page.fill("#cell-3-1", "Dušan")
    second.page.press("#cell-3-1", "Enter")
    second.says("#row-3", "ready")
    tab.page.fill("#cell-3-0", "Kučera")
    tab.page.fill("#cell-2-2", "Pécs")
    tab.page.press("#cell-2-2", "Enter")
    tab.says("#row-3", "ready")
    tab.holds("#cell-3-0", "Kučera")
    tab.page.press("#cell-3-0", "Enter")
    tab.has("#row-3 .mended", 2)
    tab.has("#cell-3-0", 0)
    assert (tab.faults(), second.complaints) == ([], [])


def test_answers_that_cross_leave_the_newest_state(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir)
    routes: list[Route] = []
    held: list[tuple[Route, APIResponse]] = []

    def hold_first(route: Route) -> None:
        routes.append(route)
        if len(routes) == 1:
            held.append((route, route.fetch()))
        else:
            route.continue_()

    tab.page.route("**/fix/cell", hold_first)
    tab.page.fill("#cell-3-1", "Pécs")
    tab.page.press("#cell-3-1", "Enter")
    while not held:  # until it is answered, in the verdict of which there is only this edit
        tab.page.wait_for_timeout(10)
    tab.page.fill("#cell-5-0", "Dot")
    tab.page.press("#cell-5-0", "Enter")
    tab.says("#fix-verdict", "2 of 5 rows need mending")
    with tab.page.expect_response("**/fix/look"):
        held[0][0].fulfill(response=held[0][1])
    tab.says("#fix-verdict", "2 of 5 rows need mending")
    tab.has("#step[aria-busy]", 0)
    tab.has("tr.pending", 2)


def test_edits_at_the_same_time_are_all_made(tab: Tab, tmp_path: Path, state_dir: Path) -> None:
    enter(tab, tmp_path, state_dir)
    tab.page.evaluate(
        """() => {
            for (const [id, text] of [["cell-3-1", "Pécs"], ["cell-4-1", "Pécs"],
                                      ["cell-4-2", "06301234569"], ["cell-5-0", "Dot"]]) {
                const field = document.getElementById(id);
                field.value = text;
                field.form.requestSubmit();
            }
        }"""
    )
    tab.says("#fix-verdict", "1 of 5 rows needs mending")
    tab.has("#step[aria-busy]", 0)
    tab.has("tr.pending", 3)
    tab.has("tr.invalid", 1)


def test_two_tabs_of_one_draft(tab: Tab, tmp_path: Path, state_dir: Path) -> None:
    enter(tab, tmp_path, state_dir)
    second = Tab(tab.page.context.new_page())
    second.page.goto(tab.page.url)
    tab.page.fill("#cell-3-1", "Pécs")
    tab.page.press("#cell-3-1", "Enter")
    tab.says("#fix-said", "Row 3, City")
    second.page.fill("#cell-3-1", "Győr")
    second.page.press("#cell-3-1", "Enter")
    second.says("#notice", "the cell holds “Pécs” by now")
    second.says("#row-3", "Pécs")
    second.says("#row-3", "ready")
    complaints = [each for each in second.complaints if "422" not in each]
    assert complaints == []


def test_what_was_typed_and_not_kept_is_asked_about(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    enter(tab, tmp_path, state_dir)
    asked: list[str] = []

    def answer(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    tab.page.on("dialog", answer)
    tab.page.click("text=Not a phone number")
    tab.has("table.fixing tbody tr", 1)
    assert asked == []
    tab.page.locator("#cell-4-2").press_sequentially("7")
    tab.page.click("text=All to be mended")
    tab.has("table.fixing tbody tr", 4)
    assert asked == ["beforeunload"]


def test_a_report_is_saved_under_a_proper_name(tab: Tab, tmp_path: Path, state_dir: Path) -> None:
    enter(tab, tmp_path, state_dir)
    with tab.page.expect_download() as waited:
        tab.page.click("text=All problems as CSV")
    assert waited.value.suggested_filename == "leads-check.csv"
    tab.complaints[:] = [each for each in tab.complaints if "report.csv" not in each]


def test_reasons_row_numbers_and_headers_are_in_sight_however_wide_and_long_the_list_is(
    tab: Tab, tmp_path: Path, state_dir: Path
) -> None:
    names = [f"More {n}" for n in range(20)]
    lines = [f"Ann,{'x,' * 20}Pecs\n" for _ in range(60)]
    rules = "".join(f"  more{n}: {name}\n" for n, name in enumerate(names))
    enter(
        tab,
        tmp_path,
        state_dir,
        text=f"Name,{','.join(names)},City\n{''.join(lines)}",
        mapping=f"version: 1\nform:\n{rules}  city: {{column: City, choices: [Pécs]}}\n",
    )
    tab.page.set_viewport_size({"width": 1280, "height": 900})

    def is_in_sight(selector: str) -> bool:
        """Whether the middle of an element is at the top of all that lies there."""
        return bool(
            tab.page.evaluate(
                """selector => {
                    const it = document.querySelector(selector);
                    const {x, y, width, height} = it.getBoundingClientRect();
                    return it.contains(document.elementFromPoint(x + width / 2, y + height / 2));
                }""",
                selector,
            )
        )

    tab.page.locator("table.fixing").scroll_into_view_if_needed()
    tab.page.click("#row-40 .state a >> nth=0")
    assert focused(tab).startswith("cell-40-")
    assert is_in_sight(":focus")
    tab.page.evaluate("document.querySelector('.grid').scrollLeft = 9999")
    assert is_in_sight("#head-40")
    assert is_in_sight("#row-40 .of-cell")
    assert is_in_sight("table.fixing thead th:last-child")
    assert is_in_sight("table.fixing thead .state")
    tab.page.set_viewport_size({"width": 400, "height": 900})
    tab.page.locator("#row-40 td.wrong").scroll_into_view_if_needed()
    assert tab.page.locator("#row-40 td.wrong .problem").is_visible()
    assert not tab.page.locator("#row-40 .of-cell").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_and_has_no_fault_of_access(
    real_browser: Browser, console: LiveConsole, tmp_path: Path, state_dir: Path, width: int
) -> None:
    with open_tab(real_browser, console, viewport={"width": width, "height": 900}) as tab:
        enter(tab, tmp_path, state_dir)
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        tab.page.fill("#cell-3-1", "Pécs")
        tab.page.press("#cell-3-1", "Enter")
        tab.says("#fix-said", "Row 3")
        tab.page.click("#open-4")
        tab.page.locator("#cell-4-0").wait_for()
        tab.page.click("#out-6")
        tab.says("#row-6", "left out by you")
        tab.page.click("#fix-edits summary")
        assert (tab.faults(), tab.too_wide()) == ([], 0)
        assert tab.complaints == []


def test_without_scripts_everything_works_by_forms(
    real_browser: Browser, console: LiveConsole, tmp_path: Path, state_dir: Path
) -> None:
    with open_tab(real_browser, console, java_script_enabled=False) as tab:
        enter(tab, tmp_path, state_dir, scripts=False)
        tab.page.fill("#cell-3-1", "Pécs")
        tab.page.press("#cell-3-1", "Enter")
        tab.says("#verdict", "3 of 5 rows need mending")
        tab.page.click("#out-5")
        tab.says("#verdict", "2 of 5 rows need mending")
        tab.page.click("#open-2, #open-4 >> nth=0")
        tab.page.fill("#cell-4-2", "06 30 123 4569")
        tab.page.click("#keep-4-2")
        tab.page.click("#fix-edits summary")
        tab.page.click("#undo-2")
        tab.page.goto(tab.page.url.partition("?")[0].partition("#")[0])
        tab.has("table.fixing tbody tr", 3)
        assert tab.complaints == []
