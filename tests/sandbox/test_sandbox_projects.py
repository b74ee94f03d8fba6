"""Project files: what they may say, and how their mistakes are told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from importer.errors import MappingError, SourceError
from importer.sandbox.projects import Disposition, load_projects
from tests.support.live_sandbox import SAMPLE_PROJECT, live_sandbox


def load(tmp_path: Path, text: str, name: str = "p.yaml") -> MappingError:
    """The error that the file gives, its path taken off the mistakes."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        load_projects(path)
    assert all(mistake.startswith(f"{path}:") for mistake in caught.value.mistakes)
    caught.value.mistakes = tuple(
        mistake.removeprefix(f"{path}:") for mistake in caught.value.mistakes
    )
    return caught.value


def test_the_sample_has_every_kind_of_field_and_disposition() -> None:
    (project,) = load_projects(SAMPLE_PROJECT)
    types = {field.name: field.type for field in project.fields}
    assert project.projectid == 134
    assert set(types) >= {
        *("name", "city", "likes", "address", "source", "signed_on", "plan", "language", "note"),
        *("import_ref", "birth_date", "company", "contact_id"),
    }
    assert set(types.values()) == {"text", "simple", "multiple"}
    assert {one.is_callback for one in project.dispositions} == {True, False}
    assert "7" in {user.userid for user in project.users}
    assert {user.status for user in project.users} == {"active", "inactive"}


def test_one_project_a_list_and_a_projects_key_are_all_read(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    for text, ids in [
        ("projectid: 1\nname: A\n", [1]),
        ("- {projectid: 1, name: A}\n- {projectid: 2, name: B}\n", [1, 2]),
        ("projects:\n- {projectid: 2, name: B}\n", [2]),
        ("\ufeffprojectid: 3\nname: C\n", [3]),
    ]:
        path.write_text(text, encoding="utf-8")
        assert [project.projectid for project in load_projects(path)] == ids


def test_generated_json_is_read_whatever_its_spelling(tmp_path: Path) -> None:
    """Tabs and surrogate pairs are JSON's, and stumbling blocks for YAML."""
    path = tmp_path / "p.json"
    field = {"name": "mood", "type": "simple", "values": ["😀", {"name": "b", "valueid": 4}]}
    data = {"projects": [{"projectid": 1, "name": "ő", "fields": [field]}]}
    for text in (json.dumps(data), json.dumps(data, indent="\t"), json.dumps(data, indent=2)):
        path.write_text(text)
        (project,) = load_projects(path)
        assert [value.name for value in project.fields[0].values] == ["😀", "b"]


def test_the_services_own_answer_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    with live_sandbox(tmp_path / "s.sqlite3") as sandbox:
        answer = sandbox.call("GET", "/projects/134").envelope["response"]
    path.write_text(json.dumps({"projectid": 134, "name": "Copy", **answer}))
    with live_sandbox(tmp_path / "t.sqlite3", path) as sandbox:
        assert sandbox.call("GET", "/projects/134").envelope["response"] == answer


def test_users_are_listed_with_the_projects_that_name_them_and_can_be_pasted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(
        "- {projectid: 1, name: A, users: [7, {userid: 12, username: bela, name: Béla Nagy,\n"
        "    status: inactive, is_agent: false, group_name: East}]}\n"
        "- {projectid: 2, name: B, users: ['7']}\n",
        encoding="utf-8",
    )
    with live_sandbox(tmp_path / "s.sqlite3", path) as sandbox:
        answer = sandbox.call("GET", "/users")
    assert answer.headers["content-type"].startswith("text/plain")
    shown = {"is_agent": True, "group_name": "", "teams_name": "", "status": "active"}
    users = answer.envelope["response"]
    assert sorted(users, key=lambda user: str(user["userid"])) == [
        {
            "userid": "12",
            "username": "bela",
            "name": "Béla Nagy",
            "status": "inactive",
            "is_agent": False,
            "projectIds": [1],
            "group_name": "East",
            "teams_name": "",
        },
        {"userid": "7", "username": "7", "name": "7", "projectIds": [1, 2], **shown},
    ]
    path.write_text(json.dumps({"projectid": 3, "name": "C", "users": users}))
    with live_sandbox(tmp_path / "t.sqlite3", path) as sandbox:
        again = sandbox.call("GET", "/users").envelope["response"]
    assert again == [{**user, "projectIds": [3]} for user in sorted(users, key=_userid)]


def _userid(user: dict[str, str]) -> str:
    return user["userid"]


def test_users_are_not_listed_where_a_project_takes_any(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("- {projectid: 1, name: A, users: [7]}\n- {projectid: 2, name: B}\n")
    with live_sandbox(tmp_path / "s.sqlite3", path) as sandbox:
        answer = sandbox.call("GET", "/users")
    assert (answer.status, answer.complaints) == (404, [("error.users_not_found", None, None)])


def test_all_mistakes_are_told_at_once_each_with_its_line_and_column(tmp_path: Path) -> None:
    error = load(
        tmp_path,
        """\
projectid: "one"
fields:
  - name: city
    type: sinple
  - name: plan
    type: simple
    values:
      - Gold
      - {name: Silver, prize: 3}
      - {name: Bronze, valueid: 0}
      - Gold
      - true
  - {nmae: x}
  - {name: note, values: [a]}
  - {name: likes, type: multiple, values: ["a|b"]}
  - name: plan
dispositions:
  - {dispositionid: 1, name: a}
  - {dispositionid: "1", name: b}
users: [7, 7]
colour: red
""",
    )
    assert error.mistakes == (
        "1:1: name: is missing",
        "1:1: projectid: Input should be a valid integer",
        "4:5: fields[0].type: expected 'text', 'simple' or 'multiple'",
        '9:24: fields[1].values[1].prize: unknown key "prize": did you mean "price"?',
        "10:24: fields[1].values[2].valueid: Input should be greater than or equal to 1",
        '11:9: fields[1].values[3].name: "Gold" stands twice in this list',
        "12:9: fields[1].values[4].name: expected text: put it in quotes",
        "13:5: fields[2].name: is missing",
        '13:6: fields[2].nmae: unknown key "nmae": did you mean "name"?',
        "14:5: fields[3]: a text field has no values: make it simple or multiple",
        "15:5: fields[4]: no record could ever name the value 'a|b': text in a multiple field is"
        ' divided at "|" and trimmed',
        '16:5: fields[5].name: "plan" stands twice in this list',
        '19:6: dispositions[1].dispositionid: "1" stands twice in this list',
        '20:12: users[1].userid: "7" stands twice in this list',
        '21:1: colour: unknown key "colour"',
    )
    assert error.hint
    assert error.exit_code == 2


def test_mistakes_in_json_have_their_lines_too(tmp_path: Path) -> None:
    error = load(tmp_path, '{"projectid": 1,\n "name": "a",\n "field": []}', "p.json")
    assert error.mistakes == ('3:2: field: unknown key "field": did you mean "fields"?',)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "1:1: there is no project in it"),
        ("projects: []\n", "1:1: projects: there is no project in it"),
        ("projects:\n- {projectid: 1, name: a}\nextra: 1\n", '3:1: extra: unknown key "extra"'),
        ("just text\n", "1:1: expected keys and values here"),
        ("projectid: 1\nname: a\nname: b\n", '3:1: found duplicate key "name"'),
        ("projectid: 1\nname: [a\n", "3:1: "),
        ("projectid: 1\nname: 2024-05-06\n", "2:1: name: expected text: put it in quotes"),
        ("projectid: 1\nname: ''\n", "2:1: name: "),
        ("projectid: true\nname: a\n", "1:1: projectid: Input should be a valid integer"),
        ("projectid: 1\nname: a\nfields: 5\n", "3:1: fields: expected a list here"),
        ("projectid: 1\nname: a\nfields: [5]\n", "3:10: fields[0]: expected keys and values here"),
        ("a: \x01\n", ""),
        ("[" * 2000, ""),
        ("a: &a [*a]\n", ""),
        ("projectid: 1\nname: !!python/object:os.system x\n", ""),
    ],
)
def test_a_file_that_cannot_be_used_is_told_where(tmp_path: Path, text: str, mistake: str) -> None:
    assert any(line.startswith(mistake) for line in load(tmp_path, text).mistakes)


def test_a_file_that_is_not_utf8_is_told_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"projectid: 1\nname: P\xe9cs\n")
    with pytest.raises(MappingError) as caught:
        load_projects(path)
    assert caught.value.mistakes == (f"{path}:2:1: not UTF-8 text: save the file as UTF-8",)


def test_a_missing_or_giant_file_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        load_projects(tmp_path / "missing.yaml")
    giant = tmp_path / "giant.yaml"
    with giant.open("wb") as file:
        file.truncate(17 * 1024 * 1024)
    with pytest.raises(SourceError, match="larger than 16 MB"):
        load_projects(giant)


@pytest.mark.parametrize(
    ("type_", "expected"),
    [("callback", True), ("Call-back", True), ("CALL_BACK private", True), ("normal", False)],
)
def test_a_disposition_is_a_callback_when_its_type_reads_so(type_: str, expected: bool) -> None:
    assert Disposition(dispositionid="1", name="a", type=type_).is_callback is expected
