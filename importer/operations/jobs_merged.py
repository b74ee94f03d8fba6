"""What holds for a job: what it says itself, then what `defaults` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from importer.mapping.reader import KeyPath
from importer.operations.jobs_spec import Job, JobKeys, JobsSpec


@dataclass(frozen=True, slots=True)
class MergedJob:
    """One job, key by key; `number` is its place in the list, from 0."""

    number: int
    job: Job
    defaults: JobKeys

    def get(self, key: str) -> Any:
        """What a key has; a null of the job's own takes back what `defaults` says."""
        return getattr(self.job if self.says(key) else self.defaults, key)

    def says(self, key: str) -> bool:
        """Whether the job itself has the key."""
        return key in self.job.model_fields_set

    def part(self, key: str, part: str) -> Any:
        """What stands in an object, whose keys are merged, too; call it where there is one."""
        value = None
        for model in (self.job, self.defaults):
            found = getattr(model, key)
            if isinstance(found, BaseModel):
                if part in found.model_fields_set:
                    return getattr(found, part)
                value = getattr(found, part) if value is None else value
        return value

    def place(self, key: str, part: str | None = None) -> KeyPath:
        """Where that stands in the file."""
        own, shared = getattr(self.job, key), getattr(self.defaults, key, None)
        at: KeyPath = ("jobs", str(self.number), key)
        if part is None:
            return at if self.says(key) or shared is None else ("defaults", key)
        for found, path in ((own, at), (shared, ("defaults", key))):
            if isinstance(found, BaseModel) and part in found.model_fields_set:
                return (*path, part)
        return self.place(key)


def merged(spec: JobsSpec) -> list[MergedJob]:
    """The jobs of a file, in its order."""
    return [MergedJob(number, job, spec.defaults) for number, job in enumerate(spec.jobs)]
