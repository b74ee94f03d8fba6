"""The report as one HTML page that needs nothing else: to read, to search, to print, to send on.

Whatever a cell holds, it stays text: every text is escaped, and the page's policy allows no script
and no style but its own, by their hashes, and no network at all.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import islice
from pathlib import Path

from importer.model import Checkup, Problem, Severity
from importer.reports.charts import (
    contacts_chart,
    element,
    escaped,
    fates_chart,
    fill_chart,
    kinds_chart,
    name_of,
)
from importer.reports.csv_report import all_problems
from importer.reports.verdict import (
    EXAMPLES,
    Kind,
    count,
    describe,
    kinds,
    phones_read,
    place,
    readiness,
    remedies,
    supplier_hint,
    supplier_message,
    verdict,
)

TABLE_ROWS = 5000
"""Problems in the table of one file: more make a page that no browser likes."""


_GROUPS = {Severity.ERROR: "What to mend", Severity.WARNING: "Worth a look"}


def write_html(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write the page, with a section for each file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(f"{line}\n" for line in _page(checkups))


def _page(checkups: Sequence[Checkup]) -> Iterator[str]:
    style, script = _asset("report.css"), _asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    yield "<!DOCTYPE html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escaped(policy)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    name = checkups[0].info.path if len(checkups) == 1 else count(len(checkups), "file")
    yield f"<title>Check of {escaped(name)}</title>"
    yield f"<style>{style}</style></head><body><main>"
    yield "<h1>Check before the import</h1>"
    if len(checkups) > 1:
        yield from _overview(checkups)
    for number, checkup in enumerate(checkups, 1):
        yield from _file(number, checkup)
    yield "<footer><p>Row numbers are those that a spreadsheet program shows. Made by vcc-import; "
    yield "this page holds personal data: treat it like the list itself.</p></footer>"
    yield f"</main><script>{script}</script></body></html>"


def _overview(checkups: Sequence[Checkup]) -> Iterator[str]:
    yield '<nav aria-label="Files"><ul>'
    for number, checkup in enumerate(checkups, 1):
        found = verdict(checkup)
        link = element("a", escaped(checkup.info.path), href=f"#file-{number}")
        yield f'<li>{link} <span class="tag {found.tone}">{escaped(found.headline)}</span></li>'
    yield "</ul></nav>"


def _file(number: int, checkup: Checkup) -> Iterator[str]:
    found, survey = verdict(checkup), checkup.survey
    yield f'<article class="file" id="file-{number}">'
    yield f'<div class="card verdict {found.tone}"><h2><bdi>{escaped(checkup.info.path)}</bdi></h2>'
    yield f'<p class="headline">{escaped(found.headline)}</p>'
    yield f'<p class="soft">{escaped(describe(checkup.info))}</p>'
    for line in checkup.refused:
        yield f"<p>{escaped(line)}</p>"
    yield f"{fates_chart(survey)}</div>"
    yield from _figures(checkup)
    if read := phones_read(checkup, for_supplier=True):
        yield "<h3>How phones were read</h3>"
        lines = "".join(f"<li><bdi>{escaped(line)}</bdi></li>" for line in read)
        yield f'<ul class="card">{lines}</ul>'
    yield '<div class="pair">'
    yield "<div>"
    if survey.problem_counts:
        yield kinds_chart(survey)
    yield f"{contacts_chart(survey)}</div>"
    yield f"{fill_chart(checkup)}</div>"
    if survey.problem_counts:
        for severity, title in _GROUPS.items():
            of_these = [kind for kind in kinds(survey) if kind.severity is severity]
            if of_these:
                yield f"<h3>{title}</h3>"
            for kind in of_these:
                yield from _kind(kind)
        yield from _table(number, checkup)
    if checkup.unused_columns:
        names = ", ".join(f"<bdi>{escaped(name)}</bdi>" for name in checkup.unused_columns[:200])
        more = len(checkup.unused_columns) - 200
        yield f'<h3>Columns that are not used</h3><p class="card">{names}'
        yield f" … and {more:,} more</p>" if more > 0 else "</p>"
    yield "</article>"


def _figures(checkup: Checkup) -> Iterator[str]:
    survey = checkup.survey
    figures = [
        ("Rows", f"{survey.rows:,}", ""),
        ("Ready to import", f"{survey.ready:,}", "good"),
        ("Invalid: to be mended", f"{survey.invalid:,}", "bad" if survey.invalid else ""),
        ("Skipped by a rule", f"{survey.skipped:,}", ""),
        *((name, figure, "") for name, figure in readiness(survey)),
    ]
    yield '<dl class="figures">'
    for name, figure, colour in figures:
        number, _, rest = figure.partition(" ")
        small = f" <small>{escaped(rest)}</small>" if rest else ""
        value = element("dd", escaped(number) + small, **({"class": colour} if colour else {}))
        yield f"<div><dt>{escaped(name)}</dt>{value}</div>"
    yield "</dl>"


def _kind(kind: Kind) -> Iterator[str]:
    yield '<section class="card kind"><header>'
    yield f"<h4>{escaped(kind.title)}</h4>"
    yield f'<span class="tag {kind.severity}">{count(kind.count, "problem")}</span>'
    yield f"<code>{escaped(kind.code)}</code></header><ul>"
    for problem in kind.examples[:EXAMPLES]:
        where = f'<span class="where"><bdi>{escaped(place(problem))}</bdi></span>'
        yield f"<li>{where}: <bdi>{escaped(supplier_message(problem))}</bdi></li>"
    more = kind.count - min(len(kind.examples), EXAMPLES)
    if more > 0:
        yield f'<li class="soft">… and {more:,} more</li>'
    yield "</ul>"
    for remedy in remedies(kind):
        yield f'<p class="remedy"><bdi>{escaped(remedy)}</bdi></p>'
    yield "</section>"


def _table(number: int, checkup: Checkup) -> Iterator[str]:
    survey = checkup.survey
    total = sum(survey.problem_counts.values())
    yield f'<section data-filtered aria-labelledby="all-{number}">'
    yield f'<h3 id="all-{number}">All problems</h3>'
    yield from _filter(survey.problem_counts)
    yield '<div class="card scroll"><table class="list"><caption>'
    if total > TABLE_ROWS:
        yield f"The first {TABLE_ROWS:,} of {total:,} problems. A report as .csv has them all, "
        yield "and one as .xlsx marks them in a copy of the sheet."
    else:
        yield f"{count(total, 'problem')}, in the order of the rows"
    yield "</caption><thead><tr>"
    for heading in ("Row", "Column", "Problem", "What to do", "Value", "Kind"):
        extra = ' class="extra"' if heading in {"Value", "Kind"} else ""
        yield f'<th scope="col"{extra}>{heading}</th>'
    yield "</tr></thead><tbody>"
    for problem in islice(all_problems(checkup), TABLE_ROWS):
        yield _row(problem)
    yield "</tbody></table></div></section>"


def _filter(codes: Iterable[str]) -> Iterator[str]:
    options = "".join(
        f'<option value="{escaped(code)}">{escaped(code)}</option>' for code in sorted(codes)
    )
    # Without scripts it would do nothing, so it is the script that shows it.
    yield '<form class="filter" role="search" hidden>'
    yield '<label>Search <input type="search" name="words" autocomplete="off"></label>'
    yield f'<label>Kind <select name="code"><option value="">all</option>{options}</select></label>'
    yield '<label>Severity <select name="severity"><option value="">all</option>'
    yield '<option value="error">errors</option><option value="warning">warnings</option>'
    yield '</select></label><output class="soft" aria-live="polite"></output></form>'


def _row(problem: Problem) -> str:
    severity = problem.severity.value
    row = "file" if problem.row is None else f"{problem.row}"
    attributes = f'data-code="{escaped(problem.code)}" data-severity="{severity}"'
    return (
        f'<tr {attributes}><td class="number">{row}</td>'
        f'<td class="name"><bdi>{name_of(problem.column)}</bdi></td>'
        f'<td class="message"><span class="tag {severity}">{severity}</span> '
        f"<bdi>{escaped(supplier_message(problem))}</bdi></td>"
        f'<td class="hint"><bdi>{escaped(supplier_hint(problem))}</bdi></td>'
        f'<td class="name extra"><bdi>{escaped(problem.value)}</bdi></td>'
        f'<td class="code extra">{escaped(problem.code)}</td></tr>'
    )


def _asset(name: str) -> str:
    return files("importer.reports").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """The text's hash as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
