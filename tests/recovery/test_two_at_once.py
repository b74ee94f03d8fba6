"""Two that resume the same run at the same moment: one sends, the other is told to wait."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from tests.recovery.conftest import write_leads
from tests.support.command import Cli
from tests.support.live_sandbox import live_sandbox


def test_of_several_that_resume_at_once_one_sends_and_no_row_is_doubled(
    cli: Cli, mapping: Path, tmp_path: Path
) -> None:
    rows = 1000
    leads = write_leads(tmp_path / "leads.csv", rows)
    environment = {**os.environ, "VCC_CUSTOMER": "sandbox", "VCC_API_KEY": "sandbox"}
    with live_sandbox(log_requests=True, latency="5ms") as sandbox:
        url = ("--base-url", sandbox.base_url)
        assert cli("run", leads, "-m", mapping, "--out", "out", "--limit", 1, *url) == 0
        command = [sys.executable, "-m", "importer", "resume", "out", "--concurrency", "4", "-q"]
        several = [
            subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE)
            for _ in range(3)
        ]
        told = [process.communicate()[1].decode() for process in several]
        codes = [process.returncode for process in several]
        requests = Counter(request.stamp for request in sandbox.requests())
    assert 0 in codes
    # Refused by the project's lock, or by the journal's, whichever it comes to first.
    refusals = {2: "another run", 3: "in use"}
    assert set(codes) <= {0, *refusals}
    assert all(refusals.get(code, "") in text for text, code in zip(told, codes, strict=True))
    assert set(requests.values()) == {1}
    assert len(requests) == rows
