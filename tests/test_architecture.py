"""Who may import whom, and where each outside library stands; docs/architecture.md says why."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import importer

ROOT = Path(importer.__file__).parent
MODULES = {
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

FOUNDATION = ("errors", "model", "settings")
HELPERS = (*FOUNDATION, "files")
ALLOWED: dict[str, tuple[str, ...]] = {
    "errors": (),
    "model": (),
    "settings": ("errors",),
    "stopping": (),
    "textbytes": ("model",),
    "memory": (),
    "files": ("errors",),
    "rundir": ("errors",),
    "shell": (),
    "terminal": (),
    "commands": (*FOUNDATION, "api.request", "credentials", "shell"),
    "summary": (*FOUNDATION, ""),
    "mapping": (*HELPERS, "mapping", "textbytes"),
    "survey": (*FOUNDATION, "survey", "textbytes"),
    "api.bodies": (*FOUNDATION, "textbytes"),
    "api.request": FOUNDATION,
    "api.verdict": FOUNDATION,
    "api": (*FOUNDATION, "api"),
    "sources": (*HELPERS, "memory", "sources", "textbytes"),
    "journal": (*HELPERS, "journal_file", "journal_rows"),
    "journal_file": (*HELPERS, "shell"),
    "journal_rows": FOUNDATION,
    "csvlines": (),
    "textbook": HELPERS,
    "results": (*HELPERS, "csvlines", "textbook"),
    "sending": (*FOUNDATION, "sending"),
    "sending.cluster": (*HELPERS, "sending", ""),
    "sending.cluster_sender": (*FOUNDATION, "api", "loop", "sender", "sending"),
    "reports": (*HELPERS, "csvlines", "reports", "shell", "textbook"),
    "sandbox": ("errors", "sandbox"),
    "cli": (
        *(
            *HELPERS,
            "cli",
            "commands",
            "credentials",
            "drafting",
            "loop",
            "library",
            "logmarks",
            "operations",
            "pipeline",
            "reconcile",
            "recovery",
            "reports",
            "rundir",
            "sandbox",
            "shell",
            "stopping",
            "terminal",
        ),
        "",  # the version
    ),
    "problem_log": HELPERS,
    "preflight": ("*",),
    "do_not_call": ("*",),
    "examination": ("*",),
    "incoming": ("*",),
    "loop": (),
    "logmarks": (),
    "operations": ("*",),
    "ahead": (),
    "credentials": (*HELPERS, "api.request", "mapping", "shell"),
    "library": ("*",),
    "news": FOUNDATION,
    "running": (*FOUNDATION, "line", "loop", "news", "stopping"),
    "sender": (*FOUNDATION, "api", "loop", "sending"),
    "pipeline": ("*",),
    "drafting": ("*",),
    "line": ("*",),
    "recovery": ("*",),
    "reconcile": ("*",),
    "__main__": ("cli",),
    "": ("credentials", "errors", "library", "model", "settings"),
}
"""For each module or package, what of ours it may import; the longest name that fits decides."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "click": ("cli",),
    "tqdm": ("cli",),
    "dotenv": ("credentials",),
    "distributed": ("sending.cluster",),
    "aiohttp": ("api.connections", "api.peer", "operations.remote_https", "sandbox", "summary"),
    "sqlite3": ("journal", "journal_file", "operations.ledger", "sandbox"),
    "ruamel": ("mapping.reader", "sandbox.document"),
    "pydantic": (
        "mapping",
        "operations.jobs",
        "operations.jobs_merged",
        "operations.jobs_spec",
        "sandbox",
    ),
    "filelock": ("operations",),
    "platformdirs": ("operations.runs_folders",),
    "apprise": ("operations.notify",),
    "prometheus_client": ("operations.metrics",),
    "watchfiles": ("operations.batch_watch",),
    "asyncssh": ("operations.remote_sftp",),
    "s3fs": ("operations.remote_s3",),
    "pyarrow": (
        "api.bodies",
        "model",
        "sources",
        "mapping",
        "memory",
        "summary",
        "survey",
        "textbytes",
    ),
    "python_calamine": ("sources",),
    "msoffcrypto": ("sources",),
    "olefile": ("sources",),
    "xlrd": ("sources",),
    "openpyxl": (),
    "xlsxwriter": ("textbook",),
    "csv": ("sources",),
    "zipfile": ("sources",),
    "phonenumbers": ("mapping", "summary"),
    "email_validator": ("mapping",),
}
"""Outside libraries, and the modules or packages of ours in which alone each stands."""


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in full)


def within(name: str, rooms: tuple[str, ...]) -> bool:
    """Whether a module of ours, without the leading ``importer.``, stands in one of the rooms."""
    return any(name == room or (room and name.startswith(f"{room}.")) for room in rooms)


def own(name: str) -> str:
    return name.removeprefix("importer").removeprefix(".")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_its_place_allows(module: str) -> None:
    name = own(module)
    rooms = sorted((room for room in ALLOWED if within(name, (room,))), key=len)
    assert rooms, f"{module} has no place in the house: give it one in ALLOWED and in the docs"
    allowed = ALLOWED[rooms[-1]]
    taken = {own(name) for name in imports(MODULES[module]) if name.split(".")[0] == "importer"}
    forbidden = {"cli", "sandbox", "__main__"} if "*" in allowed else set()
    wrong = {
        name
        for name in taken
        if within(name, tuple(forbidden)) or ("*" not in allowed and not within(name, allowed))
    }
    assert not wrong, f"{module} may not import {sorted(wrong)}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_outside_library_stands_in_its_place_only(library: str) -> None:
    users = {own(m) for m, path in MODULES.items() if library in map(_top, imports(path))}
    assert {user for user in users if not within(user, ONLY_IN[library])} == set()


def _top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_the_files_of_others_are_read_in_sources_only() -> None:
    """Arrow's arrays are everywhere; its readers in one place."""
    for module, path in MODULES.items():
        if not within(own(module), ("sources",)):
            assert not {"csv", "parquet"} & {name.split(".")[-1] for name in imports(path)}, module


def test_every_public_name_has_a_docstring() -> None:
    missing = []
    for info in pkgutil.walk_packages(importer.__path__, "importer."):
        module = importlib.import_module(info.name)
        if not module.__doc__:
            missing.append(info.name)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", None) != info.name:
                continue
            if (inspect.isclass(thing) or inspect.isfunction(thing)) and not thing.__doc__:
                missing.append(f"{info.name}.{name}")
            if inspect.isclass(thing):
                missing += [
                    f"{info.name}.{name}.{method}"
                    for method, function in vars(thing).items()
                    if inspect.isfunction(function)
                    and not method.startswith("_")
                    and not inspect.getdoc(getattr(thing, method))
                ]
    assert missing == []


def test_every_option_of_every_command_has_a_help_text() -> None:
    from importer.cli.main import COMMANDS, cli

    context = click.Context(cli)
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.help
        assert command.short_help
        assert command.epilog, f"{name} has no example"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts[0]}"
                assert parameter.is_flag or parameter.metavar, f"{name} {parameter.opts[0]}"
