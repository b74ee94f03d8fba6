"""The jobs file: what it means, and every mistake in it at once, with its place."""

from __future__ import annotations

import glob
import json
import os
import pickle
import re
import sys
import traceback
from datetime import time
from pathlib import Path
from typing import get_args

import pytest
from click.testing import CliRunner

import importer
from importer.cli.main import cli
from importer.errors import JobsError
from importer.operations.drift import DriftBounds
from importer.operations.jobs import JobsFile, JobSpec, load_jobs
from importer.operations.jobs_spec import (
    Drift,
    Job,
    JobKeys,
    JobsSpec,
    Notify,
    RowDrift,
    jobs_schema,
)
from importer.settings import SETTINGS, EngineName, MaxFailures, RunSettings

HEAD = "version: 1\njobs:\n"
JOB = HEAD + "  - name: vienna\n    files: inbox/*.xlsx\n    mapping: m.yaml\n"


def load(folder: Path, text: str, **variables: str) -> JobsFile:
    path = folder / "jobs.yaml"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    return load_jobs(path, variables)


def job(folder: Path, *lines: str, **variables: str) -> JobSpec:
    """A job with these lines more."""
    (found,) = load(folder, JOB + "".join(f"    {line}\n" for line in lines), **variables).jobs
    return found


def mistakes(folder: Path, text: str, **variables: str) -> list[str]:
    """Its mistakes, each without the file's name before its line and column."""
    with pytest.raises(JobsError) as caught:
        load(folder, text, **variables)
    assert caught.value.exit_code == 2
    return [line.removeprefix(f"{folder / 'jobs.yaml'}:") for line in caught.value.mistakes]


def mistakes_of(folder: Path, *lines: str, **variables: str) -> list[str]:
    return mistakes(folder, JOB + "".join(f"    {line}\n" for line in lines), **variables)


def test_the_example_of_the_page_is_right(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "nightly.md"
    blocks = re.findall(r"```yaml\n(version: 1\n.*?)```", page.read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert load(tmp_path, block, OPS_MAIL="mailtos://x").jobs


def test_a_job_has_defaults_for_what_it_leaves_out(tmp_path: Path) -> None:
    found = load(tmp_path, JOB)
    (only,) = found.jobs
    assert found.runs_dir == tmp_path / "runs"
    assert found.metrics is None
    assert only == JobSpec("vienna", (str(tmp_path / "inbox" / "*.xlsx"),), tmp_path / "m.yaml")
    assert only.settle == 30
    assert only.settings(found.runs_dir) == RunSettings(runs_dir=tmp_path / "runs")
    assert only.hours.closes(0) == float("inf")


def test_all_keys_reach_the_job(tmp_path: Path) -> None:
    found = job(
        tmp_path,
        "project: 134", "base_url: https://x.example/v2", "customer: acme", "concurrency: 8",
        "rate: 2.5", "timeout: 20s", "retries: 2", "retry_on: [502, 503]", "give_up_after: 10m",
        "max_failures: 5%", "allow_new_values: true", "sheet: Leads", "header_row: 3",
        "encoding: cp1250", 'delimiter: ";"', "engine: processes", "workers: 3", "settle: 1.5m",
    )  # fmt: skip
    assert found.project == 134
    assert found.settle == 90
    settings = found.settings(tmp_path)
    assert (settings.pace.concurrency, settings.pace.rate, settings.pace.timeout) == (8, 2.5, 20)
    assert settings.retry.retry_on == {502, 503}
    assert settings.retry.max_failures == MaxFailures(5, percent=True)
    assert (settings.retry.retries, settings.retry.give_up_after) == (2, 600)
    assert (settings.engine, settings.workers) == ("processes", 3)
    assert settings.allow_new_values
    assert found.reading.sheet == "Leads"
    assert (found.reading.encoding, found.reading.delimiter) == ("cp1250", ";")


@pytest.mark.parametrize("text", ["22:00", '"22:00"', "'22:00'"])
def test_a_time_of_day_is_one_with_or_without_quotes(tmp_path: Path, text: str) -> None:
    """YAML 1.1 takes 22:00 for 1320."""
    found = job(tmp_path, f"not_before: {text}", "not_after: 6:30")
    assert (found.not_before, found.not_after) == (time(22), time(6, 30))
    assert job(tmp_path, "not_after: 24:00").not_after == time()


@pytest.mark.parametrize("text", ["1320", "25:00", "22:60", "10pm", "22", "22:00:00", "[22]"])
def test_what_is_no_time_of_day_is_refused(tmp_path: Path, text: str) -> None:
    (line,) = mistakes_of(tmp_path, f"not_before: {text}")
    assert line.startswith('6:5: jobs.0.not_before: is no time of day: write it as "22:00"')


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("45", 45), ("5m", 300), ("5 min", 300), ("0", 0), ("1h", 3600)],
)
def test_a_length_of_time_has_a_unit_or_is_in_seconds(
    tmp_path: Path, text: str, seconds: float
) -> None:
    assert job(tmp_path, f"settle: {text}").settle == seconds


@pytest.mark.parametrize("text", ["soon", "-3", "true", "1d", "5 minutes", "nan", "1e9"])
def test_what_is_no_length_of_time_is_refused(tmp_path: Path, text: str) -> None:
    (line,) = mistakes_of(tmp_path, f"settle: {text}")
    assert "is no length of time: write it as 30s, 5m or 1h" in line


def test_paths_are_relative_to_the_file_from_wherever_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, JOB + "    done: ../done/\n    failed: /srv/failed\n")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    found = load_jobs(Path("../jobs.yaml"), {})
    (only,) = found.jobs
    assert found.runs_dir == tmp_path / "runs"
    assert only.mapping == tmp_path / "m.yaml"
    assert only.done == tmp_path.parent / "done"
    assert only.failed == Path("/srv/failed").absolute()
    assert only.files == (str(tmp_path / "inbox" / "*.xlsx"),)
    assert only.folders == (only.done, only.failed)
    assert set(found.own) == {
        found.path, found.runs_dir, only.mapping, only.done, only.failed,
    }  # fmt: skip


def test_signs_in_the_name_of_the_files_folder_are_no_wildcards(tmp_path: Path) -> None:
    odd = tmp_path / "jobs [1]*"
    if sys.platform == "win32":
        odd = tmp_path / "jobs [1]"
    (odd / "inbox").mkdir(parents=True)
    (odd / "inbox" / "a.xlsx").touch()
    (only,) = load(odd, JOB).jobs
    assert glob.glob(only.files[0]) == [str(odd / "inbox" / "a.xlsx")]  # noqa: PTH207


def test_files_may_be_several_folders_or_addresses(tmp_path: Path) -> None:
    text = HEAD + "  - {name: a, mapping: m.yaml, files: [in/, x*.csv]}\n"
    text += "  - {name: b, mapping: m.yaml, done: done/, files: 'sftp://u:${PW}@h/in/*.csv'}\n"
    folders, remote = load(tmp_path, text).jobs
    assert folders.files == (str(tmp_path / "in"), str(tmp_path / "x*.csv"))
    assert remote.files == ("sftp://u:${PW}@h/in/*.csv",)
    assert remote.done == "done/"
    assert remote.folders == ()


DEFAULTS = """
version: 1
runs_dir: /var/runs
metrics: figures/vcc.prom
defaults:
  mapping: m.yaml
  settle: 5m
  done: done/
  concurrency: 4
  drift: {rows: 30%, fill: false}
  notify: {on: held, urls: "json://${HOOK}"}
jobs:
  - {name: a, files: a/*.csv}
  - {name: b, files: b/*.csv, settle: 10, done: null, concurrency: auto, mapping: b.yaml}
  - {name: c, files: c/*.csv, drift: {phones: 5%}, notify: {on: [always]}}
  - {name: d, files: d/*.csv, drift: false, notify: null}
"""


def test_what_defaults_say_holds_for_jobs_that_say_nothing_else(tmp_path: Path) -> None:
    found = load(tmp_path, DEFAULTS, HOOK="h/1")
    a, b, c, d = found.jobs
    assert found.runs_dir == Path("/var/runs").absolute()
    assert found.metrics == tmp_path / "figures" / "vcc.prom"
    assert (a.mapping, a.settle, a.done) == (tmp_path / "m.yaml", 300, tmp_path / "done")
    assert (b.mapping, b.settle, b.done) == (tmp_path / "b.yaml", 10, None)
    assert [job.sending.pace.concurrency for job in (a, b)] == [4, None]
    assert a.drift == DriftBounds(0.3, 0.3, None, 0.1, headers=True)
    assert c.drift == DriftBounds(0.3, 0.3, None, 0.05, headers=True)
    assert d.drift is None
    assert d.notify is None
    assert a.notify is not None
    assert c.notify is not None
    assert (set(a.notify.on), set(c.notify.on)) == ({"held"}, {"always"})
    assert [url.reveal() for url in c.notify.urls] == ["json://h/1"]


@pytest.mark.parametrize(
    ("text", "bounds"),
    [
        ("true", DriftBounds()),
        ("{}", DriftBounds()),
        ("{rows: {more: 400%}}", DriftBounds(0.5, 4.0)),
        ("{rows: {fewer: false, more: 12.5%}}", DriftBounds(None, 0.125)),
        ("{rows: off, headers: false}", DriftBounds(None, None, headers=False)),
        ("false", None),
    ],
)
def test_bounds_are_percentages_and_may_be_off(
    tmp_path: Path, text: str, bounds: DriftBounds | None
) -> None:
    assert job(tmp_path, f"drift: {text}").drift == bounds


def test_failures_and_holds_are_told_unless_a_rule_says_otherwise(tmp_path: Path) -> None:
    found = job(tmp_path, 'notify: {urls: "mailto://x@example.com"}').notify
    assert found is not None
    assert found.on == {"failure", "held"}


def test_all_mistakes_come_at_once_with_their_places(tmp_path: Path) -> None:
    text = """\
version: 1
runs_dr: x
metrics: x.txt
defaults:
  setle: 5m
  notify: {on: [faliure]}
jobs:
  - name: a/b
    files: []
    projct: 3
    max_failures: many
    drift: {rows: 50}
    done: " "
  - name: Vienna
    files: inbox/*.csv
    mapping: m.yaml
    done: inbox
    workers: 2
  - name: vienna
    files: [x/*.csv, "ftp://h/x"]
    not_before: 6:00
    not_after: 06:00
    scheduler: tcp://h:1
    base_url: x
"""
    assert mistakes(tmp_path, text) == [
        '2:1: runs_dr: unknown key "runs_dr": did you mean "runs_dir"?',
        "3:1: metrics: must end in .prom: others are not read (found 'x.txt')",
        '5:3: defaults.setle: unknown key "setle": did you mean "settle"?',
        "6:17: defaults.notify.on.0: 'faliure' is not one of 'success', 'failure', 'held' or "
        "'always': did you mean \"failure\"?",
        "8:5: jobs.0.name: is no name: up to 60 letters, digits, blanks, dots and dashes "
        "(found 'a/b')",
        "8:5: jobs.0.mapping: is missing, here and in defaults",
        "9:5: jobs.0.files: is empty: at least 1 must stand here",
        '10:5: jobs.0.projct: unknown key "projct": did you mean "project"?',
        "11:5: jobs.0.max_failures: is neither a number of rows nor a percentage: write it as 50 "
        "or 2% (found 'many')",
        "12:13: jobs.0.drift.rows: is no percentage: write it as 20%, or false to leave it out "
        "(found 50)",
        "13:5: jobs.0.done: is empty: name a folder, or leave it out",
        "17:5: jobs.1.done: inbox is where files come from, or holds it: files in it would be "
        "taken again; name another folder",
        "18:5: jobs.1.workers: the local engine is one process: add engine: processes",
        '19:5: jobs.2.name: there is a job "vienna" already',
        "19:5: jobs.2.mapping: is missing, here and in defaults",
        "20:5: jobs.2.files: addresses and folders of this machine stand in one job: make two "
        "of it",
        "20:22: jobs.2.files.1: files cannot be fetched by ftp://. Use sftp://, s3:// or "
        "https://, or the path of a folder on this machine",
        "22:5: jobs.2.not_after: is the same time as not_before: leave out both, where any time "
        "is right",
        "23:5: jobs.2.scheduler: is for Dask: add engine: dask",
        "24:5: jobs.2.base_url: is no address: https://… (found 'x')",
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "1:1: a jobs file is a set of keys: version, runs_dir, jobs …"),
        ("- a\n", "1:1: a jobs file is a set of keys: version, runs_dir, jobs …"),
        ("version: 1\n", '1:1: "jobs" is missing'),
        ("version: 1\njobs: []\n", "2:1: jobs: is empty: at least 1 must stand here"),
        ("version: 1\njobs: {a: 1}\n", "2:1: jobs: should be a valid list"),
        ("version: 1\njobs: [x]\n", "2:8: jobs.0: must be a set of keys"),
        ("version: 2\njobs: [{name: a, files: b, mapping: c}]\n", "1:1: version: 2 is not one of"),
        ("version: 1\n\tjobs: x\n", "2:1: not YAML"),
        (JOB + "    name: x\n", '6:5: jobs.0.name: key "name" stands twice'),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, line: str) -> None:
    assert mistakes(tmp_path, text)[0].startswith(line)


def test_a_broken_default_is_not_told_of_again_for_each_job(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {mapping: [x]}\njobs:\n  - {name: a, files: a/*}\n"
    (line,) = mistakes(tmp_path, text)
    assert line.startswith("2:12: defaults.mapping")


def test_a_key_in_defaults_is_told_of_once_where_it_stands(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {mapping: m, workers: 2}\njobs:\n"
    text += "  - {name: a, files: a/*}\n  - {name: b, files: b/*}\n"
    (line,) = mistakes(tmp_path, text)
    assert line.startswith("2:24: defaults.workers: the local engine is one process")


@pytest.mark.parametrize(
    ("files", "done", "wrong"),
    [
        ("inbox/*.csv", "inbox/", True),
        ("inbox/*.csv", ".", True),
        ("inbox/*.csv", "inbox/../inbox", True),
        ("inbox/a.csv", "inbox", True),
        ("inbox", "inbox", True),
        ("inbox/*.csv", "inbox/done", False),
        ("inbox/**/*.csv", "inbox/done", False),
        ("inbox/*.csv", "done", False),
    ],
)
def test_files_are_not_put_away_where_they_come_from(
    tmp_path: Path, files: str, done: str, wrong: bool
) -> None:
    (tmp_path / "inbox").mkdir()
    text = HEAD + f"  - {{name: a, mapping: m, files: '{files}', done: '{done}'}}\n"
    if wrong:
        assert "is where files come from" in mistakes(tmp_path, text)[0]
    else:
        assert load(tmp_path, text).jobs


def test_what_servers_cannot_do_is_told_where_the_job_itself_asks_for_it(tmp_path: Path) -> None:
    text = "version: 1\ndefaults: {mapping: m, held: held}\njobs:\n"
    text += "  - {name: a, files: 'sftp://h/in/*', held: held, done: done}\n"
    text += "  - {name: b, files: 'https://h/x.csv', done: done}\n"
    text += "  - {name: c, files: 'https://h/x.csv'}\n"
    assert mistakes(tmp_path, text) == [
        "4:39: jobs.0.held: a held file stays on its server: leave this out",
        "5:41: jobs.1.done: files cannot be moved over https: leave this out",
    ]


def test_a_variable_that_is_not_set_is_a_mistake_that_names_it(tmp_path: Path) -> None:
    lines = mistakes_of(
        tmp_path, "notify:", "  urls:", "    - json://${HOOK}", "    - ${MAIL}", MAIL="mailto://x"
    )
    assert lines == [
        "8:11: jobs.0.notify.urls.0: the environment lacks HOOK: set it where this is started"
    ]


def test_the_environment_is_the_processs_own_where_none_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPS_HOOK", "json://secret")
    (tmp_path / "jobs.yaml").write_text(JOB + "    notify: {urls: '${OPS_HOOK}'}\n", "utf-8")
    (only,) = load_jobs(tmp_path / "jobs.yaml").jobs
    assert only.notify is not None
    assert only.notify.urls[0].reveal() == "json://secret"


@pytest.mark.parametrize("key", ["api_key", "password", "token"])
def test_credentials_have_no_place_in_it(tmp_path: Path, key: str) -> None:
    (line,) = mistakes_of(tmp_path, f"{key}: s3cret")
    assert "it comes from VCC_API_KEY or --api-key-file" in line
    assert "s3cret" not in line


@pytest.mark.parametrize(
    "lines",
    [
        "notify: mailto://u:s3cret@h",
        "notify: [mailto://u:s3cret@h]",
        "notify: {urls: {mailto://u:s3cret@h: 1}}",
        "notify: {mailto://u:s3cret@h: 1}",
        "notify: {on: 'mailto://u:s3cret@h'}",
        "notify: {urls: [[mailto://u:s3cret@h]]}",
        "notify: {urls: 's3cret'}",
        "notify: {urls: ['mailto://u:s3cret@h', '${NONE}']}",
        "done: sftp://u:s3cret@h/done",
        "base_url: ftp://u:s3cret@h",
        "concurrency: mailto://u:s3cret@h",
        "mailto://u:s3cret@h: 1",
        "mailto://u:s3cret@h: {a: 1, a: 2}",
        "notify: {urls: ['mailto://u:s3cret@h'], urls: 1}",
        "notify: {urls: ['mailto://u:s3cret@h'",
        "x: &mailto://u:s3cret@h",
    ],
)
def test_no_message_or_traceback_repeats_a_password(tmp_path: Path, lines: str) -> None:
    with pytest.raises(JobsError) as caught:
        job(tmp_path, lines)
    shown = "".join(traceback.format_exception(caught.value))
    assert "s3cret" not in shown + "".join(caught.value.mistakes)


def test_addresses_show_in_no_repr_or_pickle(tmp_path: Path) -> None:
    found = load(tmp_path, JOB + "    notify: {urls: 'mailto://u:s3cret@h'}\n")
    assert "s3cret" not in repr(found)
    with pytest.raises(TypeError):
        pickle.dumps(found)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_a_file_with_addresses_that_others_can_read_is_remarked_upon(tmp_path: Path) -> None:
    path = tmp_path / "jobs.yaml"
    for text, mode, remarked in (
        ("'json://h/token'", 0o644, True),
        ("'json://h/token'", 0o600, False),
        ("'${HOOK}'", 0o644, False),
    ):
        path.write_text(JOB + f"    notify: {{urls: {text}}}\n", "utf-8")
        path.chmod(mode)
        remarks = load_jobs(path, {"HOOK": "json://x"}).remarks
        assert [("chmod 600" in remark, "token" in remark) for remark in remarks] == (
            [(True, False)] if remarked else []
        )


def test_a_broken_mapping_is_no_mistake_of_the_jobs_file(tmp_path: Path) -> None:
    assert not (tmp_path / "m.yaml").exists()
    assert load(tmp_path, JOB).jobs


def test_a_missing_file_is_told_of_with_its_likely_name(tmp_path: Path) -> None:
    load(tmp_path, JOB)
    with pytest.raises(JobsError, match="no such jobs file") as caught:
        load_jobs(tmp_path / "job.yaml")
    assert str(caught.value.hint).endswith("jobs.yaml?")


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"PK\x03\x04\xff", "not UTF-8"), (b" " * (1 << 21), "too much"), (b"[" * 999, "YAML|deep")],
)
def test_what_is_no_jobs_file_at_all_is_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "jobs.yaml"
    path.write_bytes(content)
    with pytest.raises(JobsError) as caught:
        load_jobs(path)
    assert re.search(what, f"{caught.value}{caught.value.mistakes}")


def test_a_jobs_file_that_unfolds_without_end_is_refused(tmp_path: Path) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    (tmp_path / "jobs.yaml").write_text(bomb, "utf-8")
    with pytest.raises(JobsError, match="too large or too deep for a jobs file"):
        load_jobs(tmp_path / "jobs.yaml")


def test_every_key_is_in_the_schema_with_a_description() -> None:
    schema = jobs_schema()
    models = (Job, JobKeys, Drift, RowDrift, Notify)
    for model, described in (
        (JobsSpec, schema),
        *((model, schema["$defs"][model.__name__]) for model in models),
    ):
        assert set(described["properties"]) == set(model.model_fields)
        assert described["additionalProperties"] is False
        for key, part in described["properties"].items():
            assert "description" in part, key
    assert set(schema["$defs"]["Job"]["required"]) == {"name", "files"}


def test_keys_have_the_names_and_values_that_the_command_has() -> None:
    assert set(JobKeys.model_fields) <= set(JobSpec.__dataclass_fields__) | set(SETTINGS)
    for engine in get_args(EngineName):
        assert f'"{engine}"' in json.dumps(jobs_schema())


def test_the_command_prints_the_schema() -> None:
    printed = CliRunner().invoke(cli, ["schema", "--jobs"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == jobs_schema()
    assert json.loads(CliRunner().invoke(cli, ["schema"]).output)["title"].endswith("mapping")


def test_loading_a_jobs_file_is_light() -> None:
    """A round with nothing to do must cost little: it is started every ten minutes."""
    import subprocess

    heavy = "{'numpy', 'pyarrow', 'aiohttp', 'fsspec', 'apprise'}"
    code = f"import sys, importer.operations.jobs; print({heavy} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(importer.__file__).parents[1],
        env=dict(os.environ),
    )
    assert done.stdout.strip() == "set()"
