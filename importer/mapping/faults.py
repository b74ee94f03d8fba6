"""What a conversion gives: a text, and where something is wrong with it, a fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Fault(NamedTuple):
    """What is wrong with one value; a `warning` is sent all the same, whatever the rule says."""

    code: str
    message: str
    hint: str | None = None
    warning: bool = False


class Converted(NamedTuple):
    """A converted value; where there is a fault that is no warning, the value as it came."""

    value: str
    fault: Fault | None = None


Converter = Callable[[str], Converted]
"""A pure function of a text that is not blank."""
