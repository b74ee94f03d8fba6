"""Charts of the HTML report: tables with a bar in each row, so that they can be read aloud, too."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from importer.model import Checkup, Severity, Survey
from importer.reports.verdict import columns, fates, kinds, percent, visible

MOST_BARS = 60
"""Rows of one chart; a sheet may have thousands of columns."""

_Bar = tuple[str, int, str, str]
"""What a bar is of, how long it is, its figure in words, and its class."""


def escaped(text: str | None) -> str:
    """A text as HTML has it, in attributes as well; what cannot be seen is named."""
    return escape(visible(text))


def name_of(text: str | None) -> str:
    """A column's name as HTML has it: words are whole, and parts of one may stand on two lines."""
    return re.sub(r"([_./-])(?=\w)", r"\1<wbr>", escaped(text))


def element(tag: str, content: str, **attributes: str) -> str:
    """An element around `content`, which is HTML already."""
    words = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    return f"<{tag}{words}>{content}</{tag}>"


def fates_chart(survey: Survey) -> str:
    """One bar: the rows by what would become of them."""
    rects, left = [], 0.0
    for name, rows in (
        ("ready", survey.ready),
        ("invalid", survey.invalid),
        ("skipped", survey.skipped),
    ):
        width = 100 * rows / max(survey.rows, 1)
        rects.append(f'<rect class="{name}" x="{left:.3f}" width="{width:.3f}" height="10"/>')
        left += width
    return (
        f'<svg class="fates" viewBox="0 0 100 10" preserveAspectRatio="none" role="img" '
        f'aria-label="{escaped(fates(survey))}">{"".join(rects)}</svg>'
    )


def kinds_chart(survey: Survey) -> str:
    """How many problems there are of each kind."""
    bars = [
        (kind.title, kind.count, f"{kind.count:,}", str(kind.severity)) for kind in kinds(survey)
    ]
    errors = sum(kind.severity is Severity.ERROR for kind in kinds(survey))
    keep = "1 kind keeps" if errors == 1 else f"{errors:,} kinds keep"
    others = len(bars) - errors
    are = "1 is a warning" if others == 1 else f"{others:,} are warnings"
    caption = f"{keep} rows back, {are}"
    return _chart("Problems by kind", caption, bars, max(bar[1] for bar in bars))


def contacts_chart(survey: Survey) -> str:
    """How many rows have how many contacts; nothing where that is not known."""
    found = survey.readiness.contacts
    if not any(found.values()):
        return ""
    bars: list[_Bar] = [
        (
            "1 contact" if contacts == 1 else f"{contacts} contacts",
            rows,
            f"{rows:,}",
            "error" if contacts == 0 else "",
        )
        for contacts, rows in sorted(found.items())
        if rows
    ]
    return _chart("Contacts per row", "Of the rows that are ready", bars, max(found.values()))


def fill_chart(checkup: Checkup) -> str:
    """How many rows have something in each column, those that the mapping uses first."""
    rows = checkup.survey.rows
    found = sorted(columns(checkup), key=lambda column: not column[2])
    bars: list[_Bar] = [
        (name if used else f"{name} (not used)", fill.filled, percent(fill.filled, rows), "")
        for fill, name, used in found[:MOST_BARS]
    ]
    if not bars:
        return ""
    caption = "Rows with something in the column"
    if len(found) > MOST_BARS:
        caption += f"; {MOST_BARS} of {len(found):,} columns"
    return _chart("Fill rate by column", caption, bars, max(rows, 1))


def _chart(title: str, caption: str, bars: Iterable[_Bar], most: int) -> str:
    rows = "".join(
        f'<tr><th scope="row" class="name"><bdi>{name_of(name)}</bdi></th><td class="bar">'
        '<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="100" height="10"/>'
        f'<rect class="{f"value {kind}".strip()}" width="{100 * value / max(most, 1):.2f}" '
        f'height="10"/></svg></td><td class="number">{escaped(figure)}</td></tr>'
        for name, value, figure, kind in bars
    )
    return (
        f'<section class="card"><h3>{escape(title)}</h3><table class="chart">'
        f"<caption>{escaped(caption)}</caption><tbody>{rows}</tbody></table></section>"
    )
