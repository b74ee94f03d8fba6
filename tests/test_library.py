"""The library: sync and async, its news, how it is stopped, and what importing it costs."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import pkgutil
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import importer
from importer.errors import ImporterError
from importer.model import Progress, Resumed, Stage, Status
from importer.pipeline import recover as recovery
from importer.pipeline.running import MOST_EVENTS, ProgressFeed
from tests.support.live_sandbox import LiveSandbox, live_sandbox

PAGE = Path(__file__).parents[1] / "docs" / "library.md"
MAPPING = """\
version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
ROWS = 60


@pytest.fixture(scope="module")
def sandbox() -> Iterator[LiveSandbox]:
    with live_sandbox() as live:
        yield live


@pytest.fixture(scope="module")
def slow() -> Iterator[LiveSandbox]:
    """A service that takes a while for each row, so that there is a run to be stopped."""
    with live_sandbox(latency="100ms") as live:
        yield live


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a mapping and a file; the second row's phone is none."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VCC_CUSTOMER", "sandbox")
    monkeypatch.setenv("VCC_API_KEY", "sandbox")
    Path("leads.yaml").write_text(MAPPING, "utf-8")
    rows = [f"Ann {n},{'12' if n == 1 else f'+3620{1234000 + n}'}" for n in range(ROWS)]
    Path("leads.csv").write_text("\n".join(["Name,Phone", *rows, ""]), "utf-8")
    return tmp_path


def target(live: LiveSandbox) -> importer.Target:
    mapping = importer.load_mapping("leads.yaml")
    return importer.target_for(mapping, base_url=live.base_url)


ONE_BY_ONE = importer.RunSettings(pace=importer.Pace(concurrency=1))


def the_run() -> Path:
    (run_dir,) = Path("runs").glob("leads-*")
    return run_dir


def counts(run_dir: Path) -> dict[str, int]:
    return dict(json.loads((run_dir / "summary.json").read_text("utf-8"))["counts"])


def test_a_file_is_checked_and_run(sandbox: LiveSandbox) -> None:
    """Paths may be text; the checkup and the summary agree."""
    before = len(sandbox.records(134))
    checkup = importer.check("leads.csv", "leads.yaml", target=target(sandbox))
    assert (checkup.survey.ready, checkup.survey.invalid) == (ROWS - 1, 1)
    assert len(sandbox.records(134)) == before
    assert not Path("runs").exists()

    result = importer.run(Path("leads.csv"), Path("leads.yaml"), target=target(sandbox))
    assert isinstance(result, importer.RunResult)
    assert result.summary.counts[Status.CREATED] == ROWS - 1
    assert result.summary.exit_code == 1
    assert result.checkup is not None
    assert len(sandbox.records(134)) == before + ROWS - 1
    assert (result.directory.path / "results.csv").exists()


def test_async_twins_do_the_same(sandbox: LiveSandbox) -> None:
    """The loop stays free meanwhile, and the listener is called on it."""
    loop_thread = threading.current_thread()
    heard: list[tuple[importer.Progress | importer.Event, threading.Thread]] = []

    async def main() -> tuple[importer.Checkup, importer.RunResult]:
        checkup, result = await asyncio.gather(
            importer.check_async("leads.csv", "leads.yaml"),
            importer.run_async(
                "leads.csv",
                "leads.yaml",
                target=target(sandbox),
                listener=lambda news: heard.append((news, threading.current_thread())),
            ),
        )
        return checkup, result

    checkup, result = asyncio.run(main())
    assert checkup.survey.ready == result.summary.counts[Status.CREATED] == ROWS - 1
    assert {thread for _, thread in heard} == {loop_thread}
    last = heard[-1][0]
    assert isinstance(last, Progress)
    assert (last.stage, last.done, last.total) == (Stage.SENDING, ROWS, ROWS)


def test_what_cannot_be_run_is_raised_sync_and_async(sandbox: LiveSandbox) -> None:
    Path("bad.yaml").write_text("version: 1\nform: {name: Nobody}\n", "utf-8")
    with pytest.raises(importer.MappingError) as here:
        importer.run("leads.csv", "bad.yaml", target=target(sandbox))
    with pytest.raises(importer.MappingError) as there:
        asyncio.run(importer.run_async("leads.csv", "bad.yaml", target=target(sandbox)))
    assert here.value.mistakes == there.value.mistakes
    assert "Nobody" in here.value.mistakes[0]
    with pytest.raises(importer.SourceError):
        asyncio.run(importer.check_async("none.csv", "leads.yaml"))
    Path("field.yaml").write_text(MAPPING.replace("name:", "nosuch:"), "utf-8")
    with pytest.raises(importer.Refused) as refused:
        importer.run("leads.csv", "field.yaml", target=target(sandbox))
    assert refused.value.checkup.refused
    assert isinstance(refused.value, importer.ImporterError)
    assert list(Path("runs").glob("leads-*")) == []


def test_an_unknown_option_is_a_type_error(sandbox: LiveSandbox) -> None:
    with pytest.raises(TypeError, match="cap"):
        importer.run("leads.csv", "leads.yaml", target=target(sandbox), cap=3)  # type: ignore[call-arg]


def test_without_credentials_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VCC_CUSTOMER")
    with pytest.raises(importer.UsageError, match="no customer"):
        importer.run("leads.csv", "leads.yaml")


def test_a_log_keeps_all_findings() -> None:
    """With a log, a checkup's cells and problems can be gone through afterwards."""
    checkup = importer.check("leads.csv", "leads.yaml", log=Path("problems.jsonl"))
    assert checkup.findings is not None
    assert sum(len(batch) for batch in checkup.findings.batches()) == ROWS
    assert [problem.row for problem in checkup.findings.problems()] == [3]
    assert importer.check("leads.csv", "leads.yaml").findings is None


def test_files_that_share_what_was_seen_share_their_duplicates() -> None:
    Path("leads.yaml").write_text(MAPPING + "rows: {unique: [contacts.1.phone]}\n", "utf-8")
    seen = importer.Seen()
    first = importer.check("leads.csv", "leads.yaml", seen=seen)
    second = importer.check("leads.csv", "leads.yaml", seen=seen)
    assert (first.survey.skipped, second.survey.skipped) == (0, ROWS - 1)


def test_a_preview_gives_rows_one_after_the_other() -> None:
    rows = list(importer.preview("leads.csv", "leads.yaml"))
    assert [row.status for row in rows[:3]] == ["ready", "invalid", "ready"]


def test_within_a_running_loop_the_sync_functions_work(sandbox: LiveSandbox) -> None:
    """As in a notebook: a loop runs in this very thread."""

    async def cell() -> tuple[importer.Checkup, importer.RunResult]:
        return (
            importer.check("leads.csv", "leads.yaml", target=target(sandbox)),
            importer.run("leads.csv", "leads.yaml", target=target(sandbox)),
        )

    checkup, result = asyncio.run(cell())
    assert checkup.survey.ready == result.summary.counts[Status.CREATED] == ROWS - 1


def test_sender_processes_work_from_an_async_program(sandbox: LiveSandbox) -> None:
    settings = importer.RunSettings(engine="processes", workers=2)
    result = asyncio.run(
        importer.run_async("leads.csv", "leads.yaml", target=target(sandbox), settings=settings)
    )
    assert result.summary.counts[Status.CREATED] == ROWS - 1


def test_news_are_gone_through_and_the_result_follows(sandbox: LiveSandbox) -> None:
    also: list[object] = []
    with importer.start(
        importer.run, "leads.csv", "leads.yaml", target=target(sandbox), listener=also.append
    ) as running:
        news = list(running)
        result = running.result()
    assert running.done
    assert news[-1] == also[-1]
    assert isinstance(news[-1], Progress)
    assert news[-1].counts == result.summary.counts
    assert list(running) == []


def test_a_run_that_is_stopped_is_resumed(slow: LiveSandbox) -> None:
    """Sync, async, and by the run's own target: every row is sent once."""
    before = len(slow.records(134))
    with importer.start(
        importer.run, "leads.csv", "leads.yaml", target=target(slow), settings=ONE_BY_ONE
    ) as running:
        for news in running:
            if isinstance(news, Progress) and news.counts.get(Status.CREATED):
                running.stop()
        result = running.result()
    assert result.summary.status == "interrupted"
    created = len(slow.records(134)) - before
    assert result.summary.counts[Status.CREATED] == created
    assert 0 < created < ROWS - 1
    assert result.summary.counts[Status.UNCERTAIN] == 0

    run_dir = result.directory.path
    some = asyncio.run(importer.resume_async(run_dir, settings=importer.RunSettings(limit=2)))
    assert some.summary.counts[Status.CREATED] == created + 2
    whole = importer.resume(str(run_dir))
    assert whole.summary.counts[Status.CREATED] == ROWS - 1
    assert len(slow.records(134)) - before == ROWS - 1


def test_leaving_the_block_by_an_exception_stops_the_run(slow: LiveSandbox) -> None:
    before = len(slow.records(134))
    with (
        pytest.raises(LookupError),
        importer.start(
            importer.run, "leads.csv", "leads.yaml", target=target(slow), settings=ONE_BY_ONE
        ) as running,
    ):
        for news in running:
            if isinstance(news, Progress) and news.counts.get(Status.CREATED):
                raise LookupError
    assert running.done
    assert counts(the_run())["created"] == len(slow.records(134)) - before < ROWS - 1


def test_a_cancelled_run_awaits_what_is_in_flight_and_records_it(slow: LiveSandbox) -> None:
    """However often it is cancelled: each row that arrived is known as created."""
    before = len(slow.records(134))

    async def main() -> None:
        sending = asyncio.Event()

        def listener(news: Progress | importer.Event) -> None:
            if isinstance(news, Progress) and news.counts.get(Status.CREATED):
                sending.set()

        task = asyncio.create_task(
            importer.run_async(
                "leads.csv",
                "leads.yaml",
                target=target(slow),
                settings=importer.RunSettings(pace=importer.Pace(concurrency=4)),
                listener=listener,
            )
        )
        await sending.wait()
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    found = counts(the_run())
    assert found["created"] == len(slow.records(134)) - before < ROWS - 1
    assert found["uncertain"] == 0
    assert found["pending"] == ROWS - 1 - found["created"]
    assert importer.resume(the_run()).summary.counts[Status.PENDING] == 0
    assert len(slow.records(134)) - before == ROWS - 1


def test_a_listener_that_fails_ends_an_async_run_cleanly(slow: LiveSandbox) -> None:
    def listener(news: Progress | importer.Event) -> None:
        if isinstance(news, Progress) and news.counts.get(Status.CREATED):
            raise LookupError

    with pytest.raises(LookupError):
        asyncio.run(
            importer.run_async(
                "leads.csv",
                "leads.yaml",
                target=target(slow),
                settings=ONE_BY_ONE,
                listener=listener,
            )
        )
    assert counts(the_run())["uncertain"] == 0


PROGRAM = """
import importer, sys
mapping = importer.load_mapping("leads.yaml")
settings = importer.RunSettings(pace=importer.Pace(concurrency=4))
def listener(news):
    if isinstance(news, importer.Progress) and news.counts.get(importer.Status.CREATED):
        print("sending", flush=True)
target = importer.target_for(mapping, base_url=sys.argv[1])
try:
    {work}
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
CALL = "importer.run('leads.csv', mapping, target=target, settings=settings, listener=listener)"


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process alone")
@pytest.mark.parametrize("on_a_loop", [False, True])
def test_ctrl_c_lets_a_script_record_what_is_in_flight(slow: LiveSandbox, on_a_loop: bool) -> None:
    before = len(slow.records(134))
    work = CALL
    if on_a_loop:
        # As in a notebook: asyncio.run would have a handler of its own.
        loop = "asyncio.new_event_loop()"
        work = (
            f"import asyncio\n    async def cell(): {CALL}\n    {loop}.run_until_complete(cell())"
        )
    command = [sys.executable, "-c", PROGRAM.format(work=work), slow.base_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sending\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().endswith("interrupted\n")
    assert process.returncode == 0
    found = counts(the_run())
    assert found["created"] == len(slow.records(134)) - before < ROWS - 1
    assert found["uncertain"] == 0


def test_a_program_that_ends_without_waiting_leaves_a_run_to_be_resumed(slow: LiveSandbox) -> None:
    """It does not wait for the whole file; no row that arrived is thought of as pending."""
    before = len(slow.records(134))
    call = CALL.replace("importer.run(", "importer.start(importer.run, ")
    work = f"running = {call}\n    next(n for n in running if getattr(n, 'done', 0) > 1)"
    command = [sys.executable, "-W", "error", "-c", PROGRAM.format(work=work), slow.base_url]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = recovery.report(the_run()).summary.counts
    arrived = len(slow.records(134)) - before
    assert 0 < found[Status.CREATED] <= arrived <= found[Status.CREATED] + found[Status.UNCERTAIN]
    assert found[Status.PENDING] > 0


def test_news_that_nobody_hears_are_bounded() -> None:
    """Of progress the newest is kept, of events the newest."""
    news = ProgressFeed()
    for n in range(10_000):
        news.put(Progress(Stage.READING, None, passed=n))
        news.put(Resumed())
    news.end()
    heard = list(news)
    assert len(heard) == MOST_EVENTS + 1
    assert heard[-1] == Progress(Stage.READING, None, passed=9_999)


def test_news_reach_a_loop_that_waits_and_survive_one_that_closed() -> None:
    news = ProgressFeed()

    async def first() -> object:
        return await anext(news.__aiter__())

    async def told() -> object:
        waiting = asyncio.create_task(first())
        await asyncio.sleep(0)
        await asyncio.to_thread(news.put, Resumed())
        return await waiting

    assert asyncio.run(told()) == Resumed()

    async def gone() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.01):
                await first()

    asyncio.run(gone())
    news.put(Resumed())  # its loop is closed
    news.end()
    assert list(news) == [Resumed()]


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"numpy", "pyarrow", "aiohttp", "click", "pydantic", "asyncio", "sqlite3"}
    code = (
        "import sys, importer; importer.UsageError, importer.Target; dir(importer);"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_all_names_are_there_and_no_other() -> None:
    """What type checkers are told is what there is, and the page names the exceptions."""
    text = Path(importer.__file__).read_text("utf-8")
    typed = text[text.index("if TYPE_CHECKING:") : text.index("__version__ =")]
    told = set(re.findall(r"\b(\w+)(?=,\n|$)", typed, re.MULTILINE))
    assert importer.__all__ == sorted(importer.__all__, key=lambda name: (name, name.lower()))
    assert told | {"__version__"} == set(importer.__all__)
    for name in importer.__all__:
        assert getattr(importer, name) is not None
    assert set(importer.__all__) <= set(dir(importer))
    with pytest.raises(AttributeError, match="nonsense"):
        importer.nonsense  # type: ignore[attr-defined]  # noqa: B018


CAUGHT_INSIDE = {"StillArrivingError", "ReplacedError"}
"""SourceErrors by which `batch` leaves a file for the next round: no function raises them."""


def test_whatever_a_function_raises_can_be_caught_by_a_public_name() -> None:
    """So that a program need not reach into modules that may change."""
    for module in pkgutil.walk_packages(importer.__path__, "importer."):
        if module.name.split(".")[1] not in {"__main__", "cli", "console", "sandbox"}:
            importlib.import_module(module.name)
    ours = [ImporterError]
    for one in ours:  # which grows meanwhile
        ours += [each for each in one.__subclasses__() if each not in ours]
    names = {one.__name__ for one in ours if one.__module__.split(".")[1] not in {"cli", "console"}}
    names = {name for name in names if not name.startswith("_")} - CAUGHT_INSIDE
    assert names - set(importer.__all__) == set()
    page = PAGE.read_text("utf-8")
    table = page[page.index("| exception | means |") : page.index("## Threads")]
    assert {name for name in names if f"`{name}`" not in table} == {"ImporterError"}
    for name in importer.__all__:
        doc = inspect.getdoc(getattr(importer, name)) or ""
        for sentence in re.findall(r"[Rr]aises? ([^.]*)", doc):
            told = re.findall(r"\b[A-Z][a-z]+[A-Z]\w+", sentence)
            assert set(told) <= set(importer.__all__), f"{name}: {sentence}"


def test_the_examples_of_the_page_run(
    sandbox: LiveSandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """One after the other, as somebody would who reads the page."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 6
    before = len(sandbox.records(134))
    names: dict[str, object] = {}
    for block in blocks:
        here = block.replace("http://127.0.0.1:8080/v2", sandbox.base_url)
        exec(compile(here, str(PAGE), "exec"), names)  # noqa: S102
    said = capsys.readouterr().out
    assert f"{ROWS - 1} of {ROWS} rows created\nexit code 1, results in runs" in said
    assert "row 3: " in said
    assert "10 of 10\n" in said
    assert "['row', 'status', 'numberid'," in said
    assert f"{ROWS - 1} records to create, plan " in said
    assert f"{ROWS - 1} created;" in said
    assert len(sandbox.records(134)) - before == (ROWS - 1) * 4 + 10
