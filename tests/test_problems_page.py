"""docs/problems.md has every code that can occur, and no other.

Codes are written where problems are found. They are read from the source text here; an expression
that this cannot see through fails, unless it stands in `PASSED_ON`.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import importer

ROOT = Path(importer.__file__).parent
PAGE = ROOT.parent / "docs" / "problems.md"

MAKERS = {"Problem": 3, "Fault": 0, "Rejected": 0, "Uncertain": 0, "Outcome": 5}
"""What is made with a code, and its place among the arguments. The codes of Stop and Retry are
written to no file: of a run that stopped, the words are."""

PASSED_ON = {
    "api.verdict: '|'.join(filter(None, codes))",  # the service's own words
    "journal.journal: code",  # read back from the journal
    "mapping.fast_paths: self._code",  # a country's
    "mapping.program: fault.code",
    "pipeline.examine: **",
    "sending.frames: *rest",
    "sending.local: code",  # of a verdict
    "sources.snapshot: **",
    "survey.surveyor: self.code",  # of the row's problems
}
"""Where codes are only handed on, which were seen where they came from."""

SERVICE_CODE = re.compile(r"error\.[a-z_]+")
NUMBER = "NNN"
Function = ast.FunctionDef | ast.AsyncFunctionDef


class UnseenError(Exception):
    """An expression whose codes cannot be told."""


class Module:
    """One module's source text, with its constants and functions by name."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        self.tree = ast.parse(path.read_text("utf-8"))
        self.constants = {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.functions = [node for node in ast.walk(self.tree) if isinstance(node, Function)]
        self.takers = {
            function.name: place
            for function in self.functions
            if (place := place_of_code(function)) is not None
        }
        self.imported = {
            str(node.module).removeprefix("importer.")
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom)
        }

    def calls(self) -> Iterator[tuple[ast.Call, Function | None]]:
        """Every call, with the function that it stands in."""
        todo: list[tuple[ast.AST, Function | None]] = [(self.tree, None)]
        while todo:
            node, function = todo.pop()
            if isinstance(node, ast.Call):
                yield node, function
            inner = node if isinstance(node, Function) else function
            todo += ((child, inner) for child in ast.iter_child_nodes(node))

    def codes(self, node: ast.expr, function: Function | None) -> Iterator[str]:
        """The codes that an expression can be."""
        match node:
            case ast.Constant(value=None):
                return
            case ast.Constant(value=str(text)):
                yield text
            case ast.JoinedStr(values=parts):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else NUMBER for part in parts
                )
            case ast.IfExp(body=one, orelse=other):
                yield from self.codes(one, function)
                yield from self.codes(other, function)
            case ast.BoolOp(values=values):
                for value in values:
                    yield from self.told(value, function)
            case ast.Name(id=name) if name in self.constants:
                yield from self.codes(self.constants[name], None)
            case ast.Name(id="code") if function and place_of_code(function) is not None:
                return  # those who call it are looked at
            case ast.Name(id=name) if function is not None:
                yield from self._assigned(name, function)
            case _:
                raise UnseenError

    def told(self, node: ast.expr, function: Function | None) -> Iterator[str]:
        """The same, where what cannot be seen through must be known to be passed on."""
        try:
            yield from self.codes(node, function)
        except UnseenError:
            yield f"{self.name}: {ast.unparse(node)}"

    def _assigned(self, name: str, function: Function) -> Iterator[str]:
        """The codes of a name that the function has given a value."""
        found = False
        for node in ast.walk(function):
            if not isinstance(node, ast.Assign):
                continue
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    found = True
                    yield from self.told(node.value, function)
                names = target.elts if isinstance(target, ast.Tuple) else []
                for place, element in enumerate(names):
                    if isinstance(element, ast.Name) and element.id == name:
                        found = True
                        yield from self._returned(node.value, place)
        if not found:
            raise UnseenError

    def _returned(self, call: ast.expr, place: int) -> Iterator[str]:
        """The codes at a place of the tuples that a called function returns."""
        name = called(call) if isinstance(call, ast.Call) else None
        found = [(m, f) for m in MODULES for f in m.functions if f.name == name]
        if len(found) != 1:
            raise UnseenError
        [(module, function)] = found
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
                yield from module.told(node.value.elts[place], function)

    def argument(self, call: ast.Call, place: int) -> ast.expr | str | None:
        """The code's argument; a text for one that is hidden by stars, None where there is none."""
        for keyword in call.keywords:
            if keyword.arg == "code":
                return keyword.value
        arguments: list[ast.expr | str] = []
        for argument in call.args:
            match argument:
                case ast.Starred(value=ast.Name(id=name)) if name in self.constants:
                    constant = self.constants[name]
                    assert isinstance(constant, ast.Tuple), f"{self.name}: {name}"
                    arguments += constant.elts
                case ast.Starred():
                    arguments += [f"{self.name}: {ast.unparse(argument)}"] * (place + 1)
                case _:
                    arguments.append(argument)
        if len(arguments) > place:
            return arguments[place]
        return f"{self.name}: **" if any(k.arg is None for k in call.keywords) else None


def place_of_code(function: Function) -> int | None:
    """At which place a function takes a code."""
    names = [argument.arg for argument in function.args.args if argument.arg not in {"self", "cls"}]
    return names.index("code") if "code" in names else None


def called(call: ast.Call) -> str | None:
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return None


MODULES = [
    Module(path)
    for path in sorted(ROOT.rglob("*.py"))
    if path.relative_to(ROOT).parts[0] not in {"sandbox", "cli"}
]


def place_in(call: ast.Call, module: Module) -> int | None:
    """The place of the code among a call's arguments, where it takes one."""
    name = called(call) or ""
    rooms = [module, *(other for other in MODULES if other.name in module.imported)]
    return MAKERS.get(name, next((m.takers[name] for m in rooms if name in m.takers), None))


def written() -> Iterator[str]:
    """Every code that the importer writes, and every expression that could not be seen through."""
    for module in MODULES:
        for call, function in module.calls():
            place = place_in(call, module)
            if place is None:
                continue
            match module.argument(call, place):
                case str(hidden):
                    yield hidden
                case ast.expr() as argument:
                    yield from module.told(argument, function)
        if module.name == "api.verdict":
            texts = (n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant))
            yield from (t for t in texts if isinstance(t, str) and SERVICE_CODE.fullmatch(t))


def tables() -> dict[str, list[list[str]]]:
    """The page's tables by heading: the cells of each line but the header's."""
    found: dict[str, list[list[str]]] = {}
    for section in PAGE.read_text("utf-8").split("\n## ")[1:]:
        heading, _, text = section.partition("\n")
        lines = [line for line in text.splitlines() if line.startswith("|")]
        rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines[2:]]
        if rows:
            found[heading] = [[cell.strip() for cell in row] for row in rows]
    return found


CODES = set(written())


def test_every_code_that_can_occur_is_on_the_page_and_no_other() -> None:
    listed = Counter(row[0].strip("`") for rows in tables().values() for row in rows)
    assert [code for code, times in listed.items() if times > 1] == []
    codes = {code for code in CODES if ": " not in code}
    assert sorted(codes - set(listed)) == [], "give them their place in docs/problems.md"
    assert sorted(set(listed) - codes) == [], "nothing gives these codes any more"


def test_every_way_in_which_a_code_is_written_is_understood() -> None:
    assert {code for code in CODES if ": " in code} == PASSED_ON


@pytest.mark.parametrize("heading", tables())
def test_a_table_is_in_the_order_of_the_alphabet_and_has_no_blank_cell(heading: str) -> None:
    rows = tables()[heading]
    codes = [row[0].strip("`") for row in rows]
    assert codes == sorted(codes)
    for row in rows:
        assert len(row) == 4, row
        assert all(row), row
