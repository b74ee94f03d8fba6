"""Sorted runs of keys: the young ones in memory, the old ones in a private file.

An entry is a row of unsigned 64-bit words, the key's own and then its place, and a run is sorted by
the fingerprints of its keys. Of a run in the file nothing stays in memory but what a filter tells:
of the few keys that may be there, by that, fingerprints are compared, which are read anew for each
batch; and where one of these is the same, its entry is read: nearly always, the key was seen.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import numpy as np
import numpy.typing as npt

from importer.errors import OutputError

Entries = npt.NDArray[np.uint64]
"""Keys and places, an entry in each row."""
Hashes = npt.NDArray[np.uint64]
Prints = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]

_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
_MIX = np.uint32(0x9E3779B1)
_PRINT_BITS = 28
"""As many as leave the steps from one to the next, in a long run, below 2 ** 16."""
_HALF = np.uint64(32)
_NEAR, _AT_ONCE = 256, 1 << 14
"""Entries that lie no farther apart are read together, up to so many at once."""


def hashes(keys: Entries) -> Hashes:
    """The hashes of keys, a key in each row: evenly spread however alike the keys are."""
    mixed = np.zeros(len(keys), dtype=np.uint64)
    for word in keys.T:
        mixed = (mixed ^ word) * _ODD[0]
        mixed ^= mixed >> _HALF
    return mixed * _ODD[1]


def fingerprints(hashed: Hashes) -> Prints:
    """The first bits of hashes: in order, where the hashes are."""
    return (hashed >> np.uint64(64 - _PRINT_BITS)).astype(np.uint32)


def in_order(hashed: Hashes) -> tuple[Positions, Hashes]:
    """The order of hashes, and what is told apart of them, in that order; equal ones as they stand.

    That is all but as many of the last bits as are needed to number them.
    """
    numbered = np.uint64((1 << len(hashed).bit_length()) - 1)
    packed = (hashed & ~numbered) | np.arange(len(hashed), dtype=np.uint64)
    packed.sort()
    return (packed & numbered).astype(np.int64), packed & ~numbered


def differ(some: Entries, others: Entries) -> npt.NDArray[np.bool_]:
    """Which rows are not the same in both."""
    different: npt.NDArray[np.bool_] = some[:, 0] != others[:, 0]
    for word in range(1, some.shape[1]):
        different |= some[:, word] != others[:, word]
    return different


class Run(Protocol):
    """Entries in the order of their fingerprints."""

    def __len__(self) -> int:
        """How many entries there are."""

    @property
    def prints(self) -> Prints:
        """The fingerprints, ascending."""

    def entries(self, positions: Positions) -> Entries:
        """The entries at these positions."""


def find_in(run: Run, keys: Entries, prints: Prints, found: Positions) -> None:
    """Put the places of the keys that a run has into `found`, where that is still -1.

    In the order of their fingerprints keys are found several times as fast.
    """
    open_, theirs = np.flatnonzero(found < 0), run.prints
    at = np.searchsorted(theirs, prints[open_])
    while True:
        inside = at < len(theirs)
        open_, at = open_[inside], at[inside]
        alike = theirs[at] == prints[open_]
        open_, at = open_[alike], at[alike]
        if not len(open_):
            return
        entries = run.entries(at)
        other = differ(entries[:, :-1], keys[open_])
        found[open_[~other]] = entries[~other, -1].astype(np.int64)
        open_, at = open_[other], at[other] + 1


@dataclass(frozen=True, slots=True)
class MemoryRun:
    """A run in memory."""

    prints: Prints
    all_entries: Entries

    def __len__(self) -> int:
        return len(self.prints)

    @classmethod
    def of(cls, prints: Prints, entries: Entries) -> MemoryRun:
        """Entries in any order, sorted."""
        order = np.argsort(prints, kind="stable")
        return cls(prints[order], entries[order])

    def entries(self, positions: Positions) -> Entries:
        """The entries at these positions."""
        return self.all_entries[positions]

    def merged(self, later: MemoryRun) -> MemoryRun:
        """Both in one; of equal keys, this run's come first."""
        return MemoryRun.of(
            np.concatenate((self.prints, later.prints)),
            np.concatenate((self.all_entries, later.all_entries)),
        )


@dataclass(frozen=True, slots=True)
class FileRun:
    """A run that stands in a file from `start` on; `mark` is added to the places of its entries.

    Behind so many entries of so many words, the steps from each fingerprint to the next, the first
    from 0, are integers of `step`.
    """

    file: RunFile
    start: int
    count: int
    width: int
    step: npt.DTypeLike
    mark: int = 0

    def __len__(self) -> int:
        return self.count

    @property
    def prints(self) -> Prints:
        """The fingerprints, ascending: read anew each time."""
        behind = self.start + self.count * self.width * 8
        content = self.file.read(behind, self.count * np.dtype(self.step).itemsize)
        return np.cumsum(np.frombuffer(content, self.step), dtype=np.uint32)

    def entries(self, positions: Positions) -> Entries:
        """The entries at these positions."""
        order = np.argsort(positions, kind="stable")
        ascending = positions[order]
        found = np.empty((len(positions), self.width), dtype=np.uint64)
        apart = (np.diff(ascending) > _NEAR) | (np.diff(ascending // _AT_ONCE) > 0)
        bounds = [0, *(np.flatnonzero(apart) + 1).tolist(), len(ascending)]
        for begin, end in pairwise(bounds):
            first, last = int(ascending[begin]), int(ascending[end - 1])
            found[order[begin:end]] = self._read(first, last + 1)[ascending[begin:end] - first]
        found[:, -1] |= np.uint64(self.mark)
        return found

    def _read(self, first: int, last: int) -> Entries:
        size = self.width * 8
        content = self.file.read(self.start + first * size, (last - first) * size)
        return np.frombuffer(content, dtype=np.uint64).reshape(-1, self.width)

    def marked(self, mark: int) -> FileRun:
        """The same entries, at the places of another source."""
        return replace(self, mark=self.mark | mark)


class RunFile:
    """A file for runs that only this process sees, and that is gone with what stands in it."""

    def __init__(self) -> None:
        # Unbuffered, so that what is read is what was asked for, and no more.
        self._file = tempfile.TemporaryFile(prefix="vcc-import-", buffering=0)  # noqa: SIM115
        self._mutex = threading.Lock()
        weakref.finalize(self, self._file.close)

    def keep(self, run: MemoryRun) -> FileRun:
        """Move a run into the file; raises OSError where the disk has no room for it."""
        start = self._file.seek(0, 2)
        steps = np.diff(run.prints, prepend=np.uint32(0))
        # Of few keys, or of such as somebody has chosen for it, a step may be greater.
        step = np.uint16 if steps.max(initial=0) < 1 << 16 else np.uint32
        for content in (run.all_entries.data, steps.astype(step).data):
            rest = content.cast("B")
            while rest:
                rest = rest[self._file.write(rest) :]
        count, width = run.all_entries.shape
        return FileRun(self, start, count, width, step)

    def read(self, start: int, length: int) -> bytes:
        """So many bytes from there on, which were kept; raises OutputError where they are gone."""
        content, why = b"", os.strerror(errno.EIO)
        try:
            with self._mutex:
                self._file.seek(start)
                while len(content) < length and (more := self._file.read(length - len(content))):
                    content += more
        except OSError as error:
            why = error.strerror or str(error)
        if len(content) < length:
            raise OutputError(
                f"the temporary file with the keys of the rows cannot be read: {why}",
                "Is the disk of temporary files (TMPDIR says where that is) still well? Try again.",
            )
        return content


class Filter:
    """Tells most fingerprints that were never added: two of 5 to 10 bits for each tell of it."""

    def __init__(self) -> None:
        self._log = 16
        self._bits = np.zeros(1 << (self._log - 3), dtype=np.uint8)
        self._added: list[FileRun] = []

    def add(self, run: FileRun) -> None:
        """Add the fingerprints of a run, which is kept: they are added anew when room is made."""
        self._added.append(run)
        count = sum(map(len, self._added))
        if 5 * count > 1 << self._log:
            self._log = min(32, (5 * count).bit_length())
            self._bits = np.zeros(1 << (self._log - 3), dtype=np.uint8)
            for earlier in self._added:
                self._set(earlier.prints)
        else:
            self._set(run.prints)

    def _set(self, prints: Prints) -> None:
        for which, bits in self._places(prints):
            np.bitwise_or.at(self._bits, which, bits)

    def may_have(self, prints: Prints) -> npt.NDArray[np.bool_]:
        """Whether each may have been added: if not, it was not."""
        found = np.ones(len(prints), dtype=bool)
        for which, bits in self._places(prints):
            found &= (self._bits[which] & bits) > 0
        return found

    def _places(self, prints: Prints) -> Iterator[tuple[Prints, npt.NDArray[np.uint8]]]:
        """The bits of each: by its upper bits, and by all of it mixed once more."""
        for mixed in (prints << np.uint32(32 - _PRINT_BITS), prints * _MIX):
            slots = mixed >> np.uint32(32 - self._log)
            yield slots >> np.uint32(3), np.uint8(1) << (slots & np.uint32(7)).astype(np.uint8)
