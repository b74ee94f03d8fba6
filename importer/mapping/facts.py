"""What the columns of a sheet show as a whole. (The lead's placeholder: to be replaced.)"""

from __future__ import annotations

from dataclasses import dataclass

from importer.mapping.plan import Plan
from importer.model import Batch


@dataclass(frozen=True, slots=True)
class Facts:
    """Nothing known."""

    def as_json(self) -> str:
        """As JSON."""
        return "{}"

    @classmethod
    def from_json(cls, text: str) -> Facts:
        """From JSON."""
        return cls()


class Watch:
    """Watches."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def add(self, batch: Batch) -> None:
        """Look."""

    def facts(self) -> Facts:
        """What was seen."""
        return Facts()
