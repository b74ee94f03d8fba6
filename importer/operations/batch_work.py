"""A job at work in a round, and what its rounds note for each other in the ledger."""

from __future__ import annotations

from dataclasses import dataclass

from importer.operations.batch_place import Place
from importer.operations.batch_round import Round
from importer.operations.guarded import Guard
from importer.operations.jobs import JobSpec
from importer.pipeline.stopping import StopSwitch
from importer.settings import RunSettings, Target

RELEASED = "release"
"""Contents that may pass the comparison with the last files."""
HELD = "held"
"""Where held contents came from, and which content is held at a place."""
SEEN = "seen"
"""Files that stay, and were dealt with."""
TARGET_SECONDS = 60.0
"""How long a file waits for another import at its target."""


@dataclass(frozen=True, slots=True)
class Work:
    """A job at work; `stop` is pulled when the round is to end, and when the job's time is over."""

    job: JobSpec
    target: Target
    place: Place
    round: Round
    stop: StopSwitch

    @property
    def settings(self) -> RunSettings:
        """How its files are sent."""
        return self.job.settings(self.round.jobs.runs_dir)

    @property
    def guard(self) -> Guard:
        """How its runs are guarded."""
        return Guard(label=self.job.name, wait=TARGET_SECONDS, jobs_file=self.round.jobs.identity)
