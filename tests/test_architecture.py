"""Who may import whom, and where each outside library stands; docs/architecture.md says why."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
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
    "files": ("errors",),
    "credentials": (*HELPERS, "api.request", "mapping"),
    "mapping": (*HELPERS, "mapping"),
    "survey": (*FOUNDATION, "survey"),
    "api.request": FOUNDATION,
    "api.verdict": FOUNDATION,
    "api": (*FOUNDATION, "api"),
    "sources": (*HELPERS, "sources"),
    "journal": (*HELPERS, "journal"),
    "drafting": (*HELPERS, "drafting", "mapping", "survey"),
    "drafting.draft": ("*",),
    "sending": (*FOUNDATION, "sending"),
    "sending.loop": (),
    "sending.sender": (*FOUNDATION, "api", "sending"),
    "sending.cluster": (*HELPERS, "api", "sending", ""),
    "reports": (*HELPERS, "reports"),
    "pipeline": ("*",),
    "pipeline.results": (*HELPERS, "reports.csvlines", "reports.text_workbook"),
    "pipeline.rundir": ("errors",),
    "pipeline.running": (*FOUNDATION, "sending.loop"),
    "pipeline.summary": (*HELPERS, "api.request", "credentials", ""),
    "library": (
        *(*HELPERS, "credentials", "drafting", "mapping", "pipeline", "survey"),
        *("operations.guarded", "operations.ledger"),
    ),
    "operations": ("*",),
    "operations.guarded": (
        *HELPERS,
        *("journal", "mapping", "operations.ledger", "pipeline", "survey"),
    ),
    "operations.ledger": (*HELPERS, "journal", "pipeline.rundir"),
    "console": (
        *(*HELPERS, "console", "credentials", "library"),
        *("operations.ledger", "reports.content", "reports.writing", "sandbox.started"),
    ),
    "sandbox": ("errors", "sandbox"),
    "cli": (
        *(
            *HELPERS,
            "cli",
            "console",
            "credentials",
            "drafting.draft",
            "library",
            "operations",
            "pipeline",
            "reports",
            "sandbox",
            "sending.loop",
        ),
        "",  # the version
    ),
    "__main__": ("cli",),
    "": (
        *("credentials", "errors", "library", "model", "settings"),
        *("operations.batch", "operations.batch_report"),
    ),
}
"""For each module or package, what of ours it may import; the longest name that fits decides."""

ONLY_IN: dict[str, tuple[str, ...]] = {
    "click": ("cli",),
    "tqdm": ("cli",),
    "dotenv": ("credentials",),
    "distributed": ("sending.cluster",),
    "aiohttp": (
        "api.exchange",
        "console",
        "operations.remote_https",
        "pipeline.summary",
        "sandbox",
    ),
    "sqlite3": ("journal", "operations.ledger", "sandbox"),
    "ruamel": ("mapping.changes", "mapping.load", "sandbox.document"),
    "pydantic": (
        "mapping",
        "operations.jobs",
        "operations.jobs_spec",
        "sandbox",
    ),
    "filelock": ("console.instance", "operations"),
    "jinja2": ("console.pages", "reports.html_report"),
    "markupsafe": ("reports.html_report",),
    "platformdirs": ("operations.ledger",),
    "apprise": ("operations.notify",),
    "prometheus_client": ("operations.batch_report",),
    "watchfiles": ("operations.batch",),
    "asyncssh": ("operations.remote_sftp",),
    "s3fs": ("operations.remote_s3",),
    "pandas": ("model", "pipeline.apply", "pipeline.result_rows"),
    "pyarrow": (
        "drafting",
        "model",
        "sources",
        "mapping",
        "pipeline.edits",
        "pipeline.origins",
        "pipeline.ready",
        "pipeline.recheck",
        "pipeline.summary",
        "reports.csvlines",
        "reports.marked_workbook",
        "survey",
    ),
    "python_calamine": ("sources",),
    "msoffcrypto": ("sources",),
    "olefile": ("sources",),
    "xlrd": ("sources",),
    "openpyxl": ("reports.marked_workbook",),
    "xlsxwriter": ("reports.text_workbook",),
    "csv": ("sources",),
    "zipfile": ("sources",),
    "phonenumbers": ("drafting", "mapping", "pipeline.summary"),
    "email_validator": ("mapping",),
}
"""Outside libraries, and the modules or packages of ours in which alone each stands."""


_TOP = {"cli", "console", "sandbox", "__main__"}
ABOVE: dict[str, set[str]] = {
    "drafting": _TOP | {"library", "operations"},
    "pipeline": _TOP | {"drafting", "library", "operations"},
    "operations": _TOP,
}
"""The ladder of those that see several stages: what stands above each, and must not be imported.

A run with its guards (`operations.guarded`, on the ledger) stands below `library`, the rest of
`operations` above it: ALLOWED says so module by module.
"""


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, wherever in it."""
    found: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            full = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if name in MODULES else node.module for name in full]
    return tuple(found)


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
    forbidden = ABOVE[rooms[-1].split(".")[0]] if "*" in allowed else set()
    wrong = {
        name
        for name in taken
        if within(name, tuple(forbidden)) or ("*" not in allowed and not within(name, allowed))
    }
    assert not wrong, f"{module} may not import {sorted(wrong)}"


def circles(graph: dict[str, set[str]]) -> set[tuple[str, ...]]:
    """The strongly connected components of a graph that are more than one node (Tarjan)."""
    found: set[tuple[str, ...]] = set()
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == number[node]:
            at = stack.index(node)
            if len(stack) - at > 1:
                found.add(tuple(sorted(stack[at:])))
            del stack[at:]

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def test_there_is_no_circle_of_imports() -> None:
    """Imports within functions and for type checkers count, too.

    `importer` itself is left out: it imports nothing before a public name is asked of it, and the
    only thing that modules of ours take from it is its version.
    """
    graph = {
        own(module): {own(name) for name in imports(path) if name in MODULES} - {"", own(module)}
        for module, path in MODULES.items()
        if module != "importer"
    }
    assert circles(graph) == set(), "these import each other"


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_outside_library_stands_in_its_place_only(library: str) -> None:
    users = {own(m) for m, path in MODULES.items() if library in map(_top, imports(path))}
    assert {user for user in users if not within(user, ONLY_IN[library])} == set()


def _top(name: str) -> str:
    return name.split(".", maxsplit=1)[0]


def test_the_files_of_others_are_read_in_sources_only() -> None:
    """Arrow's arrays are everywhere; its readers in one place, and its writer of CSV in another."""
    for module, path in MODULES.items():
        if not within(own(module), ("sources", "reports.csvlines")):
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
