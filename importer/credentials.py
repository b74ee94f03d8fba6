"""Where records go and as whom: what is given, the environment, ``.env``, key file, keyring.

The key comes from the first of: the key file, the environment, a ``.env`` file in the working
directory, the system's keyring. It is never an option's value, since those stand in process lists
and shell histories.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from importer.errors import UsageError
from importer.files import quoted, read_bounded
from importer.settings import (
    API_KEY_VARIABLE,
    CUSTOMER_VARIABLE,
    Destination,
    Secret,
    Target,
)

if TYPE_CHECKING:
    from importer.mapping.load import LoadedMapping

KEYRING_SERVICE = "vcc-importer"

Warn = Callable[[str], None]


def _log(words: str) -> None:
    logging.getLogger(__name__).warning("%s", words)


def environment(warn: Warn = lambda _: None) -> dict[str, str]:
    """The variables of ours: the environment's, and below them those of a ``.env`` file.

    `warn` is told where that file gives the key, and others can read it.
    """
    found: dict[str, str] = {}
    dotenv = _dotenv(Path(".env"))
    if dotenv.get(API_KEY_VARIABLE):
        _warn_of_readers(Path(".env"), warn)
    for source in (dotenv, os.environ):
        for name in (CUSTOMER_VARIABLE, API_KEY_VARIABLE):
            if value := source.get(name):
                found[name] = value
    return found


def _dotenv(path: Path) -> Mapping[str, str | None]:
    """The variables of a ``.env`` file; none where there is no such file. Raises UsageError."""
    if not path.exists():
        return {}  # nor is the library loaded for it
    from dotenv import dotenv_values

    try:
        return dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise UsageError(f".env cannot be read: {reason}", "Mend or remove the file.") from None


def credentials(
    customer: str | None,
    api_key_file: Path | None,
    variables: Mapping[str, str],
    warn: Warn = _log,
) -> tuple[str, Secret]:
    """The customer and its key; raises UsageError that names all places where one may stand.

    `variables` are those of :func:`environment`. `warn` gets words for people; left out, they are
    logged.
    """
    customer = customer or variables.get(CUSTOMER_VARIABLE)
    if not customer:
        raise UsageError(
            "no customer is named",
            f"Set {CUSTOMER_VARIABLE} (in the environment or in .env) or give --customer; to try "
            "without an account, there is run --sandbox.",
        )
    key = _key_from_file(api_key_file, warn) if api_key_file is not None else None
    key = key or variables.get(API_KEY_VARIABLE) or _key_from_keyring(customer, warn)
    if not key:
        raise UsageError(
            f"no API key for {customer}",
            f"Set {API_KEY_VARIABLE} (in the environment or in .env) or give --api-key-file; to "
            "try without an account, there is run --sandbox.",
        )
    return customer, Secret(key)


def whereabouts(mapping: LoadedMapping, destination: Destination) -> tuple[str, int]:
    """Base URL and project to which :func:`target_for` would send; no key is asked for.

    Raises UsageError where project or service is named nowhere.
    """
    from importer.api.request import base_url_for

    project, base_url = _project(mapping, destination.project), destination.base_url
    if base_url is None:
        customer = destination.customer or environment().get(CUSTOMER_VARIABLE)
        if not customer:
            raise UsageError(
                "no customer is named",
                f"Set {CUSTOMER_VARIABLE} (in the environment or in .env) or give --customer.",
            )
        base_url = base_url_for(customer)
    return base_url, project


def target_for(  # noqa: PLR0913 (each is an option of the commands)
    mapping: LoadedMapping,
    *,
    project: int | None = None,
    base_url: str | None = None,
    customer: str | None = None,
    api_key_file: Path | None = None,
    ca_file: Path | None = None,
    warn: Warn = _log,
) -> Target:
    """Where a file with this mapping goes, and as whom.

    What is not given comes from the mapping and from :func:`environment`. Raises UsageError
    where no project, customer or key is named anywhere.
    """
    from importer.api.request import base_url_for

    named = _project(mapping, project)
    customer, key = credentials(customer, api_key_file, environment(warn), warn)
    where = base_url or base_url_for(customer)
    return Target(where, named, customer, key, ca_file, api_key_file)


def _project(mapping: LoadedMapping, project: int | None) -> int:
    """The project that is given, else the mapping's; raises UsageError where there is none."""
    project = project or mapping.spec.project
    if project is None:
        raise UsageError(
            "no project is named", "Write project: into the mapping, or give --project ID."
        )
    return project


_LONGEST_KEY = 1 << 16
"""Bytes of a file that holds a key; it is far more than any key has."""


def _key_from_file(path: Path, warn: Warn) -> str:
    try:
        raw = read_bounded(path, _LONGEST_KEY)
        text = raw.decode("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        if not _is_surely_path(path):
            # A missing file's name may be the key itself, given where the file's name belongs.
            raise UsageError(
                f"the file after --api-key-file cannot be read: {reason}",
                "Give the path of a file that holds the key. What was given is not repeated here, "
                "since it may be the key: if it was, the shell's history has it now.",
            ) from None
        raise UsageError(
            f"{path}: the API key cannot be read: {reason}", "Check the path after --api-key-file."
        ) from None
    if not text or "\n" in text or len(raw) > _LONGEST_KEY:
        raise UsageError(f"{path}: must hold the API key and nothing else")
    _warn_of_readers(path, warn)
    return text


def _is_surely_path(path: Path) -> bool:
    """Whether it is surely a path: it exists, or stands in a folder that is named and exists."""
    try:
        return path.exists() or (len(path.parts) > 1 and path.parent.is_dir())
    except (OSError, ValueError):
        return False


def _warn_of_readers(path: Path, warn: Warn) -> None:
    """Tell of a file with a key that others may read, where the system has such a thing."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if os.name == "posix" and mode & 0o077:
        warn(f"Warning: others can read {path}: run chmod 600 {quoted(path)}")


def _key_from_keyring(customer: str, warn: Warn) -> str | None:
    """The key that the system's keyring has, where the extra is installed and there is one."""
    try:
        import keyring
        from keyring.errors import KeyringError, NoKeyringError
    except ImportError:
        return None
    try:
        key: str | None = keyring.get_password(KEYRING_SERVICE, customer)
    except NoKeyringError:
        return None
    except KeyringError as error:
        warn(f"Warning: the system's keyring cannot be asked for the key: {error}")
        return None
    return key
