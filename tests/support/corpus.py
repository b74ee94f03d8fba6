"""Cases of the corpus: a file with a sidecar that says what must be found in it.

A sidecar is YAML and lies beside its file, with the same stem:

    shows: one sentence
    files: [a.csv, b.csv]      # default: the file with the sidecar's stem
    made: zip_bomb             # instead: built when the test runs (corpus_hostile.py)
    beside: [robinson.csv]     # other files that must lie in the folder
    mapping: people            # a shared one of corpus/mappings, or a mapping written out
    options: [--sheet, Leads]  # of the command line
    online: project.yaml       # check against a sandbox that serves this project
    stdin: true                # the file comes from standard input
    refused: a pattern         # the file is unusable: exit code 2, and the message has this in it
    encoding, delimiter, header_row, sheet, rows, ready, invalid, skipped, unused_columns:
                               # as in the JSON report; what is left out is not compared
    problems:                  # all of them, in any order; `value`, `said` and `hint` where given
      - {row: 2, column: Phone, code: bad_phone, severity: error}
    bodies: {2: {form: …}}     # of the rows named
    each: [{rows: 2, …}]       # the reports, where there are several files
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

FOLDER = Path(__file__).parents[1] / "corpus"
REPORTED = (
    "encoding",
    "delimiter",
    "header_row",
    "sheet",
    "rows",
    "ready",
    "invalid",
    "skipped",
    "unused_columns",
)
_KNOWN = {
    *("shows", "files", "made", "beside", "mapping", "options", "online", "stdin", "refused"),
    *REPORTED,
    *("problems", "bodies", "each"),
}


@dataclass(frozen=True, slots=True)
class Case:
    """One sidecar; `topic` is the folder it lies in."""

    path: Path
    content: dict[str, Any]

    @property
    def name(self) -> str:
        """The topic and the stem, as a test's id."""
        return f"{self.topic}/{self.path.stem}"

    @property
    def topic(self) -> str:
        """What kind of trouble the case is about."""
        return self.path.parent.name

    def files(self) -> list[str]:
        """The names of the files that are checked."""
        if "made" in self.content:
            return []
        if "files" in self.content:
            return list(self.content["files"])
        stem, folder = self.path.stem, self.path.parent
        return [p.name for p in sorted(folder.glob(f"{stem}.*")) if p.suffix != ".yaml"]

    def lay_out(self, folder: Path) -> tuple[list[Path], Path]:
        """Copy files and mapping to a folder; gives the paths of both."""
        for name in [*self.files(), *self.content.get("beside", ())]:
            shutil.copy(self.path.parent / name, folder / name)
        mapping = self.content["mapping"]
        path = folder / "mapping.yaml"
        if isinstance(mapping, str):
            shutil.copy(FOLDER / "mappings" / f"{mapping}.yaml", path)
        else:
            with path.open("w", encoding="utf-8") as file:
                YAML(typ="safe").dump({"version": 1, **mapping}, file)
        return [folder / name for name in self.files()], path


def cases() -> list[Case]:
    """All cases, in order; a sidecar with an unknown key is a mistake."""
    found = []
    for path in sorted(FOLDER.glob("*/*.yaml")):
        if path.parent.name == "mappings":
            continue
        content = YAML(typ="safe").load(path.read_text("utf-8"))
        unknown = {key for part in [content, *content.get("each", ())] for key in part} - _KNOWN
        if unknown:
            raise AssertionError(f"{path}: unknown keys {unknown}")
        found.append(Case(path, content))
    return found


def differences(expected: dict[str, Any], report: dict[str, Any]) -> list[str]:
    """What a JSON report says otherwise than the case, a line each."""
    found = [
        f"{key}: {report[key]!r}, expected {expected[key]!r}"
        for key in REPORTED
        if key in expected and report[key] != expected[key]
    ]
    left = list(report["problems"])
    for wanted in expected.get("problems", ()):
        match = next((problem for problem in left if _fits(wanted, problem)), None)
        if match is None:
            found.append(f"missing: {wanted}")
        else:
            left.remove(match)
    return [*found, *(f"unexpected: {shown(problem)}" for problem in left)]


def shown(problem: dict[str, Any]) -> dict[str, Any]:
    """A problem as sidecars write it, and what it says."""
    return {key: problem[key] for key in ("row", "column", "code", "severity", "value", "message")}


def _fits(wanted: dict[str, Any], problem: dict[str, Any]) -> bool:
    texts = {"said": problem["message"], "hint": problem["hint"] or ""}
    return all(
        re.search(value, texts[key]) is not None if key in texts else problem[key] == value
        for key, value in wanted.items()
    )
