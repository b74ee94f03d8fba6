"""Where records go and as whom: options, environment, ``.env``, key file, keyring.

The key comes from the first of: ``--api-key-file``, the environment, a ``.env`` file in the
working directory, the system's keyring. It is never an option's value, since those stand in
process lists and shell histories.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from importer.errors import UsageError
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, Secret

KEYRING_SERVICE = "vcc-importer"


def environment() -> dict[str, str]:
    """The variables of ours: the environment's, and below them those of a ``.env`` file."""
    from dotenv import dotenv_values

    found: dict[str, str] = {}
    for source in (dotenv_values(Path(".env"), interpolate=False), os.environ):
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
            "who is the customer?",
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
        click.echo(f"Warning: others can read {path}: run chmod 600 {path}", err=True)
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
