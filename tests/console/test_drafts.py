"""Drafts are there whole or not at all, whatever is cut off, and whoever changes them at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from importer.console.drafts import Draft, Drafts, NoDraftError, cleaned_name
from importer.errors import OutputError, UsageError
from importer.settings import SourceOptions

LIST = b"Name,Phone\nAnna,0619997400\n" * 50

# Does something again and again, each time in a child process that dies before its next step that
# touches the disk (Python announces each of them), until a child comes to the end.
CRASHES = """
import os, sys
from pathlib import Path
from importer.console.drafts import Drafts

STEPS = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod")
folder, what = Path(sys.argv[1]), sys.argv[2]

def act(drafts):
    if what == "upload":
        with drafts.receive("leads.csv") as upload:
            upload.write(b"Name,Phone\\n")
            upload.write(b"Anna,0619997400\\n")
            upload.keep()
    elif what == "remove":
        drafts.remove(drafts.all()[0].id)
    elif what == "change":
        drafts.change(drafts.all()[0].id, plan_dir=folder / "plan")
    else:
        drafts.set_mapping(drafts.all()[0].id, "version: 1\\n" * 500)

def die_before(last):
    steps = 0
    def step(event, args):
        nonlocal steps
        if event in STEPS:
            steps += 1
            if steps == last:
                os._exit(9)
    sys.addaudithook(step)

for last in range(1, 500):
    drafts = Drafts(folder / f"{last:03}")
    if what == "remove":
        with drafts.receive("leads.csv") as upload:
            upload.write(b"Name\\n")
            kept = upload.keep()
        drafts.set_mapping(kept.id, "version: 1\\n")
    child = os.fork()
    if child == 0:
        die_before(last)
        act(drafts)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        break
    assert code == 9, code
print(last)
"""


def kept(drafts: Drafts, name: str = "leads.csv", content: bytes = LIST) -> Draft:
    with drafts.receive(name) as upload:
        upload.write(content)
        return upload.keep()


@pytest.fixture
def drafts(tmp_path: Path) -> Drafts:
    return Drafts(tmp_path / "drafts")


def crashed(folder: Path, what: str) -> list[Drafts]:
    """The folders of drafts as each crash has left them, and last as the end has."""
    if sys.platform == "win32":
        pytest.skip("a process cannot be forked on Windows")
    done = subprocess.run(
        [sys.executable, "-c", CRASHES, str(folder), what],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 3, "the steps were not seen"
    return [Drafts(path) for path in sorted(folder.iterdir())]


def as_a_console_begins(drafts: Drafts) -> list[Draft]:
    """The drafts that are there, and nothing else, once what was left behind is removed."""
    drafts.remove_left_behind()
    found = drafts.all()
    if drafts.folder.exists():
        assert {path.name for path in drafts.folder.iterdir()} == {draft.id for draft in found}
    for draft in found:
        assert drafts.open(draft.id) == draft
    return found


def test_an_upload_that_a_crash_cuts_off_is_a_draft_whole_or_not_at_all(tmp_path: Path) -> None:
    *states, whole = crashed(tmp_path, "upload")
    for state in states:
        for draft in as_a_console_begins(state):
            assert draft.file.read_bytes() == b"Name,Phone\nAnna,0619997400\n"
            assert draft.size == 27
    assert not as_a_console_begins(states[0])
    assert as_a_console_begins(whole)


def test_a_removal_that_a_crash_cuts_off_leaves_the_whole_draft_or_none(tmp_path: Path) -> None:
    *states, whole = crashed(tmp_path, "remove")
    for state in states:
        for draft in as_a_console_begins(state):
            assert draft.file.read_bytes() == b"Name\n"
            assert draft.mapping.read_text("utf-8") == "version: 1\n"
    assert as_a_console_begins(states[0])
    assert not as_a_console_begins(whole)


def test_files_of_a_draft_are_replaced_never_rewritten(drafts: Drafts, tmp_path: Path) -> None:
    draft = drafts.set_mapping(kept(drafts).id, "version: 1\n")
    before = {}
    for path in (draft.mapping, draft.folder / "draft.json"):
        before[path] = path.read_text("utf-8")
        os.link(path, tmp_path / path.name)
    drafts.set_mapping(draft.id, "version: 2\n")
    drafts.change(draft.id, plan_dir=tmp_path / "plan")
    for path, text in before.items():
        assert (tmp_path / path.name).read_text("utf-8") == text
        assert path.read_text("utf-8") != text


def test_an_upload_that_is_given_up_leaves_nothing(drafts: Drafts) -> None:
    with pytest.raises(ZeroDivisionError), drafts.receive("leads.csv") as upload:
        upload.write(LIST)
        raise ZeroDivisionError
    with drafts.receive("leads.csv") as upload:
        upload.write(LIST)
    assert not list(drafts.folder.iterdir())


def test_a_draft_is_what_was_uploaded_and_its_owners_alone(drafts: Drafts) -> None:
    draft = kept(drafts, "Ügyfelek 2026 (végső).csv")
    assert (draft.name, draft.size) == ("Ügyfelek 2026 (végső).csv", len(LIST))
    assert draft.file.read_bytes() == LIST
    assert draft.file.name == draft.name
    assert drafts.open(draft.id) == draft
    if sys.platform != "win32":
        for path in (drafts.folder, *drafts.folder.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path


def test_drafts_of_one_name_stand_beside_each_other_newest_first(drafts: Drafts) -> None:
    ids = [kept(drafts).id for _ in range(3)]
    assert [draft.id for draft in drafts.all()] == ids[::-1]
    drafts.remove(ids[1])
    assert [draft.id for draft in drafts.all()] == [ids[2], ids[0]]
    with pytest.raises(NoDraftError):
        drafts.remove(ids[1])


def test_what_is_chosen_is_remembered(drafts: Drafts, tmp_path: Path) -> None:
    draft = kept(drafts)
    reading = SourceOptions(sheet="Lap 2", header_row=3, encoding="cp1250", delimiter="\t")
    drafts.change(draft.id, reading=replace(reading, rows=(2, 9)))
    changed = drafts.change(draft.id, plan_dir=tmp_path / "terv", run_dir=tmp_path / "futás")
    assert Drafts(drafts.folder).open(draft.id) == changed
    assert changed.reading == replace(reading, rows=(2, 9))
    assert changed.plan_dir == tmp_path / "terv"
    assert drafts.change(draft.id, plan_dir=None).plan_dir is None
    about = json.loads((draft.folder / "draft.json").read_bytes())
    del about["mends"]  # as versions wrote it that did not know whose rows a draft mends
    (draft.folder / "draft.json").write_text(json.dumps(about), "utf-8")
    assert drafts.open(draft.id).mends is None


def test_two_pages_that_change_one_draft_lose_nothing(drafts: Drafts, tmp_path: Path) -> None:
    draft = kept(drafts)

    def change(number: int) -> None:
        if number % 3 == 0:
            drafts.change(draft.id, plan_dir=tmp_path / f"{number}")
        elif number % 3 == 1:
            drafts.change(draft.id, reading=SourceOptions(header_row=number))
        else:
            drafts.set_mapping(draft.id, f"version: {number}\n" * 100)

    with ThreadPoolExecutor(8) as threads:
        for number in range(0, 60, 3):
            list(threads.map(change, range(number, number + 3)))
            now = drafts.open(draft.id)
            assert now.plan_dir == tmp_path / f"{number}"
            assert now.reading.header_row == number + 1
            assert now.mapping.read_text("utf-8") == f"version: {number + 2}\n" * 100


def test_uploads_at_once_do_not_meet(drafts: Drafts) -> None:
    contents = [f"Name\n{number}\n".encode() * 1000 for number in range(16)]
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda content: kept(drafts, content=content), contents))
    assert [draft.file.read_bytes() for draft in made] == contents
    assert len(drafts.all()) == 16


def test_more_bytes_than_are_taken_are_refused_and_gone(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts", most_bytes=100)
    assert kept(drafts, content=b"x" * 100).size == 100
    with pytest.raises(UsageError, match="larger than 100 bytes"):
        kept(drafts, content=b"x" * 101)
    assert len(list(drafts.folder.iterdir())) == 1


def test_an_empty_file_is_no_list(drafts: Drafts) -> None:
    with pytest.raises(UsageError, match=r"leads\.csv is empty"):
        kept(drafts, content=b"")
    assert not list(drafts.folder.iterdir())


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "drafts").write_text("not a folder", "utf-8")
    with pytest.raises(OutputError):
        kept(Drafts(tmp_path / "drafts"))


@pytest.mark.parametrize(
    "draft_id",
    ["", ".", "..", "../x", "0" * 31, "0" * 32, "A" * 32, "/etc", "0" * 33, "%2e%2e", "\0"],
)
def test_what_is_no_draft_is_no_draft(drafts: Drafts, draft_id: str) -> None:
    kept(drafts)
    with pytest.raises(NoDraftError):
        drafts.open(draft_id)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "null",
        lambda text: text.replace('"leads.csv"', '"../../leads.csv"'),
        lambda text: text.replace('"leads.csv"', '"other.csv"'),
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"created_at"', '"made_at"'),
    ],
)
def test_a_damaged_draft_hides_no_other(drafts: Drafts, damage: object) -> None:
    whole, damaged = kept(drafts), kept(drafts)
    about = damaged.folder / "draft.json"
    assert callable(damage)
    changed = damage(about.read_text("utf-8"))
    assert changed != about.read_text("utf-8")
    about.write_text(changed, "utf-8")
    assert [draft.id for draft in drafts.all()] == [whole.id]
    with pytest.raises(NoDraftError):
        drafts.open(damaged.id)


WINDOWS_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE
)
NAMES = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="áé漢😀 .~_-\u0301", max_size=300),
    st.lists(
        st.sampled_from(
            [
                *("con", "CON", "nul", "com1", "LPT²", "conin$", "aux", "leads", "lista"),
                *("/", "\\", "..", ".", " ", "\u00a0", "\u3000", "\u202e", "\u200b", "\ufeff"),
                *("\0", "\n", "\x1b[31m", "<img>", ":", "|", "?", '"', "*", ".csv", "\ud800"),
                *("e\u0301", "\u212b", "漢" * 90, "x" * 254, "😀" * 63, "\u2028", "_", "~"),
            ]
        ),
        max_size=8,
    ).map("".join),
)


@given(NAMES)
@example("../../etc/passwd")
@example("C:\\fakepath\\leads.csv")
@example("leads.csv:hidden")
@example("COM¹.csv")
@example("nul .csv")
@example("\u202ecsv.exe")
@example("x" * 254 + "\u0301")
@example("con" + "x" * 300)
@example("漢" * 84 + ". .csv")
@example("." * 300)
@example("x." + " " * 300 + ".csv")
@example("e" + "\u0301" * 200)
@example("con\u200b.csv")
@example("x" * 252 + "\u00a0x")
@example("\u1100" * 85 + "\u1161")
def test_a_name_can_be_that_of_a_file_everywhere(given: str) -> None:
    name = cleaned_name(given)
    assert cleaned_name(name) == name
    assert 0 < len(name.encode()) <= 255
    assert not re.search(r'[/\\<>:"|?*]', name)
    assert name not in {".", ".."}
    assert name == name.strip()
    assert not name.endswith(".")
    assert not {unicodedata.category(char) for char in name} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert unicodedata.is_normalized("NFC", name)
    assert not WINDOWS_DEVICE.fullmatch(name.split(".")[0].rstrip())


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("leads.csv", "leads.csv"),
        ("C:\\Users\\anna\\Lista 1.xlsx", "Lista 1.xlsx"),
        ("../../../etc/passwd", "passwd"),
        ("..", "list"),
        ("", "list"),
        (" .csv ", ".csv"),
        ("con.csv", "_con.csv"),
        ("\u202egpj.csv", "gpj.csv"),
        ("a\r\nSet-Cookie: x.csv", "aSet-Cookie_ x.csv"),
        ("e\u0301.csv", "é.csv"),
        ("x" * 300 + ".xlsx", "x" * 250 + ".xlsx"),
    ],
)
def test_a_name_stays_as_like_itself_as_it_can(given: str, name: str) -> None:
    assert cleaned_name(given) == name
