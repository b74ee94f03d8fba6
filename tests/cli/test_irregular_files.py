"""What is named as a file and is none: devices, named pipes, views into the operating system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Windows has no such files")

LIST = "Name,Phone\nAnn,06301234567\nBob,06301234568\n"
MAPPING = """version: 1
project: 134
region: HU
form: {name: Name}
contacts: {1: {phone: Phone}}
"""
JOBS = """version: 1
runs_dir: runs
jobs:
  - {name: one, files: "FILES", mapping: m.yaml, done: done}
"""
TIMEOUT = 60.0
"""Seconds after which a command waits for ever."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "m.yaml").write_text(MAPPING, "utf-8")
    (tmp_path / "list.csv").write_text(LIST, "utf-8")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


# Some commands, one after the other, within 2 GiB of memory: of each, what it says and its code.
PROGRAM = """
import json, sys
if sys.platform == "linux":
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
from importer.cli.main import run_cli
for words in json.loads(sys.argv[1]):
    code = run_cli(words)
    sys.stderr.write(f"\\x1e{code}\\x1f")
"""


def refused(folder: Path, *commands: tuple[str, ...], stdin: str = os.devnull) -> list[str]:
    """What each of some commands says, which must refuse something."""
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    with Path(stdin).open("rb") as given:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, json.dumps(commands)],
            cwd=folder,
            env=environment,
            stdin=given,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    answers = [answer.split("\x1e") for answer in done.stderr.split("\x1f")[:-1]]
    assert len(answers) == len(commands), done.stderr
    for said, code in answers:
        assert code not in {"0", "1"}, done.stdout + said
        assert "Traceback" not in said
        assert "bug" not in said
    return [said for said, _ in answers]


ENDLESS = {"/dev/zero": "a device", "pipe": "a named pipe"}


def test_a_list_that_never_ends_is_refused_before_it_is_read(folder: Path) -> None:
    answers = refused(folder, *(("check", path, "-m", "m.yaml") for path in ENDLESS))
    for (path, what), told in zip(ENDLESS.items(), answers, strict=True):
        assert f"{path}: it is {what}" in told
        assert "pipe it into this command" in told


def test_a_mapping_that_never_ends_is_refused(folder: Path) -> None:
    answers = refused(folder, *(("check", "list.csv", "-m", path) for path in ENDLESS))
    for what, told in zip(ENDLESS.values(), answers, strict=True):
        assert f"it is {what}" in told


def test_a_key_that_never_ends_is_refused(folder: Path) -> None:
    words = ("run", "list.csv", "-m", "m.yaml", "--base-url", "http://127.0.0.1:9/v2")
    answers = refused(folder, *((*words, "--api-key-file", path) for path in ENDLESS))
    for what, told in zip(ENDLESS.values(), answers, strict=True):
        assert f"it is {what}" in told


def test_a_jobs_file_that_never_ends_is_refused(folder: Path) -> None:
    answers = refused(folder, *(("batch", path) for path in ENDLESS))
    for what, told in zip(ENDLESS.values(), answers, strict=True):
        assert f"it is {what}" in told


def test_a_do_not_call_list_that_never_ends_is_refused(folder: Path) -> None:
    for number, path in enumerate(ENDLESS):
        text = MAPPING + f"rows: {{do_not_call: {{file: {path}}}}}\n"
        (folder / f"{number}.yaml").write_text(text, "utf-8")
    commands = (("check", "list.csv", "-m", f"{n}.yaml") for n in range(len(ENDLESS)))
    answers = refused(folder, *commands)
    for what, told in zip(ENDLESS.values(), answers, strict=True):
        assert f"it is {what}" in told


def test_a_project_file_that_never_ends_is_refused(folder: Path) -> None:
    run = ("run", "list.csv", "-m", "m.yaml", "--sandbox", "--sandbox-project")
    commands = (
        *(("sandbox", "--project", path) for path in ENDLESS),
        *((*run, path) for path in ENDLESS),
    )
    assert all("not a file" in told for told in refused(folder, *commands))


def test_standard_input_that_never_ends_is_refused(folder: Path) -> None:
    (told,) = refused(folder, ("check", "-", "-m", "m.yaml"), stdin="/dev/zero")
    assert "a device" in told


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs /proc")
class TestTheOperatingSystem:
    """Its files have no size, or an invented one; reading some of them waits for ever."""

    def test_a_pattern_and_a_file_are_refused(self, folder: Path) -> None:
        commands = (("check", name, "-m", "m.yaml") for name in ("/proc/**", "/proc/version"))
        assert all("operating system" in told for told in refused(folder, *commands))

    def test_a_jobs_file_that_looks_there_is_refused(self, folder: Path) -> None:
        (folder / "j.yaml").write_text(JOBS.replace("FILES", "/proc/**"), "utf-8")
        (told,) = refused(folder, ("batch", "j.yaml"))
        assert "operating system" in told
        assert "j.yaml:4:" in told


def test_a_mapping_may_come_from_the_shell(folder: Path) -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as stream:
        stream.write(MAPPING.encode())
    done = subprocess.run(
        [sys.executable, "-m", "importer", "check", "list.csv", "-m", f"/dev/fd/{reading}"],
        cwd=folder,
        pass_fds=[reading],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    os.close(reading)
    assert done.returncode == 0, done.stderr
