"""The recipes for Airflow and Prefect: a list that is tried again is not sent again."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import openpyxl
import pytest

import importer
from importer.model import Status
from tests.support.live_sandbox import LiveSandbox, live_sandbox

PAGE = Path(__file__).parents[1] / "docs" / "orchestrators.md"
MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
ROWS = 12
FAILS_ONCE = {"kind": "unauthorized", "at": 5}

Import = Callable[[LiveSandbox], dict[str, int]]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files of the recipes, and what they name; the second of the leads has no phone."""
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    monkeypatch.syspath_prepend(tmp_path)
    blocks = re.findall(r"```python\n(# (\w+\.py)\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert [name for _, name in blocks] == ["leads_import.py", "leads_dag.py", "leads_flow.py"]
    for text, name in blocks:
        (tmp_path / name).write_text(text.replace("/srv/leads", tmp_path.as_posix()), "utf-8")
        monkeypatch.delitem(sys.modules, name.removesuffix(".py"), raising=False)
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["Name", "Phone"])
    for n in range(ROWS):
        book.active.append([f"Ann {n}", "12" if n == 1 else f"+3620{1234000 + n}"])
    (tmp_path / "inbox").mkdir()
    book.save(tmp_path / "inbox" / "vienna.xlsx")
    (tmp_path / "vienna.yaml").write_text(MAPPING, "utf-8")
    return tmp_path


@pytest.fixture
def import_once(folder: Path) -> Import:
    """The function of the page, for the files of the test."""
    function: Callable[..., dict[str, int]] = importlib.import_module("leads_import").import_once
    given = [str(folder / name) for name in ("inbox/vienna.xlsx", "vienna.yaml", "runs")]
    return lambda live: function(*given, base_url=live.base_url)


def phones(live: LiveSandbox) -> list[str]:
    """The phones of all records, of which no two are alike in the list."""
    return [record["contacts"]["phone1"]["phone"] for record in live.records(134)]


def assert_each_once(live: LiveSandbox) -> None:
    assert len(set(phones(live))) == len(phones(live)) == ROWS - 1


def test_a_list_that_is_tried_again_is_not_sent_again(import_once: Import) -> None:
    with live_sandbox() as live:
        first = import_once(live)
        assert {state: count for state, count in first.items() if count} == {
            "created": ROWS - 1,
            "invalid": 1,
        }
        assert import_once(live) == first
        assert_each_once(live)


def test_a_run_that_had_to_stop_is_gone_on_with(import_once: Import) -> None:
    with live_sandbox(faults=[FAILS_ONCE]) as live:
        with pytest.raises(RuntimeError, match=r"refuses: 401 .*: see "):
            import_once(live)
        assert len(phones(live)) < ROWS - 1
        assert import_once(live)["created"] == ROWS - 1
        assert_each_once(live)


def test_rows_in_flight_of_a_task_that_was_killed_are_sent_by_no_other_try(
    folder: Path, import_once: Import
) -> None:
    """They are uncertain, and each try fails until they are settled."""
    lost = {"kind": "hang", "at": 3, "stored": True}
    with live_sandbox(faults=[lost], log_requests=True) as live:
        code = (
            "from leads_import import import_once\n"
            f"import_once('inbox/vienna.xlsx', 'vienna.yaml', 'runs', {live.base_url!r})"
        )
        with subprocess.Popen([sys.executable, "-c", code], cwd=folder) as process:
            while live.request_count() < 3:
                assert process.poll() is None
                time.sleep(0.001)  # the condition is awaited, not a time
            process.kill()
        for _ in range(2):
            with pytest.raises(RuntimeError, match=r"\d+ rows are uncertain: see "):
                import_once(live)
            assert len(set(phones(live))) == len(phones(live))
        (run_dir,) = folder.glob("runs/vienna-*")
        stored = {
            record["contacts"]["phone1"]["phone"]: record["numberid"]
            for record in live.records(134)
        }
        uncertain = [r for r in importer.report(run_dir).rows() if r.status is Status.UNCERTAIN]
        importer.mark(run_dir, {r.row: stored.get(r.cells["Phone"][1:]) for r in uncertain})
        assert import_once(live)["created"] == ROWS - 1
        assert_each_once(live)


class Decorated:
    """A function under the decorator of a stand-in: called, it is tried as often as that says."""

    def __init__(self, function: Callable[[], Any], retries: int) -> None:
        self.function, self.retries = function, retries
        self.results: list[Any] = []

    def __call__(self) -> Any:
        for left in reversed(range(self.retries + 1)):
            try:
                self.results.append(self.function())
            except RuntimeError:
                if not left:
                    raise
            else:
                return self.results[-1]
        raise AssertionError


def stand_in(name: str, made: list[Decorated], **options: frozenset[str]) -> ModuleType:
    """A module with decorators that take these options; what they have decorated is in `made`."""
    module = ModuleType(name)

    def decorator(allowed: frozenset[str]) -> Callable[..., Any]:
        def decorate(function: Callable[[], Any] | None = None, **given: Any) -> Any:
            assert set(given) <= allowed
            if function is None:
                return lambda function: decorate(function, **given)
            made.append(Decorated(function, given.get("retries", 0)))
            return made[-1]

        return decorate

    for decorated, allowed in options.items():
        setattr(module, decorated, decorator(allowed))
    return module


AIRFLOW = {
    "dag": frozenset({"schedule", "start_date", "catchup", "max_active_runs"}),
    "task": frozenset({"retries", "retry_delay"}),
}
PREFECT = {"flow": frozenset[str](), "task": frozenset({"retries", "retry_delay_seconds"})}


@pytest.mark.parametrize(
    ("recipe", "library", "options"),
    [("leads_dag", "airflow.sdk", AIRFLOW), ("leads_flow", "prefect", PREFECT)],
)
def test_a_recipe_tries_again_by_itself(
    recipe: str,
    library: str,
    options: dict[str, frozenset[str]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[Decorated] = []
    if "." in library:
        monkeypatch.setitem(sys.modules, library.partition(".")[0], ModuleType("package"))
    monkeypatch.setitem(sys.modules, library, stand_in(library, made, **options))
    with live_sandbox(faults=[FAILS_ONCE]) as live:
        file = folder / f"{recipe}.py"
        here = file.read_text("utf-8").replace("http://127.0.0.1:8080/v2", live.base_url)
        file.write_text(here, "utf-8")
        module = importlib.import_module(recipe)
        if recipe == "leads_flow":
            module.leads()
        (task,) = [one for one in made if one.retries]
        assert [result["created"] for result in task.results] == [ROWS - 1]
        assert_each_once(live)
