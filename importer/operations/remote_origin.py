"""A server of files: its address as a jobs file has it, and what it can be asked by any protocol.

Rules:
- A password stands in a jobs file as ``${VARIABLE}`` only; its value comes from the environment.
- What is shown of an address has neither password nor query: both may let somebody in.
- Paths of SFTP and S3 are taken as they stand; those of https are percent-encoded.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import ClassVar, NoReturn, Protocol
from urllib.parse import quote

from importer.api.request import is_loopback
from importer.errors import UsageError
from importer.settings import Secret

BLOCK = 1 << 18
"""Bytes that are read at a time."""
CONNECT_SECONDS = 30.0
ANSWER_SECONDS = 120.0
"""The longest that a question may take: a large folder is listed within it."""
SILENCE_SECONDS = 60.0
"""The longest that a file may stand still on its way here."""
LISTED = 100_000
"""Names in a folder beyond which it is not an inbox."""
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
"""A name whose value comes from the environment, as ``${SFTP_PASSWORD}``."""
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_EXAMPLES = {
    "sftp": "sftp://user@files.example/inbox/*.xlsx",
    "s3": "s3://bucket/inbox/*.csv",
    "https": "https://files.example/leads.csv",
    "http": "http://127.0.0.1:8000/leads.csv",
}


class Origin(Protocol):
    """A connection to a server; paths begin with a slash.

    Methods raise FileNotFoundError for what is not there, and one of `errors` for any other
    trouble, which `explain` puts into words: what it is, and what to do about it.
    """

    errors: ClassVar[tuple[type[Exception], ...]]
    moves: ClassVar[bool]

    async def open(self) -> None:
        """Connect and prove who we are."""

    async def close(self) -> None:
        """Let go of the connection."""

    async def entries(self, folder: str) -> list[RemoteEntry]:
        """What a folder holds directly."""

    async def look(self, path: str) -> RemoteEntry:
        """One file or folder as it is now."""

    def blocks(self, path: str) -> AsyncGenerator[bytes, None]:
        """The bytes of a file."""

    async def move(self, entry: RemoteEntry, path: str) -> None:
        """Give a file another path where nothing is yet; folders on the way are made."""

    def explain(self, error: Exception) -> tuple[str, str]:
        """What went wrong and what to do next, without anything secret."""


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """A file or folder as its server lists it; None is what the server does not tell.

    `size` is in bytes, `modified` in seconds since 1970 by the server's clock.
    """

    path: str
    folder: bool
    size: int | None
    modified: float | None

    @property
    def base(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class RemoteTimes:
    """Time limits in seconds: to connect, for an answer, for silence in a transfer, for a file."""

    connect: float = CONNECT_SECONDS
    answer: float = ANSWER_SECONDS
    silence: float = SILENCE_SECONDS
    fetch: float = 3600.0


@dataclass(frozen=True, slots=True)
class RemoteURL:
    """An address: the server, the user, and a path with wildcards.

    `host` is the bucket for S3. `path` begins with a slash; `query` (https only) does not begin
    with a question mark.
    """

    scheme: str
    user: str | None
    password: Secret | None
    host: str
    port: int | None
    path: str
    query: Secret | None = None

    @property
    def origin(self) -> str:
        """The server without user or password, as ``https://files.example:8443``."""
        return f"{self.scheme}://{self.host}{'' if self.port is None else f':{self.port}'}"

    def at(self, path: str) -> str:
        """The address of a path on this server, fit for messages and logs."""
        user = "" if self.user is None else f"{_printable(self.user)}@"
        port = "" if self.port is None else f":{self.port}"
        return f"{self.scheme}://{user}{self.host}{port}{_printable(path)}"

    def __str__(self) -> str:
        return self.at(self.path)


def is_remote(pattern: str) -> bool:
    """Whether a jobs file's `files` entry is an address and not a path."""
    return _SCHEME.match(pattern) is not None


def parse(text: str, variables: Mapping[str, str]) -> RemoteURL:
    """Parse an address and fill in the values of its variables.

    Raises UsageError; its message never repeats a password.
    """
    scheme, rest = _scheme(text)
    place, slash, path = rest.partition("/")
    if not slash:
        place, path = rest, ""
    userinfo, at, where = place.rpartition("@")
    user, password = _credentials(scheme, userinfo, variables) if at else (None, None)
    host, port = _host_and_port(scheme, where)
    if not path and scheme in ("s3", "sftp"):
        _refuse(scheme, "names no file or folder")
    query = None
    if scheme in ("https", "http"):
        path, _, asked = path.partition("#")[0].partition("?")
        query = Secret(_filled(scheme, asked, variables)) if asked else None
        path = quote(path, safe="/%:@!$&'()*+,;=[]~")
        _check_clear(scheme, host)
    if "**" in path:
        _refuse(scheme, "has ** in it: a wildcard stands for one folder or file name")
    if any(ord(letter) < 32 or ord(letter) == 127 for letter in path):
        _refuse(scheme, "has control characters in it")
    return RemoteURL(scheme, user, password, host, port, f"/{path}", query)


def missing_variables(text: str, variables: Mapping[str, str]) -> list[str]:
    """The names of the variables in a text that have no value, sorted."""
    return sorted({name for name in VARIABLE.findall(text) if not variables.get(name)})


def _printable(text: str) -> str:
    """A text from outside, without what would steer a terminal or break a line of the log."""
    return "".join(
        letter if letter.isprintable() else quote(letter, errors="surrogatepass") for letter in text
    )


def _scheme(text: str) -> tuple[str, str]:
    match = _SCHEME.match(text)
    if match is None:
        raise UsageError("an address without a scheme", f"It looks like {_EXAMPLES['sftp']}.")
    scheme = match[1].lower()
    if scheme not in _EXAMPLES:
        raise UsageError(
            f"files cannot be fetched by {scheme}://",
            "Use sftp://, s3:// or https://, or the path of a folder on this machine.",
        )
    return scheme, text[match.end() :]


def _credentials(
    scheme: str, userinfo: str, variables: Mapping[str, str]
) -> tuple[str | None, Secret | None]:
    if scheme == "s3":
        _refuse(scheme, "holds credentials; S3's come from AWS_ACCESS_KEY_ID or a profile")
    user, colon, password = userinfo.partition(":")
    if colon and not VARIABLE.fullmatch(password):
        _refuse(
            scheme,
            "holds a password; write ${NAME} in its place and put the password into the "
            "environment under that name",
        )
    secret = Secret(_filled(scheme, password, variables)) if colon else None
    return _filled(scheme, user, variables) or None, secret


def _host_and_port(scheme: str, where: str) -> tuple[str, int | None]:
    if scheme == "s3":
        if not _BUCKET.fullmatch(where):
            _refuse(scheme, "has no usable bucket")
        return where, None
    match = re.fullmatch(r"(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?", where)
    if match is None or not _HOST.fullmatch(match[1]):
        _refuse(scheme, "has no usable host")
    port = None if match[2] is None else int(match[2])
    if port is not None and not 0 < port < 65536:
        _refuse(scheme, "has no usable port")
    return match[1].lower(), port


def _filled(scheme: str, text: str, variables: Mapping[str, str]) -> str:
    """A text with its variables replaced; raises UsageError for one that is not set."""
    if missing := missing_variables(text, variables):
        raise UsageError(
            f"the {scheme} address needs {', '.join(missing)}, which the environment lacks",
            "Set it where this is started: cron and services have an environment of their own.",
        )
    return VARIABLE.sub(lambda match: variables[match[1]], text)


def _check_clear(scheme: str, host: str) -> None:
    if scheme == "http" and not is_loopback(host.strip("[]")):
        raise UsageError(
            f"plain http to {host} would carry personal data in the clear", "Use https."
        )


def _refuse(scheme: str, what: str) -> NoReturn:
    raise UsageError(f"the {scheme} address {what}", f"It looks like {_EXAMPLES[scheme]}.")
