"""Records as Add record takes them: the JSON bodies of many rows at once. Pure.

What stands between the texts of a record is the same for all rows, so bodies are joined by the
column, not put together row by row. They are what a JSON encoder makes of each record, to the
byte: UTF-8 without blanks, keys in the order of the mapping. The project is part of the URL, not of
the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import ContactTexts, Records
from importer.textbytes import Bytes

Mask = npt.NDArray[np.bool_]

_TEXT = pa.large_string()
_AT_ONCE = 2048
"""Rows whose bodies are joined together: each is copied some times on the way."""
_FIRST_PRINTABLE, _QUOTE, _BACKSLASH = b' "\\'


def encode(records: Records) -> Iterator[bytes]:
    """Give the body of each row, in order.

    `form` is always there; `contacts`, `premium`, `phone_field` and `disposition` only where they
    hold something.
    """
    for start in range(0, len(records.rows), _AT_ONCE):
        yield from _encoded(_part(records, slice(start, start + _AT_ONCE)))


def _part(records: Records, rows: slice) -> Records:
    """Some of the rows, which share the memory of all."""

    def part(texts: Mapping[str, Any]) -> dict[str, Any]:
        return {key: column[rows] for key, column in texts.items()}

    return Records(
        records.rows[rows],
        part(records.form),
        records.valueids,
        {k: ContactTexts(part(c.parts), c.exists[rows]) for k, c in records.contacts.items()},
        records.phone_field[rows],
        part(records.premium),
        part(records.disposition),
        records.disposed[rows],
    )


def _encoded(records: Records) -> list[bytes]:
    count = len(records.rows)
    contacts = _inside(
        (
            _object(key, _inside(_texts(contact.parts), count), contact.exists)
            for key, contact in records.contacts.items()
        ),
        count,
    )
    premium = _inside(_texts(records.premium), count)
    disposition = _inside(_texts(records.disposition), count)
    body = [
        _object("form", _inside(_texts(records.form, records.valueids), count)),
        _object("contacts", contacts, _filled(contacts)),
        *_texts({"phone_field": records.phone_field}),
        _object("premium", premium, _filled(premium)),
        _object("disposition", disposition, records.disposed),
    ]
    bodies = _joined("{", _inside(body, count), "}")
    encoded: list[bytes] = bodies.cast(pa.large_binary()).to_pylist()
    return encoded


def _texts(texts: Mapping[str, Any], valueids: frozenset[str] = frozenset()) -> Iterator[Any]:
    """Members of an object: ``,"key":"text"``, and null where there is no text."""
    for key, column in texts.items():
        name = orjson.dumps(key).decode()
        if key in valueids:
            yield _joined(f",{name}:", _numbers(column))
        else:
            yield _joined(f',{name}:"', _escaped(column), '"')


def _object(key: str, inside: Any, there: Mask | None = None) -> Any:
    """A member that is an object: ``,"key":{…}``, and null where it is not there."""
    member = _joined(f',"{key}":{{', inside, "}")
    return member if there is None else pc.if_else(pa.array(there), member, pa.scalar(None, _TEXT))


def _inside(members: Iterable[Any], count: int) -> Any:
    """The members of an object, one after the other, without the first comma."""
    joined = pc.binary_join_element_wise(
        *members, pa.repeat(pa.scalar("", _TEXT), count), pa.scalar("", _TEXT), null_handling="skip"
    )
    return pc.utf8_slice_codeunits(joined, 1)


def _joined(*parts: Any) -> Any:
    """Texts and columns of texts as one column; null where one of them is."""
    scalars = [pa.scalar(part, _TEXT) if isinstance(part, str) else part for part in parts]
    return pc.binary_join_element_wise(*scalars, pa.scalar("", _TEXT))


def _filled(texts: Any) -> Mask:
    filled: Mask = pc.greater(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    return filled


def _escaped(texts: Any) -> Any:
    """Texts as they stand between the quotes of a JSON string."""
    content = Bytes(texts)
    signs = content.data
    special = (signs < _FIRST_PRINTABLE) | (signs == _QUOTE) | (signs == _BACKSLASH)
    if not special.any():
        return texts
    mask = pa.array(content.holding(special))
    spelt = map(_spelt, texts.filter(mask).to_pylist())
    return pc.replace_with_mask(texts, mask, pa.array(spelt, _TEXT))


def _spelt(text: str | None) -> str | None:
    """What is null may have bytes all the same."""
    return None if text is None else orjson.dumps(text).decode()[1:-1]


def _numbers(texts: Any) -> Any:
    """Digits as JSON numbers; what else stands among them as strings."""
    return pa.array([_number(text) for text in texts.to_pylist()], _TEXT)


def _number(text: str | None) -> str | None:
    if text is None:
        return None
    return str(int(text)) if text.isdecimal() else orjson.dumps(text).decode()
