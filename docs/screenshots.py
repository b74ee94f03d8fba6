"""Take pictures of every step of the console, to be looked at; ``make screenshots`` runs it.

They go into the folder that is named, at three widths and in both colours; that of the step that
checks and fixes is docs/console.png, too. Needs Chromium and the development extra.
"""

from __future__ import annotations

import os
import re
import struct
import sys
import tempfile
import zlib
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.live_browser import SCHEMES, Tab, chromium, open_tab  # noqa: E402
from tests.support.live_console import live_console  # noqa: E402

WIDTHS = (400, 1280, 2560)
SHOWN = {"width": 1280, "height": 860}
"""The part of a page that is in the documentation."""


def take(tab: Tab, folder: Path, name: str) -> None:
    """The whole page as it is now, at each width and in each colour."""
    for scheme in SCHEMES:
        tab.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for width in WIDTHS:
            tab.page.set_viewport_size({"width": width, "height": 900})
            tab.page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
    tab.page.emulate_media(color_scheme="light")
    tab.page.set_viewport_size({"width": 1280, "height": 900})


def packed(png: bytes) -> bytes:
    """The same picture in fewer bytes: its pixels packed as tightly as zlib can."""
    at, pixels, others = 8, b"", []
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12
        if kind == b"IDAT":
            pixels += data
        else:
            others.append((kind, data))
    tight = zlib.compressobj(9, zlib.DEFLATED, 15, 9)
    body = tight.compress(zlib.decompress(pixels)) + tight.flush()
    chunks = [*others[:-1], (b"IDAT", body), others[-1]]
    return png[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def walk(tab: Tab, origin: str, folder: Path) -> None:
    """From the first page to the result, in the console's sandbox."""
    page = tab.page
    take(tab, folder, "1-home")
    page.set_input_files("#file", ROOT / "samples" / "leads.xlsx")
    page.wait_for_url("**/file")
    take(tab, folder, "2-file")
    place = page.url.rpartition("/")[0]
    page.goto(f"{place}/columns")
    take(tab, folder, "3-columns")
    mapping = (ROOT / "mappings" / "leads.yaml").read_text("utf-8")
    if not page.locator("#text").is_visible():
        page.locator("details:has(#text) > summary").click()
    page.fill("#text", mapping.replace("../samples/", f"{(ROOT / 'samples').as_posix()}/"))
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("link", name="Go on: check and fix").click()
    page.locator("table.fixing").wait_for()
    take(tab, folder, "4-fix")
    page.set_viewport_size(SHOWN)
    (ROOT / "docs" / "console.png").write_bytes(packed(page.screenshot(type="png")))
    page.goto(f"{place}/plan")
    page.get_by_role("button", name="Use the sandbox").click()
    page.get_by_role("button", name="Make the plan").click()
    page.get_by_role("button", name=re.compile("^Plan again$")).first.wait_for()
    take(tab, folder, "5-plan-new-values")
    if page.locator("button[name=all]").count():
        page.locator("button[name=all]").click()
    tab.says("#step", "What would happen")
    take(tab, folder, "5-plan")
    page.get_by_role("link", name="Go on to sending").click()
    page.get_by_role("button", name="Send the first 5").click()
    tab.says("#step", "The first rows are in the service")
    take(tab, folder, "6-send")
    page.get_by_role("button", name="Send the rest").click()
    tab.says("#step", "All is sent")
    page.goto(f"{place}/result")
    take(tab, folder, "7-result")
    page.goto(origin)
    take(tab, folder, "8-home-after")


def main() -> None:
    """Walk through the console, and write the pictures."""
    folder = Path(sys.argv[1]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        for name in ("VCC_CUSTOMER", "VCC_API_KEY"):
            os.environ.pop(name, None)
        os.environ["VCC_STATE_DIR"] = str(Path(temporary) / "state")
        with (
            live_console(runs_dir=Path(temporary) / "runs") as console,
            chromium() as browser,
            open_tab(browser, console, reduced_motion="reduce") as tab,
        ):
            walk(tab, console.origin, folder)
        os.chdir(ROOT)
    sys.stdout.write(f"{folder}\n")


if __name__ == "__main__":
    main()
