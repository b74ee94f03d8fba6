"""New values are allowed in a mapping's text, and nothing else of it is changed."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.mapping.changes import with_new_values, without_new_value
from importer.mapping.load import load_mapping

MAPPINGS = sorted((Path(__file__).parents[2] / "mappings").glob("*.yaml"))
ODD = ["Budaörs", "yes", "123", " a: b", "#x", "null", "- y", "'", "line\nbreak", "[", "1e3"]


def loaded(text: str, folder: Path) -> dict[str, list[str]]:
    path = folder / "mapping.yaml"
    path.write_text(text, "utf-8")
    found = load_mapping(path).spec.new_values
    return {name: list(values) for name, values in found.items()}


@pytest.mark.parametrize("path", MAPPINGS, ids=lambda path: path.stem)
def test_all_else_stays_with_its_comments(path: Path, tmp_path: Path) -> None:
    text = path.read_text("utf-8")
    before = loaded(text, tmp_path)
    name = next(iter(load_mapping(path).spec.form))
    more = with_new_values(text, {name: ODD})
    assert loaded(more, tmp_path) == {**before, name: [*before.get(name, []), *ODD]}
    assert set(text.splitlines()) <= set(more.splitlines())
    for value in ODD:
        more = without_new_value(more, name, value)
    assert more == text
    assert without_new_value(more, "no_field", "x") == text


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), min_size=1, max_size=5
    )
)
def test_any_text_is_allowed_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("mapping")
    values = [unicodedata.normalize("NFC", value) for value in values]  # as cells are read
    text = "version: 1\nform: {city: City}  # where they live\n"
    more = with_new_values(text, {"city": values})
    assert loaded(more, folder).get("city", []) == list(dict.fromkeys(values))
    assert with_new_values(more, {"city": values}) == more
