"""A run described: what its journal notes when it begins, and its summary when it ends."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

import importer
from importer.model import SourceInfo, Status, Stop, Summary
from importer.settings import RunSettings, Target, flat, plain


@dataclass(frozen=True, slots=True)
class Clock:
    """When a run began by the calendar, and how long it has been at work, by a clock nobody sets.

    `before` are the seconds of earlier sittings of a run that is resumed. Without `ticks` the run
    is not at work: it is only reported.
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
        """Seconds of work, in all sittings."""
        return self.before + (time.monotonic() - self.ticks if self.ticks is not None else 0.0)


@dataclass(frozen=True, slots=True)
class Description:
    """What a run is about, fixed when it begins; the journal keeps it. Holds no secret."""

    run_id: str
    source: Mapping[str, Any]
    mapping: Mapping[str, Any]
    target: Mapping[str, Any]
    settings: Mapping[str, Any]

    @classmethod
    def from_meta(cls, meta: Mapping[str, str]) -> Description:
        """The description that a journal holds; raises KeyError or ValueError for another's."""
        return cls(**{name.name: json.loads(meta[name.name]) for name in fields(cls)})

    def but(self, **settings: Any) -> Description:
        """The description with more to say of the settings."""
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
    described = {name: plain(value) for name, value in flat(settings).items() if name != "out"}
    described["customer"] = target.customer
    for name in ("ca_file", "api_key_file"):
        described[name] = plain(getattr(target, name))
    return described


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
    """The versions of what took part, for a report of a fault."""
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
