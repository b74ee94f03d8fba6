"""What went wrong, in the words of the page, with what to do next as a button or a link.

The library's messages name options, files and commands for people at a terminal. In a page these
are fields, drafts and buttons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from importer.console.drafts import Draft
from importer.console.records import dated
from importer.errors import (
    ImporterError,
    MappingError,
    NoProjectError,
    RunInterruptedError,
    SourceError,
)
from importer.library import AlreadyImported, PlanDiffers, TargetBusy, Unfinished
from importer.model import Status, Stop

_COMMAND = re.compile(r"vcc-import\b|(?<![\w-])--[a-z]")
_BETWEEN = re.compile(r"(?<=[.;:]) ")
_QUOTED = re.compile(r'"[^"\n]*"')
_INTRODUCING = re.compile(r"(,? (and )?(then|with))?:$")
_TEXT = "under “All of it as text” in the columns"
_IN_THE_PAGE = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (
            r"set repair: true in the mapping",
            "choose “Mend what a spreadsheet program has spoilt” in the columns",
        ),
        (
            r"(?:declare (?:the \w+ ?\w*|it|all forms) in the mapping(?:, as|:)"
            r"|say which mark is decimal:)"
            r' input: \[?"([^"]+(?:", "[^"]+)*)"\]?'
            r'(?: or input: \[?"([^"]+)"\]?)?',
            lambda found: (
                "say under “How they are written” in the columns: "
                + " or ".join(filter(None, found.groups())).replace('", "', " and ")
            ),
        ),
        (r'\bmin: "([0-9-]+)"', r"“Smallest or earliest” \1"),
        (r'\bmax: "([0-9-]+)"', r"“Largest or latest” \1"),
        (r"\bby min and max\b", "by “Smallest or earliest” and “Largest or latest”"),
        (r"change min and max in", "change “Smallest or earliest” and “Largest or latest” in"),
        (
            r"declare its own form in the mapping as well",
            "add its own form under “How they are written” in the columns",
        ),
        (r"add (timezone: \S+ \(or another\)) to the mapping", rf"add \1 {_TEXT}"),
        (
            r"add region: \S+ \(or another\) to the mapping",
            "say in the columns of which country phones without a country code are",
        ),
        (
            r"set on_error: blank on it to leave such contacts out",
            "choose in the columns that it is left out if it is wrong",
        ),
        (r"change pattern in the mapping", f"change its pattern {_TEXT}"),
        (r"set rows\.on_duplicate: allow", "choose in the columns that both are sent"),
        (r"rows\.unique can leave such rows out", "the columns can leave such rows out"),
        (r"translate it with map\b", "say in the columns which values become which"),
        (r"choose another phone_field", "choose another number to be called next"),
        (
            r"take it off in the mapping: remove_prefix: ",
            f"take it off {_TEXT}: remove_prefix: ",
        ),
        (
            r"add multiple: true to its rule, and split if .*",
            "choose “A cell may hold several values” in the columns",
        ),
        (
            r"take multiple: true out of its rule, or map it to a multiple field",
            "take “A cell may hold several values” off, or choose a field that holds several",
        ),
        (r"leave type: valueid out", "choose another kind of value"),
        (
            r"change min_length and max_length in the mapping",
            f"change how long it may be, min_length and max_length, {_TEXT}",
        ),
        (
            r"phone_field is phone1 to phone9 and names",
            "The number to be called next is one of phone1 to phone9, and names",
        ),
        (
            r"Check dispositionid and userid, and next_calldate for call-backs",
            "Check the disposition, whose record it is, and when to call back",
        ),
        (r"The mapping gives this row no form field", "No column fills a field of this row"),
        (r"use a valueid of this field", "use the id of one of its values"),
        (r"filtered out by the mapping", "left out by a rule of the columns"),
        (r"\bdelete (the row|one of the two)\b", r"leave \1 out"),
        (
            r"set pipe: split or pipe: replace in the mapping",
            "choose in the columns what the mark | in a value does",
        ),
        (
            r"([Dd])ivide them with split, as in contacts\.spread",
            r"\1ivide them: choose in the columns at which marks they are taken apart",
        ),
        # What is told by its form is shown by an example; what is to be typed stays as it is.
        (
            r"\bof the form (%[^\n\";:]*)",
            lambda found: f"as {dated(found[1])}",
        ),
        (r"\b(in|to|of|with|at) the mapping\b", r"\1 the columns"),
    )
)
"""What the library tells to change in a mapping's text, and how the columns' page calls it."""
KINDS = {
    # What is wrong with cells
    "inexact_float": "Number too long for the file",
    "nul_character": "Damaged cell",
    "ragged_row": "More cells than columns",
    "short_row": "Fewer cells than columns",
    "stray_quote": "Quote out of place",
    "bad_email": "Not an e-mail address",
    "bad_phone_field": "Unclear which number is called first",
    "bad_url": "Not a web address",
    "bad_valueid": "Not the id of a value",
    "disposition_incomplete": "Disposition is not complete",
    "empty_formula": "Formula without a result",
    "encoded_twice": "Spoilt letters",
    "escaped_text": "Written for another program",
    "error_cell": "Error of a formula, as #N/A",
    "inch_sign": "Quote taken as inches",
    "lost_letter": "Lost letter",
    "merged_cell": "Merged cell",
    "nested_list": "List within a list",
    "no_date": "Number that is no date",
    "not_a_choice": "Not one of the allowed values",
    "not_boolean": "Neither yes nor no",
    "nothing_to_send": "Nothing in it to send",
    "pattern": "Not of the right form",
    "placeholder": "Text that stands for a blank",
    "pipe_in_value": "Vertical bar in a value",
    "required": "Blank, and must not be",
    "too_long": "Too long",
    "too_short": "Too short",
    "unbalanced_bracket": "Bracket that is not closed",
    "unbalanced_quote": "Quote that is not closed",
    # Phones
    "bad_phone": "Not a phone number",
    "contact_dropped": "Contact left out, without a valid number",
    "contact_without_phone": "Contact without a number",
    "no_contact": "No phone number",
    "phone_extension": "Extension is not sent",
    "phone_field_without_phone": "First number to be called is missing",
    "phone_letters": "Letters in a phone number",
    "phone_prefix_doubtful": "Country of a number is not clear",
    "phone_prefix_found": "Country of a number told by the column",
    "phone_without_region": "Country of a number is not known",
    "several_phones": "Several numbers in a cell",
    "too_many_phones": "More than nine numbers",
    "phone_repeated": "Number stands in several rows",
    "phone_twice_in_row": "Same number twice in a row",
    # Dates and numbers
    "ambiguous_date": "Day and month are not clear",
    "ambiguous_number": "Decimal mark is not clear",
    "bad_date": "Not a date",
    "callback_in_past": "Call-back in the past",
    "century_assumed": "Century of years of two digits",
    "date_order_found": "Order of day and month told by the column",
    "date_order_unknown": "Order of day and month is not known",
    "decimal_mark_found": "Decimal mark told by the column",
    "decimal_mark_unknown": "Decimal mark is not known",
    "not_integer": "Not a whole number",
    "not_number": "Not a number",
    "offset_without_timezone": "Time zone is not known",
    "too_large": "Too large a number",
    "too_small": "Too small a number",
    "two_digit_year": "Year of two digits",
    "unknown_zone": "Unknown time zone",
    # What a spreadsheet program has done
    "common_prefix": "Same word before every value",
    "damaged_number": "Phone that became a number",
    "dates_maybe_swapped": "Day and month may be swapped",
    "dates_swapped": "Day and month swapped",
    "digits_lost": "Last digits are lost",
    "phone_became_date": "Phone that became a date",
    "phone_prefix_lost": "Number without its beginning",
    "repaired": "Mended by itself",
    "serial_date": "Date that became a number",
    "zeros_lost": "Zeros at the front may be lost",
    # Why rows are left out
    "do_not_call": "On a do-not-call list",
    "do_not_call_unreadable": "Unreadable entries of a do-not-call list",
    "duplicate": "The same as a row before",
    "filtered": "Left out by a rule of the columns",
    "left_out_by_hand": "Left out by you",
    "sent_before": "Sent by an earlier import",
    # What the project or the service says
    "callback_without_date": "Call-back without a date",
    "date_without_callback": "Date without a call-back",
    "field_is_multiple": "Field holds several values",
    "field_not_multiple": "Field holds one value only",
    "inactive_user": "User is not active",
    "new_value": "New value of the project",
    "unknown_disposition": "Unknown disposition",
    "unknown_field": "Unknown field",
    "unknown_user": "Unknown user",
    "unknown_valueid": "Unknown value",
    "error.body_too_large": "Too long altogether",
    "error.form_required": "No field is filled",
    "error.invalid_contact": "Contact is not accepted",
    "error.invalid_disposition": "Disposition is not accepted",
    "error.invalid_json": "Not understood by the service",
    "error.invalid_phone_field": "First number to be called is not accepted",
    "error.unknown_value": "Unknown value",
}
"""What pages call a kind of problem of rows, by its code."""
KINDS_LEFT_OUT = frozenset(
    {"do_not_call", "duplicate", "filtered", "left_out_by_hand", "no_contact", "sent_before"}
)
"""Kinds for which rows are left out; what else is said of such a row has no part in that."""
DAY = "%Y-%m-%d, %H:%M"
_FILES_OF_A_RUN = {
    "journal.sqlite3": "the record of what was sent",
    "source.parquet": "the copy of the list",
    "ready.parquet": "the records as they are to be sent",
    "mapping.yaml": "the mapping",
    "edits.jsonl": "the mended cells",
}


@dataclass(frozen=True, slots=True)
class Action:
    """What a page offers to do: a link where there are no `fields`, else a button that posts."""

    label: str
    address: str
    fields: Mapping[str, str] | None = None
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What a page says of trouble; `lines` are the details, `tone` how bad it is.

    `wait` is in how many seconds the first of the `actions` is worth it; 0 where that is now.
    """

    message: str
    hint: str = ""
    lines: tuple[str, ...] = ()
    actions: tuple[Action, ...] = ()
    tone: str = "bad"
    wait: int = 0


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells of what went wrong with a draft.

    `retry` is the button that tries the same again, `anyway` the one that does so in spite of what
    past imports have sent. `draft_of` finds the draft of a run, by the run's folder as text.
    """

    draft: Draft
    retry: Action
    anyway: Action
    draft_of: Callable[[str], Draft | None] = field(default=lambda _: None)

    def step(self, key: str) -> str:
        """The address of a step of the draft."""
        return f"/drafts/{self.draft.id}/{key}"

    def told(self, error: ImporterError) -> Told:
        """An error, and what to do about it."""
        match error:
            case AlreadyImported(entry=entry):
                created = entry.count(Status.CREATED)
                return Told(
                    f"this list was sent to project {entry.project} before, on"
                    f" {entry.started_at.astimezone():{DAY}}: {_records(created)} created",
                    "Sending it again creates every record a second time, and people are called"
                    " twice. Rows that failed then can be mended in the result of that import.",
                    actions=(*self._result(str(entry.run_dir)), self.anyway),
                )
            case Unfinished(entry=entry):
                return Told(
                    f"this list is on its way to project {entry.project}: an import of"
                    f" {entry.started_at.astimezone():{DAY}} has not come to its end",
                    f"{entry.count(Status.CREATED):,} rows were created,"
                    f" {entry.count(Status.PENDING):,} are still to be sent: go on with that"
                    " import. To begin anew creates the first ones a second time.",
                    actions=(*self._result(str(entry.run_dir), "send"), self.anyway),
                )
            case TargetBusy():
                return Told(
                    "it was stopped while it waited for another import to the same project",
                    "Nothing was sent.",
                    actions=(self.retry,),
                    tone="doubtful",
                )
            case PlanDiffers():
                first, *lines = error.message.splitlines()
                return Told(
                    "the plan is not sent, since something is not as it was planned",
                    "Make the plan again, and look at it.",
                    tuple(self.words(line).strip() for line in lines) or (self.words(first),),
                    (Action("Back to the plan", self.step("plan")),),
                )
            case MappingError():
                return Told(
                    self.words(error.message),
                    self.words(error.hint),
                    tuple(map(self.words, error.mistakes)),
                    (Action("To the columns", self.step("columns")),),
                )
            case SourceError():
                way = Action("To the file", self.step("file"))
                return self._plainly(error, (way, self.retry))
            case RunInterruptedError():
                return Told("it was stopped", "Nothing was sent.", (), (self.retry,), "doubtful")
            case NoProjectError():
                return Told(
                    self.words(error.message),
                    "Check the project's number, and the address of the service.",
                    actions=(Action("Where it goes", self.step("plan#where")), self.retry),
                )
        return self._plainly(error, (self.retry,))

    def _plainly(self, error: ImporterError, actions: tuple[Action, ...]) -> Told:
        return Told(self.words(error.message), self.words(error.hint), (), actions)

    def stopped(self, stop: Stop) -> Told:
        """Why a run has stopped early, and how it can go on."""
        return told_stop(stop, self.words, self.step("result"))

    def words(self, text: str | None) -> str:
        """A message of the library without paths of the console's own, options and commands."""
        text = text or ""
        known = (
            (self.draft.file, self.draft.name),
            (self.draft.mapping, "the mapping"),
            (self.draft.edits, "the mended cells"),
        )
        for path, name in known:
            text = text.replace(str(path), name)
        if self.draft.run_dir is not None:
            return words_of_run(text, self.draft.run_dir)
        if self.draft.plan_dir is not None:
            return words_of_run(text, self.draft.plan_dir, "the plan")
        return page_words(text)

    def _result(self, run_dir: str, step: str = "result") -> tuple[Action, ...]:
        """A link to what another draft has sent, if one has."""
        other = self.draft_of(run_dir)
        if other is None:
            return ()
        words = "See its result" if step == "result" else "Go on with it"
        return (Action(words, f"/drafts/{other.id}/{step}"),)


def _records(number: int) -> str:
    return "1 record was" if number == 1 else f"{number:,} records were"


def told_stop(stop: Stop, words: Callable[[str | None], str], result: str) -> Told:
    """Why a run has stopped early, and how it can go on; `result` is the address of that."""
    message, hint = words(stop.message), words(stop.hint)
    actions: tuple[Action, ...] = ()
    match stop.code:
        case "canary":
            message = message.replace("pending", "not sent")
            hint = "Look at them below. Records cannot be deleted: they stay as they are."
        case "http_401" | "http_403" | "http_407":
            hint = (
                "Nothing is lost. Check the customer and the key, and that this computer's"
                " address on the internet is registered for the service; then go on."
            )
        case "throttled":
            hint = "The service is busy. Go on later, or more gently."
        case "unreachable":
            hint = "Nothing is lost. Check the network, then go on."
        case "storm":
            hint = (
                "Some of the last rows may have arrived: look for them in the result first."
                " Then go on."
            )
            actions = (Action("Look for them in the result", f"{result}#uncertain"),)
    return Told(message, hint, (), actions)


def kind_words(kind: str) -> str:
    """What a page calls a kind of problem; a code that is not known is said in its own words."""
    known = KINDS.get(kind) or KINDS.get(kind.removeprefix("error."))
    return known or kind.removeprefix("error.").replace("_", " ").strip().capitalize()


def why_held_back(codes: Sequence[str], status: Status) -> str:
    """What has kept a row back, in the words of pages; of one left out, the reason alone."""
    reasons = [code for code in codes if code in KINDS_LEFT_OUT]
    told = reasons[:1] if status is Status.SKIPPED and reasons else codes
    words = [kind_words(code) for code in told]
    return " and ".join(word[:1].lower() + word[1:] for word in words)


def words_of_run(text: str | None, folder: Path, name: str = "the import") -> str:
    """A message of the library about a run, or a plan, without the paths of its folder."""
    text = text or ""
    for file, what in _FILES_OF_A_RUN.items():
        text = text.replace(str(folder / file), what)
    return page_words(text.replace(str(folder), name))


def page_words(text: str | None) -> str:
    """A message of the library in the words of the page, without what it tells to type."""
    words = "\n".join(_without_commands(text or ""))
    for pattern, replacement in _IN_THE_PAGE:
        words = pattern.sub(replacement, words)
    return words


def _without_commands(text: str) -> Iterator[str]:
    """The lines that do not tell to type something, nor introduce one that does."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        kept: list[str] = []
        for piece in _pieces(line):
            if not _is_command(piece):
                kept.append(piece)
            elif kept and kept[-1].endswith(":"):  # it says when, or what for
                introduction = kept.pop()
                if not introduction.startswith(("if ", "then:", "and then:")):
                    kept.append(_INTRODUCING.sub(".", introduction))
        introduces = line.endswith(":") and any(map(_is_command, lines[place + 1 : place + 2]))
        if kept and not introduces:
            words = " ".join(kept).strip()
            yield words.rstrip(";") if words != line else line


def _is_command(text: str) -> bool:
    return _COMMAND.search(_masked(text)) is not None


def _pieces(line: str) -> Iterator[str]:
    """Sentences, and parts of sentences between colons and semicolons; quoted text is not cut."""
    begin = 0
    for end in _BETWEEN.finditer(_masked(line)):
        yield line[begin : end.start()]
        begin = end.end()
    yield line[begin:]


def _masked(text: str) -> str:
    """A text of the same length in which no cell says anything: these are in quotes."""
    return _QUOTED.sub(lambda quoted: "x" * len(quoted[0]), text)
