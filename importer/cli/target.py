"""Where a command's records go, or would go: the service, or a sandbox started for the command."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from importer.cli.options import FILE, setting_option
from importer.cli.output import say
from importer.credentials import credentials, environment, target_for
from importer.errors import SourceError, UsageError
from importer.files import make_private_folder, read_bounded, write_private
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    SANDBOX_CREDENTIAL,
    Destination,
    Target,
)

if TYPE_CHECKING:
    from importer.library import LoadedMapping, PastRun

project_option = click.option(
    "--project", type=click.IntRange(1), metavar="ID", help="Project id; beats the mapping's."
)
online_option = click.option(
    "--online",
    is_flag=True,
    help="Compare with the live project too, as run does before it sends anything.",
)
compared_file_option = click.option(
    "--sandbox-project",
    type=FILE,
    metavar="FILE",
    help="Compare with the project of this file instead of the live one; no account is needed.",
)
allow_option = setting_option("allow_new_values")


def allows_new_values(options: Mapping[str, Any]) -> bool:
    """Whether values may be created: in a sandbox made for the mapping it does no harm."""
    of_its_own = options.get("sandbox") and options["sandbox_project"] is None
    return bool(options["allow_new_values"] or of_its_own)


def is_online(options: Mapping[str, Any]) -> bool:
    """Whether a check is to be compared with a project."""
    return bool(options["online"] or options["sandbox_project"] is not None)


def place_of(target: Target, *, rehearsal: bool) -> str:
    """Where a target's records go and as whom, for people."""
    if rehearsal:
        return f"project {target.project} of a sandbox"
    return f"project {target.project} at {target.base_url}, as {target.customer}"


def likely_place(mapping: LoadedMapping, destination: Destination) -> str | None:
    """Where records would go and as whom, for people, as far as it is said; None where it is not.

    No key is asked for.
    """
    from importer.library import base_url_for

    project, base_url = destination.project or mapping.spec.project, destination.base_url
    if project is None:
        return None
    try:
        customer = destination.customer or environment().get(CUSTOMER_VARIABLE)
        base_url = base_url or (base_url_for(customer) if customer else None)
    except UsageError:
        # An import will tell what is wrong with the customer or with .env.
        return f"project {project}"
    where = f" at {base_url}" if base_url else ""
    return f"project {project}{where}{f', as {customer}' if customer else ''}"


def _warn(words: str) -> None:
    """Tell people what is amiss with where a credential stands."""
    say(words, err=True)


@contextlib.contextmanager
def run_target(
    mapping: LoadedMapping, options: Mapping[str, Any]
) -> Iterator[tuple[Target, Path | None]]:
    """Give the target of a new run, and the folder of its sandbox where it is a rehearsal.

    Raises UsageError where something lacks.
    """
    from importer.library import needed_project
    from importer.pipeline.rundir import new_run_id
    from importer.sandbox.started import PROJECT

    if not options["sandbox"] and options["sandbox_project"] is None:
        named = ("project", "base_url", "customer", "api_key_file", "ca_file")
        yield target_for(mapping, **{name: options[name] for name in named}, warn=_warn), None
        return
    if options["base_url"] is not None:
        raise UsageError("--base-url and --sandbox exclude each other")
    project = options["project"] or mapping.spec.project or 1
    folder = options["runs_dir"] / new_run_id("sandbox")
    if options["sandbox_project"] is not None:
        text = _project_text(options["sandbox_project"])
    else:
        needed = {"projects": [needed_project(mapping.spec, project)]}
        text = json.dumps(needed, ensure_ascii=False, indent=2) + "\n"
    make_private_folder(folder)
    write_private(folder / PROJECT, text)
    with _rehearsal(folder, project, options) as target:
        yield target, folder


def _project_text(path: Path) -> str:
    """The text of a project file; raises SourceError."""
    from importer.sandbox.document import SIZE_LIMIT

    try:
        raw = read_bounded(path, SIZE_LIMIT)
        if len(raw) > SIZE_LIMIT:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))  # noqa: TRY301
        return raw.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(
            f"{path}: the project file cannot be read: {error}",
            "Check the path after --sandbox-project.",
        ) from None


@contextlib.contextmanager
def past_target(past: PastRun, options: Mapping[str, Any]) -> Iterator[Target]:
    """Give the target of a run of the past, its sandbox started again where it was a rehearsal.

    Its certificates are those of the run where none are given.
    """
    if past.sandbox is not None:
        with _rehearsal(past.sandbox, past.project, options) as target:
            yield target
        return
    customer, key = credentials(
        options["customer"], options["api_key_file"], environment(_warn), _warn
    )
    ca_file, key_file = options["ca_file"] or past.ca_file, options["api_key_file"]
    base_url = options.get("base_url") or past.base_url
    yield Target(base_url, past.project, customer, key, ca_file, key_file)


def draft_target(options: Mapping[str, Any]) -> Target:
    """The project that a mapping is drafted for; raises UsageError where something lacks."""
    from importer.library import base_url_for

    if options["project"] is None:
        raise UsageError("no project is named", "Give --project ID with --online.")
    customer, key = credentials(
        options["customer"], options["api_key_file"], environment(_warn), _warn
    )
    base_url = options["base_url"] or base_url_for(customer)
    return Target(base_url, options["project"], customer, key, options["ca_file"])


@contextlib.contextmanager
def _rehearsal(folder: Path, project: int, options: Mapping[str, Any]) -> Iterator[Target]:
    variables = environment()
    known = {
        name: variables.get(name) or SANDBOX_CREDENTIAL
        for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE)
    }
    customer, key = credentials(options["customer"], options["api_key_file"], known, _warn)
    known = {CUSTOMER_VARIABLE: customer, API_KEY_VARIABLE: key.reveal()}
    # Here: no other command needs it, and a check is to start soon.
    from importer.sandbox.started import DATABASE, started_sandbox

    with started_sandbox(folder, known) as sandbox:
        if not options["quiet"]:
            say(f"Sandbox: {sandbox.base_url}, records in {folder / DATABASE}")
        yield Target(sandbox.base_url, project, customer, key)


@contextlib.contextmanager
def compared_with(
    mapping: LoadedMapping, options: Mapping[str, Any] | None, folder: Path
) -> Iterator[Target | None]:
    """Give the target whose project files are compared with; None compares nothing.

    `folder` is for the sandbox, where one is started: nothing of it is kept. Raises UsageError
    where something lacks.
    """
    if options is None:
        yield None
        return
    wanted = {"sandbox": False, **options, "runs_dir": folder, "quiet": True}
    with run_target(mapping, wanted) as (target, _):
        yield target
