"""The commands about a run that messages tell people to type.

They have the options that they need to reach the service as the run did: from what it noted of its
settings (`settings` of summary.json), without what the environment says alike.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from importer.api.request import base_url_for
from importer.credentials import environment
from importer.errors import UsageError
from importer.settings import (
    CUSTOMER_VARIABLE,
    DEFAULT_RUNS_DIR,
    RUNS_DIR_VARIABLE,
    SETTINGS,
    RunSettings,
    flat,
    plain,
)
from importer.shell import argument, command, nearby, value_word


def about_run(
    name: str, directory: Path, settings: Mapping[str, Any], *more: str | os.PathLike[str]
) -> str:
    """``resume`` or ``reconcile``, for a run that noted these settings; `more` beats them."""
    return command(name, argument(directory), *more, *_as_whom(settings, set(more)))


def mark_from_list(directory: Path) -> str:
    """``mark`` with the list of uncertain rows, once people have filled it in."""
    listed = argument(directory / "uncertain.csv")
    return command("mark", argument(directory), "--from", listed)


def run_like(
    file: Path, mapping: str, target: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:
    """``run`` of another file, sent where and as a run was that noted `target` and `settings`."""
    words = ["run", argument(file), "-m", nearby(mapping)]
    return command(*words, *_where(target, settings), *_as_whom(settings), *_how(settings))


def _where(target: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    if settings.get("sandbox"):
        project = settings.get("sandbox_project")
        return ["--sandbox-project", nearby(project)] if project else ["--sandbox"]
    words = ["--project", str(target["project"])]
    if target["base_url"] != _usual_base_url(settings.get("customer")):
        words += ["--base-url", str(target["base_url"])]
    return words


def _usual_base_url(customer: object) -> str | None:
    try:
        return base_url_for(str(customer)) if customer else None
    except UsageError:
        return None


def _as_whom(settings: Mapping[str, Any], named: Collection[object] = ()) -> list[str]:
    """The options of credentials, but for those `named` and what the environment says."""
    if settings.get("sandbox"):
        return []  # a rehearsal takes anybody
    words = []
    customer, key_file = settings.get("customer"), settings.get("api_key_file")
    if "--customer" not in named and customer and customer != _environment().get(CUSTOMER_VARIABLE):
        words += ["--customer", str(customer)]
    if "--api-key-file" not in named and key_file:
        words += ["--api-key-file", nearby(key_file)]
    return words


def _environment() -> dict[str, str]:
    try:
        return environment()
    except UsageError:
        return {}  # of an .env that cannot be read the command itself will tell


def _how(settings: Mapping[str, Any]) -> list[str]:
    """The options that differ from their defaults."""
    usual = {name: plain(value) for name, value in flat(RunSettings()).items()}
    words = []
    if settings.get("ca_file"):
        words += ["--ca-file", nearby(settings["ca_file"])]
    for name, declared in SETTINGS.items():
        value = settings.get(name, usual[name])
        if declared.help and declared.kept and value != usual[name]:
            words += [f"--{name.replace('_', '-')}", value_word(value)]
    rehearsal = settings.get("sandbox") and not settings.get("sandbox_project")
    if settings.get("allow_new_values") and not rehearsal:
        words.append("--allow-new-values")
    if settings.get("preflight") is False:
        words.append("--no-preflight")
    runs_dir = settings.get("runs_dir")
    here = Path(os.environ.get(RUNS_DIR_VARIABLE) or DEFAULT_RUNS_DIR)
    if runs_dir and Path(runs_dir) != here.absolute():
        words += ["--runs-dir", nearby(runs_dir)]
    return words
