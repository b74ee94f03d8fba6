"""What a rule does to one text (divide, case, map, convert, check), compiled to a pure function.

The order is fixed: split → trim → case → map → type → min/max → length and pattern → choices →
pipe. Each piece of a multiple value goes through it by itself.

The converters by type stand at the end: :data:`CONVERTERS` has a builder for each type but
``text``. A converter is a pure function of one text that is not blank, so its results can be kept
in a memo.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from importer.mapping.conversion import NO_FINDING, Converted, Converter, Fault, Finding
from importer.mapping.damage import fill_up
from importer.mapping.dates import date_converter, period_of
from importer.mapping.patterns import Pattern, form_hint
from importer.mapping.phones import phone_converter
from importer.mapping.spec import MappingSpec, Rule, Type
from importer.mapping.text import as_cell, squeeze, title_case, trim
from importer.model import Severity

JOINT = "\x1f"
"""Stands between the cells of several columns while they travel as one text."""
PIPE = "|"
PIPE_REPLACEMENT = "/"
PIPE_FAULT = "pipe_in_value"
"""Never sent with a warning: the service would quietly make two values of one."""
_BOUND = "check the value; or change min and max in the mapping"
_LENGTH = "check the value; or change min_length and max_length in the mapping"


class Value(NamedTuple):
    """The text to send, and what was found wrong on the way to it."""

    text: str
    faults: tuple[tuple[Fault, Severity], ...] = ()


Step = Converter
_ORDERED = {"integer", "decimal", "date", "datetime"}


def compile_value(
    rule: Rule,
    type_: Type,
    region: str | None,
    timezone: str | None,
    finding: Finding = NO_FINDING,
    pattern: Pattern | None = None,
) -> Callable[[str], Value] | None:
    """The function of a rule, or None where it sends the trimmed text as it is.

    `finding` is what the whole column says about its cells. `pattern` is the rule's own pattern,
    compiled; it is given where the caller uses :meth:`Pattern.match_ahead`.
    """
    steps = list(_steps(rule, type_, ConversionContext(region, timezone, finding), pattern))
    if not rule.multiple:
        return (lambda text: _run_steps(text, steps, rule)) if steps else None
    divide = _divider(rule)

    def many(text: str) -> Value:
        pieces: dict[str, None] = {}
        faults: list[tuple[Fault, Severity]] = []
        for piece, fault in dict.fromkeys(divide(text)):
            value = _run_steps(piece, steps, rule, fault)
            faults += value.faults
            if value.text:
                pieces[value.text] = None
        return Value(PIPE.join(pieces), tuple(faults))

    return many


def translated(rule: Rule, spec: MappingSpec, sent: str, instead: str) -> Rule | None:
    """The rule of a form field, changed to send `instead` for `sent`; None where no map can do so.

    A rule's ``map`` is looked up after ``case`` and before conversion. So the new map translates
    `sent` itself, and whatever its entries turned into `sent`; it cannot where only a converter
    makes `sent` of other spellings. The default and the choices are adapted.
    """
    if rule.value is not None:
        return None
    table = rule.map or {}
    likely = dict.fromkeys([*table, sent])
    if rule.multiple and rule.pipe == "replace":
        likely[sent.replace(PIPE_REPLACEMENT, PIPE)] = None
    before = _values_of(rule, spec)
    keys = [text for text in likely if before(text) == sent]
    if not keys and rule.default != sent:
        return None
    made: dict[str, Any] = {}
    if keys:
        made["map"] = {**table, **dict.fromkeys(keys, instead)}
    if rule.choices is not None and instead not in rule.choices:
        made["choices"] = [*rule.choices, instead]
    if rule.default == sent:
        made["default"] = instead
    new = rule.model_copy(update=made)
    after = _values_of(new, spec)
    return new if all(after(text) == instead for text in keys) else None


def _values_of(rule: Rule, spec: MappingSpec) -> Callable[[str], str]:
    """The function of a form field's rule on a single value, from its ``map`` on."""
    context = ConversionContext(spec.region, spec.timezone)
    as_it_is = rule.model_copy(update={"case": None})
    steps = list(_steps(as_it_is, rule.type or "text", context, None))
    return lambda text: _run_steps(key_in_map(text, rule), steps, rule).text


def _run_steps(text: str, steps: Sequence[Step], rule: Rule, found: Fault | None = None) -> Value:
    """Run the steps on a text, until it is blank or a fault ends them.

    `found` is a fault of the text itself, and is treated like the fault of a step. With
    ``on_error: warn`` all steps are run in spite of faults, on the unconverted text where a step
    could not convert it, so that each fault is reported.
    """
    value = text
    faults: list[tuple[Fault, Severity]] = []
    first = [] if found is None else [lambda text: Converted(text, found)]
    for step in (*first, *steps):
        if not value:
            break
        value, fault = step(value)
        if fault is None:
            continue
        if fault.warning:
            faults.append((fault, Severity.WARNING))
        elif rule.on_error == "blank":
            return Value("", (*faults, (fault, Severity.WARNING)))
        elif rule.on_error == "reject" or fault.code == PIPE_FAULT:
            return Value(text, (*faults, (fault, Severity.ERROR)))
        else:
            faults.append((fault, Severity.WARNING))
    return Value(value, tuple(faults))


def _steps(
    rule: Rule, type_: Type, context: ConversionContext, pattern: Pattern | None
) -> Iterator[Step]:
    yield from _steps_before_map(rule, type_, context)
    if rule.map:
        table = {key_in_map(key, rule): sent for key, sent in rule.map.items()}
        yield lambda text: Converted(table.get(text, text))
    yield from _bounds(rule, type_, context)
    convert = converter_for(rule, type_, context)
    if convert is not None:
        yield convert
    yield from _checks(rule, pattern)


def _steps_before_map(rule: Rule, type_: Type, context: ConversionContext) -> Iterator[Step]:
    if type_ == "text" and rule.repair and (width := context.finding.width) is not None:
        yield lambda text: fill_up(text, width)
    if rule.case is not None:
        change = {"upper": str.upper, "lower": str.lower, "title": title_case}[rule.case]
        yield lambda text: Converted(change(text))


def key_in_map(text: str, rule: Rule) -> str:
    """A key of a rule's map as values are compared with it."""
    return as_cell(text) if rule.trim else text


def map_keys(rule: Rule, type_: Type, finding: Finding) -> Callable[[str], Iterator[str]]:
    """A function from a cell's text to the texts by which the rule looks into its ``map``.

    Pieces that the rule refuses because they could not be divided are left out.
    """
    steps = list(_steps_before_map(rule, type_, ConversionContext(None, None, finding)))
    divide = _divider(rule) if rule.multiple else None

    def values(text: str) -> Iterator[str]:
        pieces: Pieces = [(text, None)] if divide is None else divide(text)
        for piece, fault in dict.fromkeys(pieces):
            if fault is not None and not fault.warning and rule.on_error != "warn":
                continue
            value = piece
            for step in steps:
                value, _ = step(value)
            if value:
                yield value

    return values


def _bounds(rule: Rule, type_: Type, context: ConversionContext) -> Iterator[Step]:
    """A step that compares values with the rule's bounds, in a form that has an order."""
    plain = sort_key(rule, type_, context._replace(finding=NO_FINDING))
    key = sort_key(rule, type_, context)
    if plain is None or key is None:
        return
    # The bounds stand in the mapping: the column's finding does not apply to them.
    low = plain(rule.min) if rule.min is not None else None
    high = plain(rule.max) if rule.max is not None else None

    def check(text: str) -> Converted:
        found = key(text)
        if found is None:
            return Converted(text)
        if low is not None and found < low:
            return Converted(text, Fault("too_small", f'"{text}" is below {rule.min}', _BOUND))
        if high is not None and found > high:
            return Converted(text, Fault("too_large", f'"{text}" is above {rule.max}', _BOUND))
        return Converted(text)

    yield check


def sort_key(rule: Rule, type_: Type, context: ConversionContext) -> Callable[[str], Any] | None:
    """The function by which a rule with bounds orders texts; None where the rule has no bounds.

    The function gives None for a text that the rule's type refuses.
    """
    if (rule.min is None and rule.max is None) or type_ not in _ORDERED:
        return None
    number = type_ in {"integer", "decimal"}
    output = None if number else ["%Y-%m-%dT%H:%M:%S"]
    ordered = converter_for(rule.model_copy(update={"output": output}), type_, context)

    def key(text: str) -> Any:
        if ordered is None:
            return None
        value, fault = ordered(text)
        if fault is not None and not fault.warning:
            return None
        return Decimal(value) if number else value

    return key


def _checks(rule: Rule, pattern: Pattern | None) -> Iterator[Step]:
    if rule.min_length is not None or rule.max_length is not None:
        yield lambda text: Converted(text, _length_fault(text, rule))
    if rule.pattern is not None:
        matcher = pattern or Pattern(rule.pattern)
        yield lambda text: Converted(text, None if matcher.fits(text) else _misfit(text, matcher))
    if rule.choices is not None:
        choices = frozenset((*rule.choices, *(map(as_cell, rule.choices) if rule.trim else ())))
        yield lambda text: Converted(text, None if text in choices else _choice_fault(text, rule))
    if rule.multiple:
        yield lambda text: _pipe(text, rule)


def _misfit(text: str, pattern: Pattern) -> Fault:
    hint = form_hint(pattern.text, text)
    return Fault("pattern", f'"{text}" is not of the form {pattern.text}', hint)


def _length_fault(text: str, rule: Rule) -> Fault | None:
    if rule.min_length is not None and len(text) < rule.min_length:
        return Fault(
            "too_short",
            f'"{text}" has {len(text)} characters, fewer than {rule.min_length}',
            _LENGTH,
        )
    if rule.max_length is not None and len(text) > rule.max_length:
        return Fault(
            "too_long", f"has {len(text)} characters, more than {rule.max_length}", _LENGTH
        )
    return None


def _choice_fault(text: str, rule: Rule) -> Fault:
    choices = rule.choices or []
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(text.casefold(), folded, 1)
    listed = ", ".join(choices[:8]) + (" …" if len(choices) > 8 else "")
    hint = f'did you mean "{folded[close[0]]}"?' if close else f"write one of: {listed}"
    return Fault("not_a_choice", f'"{text}" is not one of the values allowed', hint)


def _pipe(text: str, rule: Rule) -> Converted:
    """Refuse or replace a `|` inside a value: the service would divide the value there."""
    if PIPE not in text:
        return Converted(text)
    if rule.pipe == "replace":
        return Converted(text.replace(PIPE, PIPE_REPLACEMENT))
    return Converted(
        text,
        Fault(
            PIPE_FAULT,
            f'"{text}" has a | in it, which would divide it in the service',
            "take it out; or set pipe: split or pipe: replace in the mapping",
        ),
    )


def separators_of(rule: Rule) -> list[str]:
    """What divides the values of a rule that is multiple.

    The longest mark stands first, so that one that begins another does not cut it short.
    """
    marks = [JOINT, *(rule.split or ()), *([PIPE] if rule.pipe == "split" else [])]
    return sorted(marks, key=len, reverse=True)


Pieces = list[tuple[str, Fault | None]]
"""The values of a cell, each with the fault that dividing the cell has found in it."""

_QUOTE = '"'
QUOTES_AND_BRACKETS = re.compile(r'["\[\]“”„({]')
"""A cell with one of these needs more than a split at the marks: :func:`_divider` says what."""
_TYPOGRAPHIC = "“”„"
_LONGEST_LIST = 1 << 16


def _divider(rule: Rule) -> Callable[[str], Pieces]:
    """The function that divides a cell into trimmed pieces, none of them blank.

    What stands in double quotes is left whole, and where it is a whole piece, its quotes are taken
    off, doubled ones inside made one. A cell that is a list of JSON gives that list's values.
    Brackets hold nothing together, but a value between them that was divided is a fault.
    Each piece loses the first of the rule's prefixes that it begins with.
    """
    marks = separators_of(rule)
    pattern = re.compile("|".join(map(re.escape, marks)))
    heeded = not any(QUOTES_AND_BRACKETS.search(mark) for mark in marks)

    prefixes = longest_first(rule.remove_prefix or ())

    def divide(text: str) -> Pieces:
        if not prefixes and (not heeded or QUOTES_AND_BRACKETS.search(text) is None):
            return [(piece, None) for part in pattern.split(text) if (piece := trim(part))]
        pieces: Pieces = []
        for cell in text.split(JOINT):
            pieces += divide_cell(cell)
        return pieces

    def divide_cell(cell: str) -> Iterator[tuple[str, Fault | None]]:
        held_together = heeded and QUOTES_AND_BRACKETS.search(cell) is not None
        if held_together and (listed := _json_list(trim(cell))) is not None:
            for piece, fault in listed:
                if piece := _without_prefix(piece, prefixes):
                    yield piece, fault
            return
        divided = rule.split or rule.pipe == "split" or not held_together
        parts = _split_outside_quotes(cell, pattern) if held_together else pattern.split(cell)
        bares = [trim(part) for part in (parts if divided else [cell])]
        torn = _within_torn_bracket(bares)
        for index, bare in enumerate(bares):
            sound = (
                _unquoted_piece(bare, torn[index]) if held_together and divided else (bare, None)
            )
            piece, fault = sound
            # A prefix at the front of the cell was taken off before, and is taken off only once.
            if index or piece != bare:
                piece = _without_prefix(piece, prefixes)
            if piece:
                yield piece, fault

    return divide


def longest_first(prefixes: Sequence[str]) -> list[str]:
    """Prefixes in the order in which they are tried: one may begin another."""
    return sorted(prefixes, key=len, reverse=True)


def _without_prefix(text: str, prefixes: Sequence[str]) -> str:
    found = next((prefix for prefix in prefixes if text.startswith(prefix)), None)
    return text if found is None else trim(text.removeprefix(found))


def _split_outside_quotes(cell: str, pattern: re.Pattern[str]) -> Iterator[str]:
    """Divide at the marks outside of quotes; from a quote that is never closed, all is one part.

    A quote after a digit opens nothing: it is the sign for inches.
    """
    begin, at, quoted = 0, 0, False
    while at < len(cell):
        if cell[at] == _QUOTE:
            if quoted or not cell[at - 1 : at].isdigit():
                quoted = not quoted
        elif not quoted and (mark := pattern.match(cell, at)):
            yield cell[begin:at]
            begin = at = mark.end()
            continue
        at += 1
    yield cell[begin:]


_CLOSING = {")": "(", "}": "{"}
_BRACKETS = re.compile(r"[(){}]")


def _within_torn_bracket(parts: Sequence[str]) -> list[bool]:
    """Which parts of a divided cell lie within a bracket that the division has cut in two.

    A bracket that never closes, or was never opened, as in "a) first", shows nothing.
    """
    changes = [0] * (len(parts) + 1)
    opened: list[tuple[str, int]] = []
    for index, part in enumerate(parts):
        if _QUOTED.fullmatch(part):
            continue
        for mark in _BRACKETS.findall(part):
            if mark not in _CLOSING:
                opened.append((mark, index))
            elif opened and opened[-1][0] == _CLOSING[mark]:
                _, start = opened.pop()
                if start < index:
                    changes[start] += 1
                    changes[index + 1] -= 1
    return [depth > 0 for depth in accumulate(changes[:-1])]


def _unquoted_piece(part: str, torn: bool) -> tuple[str, Fault | None]:
    value, fault = _unquoted(part)
    if not torn or (fault is not None and not fault.warning):
        return value, fault
    message = f"a bracket that opens in one value closes in another, so one was divided: {part}"
    return value, Fault("unbalanced_bracket", message, "write the whole value in double quotes")


_QUOTED = re.compile(r'"((?:[^"]|"")*)"')
_INCHES = re.compile(r'(?<=[0-9])"')
_MEND = "write the values in double quotes, each with its own, or without any"


def _unquoted(piece: str) -> tuple[str, Fault | None]:
    if whole := _QUOTED.fullmatch(piece):
        return trim(whole[1].replace(_QUOTE * 2, _QUOTE)), None
    inches = len(_INCHES.findall(piece))
    count = piece.count(_QUOTE)
    curved = sum(piece.count(mark) for mark in _TYPOGRAPHIC)
    ends = piece.startswith(_QUOTE) and piece.endswith(_QUOTE)
    if curved % 2 or ends or (count - inches) % 2:
        message = f"a quote is not closed, or not opened, in: {piece}"
        return piece, Fault("unbalanced_quote", message, _MEND)
    if not _balanced(piece):
        message = f"a square bracket is not closed, or not opened, in: {piece}"
        hint = 'take the brackets off; or write the cell as a list of JSON: ["one", "two"]'
        return piece, Fault("unbalanced_bracket", message, hint)
    if inches:
        message = f"a quote after a digit is taken for inches: {piece}"
        return piece, Fault("inch_sign", message, _MEND, warning=True)
    return piece, None


def _balanced(piece: str) -> bool:
    depth = 0
    for bracket in re.findall(r"[\[\]]", piece):
        depth += 1 if bracket == "[" else -1
        if depth < 0:
            return False
    return depth == 0


def _json_list(cell: str) -> Pieces | None:
    """The values of a cell that is a list of JSON; None for any other. Null is no value."""
    if not cell.startswith("[") or not cell.endswith("]") or len(cell) > _LONGEST_LIST:
        return None
    try:
        # Numbers keep the digits that they are written with.
        found = json.loads(cell, parse_int=str, parse_float=str, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    pieces: Pieces = []
    for item in found:
        value = str(item).lower() if isinstance(item, bool) else item
        if isinstance(value, list | dict):
            inner = json.dumps(value, ensure_ascii=True)[:60]
            hint = "write the values as one list, without others in it"
            pieces.append((inner, Fault("nested_list", f"a list holds another: {inner}", hint)))
        elif value is not None and (piece := trim(unicodedata.normalize("NFC", value))):
            pieces.append(_without_forbidden(piece))
    return pieces


def _no_constant(name: str) -> str:
    raise ValueError(name)


def _without_forbidden(piece: str) -> tuple[str, Fault | None]:
    """A piece of JSON without characters that no text may hold, with a fault if there were any.

    These are halves of surrogate pairs, NUL, and `JOINT`.
    """
    plain = re.sub(f"[\\0{JOINT}\ud800-\udfff]", "\ufffd", piece)
    if plain == piece:
        return piece, None
    hint = "type the value again"
    return plain, Fault("nul_character", "a value has a character in it that is no text", hint)


TRUE_WORDS = frozenset(
    {
        "true",
        "yes",
        "y",
        "1",
        "x",
        "on",
        "igen",
        "i",
        "ja",
        "j",
        "wahr",
        "igaz",
        "ano",
        "áno",
        "tak",
    }
)
FALSE_WORDS = frozenset({"false", "no", "n", "0", "off", "nem", "nein", "falsch", "hamis", "nie"})

_NUMBER = re.compile(r"(?P<sign>[+-]?)(?P<digits>[0-9][0-9.,'’ ]*|[.,][0-9]+)")
_AMBIGUOUS = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_POINT = re.compile(r"[0-9]*[.][0-9]+")
_MAILTO = re.compile("^mailto:(?://)?", re.IGNORECASE)
_WHOLE = "write it without decimals; or set type: decimal in the mapping"
_DIGITS = "write digits and one decimal mark only, without a unit"
_VALUEID = "write the id of the value; or leave type: valueid out to send its name"


class ConversionContext(NamedTuple):
    """What a converter needs besides its rule: the mapping's options, and the column's finding."""

    region: str | None
    timezone: str | None
    finding: Finding = NO_FINDING


def converter_for(rule: Rule, type_: Type, context: ConversionContext) -> Converter | None:
    """The converter of a rule, or None where its type takes any text."""
    build = CONVERTERS.get(type_)
    return build(rule, context._replace(region=rule.region or context.region)) if build else None


def _phone(rule: Rule, context: ConversionContext) -> Converter:
    return phone_converter(context.region, rule.format or "digits", rule.repair, context.finding)


def _date(rule: Rule, context: ConversionContext, output: str = "%Y-%m-%d") -> Converter:
    output = rule.output[0] if rule.output else output
    period = period_of(rule.min, rule.max, rule.input)
    return date_converter(
        rule.input, output, context.timezone, rule.repair, context.finding, period
    )


def _datetime(rule: Rule, context: ConversionContext) -> Converter:
    return _date(rule, context, "%Y-%m-%d %H:%M:%S")


def _integer(rule: Rule, context: ConversionContext) -> Converter:
    mark = rule.input[0] if rule.input and len(rule.input) == 1 else None

    def convert(text: str) -> Converted:
        number = _parse_number(text, mark, context.finding)
        if isinstance(number, Fault):
            return Converted(text, number)
        if number != number.to_integral_value():
            return Converted(text, Fault("not_integer", f'"{text}" is not a whole number', _WHOLE))
        return Converted(f"{number:.0f}")

    return convert


def _decimal(rule: Rule, context: ConversionContext) -> Converter:
    mark = rule.input[0] if rule.input and len(rule.input) == 1 else None

    def convert(text: str) -> Converted:
        number = _parse_number(text, mark, context.finding)
        return Converted(text, number) if isinstance(number, Fault) else Converted(f"{number:f}")

    return convert


def _parse_number(text: str, mark: str | None, finding: Finding) -> Decimal | Fault:
    """Read a number with `mark` as its decimal mark, which is None where none is declared.

    Then 1,234 is read with the mark that the column was found to have, or refused. Groups of
    three may be divided by the other mark, blanks or apostrophes. Numbers of a workbook have a
    point, whatever is declared.
    """
    match = _NUMBER.fullmatch(re.sub(r"\s", " ", text))
    if match is None:
        return Fault("not_number", f'"{text}" is not a number', _DIGITS)
    digits = match["digits"]
    if finding.point is not None and _POINT.fullmatch(digits):
        if finding.point == "unclear" and _AMBIGUOUS.fullmatch(digits):
            return Fault(
                "ambiguous_number",
                f'"{text}" can mean two numbers: some cells of the column are numbers, some texts',
                "make all cells of the column numbers, or all of them texts",
            )
        if finding.point == "decimal":
            mark = "."
    if mark is None:
        if not _AMBIGUOUS.fullmatch(digits):
            last = max(digits.rfind("."), digits.rfind(","))
            mark = digits[last] if last >= 0 and digits.count(digits[last]) == 1 else "none"
        elif finding.decimal_mark is not None:
            mark = finding.decimal_mark
        else:
            return Fault(
                "ambiguous_number",
                f'"{text}" can mean two numbers',
                'say which mark is decimal: input: "," or input: "."',
            )
    whole, _, fraction = digits.partition(mark)
    groups = re.split(r"[.,'’ ]", whole)
    grouped = len(groups) == 1 or (
        1 <= len(groups[0]) <= 3 and all(len(group) == 3 for group in groups[1:])
    )
    if not grouped or not re.fullmatch("[0-9]*", fraction):
        return Fault("not_number", f'"{text}" is not a number', _DIGITS)
    number = Decimal(f"{match['sign']}{''.join(groups) or '0'}{'.' + fraction if fraction else ''}")
    return number or abs(number)  # there is no -0


def _boolean(rule: Rule, _: ConversionContext) -> Converter:
    yes, no = rule.output or ("true", "false")

    def convert(text: str) -> Converted:
        word = text.casefold()
        if word in TRUE_WORDS:
            return Converted(yes)
        if word in FALSE_WORDS:
            return Converted(no)
        hint = "write yes or no, or translate it with map"
        return Converted(text, Fault("not_boolean", f'"{text}" is neither yes nor no', hint))

    return convert


def _email(_: Rule, __: ConversionContext) -> Converter:
    from email_validator import EmailNotValidError, validate_email

    def convert(text: str) -> Converted:
        squeezed = _MAILTO.sub("", squeeze(text))
        try:
            found = validate_email(squeezed, check_deliverability=False)
        except EmailNotValidError as error:
            message = f'"{text}" is not an e-mail address'
            return Converted(text, Fault("bad_email", message, str(error).rstrip(".")))
        return Converted(found.normalized)

    return convert


def _url(_: Rule, __: ConversionContext) -> Converter:
    def convert(text: str) -> Converted:
        try:
            parts = urlsplit(text)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname)
            good = good and not re.search(r"\s", text)
        except ValueError:
            good = False
        if good:
            return Converted(text)
        hint = "write it whole, as https://example.com/page"
        return Converted(text, Fault("bad_url", f'"{text}" is not a web address', hint))

    return convert


def _valueid(_: Rule, __: ConversionContext) -> Converter:
    def convert(text: str) -> Converted:
        if re.fullmatch(r"[0-9]{1,18}", text):
            return Converted(str(int(text)))
        return Converted(
            text, Fault("bad_valueid", f'"{text}" is not a valueid, which is a number', _VALUEID)
        )

    return convert


CONVERTERS: dict[Type, Callable[[Rule, ConversionContext], Converter]] = {
    "integer": _integer,
    "decimal": _decimal,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "phone": _phone,
    "email": _email,
    "url": _url,
    "valueid": _valueid,
}
