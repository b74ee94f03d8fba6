"""The documentation says what the code does."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest

from importer.cli.main import cli
from tests.support.live_sandbox import live_sandbox

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    for path, text in generator().pages():
        assert path.read_text("utf-8") == text, f"{path.name}: run `make docs`"


def test_every_link_inside_the_documentation_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def commands(page: Path) -> Iterator[list[str]]:
    """What stands behind ``vcc-import`` in the blocks of a page that are typed or run."""
    for block in re.findall(
        r"```(?:console|sh|cron)\n(.*?)```", page.read_text("utf-8"), re.DOTALL
    ):
        for line in block.replace("\\\n", " ").splitlines():
            found = re.search(r"(?:^|[ /])vcc-import ((?:[^|<>&;#]|(?<!\s)#)*)", line)
            if found is not None and not re.match(r"\s*#", line):
                yield shlex.split(found[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.name))
def test_commands_of_the_documentation_and_their_options_exist(page: Path) -> None:
    context = click.Context(cli)
    for words in commands(page):
        command = cli.get_command(context, words[0])
        if words[0].startswith("-"):
            continue
        assert command is not None, words
        known = {name for option in command.params for name in option.opts} | {"--help"}
        used = {word.partition("=")[0] for word in words if word.startswith("-") and word != "-"}
        assert used - known == set(), (page.name, words)


@pytest.mark.skipif(os.name != "posix", reason="the scripts are for a shell and cron")
def test_the_scripts_that_plan_in_the_evening_send_in_the_morning(tmp_path: Path) -> None:
    home, bin_ = tmp_path / "leads", tmp_path / "bin"
    (home / "inbox").mkdir(parents=True)
    bin_.mkdir()
    page = (ROOT / "docs" / "plan.md").read_text("utf-8")
    scripts = re.findall(r"```sh\n(#!/bin/sh\n# (\w+\.sh): .*?)```", page, re.DOTALL)
    for text, name in scripts:
        (bin_ / name).write_text(text.replace("/srv/leads", shlex.quote(str(home))), "utf-8")
    (home / "leads.yaml").write_bytes((ROOT / "mappings" / "leads.yaml").read_bytes())
    (home / "inbox" / "leads.xlsx").write_bytes((ROOT / "samples" / "leads.xlsx").read_bytes())
    python = shlex.quote(sys.executable)
    with live_sandbox(projects=ROOT / "samples" / "project.yaml") as sandbox:
        shim = bin_ / "vcc-import"
        there = f'[ "$1" != plan ] || set -- "$@" --base-url {sandbox.base_url}'
        shim.write_text(f'#!/bin/sh\n{there}\nexec {python} -m importer "$@"\n', "utf-8")
        shim.chmod(0o755)
        path = f"{bin_}{os.pathsep}{os.environ['PATH']}"
        variables = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
        variables |= {"VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}

        def run(name: str) -> int:
            return subprocess.run(["sh", bin_ / name], env=variables, check=False).returncode

        assert run("morning.sh") == 0, "nothing was planned"
        assert run("evening.sh") == 1
        assert sandbox.records(134) == []
        assert run("morning.sh") == 1
        assert len(sandbox.records(134)) == 216
        assert run("morning.sh") == 1
        assert len(sandbox.records(134)) == 216, "nothing is sent twice"
        (home / "inbox" / "leads.xlsx").unlink()
        assert run("evening.sh") == 2
        assert run("morning.sh") == 0, "yesterday's plan is not taken for today's"
