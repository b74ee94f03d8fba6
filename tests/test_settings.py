"""Settings: limits as the user writes them, bounds, and what a resumed run keeps."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, cast

import click
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import importer
from importer.cli.options import run_settings
from importer.cli.run import run
from importer.errors import UsageError
from importer.operations.jobs import load_jobs
from importer.pipeline.summary import describe_settings
from importer.sending.sender import read_setup, setup_of
from importer.settings import (
    SETTINGS,
    MaxFailures,
    flat,
    option_of,
    parse_max_failures,
    resumed_settings,
)
from tests.support.command import Cli

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("50", MaxFailures(50)),
        ("0", MaxFailures(0)),
        ("2%", MaxFailures(2, percent=True)),
        (" 2.5 % ", MaxFailures(2.5, percent=True)),
        ("100%", MaxFailures(100, percent=True)),
    ],
)
def test_failures_are_a_number_or_a_percentage(text: str, meant: MaxFailures) -> None:
    assert parse_max_failures(text) == meant
    assert parse_max_failures(str(meant)) == meant


@pytest.mark.parametrize("text", ["", "-1", "2.5", "101%", "%", "two", "1e3", "5 rows", "\u0665"])
def test_anything_else_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_max_failures(text)
    assert "50 or 2%" in str(caught.value.hint)


@given(st.integers(0, 1000), st.integers(0, 1000), st.floats(0, 100))
def test_a_percentage_says_nothing_of_a_few_answers(failed: int, more: int, percent: float) -> None:
    answered = failed + more
    exceeded = MaxFailures(percent, percent=True).exceeded(failed, answered)
    assert exceeded == (answered >= 100 and failed * 100 > percent * answered)


@given(st.integers(0, 100), st.integers(0, 100))
def test_a_number_is_what_may_fail(failed: int, limit: int) -> None:
    assert MaxFailures(limit).exceeded(failed, failed) == (failed > limit)


TARGET = importer.Target("https://x/v2", 1, "acme", importer.Secret("k"))
WRONG: list[tuple[type, dict[str, Any]]] = [
    *((importer.Pace, {"rate": value}) for value in (-1.0, 0, NAN, INF, "5", True, 10**400)),
    *((importer.Pace, {"concurrency": value}) for value in (-3, 0, 1001, 2.0, "auto", True)),
    *((importer.Pace, {"timeout": value}) for value in (0, 0.01, -1, NAN, INF, None)),
    (importer.Pace, {"connect_timeout": -1}),
    *((importer.RetryPolicy, {"retries": value}) for value in (-1, 1.5, NAN, None)),
    *((importer.RetryPolicy, {"give_up_after": value}) for value in (0, -5, INF)),
    *((importer.RetryPolicy, {name: NAN}) for name in ("base", "cap", "storm_after")),
    *((importer.RetryPolicy, {"retry_on": value}) for value in ({404}, 502, "502", [[502]])),
    *((importer.RetryPolicy, {"max_failures": value}) for value in (-1, "two", 0.5)),
    *((importer.MaxFailures, {"limit": value}) for value in (-1, NAN, INF, 2.5, "3")),
    *((importer.MaxFailures, {"limit": value, "percent": True}) for value in (-1, 101, NAN)),
    *((importer.RunSettings, {"limit": value}) for value in (-1, 0, 1.0, "5", NAN)),
    *((importer.RunSettings, {name: 5}) for name in ("pace", "retry", "runs_dir", "preflight")),
    (importer.RunSettings, {"engine": "threads"}),
    (importer.RunSettings, {"engine": ["local"]}),
    *((importer.RunSettings, {"engine": "dask", "workers": value}) for value in (0, -1, 65)),
    (importer.RunSettings, {"workers": 2}),
    (importer.RunSettings, {"scheduler": "tcp://host:1"}),
    (importer.RunSettings, {"engine": "dask", "scheduler": "host"}),
    *((importer.SourceOptions, {"header_row": value}) for value in (0, -1, 1.5)),
    *((importer.SourceOptions, {"rows": value}) for value in ((5, 2), (0, 2), (1,), "2-5")),
    (importer.SourceOptions, {"sheet": 0}),
    *((importer.Guard, {"wait": value}) for value in (-1, NAN, INF, "5")),
]


@pytest.mark.parametrize(("kind", "values"), WRONG, ids=lambda part: str(part)[:60])
def test_a_value_that_cannot_be_is_refused_where_it_is_made(
    kind: type, values: dict[str, Any]
) -> None:
    with pytest.raises(importer.SettingError) as caught:
        kind(**values)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, importer.UsageError)
    assert list(values)[-1] in caught.value.message or "limit" in values
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("project", [0, -1, "134", 1.0])
def test_a_target_is_checked_too(project: Any) -> None:
    with pytest.raises(importer.SettingError, match="project"):
        replace(TARGET, project=project)


def test_a_key_that_is_no_secret_is_refused_without_being_told() -> None:
    with pytest.raises(importer.SettingError) as caught:
        importer.Target("https://x/v2", 1, "acme", cast(importer.Secret, "hunter2"))
    assert "hunter2" not in str(caught.value)


def test_numbers_of_other_kinds_and_paths_as_text_are_taken() -> None:
    pace = importer.Pace(concurrency=int(np.int64(3)), rate=5, timeout=np.float64(2.5))
    assert pace == importer.Pace(3, 5.0, 2.5)
    assert importer.Pace(concurrency=cast(int, np.int64(3))) == importer.Pace(3)
    settings = importer.RunSettings(runs_dir=cast(Path, "elsewhere"))
    assert settings.runs_dir == Path("elsewhere")


def test_a_setting_that_cannot_be_leaves_no_trace_of_a_run(tmp_path: Path) -> None:
    with pytest.raises(importer.SettingError):
        importer.run(
            tmp_path / "leads.csv",
            tmp_path / "m.yaml",
            target=TARGET,
            settings=importer.RunSettings(limit=-1, runs_dir=tmp_path / "runs"),
        )
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--rate", "nan"),
        ("--rate", "-1"),
        ("--rate", "inf"),
        ("--concurrency", "1001"),
        ("--concurrency", "\u0663"),
        ("--timeout", "0"),
        ("--retries", "1.5"),
        ("--limit", "0"),
        ("--give-up-after", "0"),
        ("--max-failures", "101%"),
        ("--retry-on", "502,404"),
        ("--workers", "65", "--engine", "processes"),
        ("--workers", "2"),
        ("--scheduler", "tcp://host:1"),
    ],
)
def test_options_are_refused_by_the_same_bounds(
    cli: Cli, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "leads.csv").write_text("Name\nAnn\n", "utf-8")
    (tmp_path / "m.yaml").write_text("version: 1\nform: {name: Name}\n", "utf-8")
    assert cli("run", "leads.csv", "-m", "m.yaml", "--sandbox", *words) == 2
    assert words[0].removeprefix("--") in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_every_setting_comes_back_from_what_a_run_notes() -> None:
    settings = importer.RunSettings(
        pace=importer.Pace(7, 2.5, 11.0, 3.0),
        retry=importer.RetryPolicy(
            1, 0.1, 2.0, 9.0, frozenset({408, 504}), 3, importer.MaxFailures(2.5, percent=True)
        ),
        limit=5,
        canary=7,
        engine="dask",
        workers=3,
        scheduler="tcp://host:8786",
    )
    noted = json.loads(json.dumps(describe_settings(settings, TARGET)))
    again = resumed_settings(noted, {})
    assert replace(again, runs_dir=settings.runs_dir, limit=5, canary=7) == settings
    assert (again.limit, again.canary) == (None, None)


SAID = {
    "concurrency": ("8", "8"),
    "rate": ("2.5", "2.5"),
    "timeout": ("20", "20s"),
    "retries": ("2", "2"),
    "give_up_after": ("600", "10m"),
    "retry_on": ("502,503", "[502, 503]"),
    "max_failures": ("5%", "5%"),
    "engine": ("dask", "dask"),
    "canary": ("5", "5"),
    "workers": ("3", "3"),
    "scheduler": ("tcp://host:8786", "tcp://host:8786"),
    "allow_new_values": ("", "true"),
}
"""What the option and the jobs file say of each setting that both have."""


def test_every_field_is_declared_once_and_stands_in_the_summary() -> None:
    parts = (importer.Pace, importer.RetryPolicy, importer.RunSettings)
    names = [
        one.name for part in parts for one in fields(part) if one.name not in {"pace", "retry"}
    ]
    assert list(SETTINGS) == names
    summary = describe_settings(importer.RunSettings(), TARGET)
    assert set(summary) - {"customer", "ca_file", "api_key_file"} == set(names) - {"out"}


@pytest.mark.parametrize("name", [name for name, declared in SETTINGS.items() if declared.help])
def test_every_setting_that_users_know_is_an_option_of_run(name: str) -> None:
    [option] = (each for each in run.params if each.name == name)
    assert isinstance(option, click.Option)
    assert option.help == SETTINGS[name].help
    assert option_of(name) in option.opts


def test_settings_that_are_said_are_the_same_by_option_and_in_a_jobs_file(tmp_path: Path) -> None:
    assert set(SAID) == {name for name, declared in SETTINGS.items() if declared.in_jobs}
    words = [word for name, (text, _) in SAID.items() for word in (option_of(name), text) if word]
    context = run.make_context("run", ["leads.csv", *words])
    (tmp_path / "jobs.yaml").write_text(
        "version: 1\njobs:\n  - {name: a, files: in/, mapping: m.yaml}\n"
        + "defaults:\n"
        + "".join(f"  {name}: {text}\n" for name, (_, text) in SAID.items())
    )
    (job,) = load_jobs(tmp_path / "jobs.yaml").jobs
    assert job.sending == run_settings(context.params)
    usual = flat(importer.RunSettings())
    assert all(value != usual[name] for name, value in flat(job.sending).items() if name in SAID)


def test_a_sender_gets_all_of_pace_and_policy_but_the_count_of_failures() -> None:
    pace = importer.Pace(7, 2.5, 11.0, 3.0)
    policy = importer.RetryPolicy(1, 0.1, 2.0, 9.0, frozenset({408, 504}), 3)
    setup = setup_of(TARGET, pace, replace(policy, max_failures=importer.MaxFailures(5)))
    _, *settings = read_setup(setup)
    assert settings == [pace, policy]


def test_what_an_older_version_did_not_note_is_as_by_default() -> None:
    assert resumed_settings({"concurrency": 4}, {}) == importer.RunSettings(pace=importer.Pace(4))
