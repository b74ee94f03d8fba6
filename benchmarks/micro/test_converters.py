"""What one batch of a column costs, by kind of rule: `python -m pytest benchmarks/micro`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from benchmarks.leads import HEADERS, MAPPING, rows
from importer.api.request import encode
from importer.mapping.bound import BoundMapping, bind_mapping
from importer.mapping.cells import arrow_texts
from importer.mapping.load import load_mapping
from importer.model import Batch
from importer.settings import BATCH_ROWS

RULES = {
    "text": "form: {name: Full name}",
    "choices": "form: {city: {column: City, choices: [Budapest, Győr, Pécs, Szeged, Debrecen]}}",
    "template": 'form: {address: {template: "{Zip} {City}, {Street}"}}',
    "multiple": 'form: {likes: {column: Likes, multiple: true, split: [";"]}}',
    "date": 'form: {day: {column: Signed, type: date, input: ["%d.%m.%Y"], output: "%Y-%m-%d"}}',
    "decimal": "form: {commission: {column: Commission, type: decimal}}",
    "phone": "form: {source: {value: web}}\ncontacts: {1: {phone: Phone}}",
    "e-mail": "form: {email: {column: Email, type: email}}",
}


@pytest.fixture(scope="module")
def batch() -> Batch:
    columns = dict(enumerate(map(arrow_texts, zip(*rows(BATCH_ROWS), strict=True))))
    return Batch(np.arange(2, BATCH_ROWS + 2, dtype=np.int64), columns)


def plan_of(text: str, folder: Path) -> BoundMapping:
    path = folder / "mapping.yaml"
    path.write_text(f"version: 1\nregion: HU\n{text}\n", "utf-8")
    return bind_mapping(load_mapping(path), HEADERS)


@pytest.mark.parametrize("kind", RULES)
def test_a_batch_of_one_rule(
    benchmark: BenchmarkFixture, kind: str, batch: Batch, tmp_path: Path
) -> None:
    plan = plan_of(RULES[kind], tmp_path)
    assert len(benchmark(plan.evaluate, batch).checked.rows) == BATCH_ROWS


def test_a_batch_of_the_whole_mapping(benchmark: BenchmarkFixture, batch: Batch) -> None:
    plan = bind_mapping(load_mapping(MAPPING), HEADERS)
    assert not benchmark(plan.evaluate, batch).checked.problems


def test_a_batch_of_bodies(benchmark: BenchmarkFixture, batch: Batch) -> None:
    plan = bind_mapping(load_mapping(MAPPING), HEADERS)
    evaluated = plan.evaluate(batch)

    def bodies() -> list[bytes]:
        return list(encode(plan.records(evaluated, "run")))

    assert len(benchmark(bodies)) == BATCH_ROWS
