"""Where the options of a command say that records go: the service, or a sandbox that is started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli.outcome import say
from importer.cli.sandbox import DATABASE, new_sandbox, started_sandbox, write_project
from importer.credentials import credentials, environment, target_for
from importer.errors import UsageError
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, SANDBOX_CREDENTIAL, Target

if TYPE_CHECKING:
    from importer.library import LoadedMapping, PastRun


def warn(words: str) -> None:
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

    if not options["sandbox"] and options["sandbox_project"] is None:
        named = ("project", "base_url", "customer", "api_key_file", "ca_file")
        yield target_for(mapping, **{name: options[name] for name in named}, warn=warn), None
        return
    if options["base_url"] is not None:
        raise UsageError("--base-url and --sandbox exclude each other")
    project = options["project"] or mapping.spec.project or 1
    folder = new_sandbox(options["runs_dir"], options["sandbox_project"])
    if options["sandbox_project"] is None:
        write_project(folder, needed_project(mapping.spec, project))
    with _rehearsal(folder, project, options) as target:
        yield target, folder


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
        options["customer"], options["api_key_file"], environment(warn), warn
    )
    ca_file, key_file = options["ca_file"] or past.ca_file, options["api_key_file"]
    base_url = options.get("base_url") or past.base_url
    yield Target(base_url, past.project, customer, key, ca_file, key_file)


@contextlib.contextmanager
def _rehearsal(folder: Path, project: int, options: Mapping[str, Any]) -> Iterator[Target]:
    variables = environment()
    known = {
        name: variables.get(name) or SANDBOX_CREDENTIAL
        for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE)
    }
    customer, key = credentials(options["customer"], options["api_key_file"], known, warn)
    known = {CUSTOMER_VARIABLE: customer, API_KEY_VARIABLE: key.reveal()}
    with started_sandbox(folder, known) as base_url:
        if not options["quiet"]:
            say(f"Sandbox: {base_url}, records in {folder / DATABASE}")
        yield Target(base_url, project, customer, key)
