"""The Add record request: where a record is sent, and its JSON body. Pure.

The project is part of the URL, not of the body.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from importer.errors import UsageError
from importer.model import Records
from importer.settings import BASE_URL

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9_.])?")
_PATH = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@%/-]*")
_EXAMPLE = BASE_URL.format(customer="mycompany")


def base_url_for(customer: str) -> str:
    """The service's base URL for a customer, whose name is the subdomain.

    Raises UsageError unless the name is one DNS label.
    """
    if not _LABEL.fullmatch(customer):
        raise UsageError(
            f"customer {customer!r} cannot be part of a host name",
            "It is the first part of the call centre's address: letters, digits and hyphens, "
            f"as mycompany in {_EXAMPLE}.",
        )
    return BASE_URL.format(customer=customer.lower())


def checked_base_url(text: str) -> str:
    """A base URL fit to carry credentials, without slashes at its end.

    It is https, or http to this very machine; it has no user, password, query or fragment.
    Raises UsageError otherwise; the message never repeats the URL, which may hold a password.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError("the base URL cannot be read", f"It looks like {_EXAMPLE}.") from error
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            "the base URL holds credentials",
            "Leave them out: they are read from VCC_CUSTOMER and VCC_API_KEY.",
        )
    if parts.scheme not in ("http", "https"):
        raise UsageError("the base URL is neither https nor http", f"It looks like {_EXAMPLE}.")
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise UsageError("the base URL has a query or fragment", f"It looks like {_EXAMPLE}.")
    if not host or not _is_host(host) or port == 0 or not _PATH.fullmatch(parts.path):
        raise UsageError("the base URL has no usable host or path", f"It looks like {_EXAMPLE}.")
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(
            f"plain http to {host} would send the API key in the clear",
            "Use https; http is only for a service on this machine, such as the sandbox.",
        )
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}{'' if port is None else f':{port}'}{parts.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether a host name or address without brackets is this machine, as its spelling tells."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def users_url(base_url: str) -> str:
    """Where the customer's users are listed."""
    return f"{base_url}/users"


def project_url(base_url: str, project: int) -> str:
    """Where a project is described, with its fields and dispositions."""
    return f"{base_url}/projects/{project}"


def records_url(base_url: str, project: int) -> str:
    """Where records of a project are added."""
    return f"{base_url}/projects/{project}/records"


def _is_host(host: str) -> bool:
    if ":" not in host:
        return _HOST.fullmatch(host) is not None and ".." not in host
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return "%" not in host


_AT_ONCE = 2048
"""Rows of which the texts are in memory as Python objects, too."""

_Column = tuple[str, list[Any]]
"""A key of a JSON object and its value in each row; None is none."""


def encode(records: Records) -> Iterator[bytes]:
    """The body of each row, in order: JSON in UTF-8 without blanks, keys in the mapping's order.

    `form` is always there; `contacts`, `premium`, `phone_field` and `disposition` only where they
    hold something.
    """
    for start in range(0, len(records.rows), _AT_ONCE):
        yield from _encoded(records, slice(start, start + _AT_ONCE))


def _encoded(records: Records, rows: slice) -> Iterator[bytes]:
    form = _columns(records.form, rows, records.valueids)
    contacts = [
        (key, _columns(contact.parts, rows), contact.exists[rows].tolist())
        for key, contact in records.contacts.items()
    ]
    phone_field = records.phone_field[rows].to_pylist()
    premium = _columns(records.premium, rows)
    disposition = _columns(records.disposition, rows)
    disposed = records.disposed[rows].tolist()
    for i in range(len(disposed)):
        body: dict[str, Any] = {"form": _object(form, i)}
        if there := {key: _object(parts, i) for key, parts, exists in contacts if exists[i]}:
            body["contacts"] = there
        if (name := phone_field[i]) is not None:
            body["phone_field"] = name
        if prices := _object(premium, i):
            body["premium"] = prices
        if disposed[i]:
            body["disposition"] = _object(disposition, i)
        yield orjson.dumps(body)


def _columns(
    texts: Mapping[str, Any], rows: slice, valueids: frozenset[str] = frozenset()
) -> list[_Column]:
    """Columns of Arrow texts as lists; those of `valueids` with numbers where they have digits."""
    columns = [(key, column[rows].to_pylist()) for key, column in texts.items()]
    return [(k, [*map(_valueid, column)] if k in valueids else column) for k, column in columns]


def _object(columns: list[_Column], i: int) -> dict[str, Any]:
    return {key: value for key, column in columns if (value := column[i]) is not None}


def _valueid(text: str | None) -> orjson.Fragment | str | None:
    """Digits as a number, which may be longer than the 64 bits that orjson takes for one."""
    return orjson.Fragment(str(int(text))) if text is not None and text.isdecimal() else text
