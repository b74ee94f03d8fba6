"""Small sheets and mappings in memory, for tests of the mapping."""

from __future__ import annotations

import functools
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from importer.api.request import encode
from importer.mapping.bound import BoundMapping, bind_mapping
from importer.mapping.cells import arrow_texts
from importer.mapping.load import LoadedMapping, load_mapping
from importer.model import Batch, Problem, Severity


@functools.lru_cache
def mapping_of(text: str) -> LoadedMapping:
    """Load a mapping from YAML text, as ``m.yaml``; ``version: 1`` is put in front."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m.yaml"
        path.write_text("version: 1\n" + textwrap.dedent(text), "utf-8")
        return load_mapping(path)


def batch_of(rows: Sequence[Sequence[str]], first: int = 2) -> Batch:
    """Make a batch of these cells; row numbers count from `first`."""
    columns = dict(enumerate(map(arrow_texts, zip(*rows, strict=True))))
    return Batch(np.arange(first, first + len(rows), dtype=np.int64), columns)


def cells_of(batch: Batch) -> list[list[str]]:
    """The cells of a batch, row by row."""
    columns = [column.to_pylist() for column in batch.columns.values()]
    return [list(row) for row in zip(*columns, strict=True)]


def plan_of(text: str, headers: Sequence[str]) -> BoundMapping:
    """Compile a mapping for a sheet with these headers."""
    return bind_mapping(mapping_of(text), headers)


def bodies(text: str, headers: Sequence[str], *rows: Sequence[str]) -> list[dict[str, Any]]:
    """Give the bodies of these rows, whatever is wrong with them."""
    plan = plan_of(text, headers)
    evaluated = plan.evaluate(batch_of(rows))
    return [json.loads(body) for body in encode(plan.records(evaluated, "run"))]


def body(text: str, headers: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """Give the body of one row, which must have no error."""
    plan = plan_of(text, headers)
    evaluated = plan.evaluate(batch_of([row]))
    assert [p for p in evaluated.checked.problems if p.severity is Severity.ERROR] == []
    [sent] = encode(plan.records(evaluated, "run"))
    found: dict[str, Any] = json.loads(sent)
    return found


def problems(text: str, headers: Sequence[str], *rows: Sequence[str]) -> list[Problem]:
    """Give the problems of these rows."""
    return list(plan_of(text, headers).evaluate(batch_of(rows)).checked.problems)


def codes(text: str, headers: Sequence[str], *rows: Sequence[str]) -> list[str]:
    """Give the codes of the problems of these rows, in order."""
    return [problem.code for problem in problems(text, headers, *rows)]


def informed(text: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> BoundMapping:
    """Compile a mapping for a sheet, and let it know what these rows show."""
    plan = plan_of(text, headers)
    watch = plan.fact_counter()
    watch.add(batch_of(rows))
    return plan.with_facts(watch.facts())


def bodies_of(plan: BoundMapping, rows: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Give the bodies that a plan makes of these rows, whatever is wrong with them."""
    evaluated = plan.evaluate(batch_of(rows))
    return [json.loads(body) for body in encode(plan.records(evaluated, "run"))]
