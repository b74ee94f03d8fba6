"""What is named as a file and is none: devices, named pipes, views into the operating system."""

from __future__ import annotations

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


def refused(folder: Path, *words: str, stdin: str = os.devnull) -> str:
    """What a command says that refuses something, within 2 GiB of memory."""
    script = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))\n"
    script += "from importer.__main__ import main; main()"
    if sys.platform != "linux":
        script = "from importer.__main__ import main; main()"
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    with Path(stdin).open("rb") as given:
        done = subprocess.run(
            [sys.executable, "-c", script, *words],
            cwd=folder,
            env=environment,
            stdin=given,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    assert done.returncode not in {0, 1}, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "bug" not in done.stderr
    return done.stderr


ENDLESS = [("/dev/zero", "a device"), ("pipe", "a named pipe")]


@pytest.mark.parametrize(("path", "what"), ENDLESS)
def test_a_list_that_never_ends_is_refused_before_it_is_read(
    folder: Path, path: str, what: str
) -> None:
    told = refused(folder, "check", path, "-m", "m.yaml")
    assert f"{path}: it is {what}" in told
    assert "pipe it into this command" in told


@pytest.mark.parametrize(("path", "what"), ENDLESS)
def test_a_mapping_that_never_ends_is_refused(folder: Path, path: str, what: str) -> None:
    assert f"it is {what}" in refused(folder, "check", "list.csv", "-m", path)


@pytest.mark.parametrize(("path", "what"), ENDLESS)
def test_a_key_that_never_ends_is_refused(folder: Path, path: str, what: str) -> None:
    words = ("run", "list.csv", "-m", "m.yaml", "--api-key-file", path, "--base-url")
    told = refused(folder, *words, "http://127.0.0.1:9/v2")
    assert f"it is {what}" in told


@pytest.mark.parametrize(("path", "what"), ENDLESS)
def test_a_jobs_file_that_never_ends_is_refused(folder: Path, path: str, what: str) -> None:
    assert f"it is {what}" in refused(folder, "batch", path)


@pytest.mark.parametrize(("path", "what"), ENDLESS)
def test_a_do_not_call_list_that_never_ends_is_refused(folder: Path, path: str, what: str) -> None:
    text = MAPPING + f"rows: {{do_not_call: {{file: {path}}}}}\n"
    (folder / "m.yaml").write_text(text, "utf-8")
    assert f"it is {what}" in refused(folder, "check", "list.csv", "-m", "m.yaml")


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
@pytest.mark.parametrize("option", ["sandbox", "run"])
def test_a_project_file_that_never_ends_is_refused(folder: Path, path: str, option: str) -> None:
    words = {
        "sandbox": ("sandbox", "--project", path),
        "run": ("run", "list.csv", "-m", "m.yaml", "--sandbox", "--sandbox-project", path),
    }
    assert "not a file" in refused(folder, *words[option])


def test_standard_input_that_never_ends_is_refused(folder: Path) -> None:
    told = refused(folder, "check", "-", "-m", "m.yaml", stdin="/dev/zero")
    assert "a device" in told


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs /proc")
class TestTheOperatingSystem:
    """Its files have no size, or an invented one; reading some of them waits for ever."""

    def test_a_pattern_is_refused(self, folder: Path) -> None:
        assert "operating system" in refused(folder, "check", "/proc/**", "-m", "m.yaml")

    def test_a_file_is_refused(self, folder: Path) -> None:
        assert "operating system" in refused(folder, "check", "/proc/version", "-m", "m.yaml")

    def test_a_jobs_file_that_looks_there_is_refused(self, folder: Path) -> None:
        (folder / "j.yaml").write_text(JOBS.replace("FILES", "/proc/**"), "utf-8")
        told = refused(folder, "batch", "j.yaml")
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
