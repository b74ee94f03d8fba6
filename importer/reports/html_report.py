"""The report as one HTML page that needs nothing else: to read, to search, to print, to send on.

The page is `report.html.j2`, a Jinja2 template beside this module; here is what it asks for.

Whatever a cell holds, it stays text: Jinja2 escapes every text, each goes through
:func:`~importer.reports.content.visible` first, and the page's policy allows no script and no
style but its own, by their hashes, and no network at all. The template is written out piece by
piece as it is rendered, so the page is never in memory as a whole.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from importer.model import Checkup, Problem, Severity, Survey
from importer.reports import content
from importer.reports.content import columns, percent, problem_groups, visible

TABLE_ROWS = 5000
"""Problems in the table of one file: more make a page that no browser likes."""

MOST_BARS = 60
"""Rows of one chart; a sheet may have thousands of columns."""

_UNUSED_NAMES = 200
"""Columns that are named as not used."""


def write_html(path: Path, checkups: Sequence[Checkup]) -> None:
    """Write the page, with a section for each file."""
    page = _environment().get_template("report.html.j2")
    with path.open("w", encoding="utf-8", newline="") as file:
        file.writelines(page.generate(checkups=checkups))


def _environment() -> Environment:
    """Jinja2 with all that the template may call; names that it lacks are errors."""
    environment = Environment(
        loader=PackageLoader("importer.reports", "."),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["breakable"] = _breakable
    style, script = _asset("report.css"), _asset("report.js")
    environment.globals.update(
        style=Markup(style),  # noqa: S704 (our own file)
        style_hash=_hash(style),
        script=Markup(script),  # noqa: S704 (our own file)
        script_hash=_hash(script),
        examples=content.EXAMPLES,
        unused_names=_UNUSED_NAMES,
        table_rows=TABLE_ROWS,
        conclusion=content.conclusion,
        count=content.count,
        describe=content.describe,
        row_counts=content.row_counts,
        phones_read=content.phones_read,
        location=content.location,
        problem_groups=problem_groups,
        remedies=content.remedies,
        supplier_hint=content.supplier_hint,
        supplier_message=content.supplier_message,
        contacts_chart=_contacts_chart,
        figures=_figures,
        fill_chart=_fill_chart,
        kinds_chart=_kinds_chart,
        table=_table,
    )
    return environment


def _shown(value: object) -> object:
    """What the template prints in a value's place: a text with all that is hidden in it named."""
    if value is None or (isinstance(value, str) and not isinstance(value, Markup)):
        return visible(value)
    return value


def _breakable(text: str | None) -> Markup:
    """A column's name: words are whole, and parts of one may stand on two lines."""
    escaped = str(escape(visible(text)))
    return Markup(re.sub(r"([_./-])(?=\w)", r"\1<wbr>", escaped))  # noqa: S704


def _asset(name: str) -> str:
    return files("importer.reports").joinpath(name).read_text("utf-8")


def _hash(text: str) -> str:
    """The text's hash as a content security policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _table(checkup: Checkup) -> Iterator[Problem]:
    """The problems that the table of a file shows, in the order of the rows."""
    return islice(content.all_problems(checkup), TABLE_ROWS)


def _figures(survey: Survey) -> list[tuple[str, str, str]]:
    """The most important figures: name, figure in words, colour."""
    return [
        ("Rows", f"{survey.rows:,}", ""),
        ("Ready to import", f"{survey.ready:,}", "good"),
        ("Invalid: to be mended", f"{survey.invalid:,}", "bad" if survey.invalid else ""),
        ("Skipped by a rule", f"{survey.skipped:,}", ""),
        *((name, figure, "") for name, figure in content.readiness(survey)),
    ]


@dataclass(frozen=True, slots=True)
class _Bar:
    """A row of a chart: how long its bar is, the figure in words, and the class of its colour."""

    name: str
    value: int
    figure: str
    colour: str = ""


@dataclass(frozen=True, slots=True)
class _Chart:
    """A table with a bar in each row, so that it can be read aloud, too; `most` is a whole bar."""

    title: str
    caption: str
    bars: Sequence[_Bar]
    most: int


def _kinds_chart(survey: Survey) -> _Chart:
    """How many problems there are of each kind; there is at least one."""
    groups = problem_groups(survey)
    bars = [
        _Bar(group.title, group.count, f"{group.count:,}", str(group.severity)) for group in groups
    ]
    errors = sum(group.severity is Severity.ERROR for group in groups)
    keep = "1 kind keeps" if errors == 1 else f"{errors:,} kinds keep"
    others = len(bars) - errors
    are = "1 is a warning" if others == 1 else f"{others:,} are warnings"
    caption = f"{keep} rows back, {are}"
    return _Chart("Problems by kind", caption, bars, max(bar.value for bar in bars))


def _contacts_chart(survey: Survey) -> _Chart | None:
    """How many rows have how many contacts; None where that is not known."""
    found = survey.readiness.contacts
    if not any(found.values()):
        return None
    bars = [
        _Bar(
            "1 contact" if contacts == 1 else f"{contacts} contacts",
            rows,
            f"{rows:,}",
            "error" if contacts == 0 else "",
        )
        for contacts, rows in sorted(found.items())
        if rows
    ]
    return _Chart("Contacts per row", "Of the rows that are ready", bars, max(found.values()))


def _fill_chart(checkup: Checkup) -> _Chart | None:
    """How many rows have something in each column, those that the mapping uses first."""
    rows = checkup.survey.rows
    found = sorted(columns(checkup), key=lambda column: not column[2])
    if not found:
        return None
    bars = [
        _Bar(name if used else f"{name} (not used)", fill.filled, percent(fill.filled, rows))
        for fill, name, used in found[:MOST_BARS]
    ]
    caption = "Rows with something in the column"
    if len(found) > MOST_BARS:
        caption += f"; {MOST_BARS} of {len(found):,} columns"
    return _Chart("Fill rate by column", caption, bars, max(rows, 1))
