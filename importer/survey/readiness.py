"""Whether the dialler will find whom to call."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from importer.model import Phones, Readiness

MOST_CONTACTS = 9


class ReadinessCounter:
    """Counts the contacts and numbers of rows, a batch at a time."""

    def __init__(self) -> None:
        self._callable = self._phones = self._repeated = self._invalid = 0
        self._contacts = np.zeros(MOST_CONTACTS + 1, dtype=np.int64)

    def add(
        self,
        phones: Phones | None,
        ready: npt.NDArray[np.bool_],
        filtered: npt.NDArray[np.bool_],
        repeated: int,
    ) -> None:
        """Count a batch; `repeated` of the numbers of its ready rows stood before."""
        if phones is None:
            self._contacts[0] += int(ready.sum())
            return
        kept = phones.places[ready[phones.places]]
        self._phones += len(kept)
        self._callable += int(np.count_nonzero(np.bincount(kept)))
        self._repeated += repeated
        self._invalid += int(phones.refused[~filtered].sum())
        counts = np.minimum(phones.counts[ready], MOST_CONTACTS)
        self._contacts += np.bincount(counts, minlength=MOST_CONTACTS + 1)

    def readiness(self) -> Readiness:
        """The counts so far."""
        contacts = {n: int(rows) for n, rows in enumerate(self._contacts) if rows}
        return Readiness(self._callable, contacts, self._phones, self._repeated, self._invalid)
