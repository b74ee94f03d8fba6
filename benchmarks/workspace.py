"""What all benchmarks of a run share, and what each gives back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks import leads, supplier
from benchmarks.measuring import Result

FAULTS = 200
"""In files that are checked one row in so many is wrong; in those that are sent none is."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where files go, and how much is done: `quick` is for seeing that all works."""

    folder: Path
    quick: bool
    rounds: int

    def csv(self, rows: int, faults: int = 0) -> Path:
        """A CSV file of leads, made once."""
        return leads.write_csv(self.folder / f"leads-{rows}-{faults}.csv", rows, faults)

    def xlsx(self, rows: int, faults: int = 0) -> Path:
        """A workbook of leads, made once."""
        return leads.write_xlsx(self.folder / f"leads-{rows}-{faults}.xlsx", rows, faults)

    def supplier_csv(self, rows: int) -> Path:
        """A supplier's list as text: Windows-1252, phones that repeat, every tenth row wrong."""
        return supplier.write_csv(self.folder / f"supplier-{rows}.csv", rows)

    def supplier_xlsx(self, rows: int) -> Path:
        """A supplier's list as a workbook that another library wrote."""
        return supplier.write_xlsx(self.folder / f"supplier-{rows}.xlsx", rows)


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures held against targets, and all that was measured on the way, in Markdown."""

    results: tuple[Result, ...]
    details: str
