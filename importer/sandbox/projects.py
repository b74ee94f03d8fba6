"""The projects of the sandbox: what each is made of, and the project files that say so.

The names are those of the service's own answer to ``GET /projects/[projectid]``, so that such
an answer can be pasted into a project file. A project file is YAML (or JSON): one project, a list
of projects, or ``projects:`` with such a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from importer.errors import MappingError
from importer.sandbox import document
from importer.sandbox.document import Location, unknown_key

LARGEST_ID = 2**53
"""Ids stay exact in every JSON reader, and well inside what SQLite holds."""


def _text(value: object) -> object:
    """Text as a YAML writer means it: a bare 7 is "7"; what would lose its spelling is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("expected text: put it in quotes")  # noqa: TRY004 (pydantic wants it)
    return str(value)


def _yes_or_no(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


Text = Annotated[str, BeforeValidator(_text)]

Name = Annotated[Text, pydantic.Field(min_length=1)]

YesNo = Annotated[Literal["yes", "no"], BeforeValidator(_yes_or_no)]

Identifier = Annotated[int, pydantic.Field(strict=True, ge=1, le=LARGEST_ID)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Value(_Part):
    """One value of a simple or multiple field; a bare string is its name.

    Without `valueid` the database gives one; `label` and `export_value` default to the name.
    """

    name: Name
    valueid: Identifier | None = None
    fieldid: Identifier | None = None
    """Accepted because the service's answer has it; the database gives its own."""
    label: Text | None = None
    export_value: Text | None = None
    description: Text = ""
    price: Text = ""
    commission: Text = ""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Value) else {"name": value}


class Field(_Part):
    """One field of a project; `label` defaults to the name."""

    name: Name
    type: Literal["text", "simple", "multiple"] = "text"
    label: Text | None = None
    indexed: YesNo = "no"
    customised: YesNo = "no"
    fieldid: Identifier | None = None
    """Accepted because the service's answer has it; the database gives its own."""
    values: tuple[Value, ...] = ()

    @pydantic.model_validator(mode="after")
    def _values_can_be_found(self) -> Field:
        if self.values and self.type == "text":
            raise ValueError("a text field has no values: make it simple or multiple")
        if self.type == "multiple":
            for value in self.values:
                if "|" in value.name or value.name != value.name.strip():
                    raise ValueError(
                        f"no record could ever name the value {value.name!r}: text in a multiple "
                        'field is divided at "|" and trimmed'
                    )
        return self


class Disposition(_Part):
    """How a call ended; a `type` that reads as "callback" asks for a `next_calldate`."""

    dispositionid: Name
    name: Name
    label: Text | None = None
    assessment: Text = "neutral"
    type: Text = "normal"

    @property
    def is_callback(self) -> bool:
        """Whether the type says call-back, however it is spelt: call-back, Callback, CALL_BACK."""
        return "callback" in "".join(filter(str.isalpha, self.type)).lower()


class User(_Part):
    """Somebody who may be named in a disposition; a bare string or number is a userid.

    `username` defaults to the userid, `name` to the username. A user whose `status` is inactive
    may not be named.
    """

    userid: Name
    username: Text | None = None
    name: Text | None = None
    status: Literal["active", "inactive"] = "active"
    is_agent: bool = True
    project_ids: tuple[int, ...] | None = pydantic.Field(default=None, alias="projectIds")
    """Accepted because the service's answer has it; shown are the projects that list the user."""
    group_name: Text = ""
    teams_name: Text = ""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return value if isinstance(value, dict | User) else {"userid": value}


class Project(_Part):
    """One project. Without `users`, a disposition may name any user."""

    projectid: Identifier
    name: Name
    status: Text = "active"
    folderid: Identifier | None = None
    container: bool = False
    folder: Text = ""
    fields: tuple[Field, ...] = ()
    dispositions: tuple[Disposition, ...] = ()
    users: tuple[User, ...] = ()


EXAMPLE = Project(
    projectid=1,
    name="Example",
    fields=(
        Field(name="name", label="Name", indexed="yes"),
        Field(name="city", label="City", type="simple"),
        Field(name="likes", label="Likes", type="multiple"),
    ),
    dispositions=(
        Disposition(dispositionid="1", name="callback", label="Call back", type="callback"),
        Disposition(dispositionid="2", name="not_interested", label="Not interested"),
    ),
)
"""What an empty sandbox serves when it is given no project file."""


# Reading a project file.


_DISTINCT: Mapping[str, tuple[str, ...]] = {
    "projects": ("projectid",),
    "fields": ("name",),
    "values": ("name", "valueid"),
    "dispositions": ("dispositionid",),
    "users": ("userid",),
}
"""Keys that may not repeat within one list; a bare string stands for the first of them."""


def load_projects(path: Path) -> tuple[Project, ...]:
    """The projects of the file.

    Raises SourceError when it cannot be read, MappingError with every mistake found, each with
    its line and column, when it can be read but not used.
    """
    raw = document.read_file(path, "project file")
    try:
        data = marked = document.parse_json(raw)
    except ValueError:
        data = marked = document.parse_yaml(raw, path)
    else:
        marked = None  # lines are only needed for mistakes, and YAML is slow at large JSON files
    entries, prefix = _entries(data)
    outer = 0 if data is entries or prefix else 1  # a single project has no list around it
    mistakes: list[tuple[Location, str]] = []
    projects: list[Project] = []
    if prefix:
        mistakes += [((key,), unknown_key(key, ["projects"])) for key in data if key != "projects"]
    if not entries:
        mistakes.append((prefix, "there is no project in it"))
    try:
        projects = TypeAdapter(list[Project]).validate_python(entries)
    except ValidationError as error:
        mistakes += [
            ((*prefix, *e["loc"])[outer:], document.explain(e, _model(e["loc"]).model_fields))
            for e in error.errors()
        ]
    mistakes += [(where[outer:], what) for where, what in _repeats(entries, prefix, "projects")]
    if mistakes:
        if marked is None:
            marked = _marked_json(raw)
        raise document.unusable(
            path,
            marked,
            mistakes,
            kind="project file",
            hint="samples/project.yaml shows every key that a project file may have",
        )
    return tuple(projects)


def _marked_json(raw: bytes) -> Any:
    """A JSON file read once more as YAML, for its lines; None where YAML does not take it."""
    try:
        return document.parse_yaml(raw, Path())
    except MappingError:
        return None


def _entries(data: Any) -> tuple[list[Any], Location]:
    """The projects, not yet checked, and where in the file their list stands."""
    if isinstance(data, dict) and "projects" in data:
        listed = data["projects"]
        return (listed if isinstance(listed, list) else [listed]), ("projects",)
    if isinstance(data, list):
        return data, ()
    return ([] if data is None else [data]), ()


def _repeats(items: Any, where: Location, kind: str) -> Iterator[tuple[Location, str]]:
    """Every entry that repeats another's name or id, however deep; entries may be malformed."""
    if not isinstance(items, list):
        return
    keys = _DISTINCT[kind]
    seen: dict[tuple[str, str], int] = {}
    for index, item in enumerate(items):
        entry = item if isinstance(item, dict) else {keys[0]: item}
        for key in keys:
            value = entry.get(key)
            if isinstance(value, str | int):
                first = seen.setdefault((key, str(value)), index)
                if first != index:
                    yield (*where, index, key), f'"{value}" stands twice in this list'
        for inner in _DISTINCT:
            if inner in entry:
                yield from _repeats(entry[inner], (*where, index, inner), inner)


def _model(where: Sequence[str | int]) -> type[BaseModel]:
    models: tuple[tuple[str, type[BaseModel]], ...] = (
        ("values", Value),
        ("fields", Field),
        ("dispositions", Disposition),
        ("users", User),
    )
    for key, model in models:
        if key in where:
            return model
    return Project
