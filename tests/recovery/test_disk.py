"""A disk that is full stops a run at once; afterwards it goes on as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox

AT_ONCE = ("--concurrency", "16")
# A limit on the size of files is what a full disk is to a writer, and needs no disk.
LIMITED = """
import resource, sys
sys.dont_write_bytecode = True  # the limit would cut the interpreter's own files, too
limit = int(sys.argv.pop(1))
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
from importer.cli.main import run_cli
sys.exit(run_cli(sys.argv[1:]))
"""


@pytest.mark.skipif(os.name != "posix", reason="resource limits as POSIX has them")
@pytest.mark.parametrize(
    ("limit", "code", "told"),
    [
        pytest.param(20_000, 2, "Make room, or name another folder", id="the copy of the list"),
        pytest.param(23_000, 2, "the ledger of past runs", id="the ledger"),
        pytest.param(30_000, 3, "then run the command again", id="the journal of the plan"),
        pytest.param(60_000, 3, "vcc-import resume out", id="the journal while rows are sent"),
    ],
)
def test_a_run_on_a_full_disk_stops_and_is_begun_again_or_resumed_without_loss(
    cli: Cli, mapping: Path, tmp_path: Path, limit: int, code: int, told: str
) -> None:
    leads = write_leads(tmp_path / "leads.csv", 1000)
    with live_sandbox(log_requests=True) as sandbox:
        arguments = ["run", str(leads), "-m", str(mapping), "--base-url", sandbox.base_url]
        done = subprocess.run(
            [sys.executable, "-c", LIMITED, str(limit), *arguments, "--out", "out", *AT_ONCE],
            cwd=tmp_path,
            env={**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code
        assert told in done.stderr
        if "resume" not in told:
            assert "resume" not in done.stderr, "there is nothing to resume"
            assert sandbox.request_count() == 0
            assert not (tmp_path / "out").exists()
            return
        assert cli("resume", "out") in {0, 4}
        counts = json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))["counts"]
        assert counts["created"] + counts["uncertain"] == 1000
        assert counts["uncertain"] <= 32
        requests = Counter(request.stamp for request in sandbox.requests())
        assert set(requests.values()) == {1}
        assert len(requests) >= counts["created"]
