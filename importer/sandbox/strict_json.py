"""JSON read the strict way: what one reader takes and another refuses is refused."""

from __future__ import annotations

import json
from typing import Any

import orjson


def loads(raw: bytes) -> Any:
    """The value that `raw` holds; raises ValueError for anything that is not plain JSON.

    Refused besides bad syntax: text that is not UTF-8, a byte-order mark, lone surrogates, NaN
    and infinities, nesting beyond some hundred levels, and an object that names a key twice.
    """
    # Two readers, because neither is strict alone: orjson refuses all of the above but repeated
    # keys; the standard one shows repeated keys and keeps large integers exact.
    orjson.loads(raw)
    try:
        return json.loads(raw, object_pairs_hook=_no_repeats)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object names a key twice")
    return found
