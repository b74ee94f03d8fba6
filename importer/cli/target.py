"""Where records go and as whom: options, environment, ``.env``, key file, keyring.

The key comes from the first of: ``--api-key-file``, the environment, a ``.env`` file in the
working directory, the system's keyring. It is never an option's value, since those stand in
process lists and shell histories.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from importer.cli.outcome import say
from importer.cli.sandbox import DATABASE, new_sandbox, started_sandbox, write_project
from importer.errors import UsageError
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    SANDBOX_CREDENTIAL,
    Secret,
    Target,
)

if TYPE_CHECKING:
    from importer.pipeline import LoadedMapping
    from importer.recovery import PastRun

KEYRING_SERVICE = "vcc-importer"


def environment() -> dict[str, str]:
    """The variables of ours: the environment's, and below them those of a ``.env`` file."""
    from dotenv import dotenv_values

    found: dict[str, str] = {}
    try:
        dotenv = dotenv_values(Path(".env"), interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f".env cannot be read: {reason}", "Mend or remove the file.") from None
    for source in (dotenv, os.environ):
        for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE):
            if value := source.get(name):
                found[name] = value
    return found


def credentials(
    customer: str | None, api_key_file: Path | None, variables: Mapping[str, str]
) -> tuple[str, Secret]:
    """The customer and its key; raises UsageError that names all places where one may stand."""
    customer = customer or variables.get(CUSTOMER_VARIABLE)
    if not customer:
        raise UsageError(
            "no customer is named",
            f"Set {CUSTOMER_VARIABLE} (in the environment or in .env) or give --customer; to try "
            "without an account, add --sandbox.",
        )
    key = _key_from_file(api_key_file) if api_key_file is not None else None
    key = key or variables.get(API_KEY_VARIABLE) or _key_from_keyring(customer)
    if not key:
        raise UsageError(
            f"no API key for {customer}",
            f"Set {API_KEY_VARIABLE} (in the environment or in .env) or give --api-key-file; to "
            "try without an account, add --sandbox.",
        )
    return customer, Secret(key)


def _key_from_file(path: Path) -> str:
    try:
        text = path.read_text("utf-8").strip()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise UsageError(
            f"{path}: the API key cannot be read: {reason}", "Check the path after --api-key-file."
        ) from None
    if not text or "\n" in text:
        raise UsageError(f"{path}: must hold the API key and nothing else")
    if os.name == "posix" and mode & 0o077:
        say(f"Warning: others can read {path}: run chmod 600 {path}", err=True)
    return text


def _key_from_keyring(customer: str) -> str | None:
    """The key that the system's keyring has, where the extra is installed."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        return None
    try:
        key: str | None = keyring.get_password(KEYRING_SERVICE, customer)
    except KeyringError:
        return None
    return key


@contextlib.contextmanager
def run_target(
    mapping: LoadedMapping, options: Mapping[str, Any]
) -> Iterator[tuple[Target, Path | None]]:
    """Give the target of a new run, and the folder of its sandbox where it is a rehearsal.

    Raises UsageError where something lacks.
    """
    from importer.pipeline import base_url_for, needed_project

    project = options["project"] or mapping.spec.project
    if not options["sandbox"] and options["sandbox_project"] is None:
        if project is None:
            raise UsageError(
                "no project is named", "Write project: into the mapping, or give --project ID."
            )
        customer, key = credentials(options["customer"], options["api_key_file"], environment())
        base_url = options["base_url"] or base_url_for(customer)
        yield Target(base_url, project, customer, key, options["ca_file"]), None
        return
    if options["base_url"] is not None:
        raise UsageError("--base-url and --sandbox exclude each other")
    project = project or 1
    folder = new_sandbox(options["runs_dir"], options["sandbox_project"])
    if options["sandbox_project"] is None:
        write_project(folder, needed_project(mapping.spec, project))
    with _rehearsal(folder, project, options) as target:
        yield target, folder


@contextlib.contextmanager
def past_target(past: PastRun, options: Mapping[str, Any]) -> Iterator[Target]:
    """Give the target of a run of the past, its sandbox started again where it was a rehearsal."""
    if past.sandbox is not None:
        with _rehearsal(past.sandbox, past.project, options) as target:
            yield target
        return
    customer, key = credentials(options["customer"], options["api_key_file"], environment())
    yield Target(past.base_url, past.project, customer, key, options["ca_file"])


@contextlib.contextmanager
def _rehearsal(folder: Path, project: int, options: Mapping[str, Any]) -> Iterator[Target]:
    variables = environment()
    known = {
        name: variables.get(name) or SANDBOX_CREDENTIAL
        for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE)
    }
    customer, key = credentials(options["customer"], options["api_key_file"], known)
    known = {CUSTOMER_VARIABLE: customer, API_KEY_VARIABLE: key.reveal()}
    with started_sandbox(folder, known) as base_url:
        if not options["quiet"]:
            say(f"Sandbox: {base_url}, records in {folder / DATABASE}")
        yield Target(base_url, project, customer, key)
