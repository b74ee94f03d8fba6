"""The HTML report: one harmless page, whatever the cells hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from importer.model import Checkup, Findings, Problem
from importer.reports.html_report import TABLE_ROWS, write_html
from importer.reports.writing import Reported, write_reports
from tests.reports.conftest import HOSTILE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
VOID = {"meta", "input", "rect", "wbr"}


class Page(HTMLParser):
    """Reads a page as strictly as it was meant: every element is closed where it should be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.texts.append(data)

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def nasty(checkup: Checkup) -> Checkup:
    """A check whose every text would like to be more than text."""
    problem = Problem(
        4, HOSTILE, HOSTILE, "bad_phone", HOSTILE, "\u2028\u202e" + "x" * 9999, HOSTILE
    )
    return replace(
        checkup,
        info=replace(checkup.info, path=f'"><b>{HOSTILE}.csv', sheet="</title>"),
        survey=replace(checkup.survey, examples={"bad_phone": (problem,)}),
        unused_columns=(HOSTILE, "' onload='x"),
        findings=Findings(lambda: iter(()), lambda: iter([problem])),
    )


def written(path: Path, *checkups: Checkup) -> str:
    write_reports([path], [Reported(checkup) for checkup in checkups])
    return path.read_text("utf-8")


def test_the_page_is_well_formed_and_shows_verdict_charts_and_problems(
    checkup: Checkup, tmp_path: Path
) -> None:
    page = Page(written(tmp_path / "r.html", checkup))
    text = " ".join(page.texts)
    assert text.index("3 of 5 rows need mending") < text.index("Fill rate by column")
    assert "What to mend" in text
    assert "fill in the cell" in text
    rows = [row for row in page.named("tr") if "data-code" in row]
    assert len(rows) == sum(checkup.survey.problem_counts.values())
    assert len(page.named("caption")) == len(page.named("table")) == 4
    assert len(page.named("svg")) > 3


def test_no_cell_becomes_more_than_text(nasty: Checkup, tmp_path: Path) -> None:
    text = written(tmp_path / "r.html", nasty, nasty)
    page = Page(text)
    assert len(page.named("script")) == len(page.named("style")) == 1
    assert page.named("b") == page.named("img") == page.named("link") == []
    assert HOSTILE in "".join(page.texts)
    assert not {name for _, found in page.tags for name in found if name.startswith("on")}
    assert not any("style" in found for _, found in page.tags)
    assert not set(text) & set("\u2028\u202e")
    assert "⟨U+2028⟩⟨U+202E⟩" in text
    assert "x" * 300 not in text


def test_the_page_asks_for_nothing_from_outside(nasty: Checkup, tmp_path: Path) -> None:
    text = written(tmp_path / "r.html", nasty)
    page = Page(text)
    [policy] = [m["content"] for m in page.named("meta") if "http-equiv" in m]
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?:|url\(|@import|\bsrc=[\"']", text.replace(HOSTILE, ""))
    links = [found["href"] for found in page.named("a")]
    assert all(link is not None and link.startswith("#") for link in links)


def test_very_many_problems_are_cut_and_said_to_be(checkup: Checkup, tmp_path: Path) -> None:
    count = TABLE_ROWS + 1
    problems = [Problem(n, "Phone", None, "bad_phone", "no", "1") for n in range(2, count + 2)]
    survey = replace(checkup.survey, problem_counts={"bad_phone": count}, examples={})
    findings = Findings(lambda: iter(()), lambda: iter(problems))
    write_html(tmp_path / "r.html", [replace(checkup, survey=survey, findings=findings)])
    page = Page((tmp_path / "r.html").read_text("utf-8"))
    assert len([row for row in page.named("tr") if "data-code" in row]) == TABLE_ROWS
    assert "The first 5,000 of 5,001 problems" in " ".join(page.texts)


def test_a_clean_file_has_a_page_without_problems(checkup: Checkup, tmp_path: Path) -> None:
    survey = replace(
        checkup.survey, rows=5, ready=5, invalid=0, skipped=0, problem_counts={}, examples={}
    )
    text = written(tmp_path / "r.html", replace(checkup, survey=survey))
    assert "Ready to import: 5 rows" in text
    assert "All problems" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
class TestInABrowser:
    def run(self, *arguments: str) -> str:
        done = subprocess.run(
            [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", *arguments],
            capture_output=True,
            timeout=120,
            check=True,
        )
        return done.stdout.decode("utf-8")

    def test_the_filter_comes_to_life_and_nothing_else_does(
        self, nasty: Checkup, tmp_path: Path
    ) -> None:
        path = tmp_path / "r.html"
        written(path, nasty)
        dom = self.run(f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri())
        assert "1 of 1 shown" in dom  # the page's own script ran, so its hash is right
        assert "<title>Check of" in dom
        assert "<title>owned" not in dom

    def test_the_style_is_applied_and_the_page_can_be_looked_at_and_printed(
        self, checkup: Checkup, tmp_path: Path
    ) -> None:
        path, shot, paper = (tmp_path / name for name in ("r.html", "r.png", "r.pdf"))
        written(path, checkup)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        self.run(profile, "--window-size=1200,1600", f"--screenshot={shot}", path.as_uri())
        self.run(profile, f"--print-to-pdf={paper}", path.as_uri())
        assert shot.read_bytes().startswith(b"\x89PNG")
        assert paper.read_bytes().startswith(b"%PDF")
        # Without its style, the page would have far fewer colours than this.
        assert shot.stat().st_size > 40_000
