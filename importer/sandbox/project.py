"""What a project of the sandbox is made of: fields, values, dispositions, users.

The names are those of the service's own answer to ``GET /projects/[projectid]``, so that such
an answer can be pasted into a project file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict

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
    users: tuple[Name, ...] = ()


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
