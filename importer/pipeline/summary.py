"""The description of a run in its journal and summary, and the commands that messages suggest."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import importer
from importer.credentials import environment
from importer.errors import UsageError
from importer.files import STANDARD_INPUT, argument, command, nearby, value_word
from importer.model import SourceInfo, Status, Stop, Summary
from importer.settings import (
    CUSTOMER_VARIABLE,
    DEFAULT_RUNS_DIR,
    RUNS_DIR_VARIABLE,
    SETTINGS,
    RunSettings,
    SourceOptions,
    Target,
    delimiter_name,
    flat,
    json_value,
    option_of,
)


@dataclass(frozen=True, slots=True)
class Clock:
    """When a run began, in UTC, and how long it has been at work, by a monotonic clock.

    `before` are the seconds of work before the run was resumed. `ticks` is the clock's reading when
    this work began; None for a run that is only reported.
    """

    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    before: float = 0.0
    ticks: float | None = field(default_factory=time.monotonic)

    @classmethod
    def of_the_past(cls, meta: Mapping[str, str], *, at_work: bool) -> Clock:
        """The clock of a run whose journal noted `meta`."""
        return cls(
            datetime.fromisoformat(meta["started_at"]),
            float(meta.get("elapsed", 0)),
            time.monotonic() if at_work else None,
        )

    def elapsed(self) -> float:
        """Seconds of work, those before it was resumed included."""
        return self.before + (time.monotonic() - self.ticks if self.ticks is not None else 0.0)


@dataclass(frozen=True, slots=True)
class Description:
    """What a run is about, fixed when it begins and kept in the journal. Holds no secret."""

    run_id: str
    source: Mapping[str, Any]
    mapping: Mapping[str, Any]
    target: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def from_meta(cls, meta: Mapping[str, str]) -> Description:
        """Read a journal's `meta`; raises KeyError or ValueError where it is not that of a run."""
        return cls(**{name.name: json.loads(meta[name.name]) for name in fields(cls)})

    def with_settings(self, **settings: Any) -> Description:
        """The description with further or changed settings."""
        return replace(self, settings={**self.settings, **settings})

    def as_meta(self) -> dict[str, str]:
        """The description as the journal stores it: JSON by name."""
        return {name: json.dumps(value, default=str) for name, value in asdict(self).items()}


def describe_source(info: SourceInfo, sha256: str, size: int) -> dict[str, Any]:
    """The source as summary.json has it; `size` is that of the file as it was given, in bytes."""
    return {
        "path": info.path,
        "sha256": sha256,
        "size": size,
        "sheet": info.sheet,
        "encoding": info.encoding,
        "delimiter": info.delimiter,
        "header_row": info.header_row,
    }


def describe_target(target: Target) -> dict[str, Any]:
    """The target as summary.json has it: without who we are there."""
    return {"base_url": target.base_url, "project": target.project}


def describe_settings(settings: RunSettings, target: Target) -> dict[str, Any]:
    """The settings as summary.json has them, flat, and how we reach the service; paths absolute.

    Customer and the paths of certificates and key are what a later command needs that goes on
    with the run. No secret is among them.
    """
    described = {
        name: json_value(value) for name, value in flat(settings).items() if SETTINGS[name].noted
    }
    described["customer"] = target.customer
    for name in ("ca_file", "api_key_file"):
        described[name] = json_value(getattr(target, name))
    return described


READING = "reading"
"""The key of a run's settings for how it was asked to read its source, where it was."""


def describe_reading(reading: SourceOptions) -> dict[str, str]:
    """How a source is to be read, as options say it; what is found by looking is left out."""
    said = {
        "sheet": reading.sheet,
        "header_row": reading.header_row,
        "encoding": reading.encoding,
        "delimiter": delimiter_name(reading.delimiter) if reading.delimiter else None,
        "rows": "-".join(map(str, reading.rows)) if reading.rows else None,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def summarise(
    description: Description,
    clock: Clock,
    counts: Mapping[Status, int],
    *,
    attempts: int,
    status: str,
    stop: Stop | None,
) -> Summary:
    """The summary of a run; `counts` has every state, and adds up to the rows read."""
    return Summary(
        run_id=description.run_id,
        status=status,
        rows=sum(counts.values()),
        counts=counts,
        started_at=clock.started_at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        elapsed_s=round(clock.elapsed(), 3),
        attempts=attempts,
        source=description.source,
        mapping=description.mapping,
        target=description.target,
        settings=description.settings,
        versions=versions(),
        reason=stop.message if stop is not None else None,
        hint=stop.hint if stop is not None else None,
    )


def versions() -> dict[str, str]:
    """The versions of the program, Python and libraries, for bug reports."""
    import aiohttp
    import phonenumbers
    import pyarrow as pa

    return {
        "vcc-importer": importer.__version__,
        "python": platform.python_version(),
        "aiohttp": aiohttp.__version__,
        "pyarrow": pa.__version__,
        "phonenumbers": phonenumbers.__version__,
    }


# The commands about a run that messages tell people to type. They have the options that they need
# to reach the service as the run did: from what it noted of its settings (`settings` of
# summary.json), without what the environment says alike.


def run_dir_command(
    name: str, directory: Path, settings: Mapping[str, Any], *more: str | os.PathLike[str]
) -> str:
    """``resume`` or ``reconcile``, for a run that noted these settings; `more` beats them."""
    return command(name, argument(directory), *more, *_credential_options(settings, set(more)))


def mark_command(directory: Path) -> str:
    """``mark`` with the list of uncertain rows, once people have filled it in."""
    listed = argument(directory / "uncertain.csv")
    return command("mark", argument(directory), "--from", listed)


def rerun_command(
    file: Path, mapping: str, target: Mapping[str, Any], settings: Mapping[str, Any]
) -> str:
    """``run`` of another file, sent where and as a run was that noted `target` and `settings`."""
    words = ["run", argument(file), "-m", nearby(mapping)]
    return command(
        *words,
        *_target_options(target, settings),
        *_credential_options(settings),
        *_setting_options(settings),
    )


def plan_command_without(description: Description, excepted: Iterable[Path]) -> str:
    """``plan`` of the list of a run, without the rows that these runs of it have created."""
    settings, file = description.settings, Path(description.source["path"])
    words = ["plan", nearby(file), "-m", nearby(description.mapping["path"])]
    for name, value in settings.get(READING, {}).items():
        words += [f"--{name.replace('_', '-')}", value]
    words += [
        *_target_options(description.target, settings),
        *_credential_options(settings),
        *_setting_options(settings),
    ]
    for run_dir in excepted:
        words += ["--except", argument(run_dir)]
    return command(*words) + (" < FILE" if file == STANDARD_INPUT else "")


def _target_options(target: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    if settings.get("sandbox"):
        project = settings.get("sandbox_project")
        return ["--sandbox-project", nearby(project)] if project else ["--sandbox"]
    words = ["--project", str(target["project"])]
    if target["base_url"] != _usual_base_url(settings.get("customer")):
        words += ["--base-url", str(target["base_url"])]
    return words


def _usual_base_url(customer: object) -> str | None:
    from importer.api.request import base_url_for  # brings orjson, which no help needs

    try:
        return base_url_for(str(customer)) if customer else None
    except UsageError:
        return None


def _credential_options(settings: Mapping[str, Any], named: Collection[object] = ()) -> list[str]:
    """The options of credentials, without those `named`, and those that the environment has."""
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


def _setting_options(settings: Mapping[str, Any]) -> list[str]:
    """The options that differ from their defaults."""
    usual = {name: json_value(value) for name, value in flat(RunSettings()).items()}
    words = []
    if settings.get("ca_file"):
        words += ["--ca-file", nearby(settings["ca_file"])]
    for name, declared in SETTINGS.items():
        value = settings.get(name, usual[name])
        if declared.help and declared.kept and value != usual[name]:
            words += [option_of(name), value_word(value)]
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
