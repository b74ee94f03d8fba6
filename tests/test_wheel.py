"""What is installed holds all that is used beyond the modules: pages, data, and their licences."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import importer

ROOT = Path(importer.__file__).parents[1]


def test_the_wheel_holds_every_file_of_the_package_and_its_licences(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "importer").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert wanted - held == set()
    names = {name.partition(".dist-info/")[2] for name in held}
    assert {
        "licenses/LICENSE",
        "licenses/importer/console/static/htmx.LICENSE.txt",
        "licenses/importer/sources/letters.licenses.txt",
    } <= names
