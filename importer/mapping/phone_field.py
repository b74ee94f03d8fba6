"""The phone that is called next: whether the contact that a row chooses has one."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from importer.mapping.cells import Cells
from importer.mapping.contacts import ContactsColumns
from importer.mapping.listed import CODE as LISTED
from importer.mapping.program import Column
from importer.model import Problem
from importer.textbytes import distinct

_PHONE_FIELD = re.compile("phone([1-9])")


def check_phone_field(
    chosen: Column, header: str | None, contacts: ContactsColumns, cells: Cells
) -> Iterator[Problem]:
    """Find rows that choose a contact without a phone: the service refuses them."""
    listed = {(p.row, p.target) for p in contacts.problems if p.code == LISTED}
    codes, texts = distinct(chosen.texts)
    for code, text in enumerate(texts):
        if not text:
            continue
        match = _PHONE_FIELD.fullmatch(text)
        has = contacts.has_phone(int(match[1]), cells) if match else cells.nothing
        for i in np.flatnonzero((codes == code) & ~has):
            row = int(cells.batch.rows[i])
            message = f'"{text}" is not one of phone1 to phone9'
            hint = "fill in that phone, or choose another phone_field"
            if match:
                message = f"contact {match[1]} has no phone to call"
                if (row, f"contacts.{match[1]}.phone") in listed:
                    message += ": its number is on a do-not-call list"
                    hint = "choose another phone_field"
            yield Problem(
                row,
                header,
                "phone_field",
                "phone_field_without_phone" if match else "bad_phone_field",
                message,
                text,
                hint,
            )
