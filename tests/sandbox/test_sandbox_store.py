"""The database file: kept over restarts, merged with project files, refused when not ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from importer.errors import ImporterError, MappingError, SourceError
from importer.sandbox.projects import Disposition, Field, Project, Value
from importer.sandbox.store import open_store
from tests.support.live_sandbox import live_sandbox


def project(*fields: Field, **more: object) -> Project:
    return Project.model_validate({"projectid": 9, "name": "P", "fields": fields, **more})


def city(*values: str | Value, type: str = "simple") -> Field:
    return Field.model_validate({"name": "city", "type": type, "values": values})


def test_records_values_and_numberids_go_on_after_a_restart(tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite3"
    with live_sandbox(db) as sandbox:
        sandbox.add(134, {"form": {"city": "Budaörs"}})
        before = sandbox.records(134), sandbox.values(134, "city")
    with live_sandbox(db, projects=None) as sandbox:
        assert (sandbox.records(134), sandbox.values(134, "city")) == before
        assert sandbox.call("GET", "/projects/1").status == 404
        assert sandbox.add(134, {"form": {"city": "Budaörs"}}).envelope["response"] == [2]
        assert sandbox.values(134, "city") == before[1]


def test_an_empty_database_without_projects_serves_the_example(tmp_path: Path) -> None:
    with live_sandbox(tmp_path / "s.sqlite3", None) as sandbox:
        fields = sandbox.call("GET", "/projects/1").envelope["response"]["fields"]
        assert [(field["name"], field["type"]) for field in fields] == [
            ("name", "text"),
            ("city", "simple"),
            ("likes", "multiple"),
        ]


def test_a_changed_project_file_is_merged(tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite3"
    first = project(
        city("A", Value(name="B", price="1")),
        dispositions=[Disposition(dispositionid="1", name="x")],
        users=["7"],
    )
    with live_sandbox(db, [first]) as sandbox:
        sandbox.add(9, {"form": {"city": "C"}})
        old = sandbox.values(9, "city")
    second = project(
        Field(name="note"),
        city(Value(name="B", price="2", valueid=old["B"]), "D", Value(name="E", valueid=500)),
        Field(name="late", type="simple", values=("F",)),
        name="Q",
        dispositions=[Disposition(dispositionid="2", name="y")],
    )
    with live_sandbox(db, [second]) as sandbox:
        new = sandbox.values(9, "city")
        assert {name: new[name] for name in old} == old
        assert new.keys() - old.keys() == {"D", "E"}
        assert new["E"] == 500
        shown = sandbox.call("GET", "/projects/9").envelope["response"]
        prices = {value["name"]: value["price"] for value in shown["fields"][0]["values"]}
        assert prices["B"] == "2"
        assert [one["dispositionid"] for one in shown["dispositions"]] == ["2"]
        assert sandbox.call("GET", "/projects").envelope["response"][0]["name"] == "Q"
        disposition = {"dispositionid": "2", "userid": "anybody now"}
        form = {"note": "n", "city": "D", "late": "F"}
        assert sandbox.add(9, {"form": form, "disposition": disposition}).status == 200
        assert sandbox.add(9, {"form": {"city": "G"}}).status == 200
        assert sandbox.values(9, "city")["G"] > 500


def test_a_database_of_the_version_before_is_brought_up_to_date(tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite3"
    with live_sandbox(db, [project(users=["7"])]) as sandbox:
        listed = sandbox.call("GET", "/users").envelope["response"]
    with closing(sqlite3.connect(db)) as connection:
        for column in ("username", "name", "status", "is_agent", "group_name", "teams_name"):
            connection.execute(f"ALTER TABLE user DROP COLUMN {column}")
        connection.execute("PRAGMA user_version = 1")
    for _ in range(2):
        with live_sandbox(db, None) as sandbox:
            assert sandbox.call("GET", "/users").envelope["response"] == listed


def test_a_file_that_contradicts_stored_records_changes_nothing_and_tells_all(
    tmp_path: Path,
) -> None:
    db = tmp_path / "s.sqlite3"
    open_store(db, [project(city(Value(name="A", valueid=5)), Field(name="note"))]).close()
    wrong = project(
        city(Value(name="A", valueid=6), Value(name="B", valueid=5)),
        Field(name="note", type="multiple"),
        Field(name="fresh"),
    )
    with pytest.raises(MappingError) as caught:
        open_store(db, [wrong])
    assert caught.value.mistakes == (
        'project 9, field city: the value "A" has the id 5 in the database and 6 in the file',
        'project 9, field city: the id 5 of "B" belongs to "A" already',
        "project 9, field note: is text in the database and multiple in the file",
    )
    store = open_store(db)
    assert [field["name"] for field in store.describe(9)["fields"]] == ["city", "note"]
    store.close()


def test_stated_ids_are_never_taken_by_values_without_one(tmp_path: Path) -> None:
    store = open_store(tmp_path / "s.sqlite3", [project(city("A", Value(name="B", valueid=1)))])
    values = {value["name"]: value["valueid"] for value in store.describe(9)["fields"][0]["values"]}
    store.close()
    assert values["B"] == 1
    assert values["A"] != 1


def test_only_one_sandbox_holds_a_database(tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite3"
    store = open_store(db)
    with pytest.raises(ImporterError, match="in use by another sandbox"):
        open_store(db)
    store.close()
    open_store(db).close()


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path: Path) -> None:
    db = tmp_path / "leads.csv"
    db.write_text("name,phone\n" * 1000)
    with pytest.raises(SourceError, match="cannot be opened"):
        open_store(db)
    assert db.read_text() == "name,phone\n" * 1000
    assert list(tmp_path.iterdir()) == [db]


def test_another_programs_database_is_refused_untouched(tmp_path: Path) -> None:
    db = tmp_path / "other.sqlite3"
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("CREATE TABLE diary (day TEXT)")
    db.chmod(0o644)
    before = db.read_bytes(), db.stat().st_mode
    with pytest.raises(SourceError, match="not a sandbox's") as caught:
        open_store(db)
    assert caught.value.hint
    assert (db.read_bytes(), db.stat().st_mode) == before
    assert list(tmp_path.iterdir()) == [db]


def test_a_database_of_another_version_is_refused(tmp_path: Path) -> None:
    db = tmp_path / "s.sqlite3"
    open_store(db).close()
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(SourceError, match="version 99"):
        open_store(db)


@pytest.mark.parametrize("name", ["missing/s.sqlite3", "."])
def test_a_database_that_cannot_be_made_is_a_clear_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImporterError, match="cannot be opened") as caught:
        open_store(tmp_path / name)
    assert caught.value.hint
