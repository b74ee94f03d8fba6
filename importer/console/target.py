"""Where a draft's records go: to the service, as the customer of the environment, or to a sandbox.

The credentials come from where the command takes them (:mod:`importer.credentials`), each time they
are needed; pages get the customer's name and nothing else of them. The sandbox is the console's
own, one for all drafts: a process on 127.0.0.1, begun when it is first needed and ended with the
console. Its records lie in the console's folder, so that they outlive both. Its folder is that of a
rehearsal: the command resume goes on with what the console has sent there.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from importer import library
from importer.console.drafts import DRAFTS, Draft, Place, loaded_mapping, open_draft
from importer.console.pages import STEPS, form_of
from importer.credentials import credentials, environment
from importer.errors import ImporterError, MappingError, ServiceError, UsageError
from importer.files import make_private_folder, write_private
from importer.library import LoadedMapping
from importer.model import Project
from importer.sandbox.started import PROJECT, StartedSandbox, started_sandbox
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    SANDBOX_CREDENTIAL,
    Secret,
    Target,
)

SANDBOX_PROJECT = 134
"""The project that the console's sandbox serves."""

_FIRST_PROJECT = Path(__file__).parent / "sandbox_project.json"
"""What its sandbox serves at first: the sample lists fit into it."""
_PATIENCE = 12.0
"""Seconds for the sandbox of a console that was killed to end and let go of its database."""
_PROJECT_SECONDS = 15.0
"""How long a project is taken to be as it was, where a page only shows it."""
_PROJECT_PATIENCE = 5.0
"""Seconds for which a page waits for the service to describe a project."""
_LONGEST = 2000


class NotChosenError(UsageError):
    """Where a draft's records go is to be chosen first: there are no credentials."""


class NoProjectChosenError(UsageError):
    """Neither the mapping nor the draft names a project of the service."""


@dataclass(frozen=True, slots=True)
class Account:
    """As whom the service knows the user: a `customer` whose key was found.

    Where there is none, `error` says why, if there is more to say than that none is set.
    """

    customer: str | None = None
    error: ImporterError | None = None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a draft's records go, for pages: nothing is started or asked for it.

    What is not known, or chosen, yet is None.
    """

    place: Place | None
    account: Account
    project: int | None = None
    base_url: str | None = None

    @property
    def known(self) -> bool:
        """Whether there is nothing left to choose or to set."""
        if self.place is Place.SANDBOX:
            return True
        return self.account.customer is not None and None not in (self.project, self.base_url)

    @property
    def key(self) -> str:
        """A text that is the same for the same place, though a sandbox is started anew."""
        if self.place is Place.SANDBOX:
            return Place.SANDBOX.value
        return f"project {self.project} at {self.base_url}"


class Targets:
    """Where the records of drafts go; `folder` is the console's, for what its sandbox keeps."""

    def __init__(self, folder: Path) -> None:
        self.sandbox_dir = folder / "sandbox"
        self._starting = asyncio.Lock()
        self._sandbox: StartedSandbox | None = None
        self._open = contextlib.ExitStack()
        self._projects: dict[tuple[object, ...], tuple[float, Project | None]] = {}

    async def account(self) -> Account:
        """As whom the service knows the user, as the environment is now."""
        return await asyncio.to_thread(_account)

    async def place(self, draft: Draft) -> Place | None:
        """Where a draft's records go: as was chosen, else to the service if there are credentials.

        None where it is to be chosen: a sandbox is never taken without a word.
        """
        if draft.place is not None:
            return draft.place
        return Place.SERVICE if (await self.account()).customer is not None else None

    async def target(self, draft: Draft) -> Target:
        """Where a draft's records go, and as whom; the sandbox is started where it is that.

        Raises NotChosenError, NoProjectChosenError, another UsageError for credentials that lack or
        cannot be used, and ServiceError where the sandbox does not start.
        """
        match await self.place(draft):
            case Place.SANDBOX:
                return await self.sandbox()
            case Place.SERVICE:
                return await asyncio.to_thread(_service, draft)
            case None:
                raise NotChosenError(
                    "where the records go is not chosen yet",
                    "Set the credentials of your account, or choose the sandbox.",
                )

    async def project(self, draft: Draft) -> Project | None:
        """The project to which a draft's records go, as it was a moment ago.

        None where it is not chosen, or cannot be had in a time for which a page may wait.
        """
        try:
            target = await self.target(draft)
        except ImporterError:
            return None
        key, now = (target.base_url, target.project, target.customer), time.monotonic()
        known = self._projects.get(key)
        if known is not None and now < known[0] + _PROJECT_SECONDS:
            return known[1]
        try:
            async with asyncio.timeout(_PROJECT_PATIENCE):
                project = await asyncio.to_thread(library.project, target)
        except (ImporterError, TimeoutError):
            project = None
        self._projects = {key: (time.monotonic(), project)}
        return project

    async def whereabouts(self, draft: Draft) -> Whereabouts:
        """Where a draft's records go, as far as it is known."""
        account = await self.account()
        place = draft.place or (Place.SERVICE if account.customer is not None else None)
        if place is Place.SANDBOX:
            return Whereabouts(place, account, SANDBOX_PROJECT)
        own = library.base_url_for(account.customer) if account.customer is not None else None
        project = await asyncio.to_thread(project_of, draft)
        return Whereabouts(place, account, project, draft.base_url or own)

    def rehearsal(self, target: Target) -> Path | None:
        """The folder of the sandbox where a target is that; None for the service."""
        ours = self._sandbox is not None and target.base_url == self._sandbox.base_url
        return self.sandbox_dir if ours else None

    async def sandbox(self) -> Target:
        """The sandbox, started unless it runs; raises ServiceError and OutputError."""
        async with self._starting:
            if self._sandbox is None or not self._sandbox.alive:
                await self._start()
            assert self._sandbox is not None  # noqa: S101 (it was started)
            key = Secret(SANDBOX_CREDENTIAL)
            return Target(self._sandbox.base_url, SANDBOX_PROJECT, SANDBOX_CREDENTIAL, key)

    async def fit_sandbox(self, mapping: LoadedMapping) -> None:
        """Add to the sandbox's project what a mapping needs and it lacks; records stay.

        The sandbox is started anew at its address: what is in flight is answered before, and a run
        that sends to it waits meanwhile. Raises as :meth:`sandbox` does.
        """
        async with self._starting:
            self._projects.clear()
            await asyncio.to_thread(
                self._add, library.needed_project(mapping.spec, SANDBOX_PROJECT)
            )
            if self._sandbox is not None:
                port = int(self._sandbox.base_url.rpartition(":")[2].partition("/")[0])
                await self._start(port)

    async def end(self) -> None:
        """End the sandbox, if it runs: what is in flight is answered."""
        async with self._starting:
            await asyncio.to_thread(self._open.close)
            self._sandbox = None

    async def _start(self, port: int = 0) -> None:
        await asyncio.to_thread(self._open.close)
        self._sandbox = None
        self._sandbox = await asyncio.to_thread(_patiently, lambda: self._started(port))

    def _started(self, port: int) -> StartedSandbox:
        make_private_folder(self.sandbox_dir)
        if not (self.sandbox_dir / PROJECT).exists():
            write_private(self.sandbox_dir / PROJECT, _FIRST_PROJECT.read_text("utf-8"))
        # Never the real key: nothing but this console talks to the sandbox.
        known = {CUSTOMER_VARIABLE: SANDBOX_CREDENTIAL, API_KEY_VARIABLE: SANDBOX_CREDENTIAL}
        return self._open.enter_context(started_sandbox(self.sandbox_dir, known, port))

    def _add(self, needed: dict[str, Any]) -> None:
        path = self.sandbox_dir / PROJECT
        text = (path if path.exists() else _FIRST_PROJECT).read_text("utf-8")
        project = json.loads(text)
        for part, key in (("fields", "name"), ("dispositions", "dispositionid")):
            known = {str(one[key]) for one in project[part]}
            project[part] += [one for one in needed[part] if str(one[key]) not in known]
        make_private_folder(self.sandbox_dir)
        write_private(path, json.dumps(project, ensure_ascii=False, indent=1))


TARGETS = web.AppKey("TARGETS", Targets)


def project_of(draft: Draft) -> int | None:
    """The project of the service that a draft is for: the chosen one, else the mapping's."""
    if draft.project is not None:
        return draft.project
    try:
        return loaded_mapping(draft).spec.project if draft.mapping.exists() else None
    except (MappingError, UsageError):
        return None  # its mistakes are shown where it is made


def _patiently(start: Callable[[], StartedSandbox]) -> StartedSandbox:
    """Start a sandbox, again and again where the one of a killed console has not ended yet."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            return start()
        except ServiceError:
            if time.monotonic() >= end:
                raise
            time.sleep(0.5)


def _account() -> Account:
    try:
        variables = environment()
        if not variables.get(CUSTOMER_VARIABLE) and not variables.get(API_KEY_VARIABLE):
            return Account()
        customer, _ = credentials(None, None, variables)
        library.base_url_for(customer)
    except UsageError as error:
        return Account(error=UsageError(error.message, _without_options(error.hint)))
    return Account(customer)


def _without_options(hint: str | None) -> str | None:
    """A hint without what can only be typed after a command."""
    return None if hint is None or "--" in hint else hint


def _service(draft: Draft) -> Target:
    project = project_of(draft)
    try:
        customer, key = credentials(None, None, environment())
    except UsageError as error:
        raise UsageError(
            error.message, "Set the credentials of your account, or choose the sandbox."
        ) from None
    if project is None:
        raise NoProjectChosenError("no project is named", "Give its number.")
    return Target(draft.base_url or library.base_url_for(customer), project, customer, key)


async def _choose(request: web.Request) -> web.Response:
    """``POST /drafts/{id}/place``: where a draft's records go, then to the step that asked."""
    draft = await open_draft(request)
    if draft.run_dir is not None:
        raise UsageError(
            "this import is being sent already: where it goes cannot be changed",
            "Upload the list once more to send it elsewhere.",
        )
    form = await form_of(request)
    await asyncio.to_thread(request.app[DRAFTS].change, draft.id, **chosen_by(form))
    step = form.get("step")
    raise web.HTTPSeeOther(
        f"/drafts/{draft.id}/{step if step in {key for key, _ in STEPS} else 'plan'}"
    )


def chosen_by(form: Mapping[str, str]) -> dict[str, Any]:
    """What a form chooses of where a draft's records go, as changes of the draft.

    Raises UsageError.
    """
    form = {name: value[:_LONGEST] for name, value in form.items()}
    changes: dict[str, Any] = {}
    if (place := form.get("place")) is not None:
        if place not in set(Place):
            raise UsageError("choose the service or the sandbox")
        changes["place"] = Place(place)
    if "project" in form:
        changes["project"] = _project(form["project"])
    if "base_url" in form:
        given = form["base_url"].strip()
        changes["base_url"] = library.checked_base_url(given) if given else None
    if changes:
        changes["again"] = False  # elsewhere it may not have been sent yet
    return changes


def _project(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16 and int(text)):
        raise UsageError(
            "the project is given by its number", "It stands in the project's address."
        )
    return int(text)


ROUTES = [web.post("/drafts/{id}/place", _choose)]
