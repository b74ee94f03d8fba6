"""A real sandbox in a thread, for tests that talk to it over a real socket."""

from __future__ import annotations

import asyncio
import base64
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

from importer.sandbox.app import serve
from importer.sandbox.faults import NO_FAULTS, Faults, load_faults, parse_latency
from importer.sandbox.projects import Project, load_projects

SAMPLE_PROJECT = Path(__file__).parents[2] / "samples" / "project.yaml"
CREDENTIAL = "sandbox"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply; `headers` in lower case, `raw` with the chunks put together."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The reply as the JSON object that every reply must be."""
        found = json.loads(self.raw)
        assert set(found) == {"errors", "response"}
        return dict(found)

    @property
    def complaints(self) -> list[tuple[str, str | None, int | None]]:
        """The errors as (message, property, index)."""
        return [
            (one["errormessage"], one.get("property"), one.get("index"))
            for one in self.envelope["errors"]
        ]


@dataclass(frozen=True, slots=True)
class Request:
    """A line of the sandbox's log; `fault` is a kind, or "rate_limit", or None."""

    ordinal: int
    time: str
    projectid: str
    sha256: str
    stamp: str | None
    numberid: int | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class LiveSandbox:
    """A sandbox that accepts connections at `base_url` and keeps its data in `db`."""

    base_url: str
    db: Path
    customer: str
    api_key: str

    @property
    def authorization(self) -> str:
        """The Authorization header that it expects."""
        pair = f"{self.customer}:{self.api_key}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own; `path` follows the base URL.

        A `body` that is not bytes is sent as JSON. `headers` replace the usual ones.
        """
        url = urlsplit(self.base_url)
        connection = HTTPConnection(url.hostname or "", url.port, timeout=30)
        raw = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        with closing(connection):
            connection.request(
                method,
                url.path + path,
                raw,
                {"Authorization": self.authorization} | {**(headers or {})},
            )
            reply = connection.getresponse()
            named = {name.lower(): value for name, value in reply.getheaders()}
            return Answer(reply.status, named, reply.read())

    def add(self, project: int, body: Any) -> Answer:
        """Add record."""
        return self.call("POST", f"/projects/{project}/records", body)

    def records(self, project: int) -> list[dict[str, Any]]:
        """The stored records of a project in the order of their numberids, read from the file.

        Each has `numberid, projectid, create_date, create_date_utc, data` (valueids), `form`
        (the same with the values' names: one for a simple field, a list for a multiple one),
        `contacts` (keyed phone1 to phone9), `phone_field, premium, events`.
        """
        names = {
            (field, valueid): name
            for field, valueid, name in self._select(
                "SELECT field.name, valueid, value.name FROM value JOIN field USING (fieldid)"
                " WHERE projectid = ?",
                project,
            )
        }
        found = []
        for row in self._select(
            "SELECT numberid, projectid, create_date, create_date_utc, data, contacts, phone_field,"
            " premium, events FROM record WHERE projectid = ? ORDER BY numberid",
            project,
        ):
            record = {key: row[key] for key in row.keys()}  # noqa: SIM118 (a row is no mapping)
            for key in ("data", "contacts", "premium", "events"):
                record[key] = json.loads(record[key])
            record["form"] = {
                field: [names[field, one] for one in value]
                if isinstance(value, list)
                else names.get((field, value), value)
                for field, value in record["data"].items()
            }
            found.append(record)
        return found

    def requests(self) -> list[Request]:
        """Every Add record that was received whole, in the order of commits, read from the file.

        Only where it was started with `log_requests`.
        """
        rows = self._select(
            "SELECT ordinal, time, projectid, sha256, stamp, numberid, fault FROM request"
            " ORDER BY id"
        )
        return [Request(*row) for row in rows]

    def request_count(self) -> int:
        """How many of :meth:`requests` there are."""
        return int(self._select("SELECT count(*) FROM request")[0][0])

    def settled_count(self) -> int:
        """How many requests there are, once those that a killed client had sent are stored."""
        before, count = -1, self.request_count()
        while count != before:
            time.sleep(0.2)
            before, count = count, self.request_count()
        return count

    def values(self, project: int, field: str) -> dict[str, int]:
        """The values of a simple or multiple field: their names and valueids."""
        rows = self._select(
            "SELECT value.name, valueid FROM value JOIN field USING (fieldid)"
            " WHERE projectid = ? AND field.name = ? ORDER BY valueid",
            project,
            field,
        )
        return {row[0]: row[1] for row in rows}

    def _select(self, statement: str, *values: Any) -> list[sqlite3.Row]:
        with closing(sqlite3.connect(self.db)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(statement, values).fetchall()


@contextmanager
def live_sandbox(
    db: Path | None = None,
    projects: Path | Sequence[Project] | None = SAMPLE_PROJECT,
    *,
    customer: str = CREDENTIAL,
    api_key: str = CREDENTIAL,
    port: int = 0,
    faults: Faults | Path | Sequence[Mapping[str, Any]] = NO_FAULTS,
    latency: str | float | None = None,
    rate_limit: float | None = None,
    log_requests: bool = False,
    log_stamp: str = "import_ref",
) -> Iterator[LiveSandbox]:
    """Serve from a thread with a loop of its own, and stop it gracefully at the end.

    `projects` is a project file, projects, or None for what the database has. `faults` is a
    fault file, or rules as one has them: ``[{"kind": "close", "at": 5}]``; `latency` and
    `rate_limit` are as on the command line. `log_requests` is for :meth:`LiveSandbox.requests`.
    Whatever keeps the sandbox from starting, or breaks it, is raised here.
    """
    if isinstance(faults, Path):
        faults = load_faults(faults)
    elif not isinstance(faults, Faults):
        faults = Faults.model_validate({"faults": list(faults)})
    faults = faults.overridden(None if latency is None else parse_latency(latency), rate_limit)
    if isinstance(projects, Path):
        projects = load_projects(projects)
    ready = threading.Event()
    state: dict[str, Any] = {}

    async def main() -> None:
        state["loop"], state["stop"] = asyncio.get_running_loop(), asyncio.Event()

        def on_ready(base_url: str) -> None:
            state["base_url"] = base_url
            ready.set()

        await serve(
            port=port,
            db=db,
            projects=projects,
            customer=customer,
            api_key=api_key,
            faults=faults,
            log_requests=log_requests,
            log_stamp=log_stamp,
            on_ready=on_ready,
            until=state["stop"],
        )

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 (raised again in the test's own thread)
            state["error"] = error
        finally:
            ready.set()

    with TemporaryDirectory() as folder:
        db = db or Path(folder) / "sandbox.sqlite3"
        thread = threading.Thread(target=run, name="live-sandbox", daemon=True)
        thread.start()
        ready.wait()
        try:
            if "base_url" in state:
                yield LiveSandbox(state["base_url"], db, customer, api_key)
        finally:
            if thread.is_alive():
                state["loop"].call_soon_threadsafe(state["stop"].set)
            thread.join()
            if "error" in state:
                raise state["error"]
