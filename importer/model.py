"""The values that flow along the line, frozen: each stage makes new ones and fills in nothing.

Those of which there is one for each row that is sent are tuples, which are made in a third of the
time; all others are dataclasses.

Row numbers are those a spreadsheet program shows (1-based, the header row counts). They are
given once, by the source, and carried from there on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import pandas as pd
    import pyarrow as pa

NOTE_COLUMNS = ("_row", "_status", "_code", "_message", "_hint")
"""The columns of failures.csv after those of the source."""
NUMBERID_COLUMN = "_numberid"
"""The column of created.csv for what the service calls a row. In uncertain.csv it is blank: people
write into it what they find in the service, and ``mark --from`` reads it."""
NUMBERS_COLUMN = "_numbers"
"""The column of our result lists, whose cells are all text, for cells of a workbook that were
numbers with a fraction: a JSON object of a row's numbers by their headers. So 6.579 is not read as
6,579 when the list comes back; a cell that was changed since is a text."""
EDITED_COLUMN = "_edited"
"""The last column of our result lists where cells were mended in the console: the headers of a
row's mended cells, joined by a comma and a blank."""
ORIGIN_COLUMN = "_origin"
"""The column of our lists of failed and uncertain rows for the run and row that each first came
from, as ``RUN_ID:ROW``: a row keeps it from one list of failures to the next."""
_ORIGIN = re.compile(r"'?([\w.-]+:[0-9]{1,12})")
"""In CSV files one that begins with ``-`` has an apostrophe before it."""
EMPTY_FORMULA = "#FORMULA!"
"""What stands in a cell whose formula has no stored value."""
BAD_DATE = "#DATE!"
"""What stands in a cell that is formatted as a date, whose number is none in the calendar."""
MERGED_AWAY = "#MERGED!"
"""What stands in a cell that a merge with others hides, where it is not known what it would be."""
_ERRORS_IN_OTHER_LANGUAGES = (
    "#NV #WERT! #BEZUG! #ZAHL! #HIÁNYZIK #ÉRTÉK! #HIV! #NÉV? #SZÁM! #ZÉRÓOSZTÓ! #NULLA! "
    "#VALEUR! #NOM? #NOMBRE! #¡VALOR! #¡REF! #¿NOMBRE? #¡NUM! #¡DIV/0! #¡NULO! #N/D #VALORE! #RIF! "
    "#NOME? #N/D! #ARG! #ADR! #NAZWA? #LICZBA! #DZIEL/0! #NENÍ_K_DISPOZICI #HODNOTA! #ODKAZ! "
    "#NÁZEV? #ČÍSLO! #DĚLENÍ_NULOU!"
)
"""As Excel writes them into text files in German, Hungarian, French, Spanish, Italian, Polish and
Czech; workbooks have them in English."""
_TOO_NARROW = ("#" * count for count in range(3, 81))
"""What a cell shows whose column is too narrow for its number: lists saved as shown have it."""
ERROR_TEXTS = frozenset(
    f"{EMPTY_FORMULA} {BAD_DATE} {MERGED_AWAY} #NULL! #DIV/0! #VALUE! #REF! #NAME? #NUM! #N/A "
    "#GETTING_DATA #SPILL! #CALC! #FIELD! #BLOCKED! #CONNECT! #BUSY! #UNKNOWN! #EXTERNAL! #PYTHON! "
    f"#TIMEOUT! #ERROR! {_ERRORS_IN_OTHER_LANGUAGES}".split()
).union((f"Err:{number}" for number in range(501, 541)), _TOO_NARROW)
"""What Excel, Google Sheets and LibreOffice show for a calculation that failed."""

_SPACES = (
    *(*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)),
    *(0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    *(0x2800, 0x3164, 0xFFA0),  # Braille and Hangul have letters that show nothing
)
_NO_WIDTH = (
    *(0x1A, 0xAD, 0x180E, 0x200B, 0x200C, 0x200D, *range(0x2060, 0x2065), 0xFEFF),
    *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F)),  # marks of direction
    *range(0x2066, 0x2070),  # isolates of direction, and what went before them
)
INVISIBLE = "".join(map(chr, _NO_WIDTH))
"""Characters without a width: zero-width characters, marks of direction, byte-order marks, soft
hyphens, and Ctrl-Z, which old programs put at the end of a text file."""
BLANKS = "".join(map(chr, _SPACES)) + INVISIBLE
"""White space of every kind, and `INVISIBLE`: what trimming takes off both ends."""

PLACEHOLDERS = frozenset(
    {
        *(
            "NULL",
            "null",
            "(null)",
            "(NULL)",
            "<null>",
            "<NULL>",
            "[NULL]",
            "\\N",
            "nil",
            "undefined",
        ),
        *("NaN", "nan", "NaT", "<NA>", "N/A", "n/a", "N.A.", "n.a.", "None", "(None)", "(none)"),
        *("(No value)", "(no value)", "(blank)", "(empty)", "(leer)", "(üres)", "k.A.", "k. A."),
        *("-", "--", "---", "–", "—", "0000-00-00", "0000-00-00 00:00:00"),
        *("00.00.0000", "0/0/00", "00/00/0000"),
    }
)
"""Texts that databases, programs and people write for a blank cell."""

_TEXT_FORMULA = re.compile(r'=\s*"((?:[^"]|"")*)"', re.DOTALL)
_NUMBER_FORMULA = re.compile(r"='?([+-]?[0-9][0-9.,]*)'?")
_TEXT_MARK = re.compile(r"'([+=@-][^']*|[0-9][0-9 ./:()-]{2,})", re.DOTALL)
_FORMULA = re.compile(
    r"=[A-Z][A-Z0-9.]*\(.*\)|=[+-]?\$?[A-Z]{1,3}\$?[0-9]{1,7}(?:[-+*/&^=<>:].*)?",
    re.DOTALL | re.IGNORECASE,
)


def as_spreadsheets_show(text: str) -> str:
    """What a spreadsheet program shows of a cell that is written in its notation; else the text.

    Programs write ``="0123"`` so that a spreadsheet leaves a text alone, and an apostrophe in front
    of digits or of ``+ - = @`` for the same reason. ``=2600`` is a number; of ``=0123`` the zeros
    are kept, since nobody would write them for nothing.
    """
    if (quoted := _TEXT_FORMULA.fullmatch(text)) is not None:
        return quoted[1].replace('""', '"')
    found = _NUMBER_FORMULA.fullmatch(text) or _TEXT_MARK.fullmatch(text)
    return found[1] if found is not None else text


def is_formula(text: str) -> bool:
    """Whether a text is a formula of a spreadsheet, not what the formula gives."""
    return _FORMULA.fullmatch(text) is not None


def column_letters(column: int) -> str:
    """A column's letters as a spreadsheet program shows them: ``A`` for 0, ``AA`` for 26."""
    letters = ""
    column += 1
    while column:
        column, digit = divmod(column - 1, 26)
        letters = chr(65 + digit) + letters
    return letters


class Status(StrEnum):
    """What becomes of a row: exactly one of these."""

    CREATED = "created"
    REJECTED = "rejected"
    INVALID = "invalid"
    SKIPPED = "skipped"
    UNCERTAIN = "uncertain"
    PENDING = "pending"


class Severity(StrEnum):
    """Whether a problem keeps its row from being sent."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Problem:
    """One complaint about data, the same shape everywhere.

    `row` is None for a problem of a whole column or file; `target` is a path such as
    ``form.city`` or ``contacts.1.phone``; `value` is the offending text.
    """

    row: int | None
    column: str | None
    target: str | None
    code: str
    message: str
    value: str | None = None
    hint: str | None = None
    severity: Severity = Severity.ERROR


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What a source file turned out to be.

    `sheet` and `sheet_number`, from 1, are None for text files, `encoding` and `delimiter` for
    workbooks.
    `sheets` are the names of all sheets of a workbook in their order, hidden ones too.
    `headers` are trimmed and in Unicode NFC, in sheet order; blank and repeated ones are kept.
    `header_row` is the row number of the header. `problems` are those of the file as a whole.
    """

    path: str
    kind: str
    headers: tuple[str, ...]
    header_row: int
    sheet: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    problems: tuple[Problem, ...] = ()
    sheet_number: int | None = None
    sheets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Some thousand consecutive rows of a source, as text.

    `columns` has a pyarrow array of large strings for each header, by its index 0, 1, 2 …, or for
    some of them; a blank cell is the empty string, never a missing value. `rows` are the row
    numbers, int64, as long as each column. Rows whose cells are all blank are left out. `problems`
    are what the source found wrong with these rows themselves, such as cells beyond the last
    header. `fractions` says of columns of a workbook which cells are numbers with a fraction, and
    not texts: their decimal mark is a point, whatever is declared. A column without one is left
    out. `edited` says of columns which cells were mended by hand, and are not as they came.
    """

    rows: npt.NDArray[np.int64]
    columns: Mapping[int, Any]
    problems: tuple[Problem, ...] = ()
    fractions: Mapping[int, npt.NDArray[np.bool_]] = field(default_factory=dict)
    edited: Mapping[int, npt.NDArray[np.bool_]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, mask: npt.NDArray[np.bool_]) -> Batch:
        """The rows for which the mask is true, without the batch's problems."""
        columns = {label: texts.filter(mask) for label, texts in self.columns.items()}
        fractions = {label: which[mask] for label, which in self.fractions.items()}
        edited = {label: which[mask] for label, which in self.edited.items()}
        return Batch(self.rows[mask], columns, fractions=fractions, edited=edited)

    def cells(self, places: Sequence[int], labels: Sequence[int]) -> list[list[str]]:
        """The cells of some rows, by their places in the batch, row by row."""
        columns = [self.columns[label].take(places).to_pylist() for label in labels]
        return [[column[n] for column in columns] for n in range(len(places))]

    def number_notes(self, headers: Sequence[str]) -> dict[int, str]:
        """The cells of `NUMBERS_COLUMN` that are not blank, by their rows' places in the batch."""
        noted: dict[int, dict[str, str]] = {}
        for label, which in self.fractions.items():
            for place in which.nonzero()[0].tolist():
                noted.setdefault(place, {})[headers[label]] = self.columns[label][place].as_py()
        return {place: json.dumps(row, ensure_ascii=False) for place, row in noted.items()}

    def origin_notes(self, headers: Sequence[str], run_id: str) -> list[str]:
        """The cells of `ORIGIN_COLUMN` of all rows: as they came, or else of the run's own rows."""
        own = [f"{run_id}:{row}" for row in self.rows.tolist()]
        if ORIGIN_COLUMN not in headers:
            return own
        came = map(_ORIGIN.fullmatch, self.columns[headers.index(ORIGIN_COLUMN)].to_pylist())
        return [new if old is None else old[1] for old, new in zip(came, own, strict=True)]

    def edit_notes(self, headers: Sequence[str]) -> dict[int, str]:
        """The cells of `EDITED_COLUMN` that are not blank, by their rows' places in the batch."""
        noted: dict[int, list[str]] = {}
        for label, which in sorted(self.edited.items()):
            name = headers[label] or f"column {column_letters(label)}"
            for place in which.nonzero()[0].tolist():
                noted.setdefault(place, []).append(name)
        return {place: ", ".join(names) for place, names in noted.items()}

    def with_noted_numbers(self, headers: Sequence[str]) -> Batch:
        """The batch with the `fractions` that `NUMBERS_COLUMN` notes of cells as they still are.

        A note that is no JSON object, or of a column that is not there, says nothing.
        """
        if NUMBERS_COLUMN not in headers:
            return self
        import numpy as np  # not at the top, since no help needs it

        fractions = {label: which.copy() for label, which in self.fractions.items()}
        notes = self.columns[headers.index(NUMBERS_COLUMN)].to_pylist()
        labels = {header: label for label, header in enumerate(headers)}
        for place, note in enumerate(notes):
            for header, number in _noted(note).items():
                label = labels.get(header)
                if label is not None and self.columns[label][place].as_py() == number:
                    which = fractions.setdefault(label, np.zeros(len(self), np.bool_))
                    which[place] = True
        return replace(self, fractions=fractions)


def _noted(note: str) -> dict[str, str]:
    try:
        found = json.loads(note)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Phones:
    """Whom a batch's rows would have called: every valid number of their contacts.

    `places` (positions in the batch), `contacts` (1 to 9), `numbers` (the digits of E.164) and
    `given` are as long as there are numbers; `given` tells those that stand in a cell from
    constants and defaults. `counts` says how many contacts each row has, `refused` how many texts
    of it are no phones. `headers` has the columns of each contact's phone. Integers are int64.
    """

    places: npt.NDArray[np.int64]
    contacts: npt.NDArray[np.int64]
    numbers: npt.NDArray[np.int64]
    given: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.int64]
    refused: npt.NDArray[np.int64]
    headers: Mapping[int, str | None]


@dataclass(frozen=True, slots=True)
class Checked:
    """What the mapping alone says of a batch's rows; duplicates are the Survey's to find.

    `filtered` gives, by row number, why a filter leaves the row out. `problems` are those of all
    other rows. `keys`, a pyarrow array of large strings, has a text for each row that is equal
    where ``rows.unique`` says two rows are the same, and blank where the row has no key; it is None
    where nothing is unique.
    `phones` is None where the mapping has no contacts.
    """

    rows: npt.NDArray[np.int64]
    filtered: Mapping[int, Problem]
    problems: tuple[Problem, ...]
    keys: pa.Array | None
    phones: Phones | None = None


@dataclass(frozen=True, slots=True)
class ColumnFill:
    """How many rows have something in a column; `header` may be blank or stand twice."""

    header: str
    filled: int


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the dialler will find whom to call, over the rows that are ready.

    `callable` are rows with at least one phone; `contacts` says how many rows have so many
    contacts, 0 included. `phones` are all valid numbers of these rows, `repeated` those of them
    that stood before, in another contact or row. `invalid` are phones refused, over all rows.
    """

    callable: int = 0
    contacts: Mapping[int, int] = field(default_factory=dict)
    phones: int = 0
    repeated: int = 0
    invalid: int = 0


@dataclass(frozen=True, slots=True)
class Survey:
    """A whole file in figures: rows by what would become of them, and problems by code.

    `problems` is capped, in source order; `problem_counts` counts all, by code, and `examples`
    has the first of each code. `left_out` counts the invalid and skipped rows by why: their status
    and the codes of what kept them back, joined by ``|``; the most frequent first. `fill` has a
    count for each column of the sheet, in its order.
    """

    rows: int
    ready: int
    invalid: int
    skipped: int
    problems: tuple[Problem, ...]
    problem_counts: Mapping[str, int]
    examples: Mapping[str, tuple[Problem, ...]]
    errors: int
    warnings: int
    fill: tuple[ColumnFill, ...] = ()
    readiness: Readiness = Readiness()
    left_out: Mapping[tuple[Status, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OriginalWorkbook:
    """The workbook (.xlsx, .xlsm) that was read, for a report that marks it.

    `write` makes a file, which exists, one that openpyxl can be given, and says in words what it
    lacks; it raises SourceError where the workbook is too large or damaged. `reread` gives the
    headers, header row and rows that a workbook has in the place where the source's were read.
    """

    write: Callable[[Path], tuple[str, ...]]
    reread: Callable[[Path], tuple[SourceInfo, Iterator[Batch]]]


@dataclass(frozen=True, slots=True)
class Findings:
    """All cells and all problems of a file, for reports that show every one.

    Both can be gone through as often as wanted while the check's working copy lasts: rows in
    source order; problems of the file first, then by row. `original` is there where the source was
    an Excel workbook as it was given: not one in an archive, or from standard input.
    """

    batches: Callable[[], Iterator[Batch]]
    problems: Callable[[], Iterator[Problem]]
    original: OriginalWorkbook | None = None


@dataclass(frozen=True, slots=True)
class PhoneReading:
    """How the phones of one target were read, by what stands at their fronts in the sheet.

    `column` has the headers that the target takes them from. `region`, the name of its `country`
    and its `country_code` are None where no region is set. Of the phones, `with_code` begin with a
    plus or with what is dialled before a country's code (00, 011); `without_code` have neither and
    are taken to be in the region; `plus_put_back` begin with the region's own code, whose plus was
    lost; `unclear` can be a number with a lost plus and another one in the region, and are held
    back. The last two are estimated from a sample where there are many. What has no digit at its
    front is not counted.
    """

    target: str
    column: str | None
    region: str | None
    country: str | None
    country_code: int | None
    with_code: int
    without_code: int
    plus_put_back: int = 0
    unclear: int = 0


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value that would be created in a field of the project.

    It stands in `count` rows; `rows` are the first of them. `nearest` is the name of the nearest
    value that exists, None where none is near; `same` says that only case, accents or white space
    differ. `allowed` ones may be created: the others keep the file from being sent.
    """

    field: str
    text: str
    count: int
    rows: tuple[int, ...]
    nearest: str | None = None
    same: bool = False
    allowed: bool = False


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a dry run found in one file.

    `refused` says, in lines for people, why a run of it would not begin: what the project that it
    was compared with lacks. `new_values` are the values that would be created there, field by
    field, those in most rows first; None where nothing was compared. `phones` says how the phones
    of each target were read.
    """

    info: SourceInfo
    survey: Survey
    unused_columns: tuple[str, ...]
    findings: Findings | None = None
    refused: tuple[str, ...] = ()
    new_values: tuple[NewValue, ...] | None = None
    phones: tuple[PhoneReading, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """The problems as a pandas DataFrame, with a column for each field of :class:`Problem`.

        They are those of the survey, of which there is a limit; or all, where the check was given
        a log, as long as it lasts.
        """
        import pandas as pd  # only here: whoever asks for a DataFrame has it

        names = tuple(one.name for one in fields(Problem))
        found = self.findings.problems() if self.findings is not None else self.survey.problems
        rows = [[getattr(problem, name) for name in names] for problem in found]
        frame = pd.DataFrame(rows, columns=list(names))
        texts = dict.fromkeys(names[1:], "string")
        return frame.astype({"row": "Int64", **texts})


class FieldType(StrEnum):
    """What a field of a project takes."""

    TEXT = "text"
    SIMPLE = "simple"
    """One of the field's values; other text becomes a new one."""
    MULTIPLE = "multiple"
    """Any number of the field's values; text is divided at ``|``."""
    OTHER = "other"
    """A type that the service's description does not name: nothing is said about its values."""


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A value of a simple or multiple field; `valueid` is None where the service gave none."""

    name: str
    valueid: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a project; a mapping names it by `name`, agents see `label`."""

    name: str
    label: str
    type: FieldType
    values: tuple[FieldValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Disposition:
    """How a call ended, or what shall happen next; a call-back wants a date."""

    dispositionid: str
    name: str
    label: str
    callback: bool


@dataclass(frozen=True, slots=True)
class Project:
    """A project as the service describes it.

    `dispositions` are None where the reply does not speak of them.
    """

    projectid: int
    fields: tuple[Field, ...]
    dispositions: tuple[Disposition, ...] | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who works with the service; a disposition names one by the `userid`.

    `username` and `name` are blank where the service does not tell them.
    """

    userid: str
    username: str
    name: str
    active: bool


@dataclass(frozen=True, slots=True)
class Users:
    """The service's users, or, where it does not list them, why not (`refused`)."""

    listed: tuple[User, ...] | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ContactTexts:
    """One contact of many rows: its parts as texts, and the rows in which it exists."""

    parts: Mapping[str, pa.Array]
    exists: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Records:
    """Rows as Add record wants them, by column, not yet encoded; keys are those of its contract.

    `rows` are the row numbers, int64. Texts are pyarrow arrays of large strings, as long as `rows`;
    a null is left out of its row's object. `valueids` are the form's fields whose digits go as
    integers. `contacts` is keyed "1" to "9", in this order. A row has a `disposition` where
    `disposed` says so; contacts and a premium of which a row has nothing are left out.
    """

    rows: npt.NDArray[np.int64]
    form: Mapping[str, pa.Array]
    valueids: frozenset[str]
    contacts: Mapping[str, ContactTexts]
    phone_field: pa.Array
    premium: Mapping[str, pa.Array]
    disposition: Mapping[str, pa.Array]
    disposed: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Preview:
    """One row as it would be sent; `body` is JSON, and None unless the row is ready."""

    row: int
    status: str
    body: bytes | None
    problems: tuple[Problem, ...]


class Request(NamedTuple):
    """One record, encoded: `body` is the JSON that is sent, UTF-8."""

    row: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Lease:
    """Rows granted to an engine, once; their intents are durable before it exists."""

    requests: tuple[Request, ...]


class Wire(StrEnum):
    """How far an exchange with the service got."""

    ANSWERED = "answered"
    """A whole reply was read, whatever it says."""
    NOT_SENT = "not_sent"
    """No byte of the request left: name not found, refused, no connection in time, TLS failed."""
    LOST = "lost"
    """The request began to be written, and no whole reply came: it may have arrived."""


@dataclass(frozen=True, slots=True)
class ReplyError:
    """One entry of the `errors` list in the service's reply."""

    code: str
    message: str
    property: str | None = None
    index: int | None = None


class Reply(NamedTuple):
    """What came back for one request, or what became of it.

    `understood` says that the body was the JSON envelope `{"errors": [...], "response": ...}`.
    `retry_after` is in seconds. `detail` is for people and holds no secrets. `connection` numbers
    the connection that it came on, 0 for none; `stray` says that more came on it than the answer.
    """

    wire: Wire
    http_status: int | None = None
    understood: bool = False
    numberids: tuple[str, ...] = ()
    errors: tuple[ReplyError, ...] = ()
    retry_after: float | None = None
    detail: str = ""
    connection: int = 0
    stray: bool = False


class Done(NamedTuple):
    """The record was created."""

    numberids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive and may be sent again after `after` seconds.

    `throttled` says that the service asks everybody to wait: such a try does not count as one.
    """

    after: float
    code: str
    message: str
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """The service said no: sending it again as it is gives the same answer."""

    code: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Uncertain:
    """It may have been created, in whole or in part; it is never sent again by itself."""

    code: str
    message: str
    numberids: tuple[str, ...] = ()
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The service refuses us, not the row: nothing more is sent and this row stays pending."""

    code: str
    message: str
    hint: str


Verdict = Done | Retry | Rejected | Uncertain | Stop

MAY_EXIST = "It may exist: look for it in the service before sending it again."
"""The hint for every row of which nobody knows whether it was created."""


class Outcome(NamedTuple):
    """What became of one row, as the journal keeps it and results.csv shows it.

    `attempts` counts requests that left or tried to; it is 0 for rows that were never sent. `was`
    is the state that was reported of the row before, where this takes its place: an answer that
    seemed to be the row's was perhaps another's.
    """

    row: int
    status: Status
    numberids: tuple[str, ...] = ()
    attempts: int = 0
    http_status: int | None = None
    code: str | None = None
    message: str | None = None
    hint: str | None = None
    was: Status | None = None


class Stage(StrEnum):
    """What is being done with a file's rows, one after the other."""

    READING = "reading"
    CHECKING = "checking"
    SENDING = "sending"


@dataclass(frozen=True, slots=True)
class Progress:
    """How a run stands: `done` rows are in a final state, of `total` in the source.

    While the source is still being read, `total` is None. Until rows are sent, `passed` counts
    those that were read, then those that were checked.
    """

    stage: Stage
    total: int | None
    counts: Mapping[Status, int] = field(default_factory=dict)
    passed: int = 0

    @property
    def done(self) -> int:
        """Rows that have reached a final state."""
        return sum(n for status, n in self.counts.items() if status is not Status.PENDING)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Nothing is sent for so many seconds; `reason` is for people.

    `total` is how long the service has had the run wait until then, in seconds, this wait
    included; other waits than those it asked for are not counted in it.
    """

    seconds: float
    reason: str
    total: float = 0.0


@dataclass(frozen=True, slots=True)
class Probing:
    """Sending has paused, and the service is asked for something harmless."""

    reason: str


@dataclass(frozen=True, slots=True)
class Resumed:
    """Trouble is over: sending goes on at full pace."""


@dataclass(frozen=True, slots=True)
class PaceChanged:
    """So many requests may be in flight at once, and begin in a second; None is any number."""

    width: int
    rate: float | None


@dataclass(frozen=True, slots=True)
class StrayAnswer:
    """Answers came that nobody asked for: from now on each connection is used once."""

    reason: str


class CanaryState(StrEnum):
    """How far the rows are that are sent first and read back, as a journal notes it."""

    OPEN = "open"
    """They are to be sent, or to be read back: nothing else is sent before."""
    EQUAL = "equal"
    """They are in the service as they were sent."""
    STOPPED = "stopped"
    """They are not, or failed: that was written down and shown, and a person must decide."""
    PASSED = "passed"
    """They are not, or failed, and a person has had the rest sent in spite of it."""


@dataclass(frozen=True, slots=True)
class CanaryBegins:
    """Some rows are sent first and read back (``--canary``); `pending` of them are still to go."""

    rows: int
    pending: int


@dataclass(frozen=True, slots=True)
class CanaryEqual:
    """The records of the canary are as they were sent: the rest is sent now.

    `equal` are parts of records that were compared, `unverified` those that the service does not
    give back.
    """

    records: int
    equal: int
    unverified: int


@dataclass(frozen=True, slots=True)
class Looked:
    """How far a look into the service is: so many `records` of the expected `total` were looked at.

    Of `rows` rows that are sought, so many are `found`. The total of the search for uncertain rows
    may grow: it ends where no more records are.
    """

    records: int
    total: int
    found: int
    rows: int


Event = (
    Waiting | Probing | Resumed | PaceChanged | StrayAnswer | CanaryBegins | CanaryEqual | Looked
)
"""What a run tells while it sends, or looks for rows, apart from what becomes of its rows."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in figures: what summary.json holds.

    `counts` has every state and adds up to `rows`. `status` is finished, stopped or interrupted.
    `elapsed_s` is the run itself, without the program's start. `reason` says why a run stopped.
    """

    run_id: str
    status: str
    rows: int
    counts: Mapping[Status, int]
    started_at: str
    elapsed_s: float
    attempts: int
    source: Mapping[str, Any]
    mapping: Mapping[str, Any]
    target: Mapping[str, Any]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    reason: str | None = None
    hint: str | None = None

    @property
    def rows_per_s(self) -> float:
        """Rows that reached a final state, a second."""
        done = self.rows - self.counts.get(Status.PENDING, 0)
        return round(done / self.elapsed_s, 1) if self.elapsed_s > 0 else 0.0

    @property
    def exit_code(self) -> int:
        """The exit code that says how the run ended (130 and 143 are the command line's own)."""
        if self.status == "stopped":
            return 3
        if self.counts.get(Status.UNCERTAIN, 0):
            return 4
        if self.counts.get(Status.REJECTED, 0) or self.counts.get(Status.INVALID, 0):
            return 1
        return 0
