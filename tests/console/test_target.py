"""Where records go: credentials from where the command takes them, and the console's sandbox."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from importer import library
from importer.console import target as module
from importer.console.drafts import Draft, Drafts, NoDraftError, Place
from importer.console.target import (
    SANDBOX_PROJECT,
    NoProjectChosenError,
    NotChosenError,
    Targets,
)
from importer.errors import UsageError
from importer.sandbox.projects import load_projects
from tests.support.live_console import live_console
from tests.support.live_sandbox import SAMPLE_PROJECT, LiveSandbox

SAMPLES = SAMPLE_PROJECT.parent
MAPPINGS = SAMPLES.parent / "mappings"
Result = TypeVar("Result")


pytestmark = pytest.mark.usefixtures("nobody")


def draft_of(folder: Path, **chosen: Any) -> Draft:
    return Draft("0" * 32, folder, "leads.csv", 1, datetime.now(UTC), **chosen)


def write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")


def asked(folder: Path, ask: Callable[[Targets], Awaitable[Result]]) -> Result:
    """What a console's targets answer; the sandbox has ended then."""

    async def work() -> Result:
        targets = Targets(folder)
        try:
            return await ask(targets)
        finally:
            await targets.end()

    return asyncio.run(work())


def test_without_credentials_nothing_is_chosen_silently(tmp_path: Path) -> None:
    draft = draft_of(tmp_path)
    assert asked(tmp_path, lambda targets: targets.place(draft)) is None
    with pytest.raises(NotChosenError):
        asked(tmp_path, lambda targets: targets.target(draft))
    assert not (tmp_path / "sandbox").exists()


def test_credentials_are_looked_for_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask(targets: Targets) -> None:
        assert (await targets.account()).customer is None
        write(Path(".env"), "VCC_CUSTOMER=acme\nVCC_API_KEY=from-the-file\n")
        account = await targets.account()
        assert account.customer == "acme"
        assert "from-the-file" not in repr(account)
        target = await targets.target(draft_of(tmp_path, project=7))
        assert target.base_url == library.base_url_for("acme")
        assert target.project == 7
        assert target.api_key.reveal() == "from-the-file"
        assert targets.rehearsal(target) is None
        monkeypatch.setenv("VCC_API_KEY", "of-the-environment")
        target = await targets.target(
            draft_of(tmp_path, project=7, base_url="https://a.example/v2")
        )
        assert target.base_url == "https://a.example/v2"
        assert target.api_key.reveal() == "of-the-environment"
        with pytest.raises(NoProjectChosenError):
            await targets.target(draft_of(tmp_path))
        where = await targets.whereabouts(draft_of(tmp_path))
        assert not where.known
        assert (where.place, where.account.customer) == (Place.SERVICE, "acme")
        write(tmp_path / "mapping.yaml", "version: 1\nproject: 12\nform: {name: Name}\n")
        assert (await targets.target(draft_of(tmp_path))).project == 12
        assert (await targets.target(draft_of(tmp_path, project=7))).project == 7
        where = await targets.whereabouts(draft_of(tmp_path))
        assert where.known
        assert (where.project, where.base_url) == (12, library.base_url_for("acme"))
        rehearsed = await targets.whereabouts(draft_of(tmp_path, place=Place.SANDBOX))
        assert rehearsed.known
        assert rehearsed.key != where.key

    asked(tmp_path, ask)


def test_half_of_the_credentials_are_told_without_options_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCC_CUSTOMER", "acme")
    account = asked(tmp_path, lambda targets: targets.account())
    assert account.customer is None
    assert account.error is not None
    assert "acme" in account.error.message
    assert "--" not in str(account.error.hint)
    with pytest.raises(UsageError, match="no API key for acme") as caught:
        draft = draft_of(tmp_path, place=Place.SERVICE, project=1)
        asked(tmp_path, lambda targets: targets.target(draft))
    assert "--" not in str(caught.value.hint)
    monkeypatch.setenv("VCC_CUSTOMER", "a b/c")
    monkeypatch.setenv("VCC_API_KEY", "k")
    account = asked(tmp_path, lambda targets: targets.account())
    assert account.error is not None
    assert "host name" in account.error.message


def test_the_sandbox_serves_what_the_samples_need() -> None:
    ours = load_projects(Path(module.__file__).parent / "sandbox_project.json")
    theirs = load_projects(SAMPLE_PROJECT)
    assert [one.model_dump(exclude={"name"}) for one in ours] == [
        one.model_dump(exclude={"name"}) for one in theirs
    ]
    assert ours[0].projectid == SANDBOX_PROJECT


def test_a_sample_fits_into_the_sandbox_and_its_records_outlive_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VCC_API_KEY", "a-real-key")

    async def check(targets: Targets) -> None:
        target = await targets.target(draft_of(tmp_path, place=Place.SANDBOX))
        assert target.base_url.startswith("http://127.0.0.1:")
        assert target.api_key.reveal() == "sandbox"
        assert targets.rehearsal(target) == targets.sandbox_dir
        assert (await targets.sandbox()).base_url == target.base_url, "it is the same one"
        mapping = library.load_mapping(MAPPINGS / "leads.yaml")
        project = await asyncio.to_thread(library.project, target)
        assert "city" in {field.name for field in project.fields}
        checkup = await library.check_async(SAMPLES / "leads.xlsx", mapping, target=target)
        assert checkup.survey.ready > 200
        live = LiveSandbox(target.base_url, tmp_path, "sandbox", "sandbox")
        answer = live.add(SANDBOX_PROJECT, {"form": {"name": "Ann"}, "contacts": {}})
        assert answer.status == 200, answer.raw

    asked(tmp_path, check)
    database = tmp_path / "sandbox" / "sandbox.sqlite3"
    assert database.exists()

    async def later(targets: Targets) -> None:
        await targets.sandbox()

    asked(tmp_path, later)
    records = LiveSandbox("", database, "", "").records(SANDBOX_PROJECT)
    assert [record["form"]["name"] for record in records] == ["Ann"]


def test_what_a_mapping_needs_is_added_to_the_sandbox_while_it_runs(tmp_path: Path) -> None:
    mapping = library.load_mapping(
        {"version": 1, "form": {"shoe_size": "Size", "name": "Name"}, "stamp": "ref"}
    )

    async def add(targets: Targets) -> None:
        before = await targets.sandbox()
        await targets.fit_sandbox(mapping)
        after = await targets.sandbox()
        assert after.base_url == before.base_url, "a run that sends to it must find it again"
        live = LiveSandbox(after.base_url, tmp_path, "sandbox", "sandbox")
        answer = live.call("GET", f"/projects/{SANDBOX_PROJECT}").envelope["response"]
        names = [field["name"] for field in answer["fields"]]
        assert names[-2:] == ["shoe_size", "ref"]
        assert names.count("name") == 1

    asked(tmp_path, add)


def test_a_choice_is_kept_with_the_draft(state_dir: Path) -> None:
    with live_console() as console:
        browser = console.browser()
        page = browser.draft("leads.csv", b"Name\nAnn\n")
        place = page.replace("/file", "/place")
        drafts = Drafts(state_dir / "console" / "drafts")
        draft_id = page.split("/")[2]
        answer = browser.post(place, {"place": "sandbox", "step": "columns"})
        assert answer.status == 303
        assert answer.headers["location"].endswith("/columns")
        assert drafts.open(draft_id).place is Place.SANDBOX
        service = {"place": "service", "project": " 17 ", "base_url": "https://a.example/v2/"}
        assert browser.post(place, service).headers["location"].endswith("/plan")
        draft = drafts.open(draft_id)
        assert (draft.place, draft.project, draft.base_url) == (
            Place.SERVICE,
            17,
            "https://a.example/v2",
        )
        wrong: list[dict[str, str]] = [
            {"place": "moon"},
            {"project": "0"},
            {"project": "1x"},
            {"base_url": "http://a.example/v2"},
            {"base_url": "https://user:pass@a.example"},
        ]
        for form in wrong:
            answer = browser.post(place, form)
            assert answer.status == 422, form
            assert drafts.open(draft_id) == draft
        assert browser.post(place, {"project": "", "base_url": ""}).status == 303
        assert drafts.open(draft_id).project is None
        drafts.change(draft_id, run_dir=state_dir / "run")
        assert "sent already" in browser.post(place, {"place": "sandbox"}).words
        assert browser.post(place.replace(draft_id, "0" * 32), {"place": "sandbox"}).status == 404


def test_a_draft_of_a_place_that_is_none_is_none(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    with drafts.receive("leads.csv") as upload:
        upload.write(b"Name\n")
        draft = upload.keep()
    about = draft.folder / "draft.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "place": "moon"}), "utf-8")
    with pytest.raises(NoDraftError):
        drafts.open(draft.id)
