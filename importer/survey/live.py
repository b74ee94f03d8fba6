"""A whole file compared with the project that its rows would be sent to; ready rows only.

What does not fit is a problem of a whole column: an error where the service would refuse the
record or, worse, take it and spoil the project with a value that nobody meant.

Values are compared as the service does it: exactly; text in a simple field as it is sent, the
pieces of a multiple one without white space at their ends; and text that is no value's name but
the digits of a valueid of the field is that value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from importer.model import (
    Disposition,
    Field,
    FieldType,
    NewValue,
    Problem,
    Project,
    Severity,
    User,
    Users,
)
from importer.survey.expected import (
    CONTACT_NUMBERS,
    Expected,
    ExpectedDisposition,
    ExpectedField,
    ExpectedValue,
    as_valueid,
    phone_field,
)
from importer.survey.nearest import Nearest
from importer.survey.wording import enumerated, one_line, quoted

Mask = npt.NDArray[np.bool_]
RowNumbers = npt.NDArray[np.int64]
Texts = Mapping[str, Any]
"""Columns by name, each an Arrow array of large strings."""

_LISTED_FIELDS = 12
"""Fields of the project that a hint names."""
_LISTED_CHOICES = 8
"""Values of a field, dispositions, or users that a hint names."""


@dataclass(frozen=True, slots=True)
class FilledField:
    """A form field as the mapping fills it; `listed` are the new values that it allows."""

    name: str
    header: str | None
    multiple: bool = False
    valueid: bool = False
    listed: frozenset[str] = frozenset()

    @property
    def target(self) -> str:
        """The field's path, as problems name it."""
        return f"form.{self.name}"

    def problem(
        self,
        code: str,
        message: str,
        hint: str | None,
        severity: Severity = Severity.ERROR,
        value: str | None = None,
    ) -> Problem:
        """A problem of the whole column."""
        return Problem(None, self.header, self.target, code, message, value, hint, severity)


@dataclass(frozen=True, slots=True)
class ProjectNeeds:
    """What a mapping needs of a project.

    `disposition` has the parts that are given, with the headers of their columns. With
    `allow_new_values`, values may be created though the mapping does not list them.
    """

    form: Sequence[FilledField]
    stamp: str | None = None
    disposition: Mapping[str, str | None] | None = None
    allow_new_values: bool = False


@dataclass(frozen=True, slots=True)
class ProjectDifference:
    """What a file needs and the project lacks; the `problems` include one for each new value.

    `expected` is what the ready rows need and the project has, and what they will create.
    """

    problems: tuple[Problem, ...]
    new_values: tuple[NewValue, ...]
    expected: Expected


class ProjectComparison:
    """Compares the rows of a file, batch by batch, with a project; :meth:`finish` gives the result.

    `users` are None where they were not asked for; then they are not compared.
    """

    def __init__(self, project: Project, needs: ProjectNeeds, users: Users | None = None) -> None:
        self._project, self._needs = project, needs
        self._fields = {field.name: field for field in project.fields}
        self._values = {
            filled.name: _ValuesCheck(
                filled, self._fields[filled.name], allow=needs.allow_new_values
            )
            for filled in needs.form
            if filled.name in self._fields
        }
        self._dispositions = (
            _DispositionsCheck(project, needs.disposition, users) if needs.disposition else None
        )
        self._contacts: dict[int, tuple[str | None, Count]] = {}
        self._contacts_without_field = _contacts_without_field(project)

    def add_form(self, rows: RowNumbers, ready: Mask, form: Texts) -> None:
        """Take in the form's columns of a batch; `ready` says which rows would be sent."""
        some, mask = rows[ready], pa.array(ready)
        for name, check in self._values.items():
            check.add(some, form[name].filter(mask))

    def add_dispositions(self, rows: RowNumbers, which: Mask, parts: Texts) -> None:
        """Take in the disposition's columns; `which` rows would be sent and have one."""
        if self._dispositions is not None and which.any():
            mask = pa.array(which)
            some = {name: texts.filter(mask) for name, texts in parts.items()}
            self._dispositions.add(rows[which], some)

    def wants_contact(self, number: int) -> bool:
        """Whether :meth:`add_contact` needs (more) rows with this contact."""
        return number in self._contacts_without_field or number not in self._contacts

    def add_contact(self, number: int, rows: RowNumbers, header: str | None) -> None:
        """Take in rows that would be sent and have this contact; `header` is its phone's column."""
        if len(rows):
            _, count = self._contacts.setdefault(number, (header, Count()))
            count.add(len(rows), tuple(rows[:FIRST_ROWS].tolist()))

    def finish(self) -> ProjectDifference:
        """What does not fit: fields, contacts, values in the mapping's order, dispositions."""
        problems = [*self._unknown_fields(), *self._unfit_stamp(), *self._unlisted_contacts()]
        created: list[NewValue] = []
        fields: dict[str, ExpectedField] = {}
        for name, check in self._values.items():
            new = check.new_values()
            problems += check.problems(new)
            created += new
            fields[name] = check.expected(new)
        if self._dispositions is not None:
            problems += self._dispositions.problems()
        return ProjectDifference(tuple(problems), tuple(created), self._expected(fields))

    def _expected(self, fields: dict[str, ExpectedField]) -> Expected:
        stamp = self._needs.stamp if self._needs.stamp in self._fields else None
        if stamp is not None and stamp not in fields:
            fields[stamp] = ExpectedField(stamp, self._fields[stamp].type)
        contacts = tuple(sorted(self._contacts))
        listed = {n for n in CONTACT_NUMBERS if phone_field(n) in self._fields}
        dispositions = self._dispositions
        return Expected(
            fields=tuple(fields[name] for name in sorted(fields)),
            stamp=stamp,
            contacts=contacts,
            phone_fields=tuple(n for n in contacts if n in listed) if listed else None,
            dispositions=dispositions.expected() if dispositions is not None else None,
            users=dispositions.expected_users() if dispositions is not None else None,
        )

    def _unknown_fields(self) -> Iterator[Problem]:
        names = [(filled.name, filled.target, filled.header) for filled in self._needs.form]
        if self._needs.stamp is not None:
            names.append((self._needs.stamp, "stamp", None))
        missing = [entry for entry in names if entry[0] not in self._fields]
        if not missing:
            return
        nearest = Nearest(
            text for field in self._project.fields for text in (field.name, field.label)
        )
        for name, target, header in missing:
            message = f"the project has no field {quoted(name)}"
            hint = self._field_hint(name, nearest)
            yield Problem(None, header, target, "unknown_field", message, name, hint)

    def _field_hint(self, name: str, nearest: Nearest) -> str:
        near = nearest.find(name)
        for field in self._project.fields if near is not None else ():
            if near is not None and near.name == field.name:
                return f"did you mean {quoted(field.name)}?"
            if near is not None and near.name == field.label:
                return f"did you mean {quoted(field.name)}, labelled {quoted(field.label)}?"
        names = (quoted(field.name) for field in self._project.fields)
        listed = enumerated(names, _LISTED_FIELDS)
        return f"it has {listed}" if listed else "it has no fields"

    def _unfit_stamp(self) -> Iterator[Problem]:
        """A stamp is another text in every row: each would become a value of its own."""
        name = self._needs.stamp
        field = self._fields.get(name) if name is not None else None
        if field is not None and field.type in {FieldType.SIMPLE, FieldType.MULTIPLE}:
            message = f"the stamp goes into {field.name}, which is a {field.type.value} field"
            hint = "every row would create a value: choose a text field, or remove stamp"
            yield Problem(None, None, "stamp", "stamp_not_text", message, field.name, hint)

    def _unlisted_contacts(self) -> Iterator[Problem]:
        for number in sorted(self._contacts_without_field & self._contacts.keys()):
            header, count = self._contacts[number]
            name = phone_field(number)
            listed = ", ".join(n for n in map(phone_field, CONTACT_NUMBERS) if n in self._fields)
            message = (
                f"the project has {listed} and no {name}: the service may not keep contact "
                f"{number}: {_in_rows(count)}"
            )
            hint = f"add the field {name} to the project, or give the number to another contact"
            target, severity = f"contacts.{number}.phone", Severity.WARNING
            yield Problem(
                None, header, target, "contact_without_field", message, None, hint, severity
            )


def _contacts_without_field(project: Project) -> frozenset[int]:
    """Contacts whose field is missing in a project that has any such field.

    Contact 1 can always be written. A project without any says nothing about contacts.
    """
    names = {field.name for field in project.fields}
    lacking = [n for n in CONTACT_NUMBERS if phone_field(n) not in names]
    lists_any = len(lacking) < len(CONTACT_NUMBERS)
    return frozenset(n for n in lacking if n != 1) if lists_any else frozenset()


_PIPE = "|"
_SEARCHED = 1_000
"""New values of a field, those in most rows first, for which a like one is searched."""
_LISTED_BEYOND = 100
"""New values that are listed where there are too many."""
_ALLOW = "to create it: new_values in the mapping, or --allow-new-values"


def _as_expected(value: NewValue) -> ExpectedValue:
    """A new value as a plan remembers it."""
    return ExpectedValue(value.text, value.count, value.allowed, value.nearest, value.same)


class _ValuesCheck:
    """Compares the texts of one form field, of ready rows only, with the field's values."""

    def __init__(self, filled: FilledField, field: Field, *, allow: bool) -> None:
        self._filled, self._field, self._allow = filled, field, allow
        self._names = frozenset(value.name for value in field.values)
        self._ids = {v.valueid: v.name for v in field.values if v.valueid is not None}
        self._used_names: set[str] = set()
        self._used_ids: set[str] = set()
        has_values = field.type in {FieldType.SIMPLE, FieldType.MULTIPLE}
        takes_many = field.type is FieldType.MULTIPLE
        self._mismatch = (
            not filled.valueid
            and field.type is not FieldType.OTHER
            and takes_many is not filled.multiple
        )
        divide = _PIPE if takes_many or filled.multiple else None
        self._new: ValueTally | None = None
        if has_values and not filled.valueid:
            self._new = ValueTally(lambda text: not self._use(text), divide)
        self._unknown_ids: ValueTally | None = None
        if filled.valueid and field.type is not FieldType.OTHER:
            self._unknown_ids = ValueTally(lambda text: not self._use_id(text))
        self._piped = Count()
        self._piped_example = ""

    def add(self, rows: RowNumbers, texts: Any) -> None:
        """Take in the texts of some ready rows, an Arrow array as long as there are numbers."""
        if self._new is not None:
            self._new.add(rows, texts)
        if self._unknown_ids is not None:
            self._unknown_ids.add(rows, texts)
        if self._mismatch:
            piped = np.flatnonzero(pc.match_substring(texts, _PIPE).to_numpy(zero_copy_only=False))
            if len(piped):
                self._piped_example = self._piped_example or texts[piped[0]].as_py()
                self._piped.add(len(piped), tuple(rows[piped[:FIRST_ROWS]].tolist()))

    def new_values(self) -> list[NewValue]:
        """The values that would be created, those in most rows first."""
        if self._new is None or not self._new.counts:
            return []
        nearest = Nearest(value.name for value in self._field.values if value.name)
        found = []
        for number, (text, count) in enumerate(self._new.by_count()):
            near = nearest.find(text) if number < _SEARCHED else nearest.same(text)
            name, same = (near.name, near.same) if near is not None else (None, False)
            allowed = self._allow or text in self._filled.listed
            of_rows = (count.count, count.rows)
            found.append(NewValue(self._filled.name, text, *of_rows, name, same, allowed))
        return found

    def problems(self, new: list[NewValue]) -> Iterator[Problem]:
        """All that does not fit; `new` is what :meth:`new_values` gave."""
        if self._mismatch:
            yield self._mismatched()
        if self._unknown_ids is not None:
            yield from self._without_value(self._unknown_ids)
        if self._new is not None and self._new.beyond:
            yield self._filled.problem(
                "many_new_values",
                f"more than {len(new):,} values would be created in {self._filled.name}",
                "this looks like free text: map it to a text field"
                + ("" if self._allow else "; to create them all, add --allow-new-values"),
                Severity.WARNING if self._allow else Severity.ERROR,
            )
            new = new[:_LISTED_BEYOND]
        yield from map(self._new_value, new)

    def expected(self, new: list[NewValue]) -> ExpectedField:
        """What the rows need of the field; `new` is what :meth:`new_values` gave."""
        return ExpectedField(
            self._field.name,
            self._field.type,
            by_name=tuple(sorted(self._used_names)),
            by_id=tuple((digits, self._ids[int(digits)]) for digits in sorted(self._used_ids)),
            ids_only=self._filled.valueid,
            new=tuple(sorted(map(_as_expected, new), key=lambda one: one.text)),
            more_new=self._new is not None and self._new.beyond,
        )

    def _use(self, text: str) -> bool:
        """Whether a value has this name or id; if so, it is recorded as one that rows need."""
        if text in self._names:
            self._used_names.add(text)
            return True
        return self._use_id(text)

    def _use_id(self, text: str) -> bool:
        valueid = as_valueid(text)
        if valueid is None or valueid not in self._ids:
            return False
        # As text, 01 is looked up as a name before it is taken for a valueid.
        self._used_ids.add(str(valueid) if self._filled.valueid else text)
        return True

    def _new_value(self, value: NewValue) -> Problem:
        """A new value as a problem: a warning where it may be created."""
        hints = []
        if value.nearest is not None and value.same:
            known = quoted(value.nearest)
            hints.append(f"{known} exists, and differs only in case, accents or white space;")
        elif value.nearest is not None:
            hints.append(f"did you mean {quoted(value.nearest)}?")
        if not value.allowed:
            hints.append(_ALLOW)
        where = _in_rows(Count(value.count, value.rows))
        return self._filled.problem(
            "new_value",
            f"{quoted(value.text)} would be created in {value.field}: {where}",
            " ".join(hints).removesuffix(";") or None,
            Severity.WARNING if value.allowed else Severity.ERROR,
            value.text,
        )

    def _mismatched(self) -> Problem:
        name, some = self._filled.name, self._piped.count > 0
        where = f", as {quoted(self._piped_example)}: {_in_rows(self._piped)}" if some else ""
        severity = Severity.ERROR if some else Severity.WARNING
        if self._filled.multiple:
            kind = self._field.type.value
            message = f"the mapping gives {name} several values, and it is a {kind} field"
            what = f"{message}{where or ' (no row has more than one)'}"
            hint = "take multiple: true out of its rule, or map it to a multiple field"
            return self._filled.problem("field_not_multiple", what, hint, severity)
        message = f"{name} is a multiple field, and the mapping gives it one value"
        what = f"{message}, which a | would divide{where}" if some else message
        hint = f"add multiple: true to its rule, and split if {name} has several values in a cell"
        return self._filled.problem("field_is_multiple", what, hint, severity)

    def _without_value(self, unknown: ValueTally) -> Iterator[Problem]:
        known = (f"{v.valueid} {quoted(v.name)}" for v in self._field.values if v.valueid)
        listed = enumerated(known, _LISTED_CHOICES)
        for text, count in unknown.by_count():
            yield self._filled.problem(
                "unknown_valueid",
                f"{self._filled.name} has no value with the id {text}: {_in_rows(count)}",
                f"its valueids are {listed}" if listed else "the field has no values",
                value=text,
            )
        if unknown.beyond:
            yield self._filled.problem(
                "unknown_valueid",
                f"and more ids that {self._filled.name} does not have",
                "this column does not hold valueids",
            )


_ID, _USER, _DATE = "dispositionid", "userid", "next_calldate"


class _DispositionsCheck:
    """Compares the dispositions and users of ready rows with those of the project.

    `headers` are the columns that each part is taken from. Dispositions are not compared where the
    project's description does not list any, nor users where they were not asked for.
    """

    def __init__(
        self, project: Project, headers: Mapping[str, str | None], users: Users | None
    ) -> None:
        self._project, self._headers, self._users = project, headers, users
        self._known: dict[str, Disposition] = {
            one.dispositionid: one for one in project.dispositions or ()
        }
        self._callbacks = [i for i, one in self._known.items() if one.callback]
        self._others = [i for i, one in self._known.items() if not one.callback]
        self._used: set[str] = set()
        self._used_users: set[str] = set()
        self._unknown = ValueTally(lambda text: not _use(text, self._known, self._used))
        listed = users.listed if users is not None and users.listed is not None else ()
        self._known_users: dict[str, User] = {one.userid: one for one in listed}
        self._unknown_users = ValueTally(lambda t: not _use(t, self._known_users, self._used_users))
        self._inactive = ValueTally(
            lambda t: t in self._known_users and not self._known_users[t].active
        )
        self._unchecked_users = Count()
        self._without_date, self._needless_date = (
            ValueTally(lambda _: True),
            ValueTally(lambda _: True),
        )

    def add(self, rows: RowNumbers, parts: Mapping[str, Any]) -> None:
        """Take in some rows; every column is an Arrow array as long as `rows`."""
        ids, dates = parts[_ID], parts.get(_DATE)
        if self._known_users:
            self._unknown_users.add(rows, parts[_USER])
            self._inactive.add(rows, parts[_USER])
        elif self._users is not None:
            self._unchecked_users.add(len(rows), tuple(rows[:FIRST_ROWS].tolist()))
        if self._project.dispositions is None:
            return
        self._unknown.add(rows, ids)
        blank = np.ones(len(ids), dtype=bool)
        if dates is not None:
            blank = pc.equal(dates, "").to_numpy(zero_copy_only=False)
        for tally, those in (
            (self._without_date, _among(ids, self._callbacks) & blank),
            (self._needless_date, _among(ids, self._others) & ~blank),
        ):
            if those.any():
                tally.add(rows[those], ids.filter(pa.array(those)))

    def expected(self) -> tuple[ExpectedDisposition, ...] | None:
        """The dispositions that rows count on; None where the project lists none."""
        if self._project.dispositions is None:
            return None
        used = (self._known[dispositionid] for dispositionid in sorted(self._used))
        return tuple(ExpectedDisposition(o.dispositionid, o.name, o.callback) for o in used)

    def expected_users(self) -> tuple[str, ...] | None:
        """The userids that rows count on; None where users were not compared."""
        return tuple(sorted(self._used_users)) if self._known_users else None

    def problems(self) -> Iterator[Problem]:
        """All that does not fit."""
        nearest = Nearest(name for one in self._known.values() for name in (one.name, one.label))
        for text, count in self._unknown.by_count():
            message = f"the project has no disposition {quoted(text)}: {_in_rows(count)}"
            yield self._problem(
                _ID, "unknown_disposition", message, self._hint(text, nearest), text
            )
        yield from self._unfit_users()
        for text, count in self._without_date.by_count():
            message = f"{self._in_words(text)} is a call-back and has no date: {_in_rows(count)}"
            hint = "fill in next_calldate, or choose a disposition that is no call-back"
            yield self._problem(_DATE, "callback_without_date", message, hint, text)
        for text, count in self._needless_date.by_count():
            message = f"{self._in_words(text)} is no call-back and has a date: {_in_rows(count)}"
            hint = "nobody will be called back then: choose a call-back, or leave the date out"
            yield self._problem(
                _DATE, "date_without_callback", message, hint, text, Severity.WARNING
            )

    def _unfit_users(self) -> Iterator[Problem]:
        if self._users is not None and self._unchecked_users.count:
            message = (
                f"users were not checked, as the service does not list them "
                f"({self._users.refused}): {_in_rows(self._unchecked_users)}"
            )
            hint = "make sure of the userid in the service, or ask for a key that may list users"
            yield self._problem(_USER, "users_not_checked", message, hint, None, Severity.WARNING)
        if not (self._unknown_users.counts or self._inactive.counts):
            return
        active = [one for one in self._known_users.values() if one.active]
        nearest = Nearest(text for one in active for text in _user_texts(one))
        for text, count in self._unknown_users.by_count():
            message = f"the service has no user {quoted(text)}: {_in_rows(count)}"
            hint = _user_hint(text, active, nearest)
            yield self._problem(_USER, "unknown_user", message, hint, text)
        for text, count in self._inactive.by_count():
            message = (
                f"the user {_user_words(self._known_users[text])} is inactive: {_in_rows(count)}"
            )
            listed = enumerated(map(_user_words, active), _LISTED_CHOICES)
            hint = "activate the user in the service, or write the userid of an active one"
            yield self._problem(
                _USER, "inactive_user", message, f"{hint}: {listed}" if listed else hint, text
            )

    def _problem(
        self,
        part: str,
        code: str,
        message: str,
        hint: str,
        value: str | None,
        severity: Severity = Severity.ERROR,
    ) -> Problem:
        header = self._headers.get(part)
        return Problem(None, header, f"disposition.{part}", code, message, value, hint, severity)

    def _in_words(self, dispositionid: str) -> str:
        one = self._known[dispositionid]
        return f"disposition {dispositionid} ({one.label})" if one.label else dispositionid

    def _hint(self, text: str, nearest: Nearest) -> str:
        near = nearest.find(text)
        for one in self._known.values():
            if near is not None and near.name in {one.name, one.label}:
                return f"{quoted(near.name)} is {one.dispositionid}: write that id, or use map"
        known = self._known.values()
        ids = (f"{one.dispositionid} {quoted(one.label)}" for one in known)
        listed = enumerated(ids, _LISTED_CHOICES)
        has = f"it has {listed}" if listed else "it has none"
        return f"write the id of one of the project's dispositions: {has}"


def _use(text: str, known: Mapping[str, object], used: set[str]) -> bool:
    """Whether a text is known; if so, it is recorded as one that rows need."""
    if text not in known:
        return False
    used.add(text)
    return True


def _user_texts(user: User) -> tuple[str, ...]:
    """What a list may call a user by mistake, the blank ones left out."""
    return tuple(filter(None, (user.userid, user.username, user.name)))


def _user_words(user: User) -> str:
    """A user as people know them: ``7 "jane.doe" (Jane Doe)``, as much as is known."""
    username = f" {quoted(user.username)}" if user.username not in {"", user.userid} else ""
    name = f" ({one_line(user.name)})" if user.name not in {"", user.userid, user.username} else ""
    return f"{one_line(user.userid)}{username}{name}"


def _user_hint(text: str, active: Sequence[User], nearest: Nearest) -> str:
    near = nearest.find(text)
    named = [one for one in active if near is not None and near.name in _user_texts(one)]
    if named:
        # Two users may have one name: both are named.
        listed = enumerated(map(_user_words, named), _LISTED_CHOICES)
        return f"did you mean {listed}? write the userid, or use map"
    listed = enumerated(map(_user_words, active), _LISTED_CHOICES)
    has = f"it has {listed}" if listed else "none is active"
    return f"write the userid of an active user: {has}"


def _among(texts: Any, some: list[str]) -> npt.NDArray[np.bool_]:
    """Which texts are among some."""
    found = pc.is_in(texts, pa.array(some, pa.large_string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)


FIRST_ROWS = 3
"""Rows that are named for each text."""
MOST_TEXTS = 10_000
MOST_CHARACTERS = 4_000_000
"""What is remembered of one column: texts, and characters in all of them together."""


@dataclass(slots=True)
class Count:
    """In how many rows a text stands, and the first of them."""

    count: int = 0
    rows: tuple[int, ...] = ()

    def add(self, count: int, rows: tuple[int, ...]) -> None:
        """Count more rows, none of them in an earlier batch than those before."""
        self.count += count
        if len(self.rows) < FIRST_ROWS or rows[0] < self.rows[-1]:
            self.rows = tuple(sorted({*self.rows, *rows})[:FIRST_ROWS])


class ValueTally:
    """Counts the texts of one column that are `wanted`; `beyond` says that not all were kept."""

    def __init__(self, wanted: Callable[[str], bool], divide: str | None = None) -> None:
        self._wanted = wanted
        self._divide = divide
        self._characters = 0
        self.counts: dict[str, Count] = {}
        self.beyond = False

    def add(self, rows: RowNumbers, texts: Any) -> None:
        """Count the texts of some rows, an Arrow array as long as these; blank ones are none."""
        found = _Distinct(rows, texts)
        for number, text in enumerate(found.texts):
            for piece in self._pieces(text):
                if self._wanted(piece) and self._has_room(piece):
                    count = int(found.counts[number])
                    self.counts.setdefault(piece, Count()).add(count, found.first(number))

    def by_count(self) -> list[tuple[str, Count]]:
        """The texts, those in most rows first."""
        return sorted(self.counts.items(), key=lambda item: (-item[1].count, item[1].rows))

    def _pieces(self, text: str) -> list[str]:
        if self._divide is None or self._divide not in text:
            text = text.strip() if self._divide is not None else text
            return [text] if text.strip() else []
        pieces = (piece.strip() for piece in text.split(self._divide))
        return list(dict.fromkeys(piece for piece in pieces if piece))

    def _has_room(self, text: str) -> bool:
        if text in self.counts:
            return True
        if len(self.counts) >= MOST_TEXTS or self._characters + len(text) > MOST_CHARACTERS:
            self.beyond = True
            return False
        self._characters += len(text)
        return True


class _Distinct:
    """The distinct texts of some rows; `counts` says in how many rows each stands."""

    def __init__(self, rows: RowNumbers, texts: Any) -> None:
        self._rows = rows
        encoded = texts.dictionary_encode()
        self.texts: list[str] = encoded.dictionary.to_pylist()
        self._codes = encoded.indices.to_numpy()
        self.counts = np.bincount(self._codes, minlength=len(self.texts))
        self._ends = np.cumsum(self.counts)

    def first(self, number: int) -> tuple[int, ...]:
        """The first rows of the text with this number."""
        start = self._ends[number] - self.counts[number]
        places = self._order[start : min(self._ends[number], start + FIRST_ROWS)]
        return tuple(self._rows[places].tolist())

    @cached_property
    def _order(self) -> npt.NDArray[np.intp]:
        """The rows' places, grouped by text; sorted only where a text is asked about."""
        return np.argsort(self._codes, kind="stable")


def _in_rows(count: Count) -> str:
    """How many rows, and the first of them, as ``14 rows (2, 17, 33 …)``."""
    listed = ", ".join(map(str, count.rows)) + (" …" if count.count > len(count.rows) else "")
    return f"{count.count:,} {'row' if count.count == 1 else 'rows'} ({listed})"
