"""Contradictions between the parts of a mapping, and the project that a mapping needs."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from importer.mapping.spec import (
    CONTACT_NUMBERS,
    CONTACT_PARTS,
    PHONE_FIELD,
    MappingSpec,
    Mistake,
    PlacedRule,
    Rule,
)
from importer.mapping.values import ConversionContext, converter_for, sort_key


def find_mistakes(spec: MappingSpec) -> list[Mistake]:
    """All mistakes in a mapping whose parts are each well formed; paths are from its top."""
    return [
        *_in_rules(spec),
        *_in_contacts(spec),
        *_in_rows(spec),
        *_in_new_values(spec),
        *_in_the_rest(spec),
    ]


def _in_rules(spec: MappingSpec) -> Iterator[Mistake]:
    for placed in spec.placed_rules():
        mistakes = placed.rule.check() + placed.rule.check_type(placed.type)
        yield from (((*placed.path, *below), what) for below, what in mistakes)
        if (region := placed.rule.region) and region not in _regions():
            yield (*placed.path, "region"), f"{region} is not a region that has phone numbers"
        if not mistakes:
            yield from _in_constants(spec, placed)


def _regions() -> frozenset[str]:
    from phonenumbers import SUPPORTED_REGIONS

    return frozenset(SUPPORTED_REGIONS)


def _in_constants(spec: MappingSpec, placed: PlacedRule) -> Iterator[Mistake]:
    """Constants go out as they stand, so they are checked here, once."""
    rule = placed.rule
    context = ConversionContext(spec.region, None)
    convert = converter_for(rule, placed.type, context)
    if convert is None:
        return
    checked = [("value", rule.value), ("default", rule.default)]
    if placed.type in {"integer", "decimal", "date", "datetime"}:
        checked += [("min", rule.min), ("max", rule.max)]
    for name, text in checked:
        if text is not None and (fault := convert(text).fault) is not None:
            yield (*placed.path, name), f"{fault.message}{': ' + fault.hint if fault.hint else ''}"
    key = sort_key(rule, placed.type, context)
    if key is None or rule.min is None or rule.max is None:
        return
    low, high = key(rule.min), key(rule.max)
    if low is not None and high is not None and low > high:
        yield (*placed.path, "max"), f"{rule.max} is below min, which is {rule.min}"


def _in_contacts(spec: MappingSpec) -> Iterator[Mistake]:
    each = spec.contacts.each
    if each is not None:
        for name in CONTACT_PARTS:
            rule = getattr(each, name)
            texts = [rule.template or "", *rule.named_columns()] if rule else []
            if rule and rule.value is None and not any("{n}" in text for text in texts):
                yield (
                    ("contacts", "each", name),
                    "has no {n}: every contact would take the same column",
                )
        if each.phone.value is not None:
            yield ("contacts", "each", "phone"), "a constant phone for every contact: name a column"
    spread = spec.contacts.spread
    if spread is not None and spread.value is not None:
        yield ("contacts", "spread"), "spreads a cell's phones: name a column"


def _in_rows(spec: MappingSpec) -> Iterator[Mistake]:
    targets = unique_targets(spec)
    rules = {".".join(placed.path): placed.rule for placed in spec.placed_rules()}
    constants = {path for path, rule in rules.items() if rule.value is not None}
    for i, target in enumerate(spec.rows.unique or ()):
        if target not in targets:
            close = difflib.get_close_matches(target, targets, 1)
            hint = f'did you mean "{close[0]}"?' if close else f"one of {', '.join(targets)}"
            yield ("rows", "unique", str(i)), f'nothing here fills "{target}": {hint}'
        elif target in constants:
            yield ("rows", "unique", str(i)), f"{target} is the same in every row"
    if spec.rows.within is not None and not spec.rows.unique:
        yield ("rows", "within"), 'looks back for rows alike: "unique" must say what makes them so'
    yield from _in_do_not_call(spec)


def _in_do_not_call(spec: MappingSpec) -> Iterator[Mistake]:
    if spec.rows.do_not_call and not any(p.path[0] == "contacts" for p in spec.placed_rules()):
        yield ("rows", "do_not_call"), "no contact has a phone that could be compared"
    for i, entry in enumerate(spec.rows.do_not_call):
        if entry.region is not None and entry.region not in _regions():
            what = f"{entry.region} is not a region that has phone numbers"
            yield ("rows", "do_not_call", str(i), "region"), what


def unique_targets(spec: MappingSpec) -> list[str]:
    """The paths that `rows.unique` may name: what the mapping fills, a row at a time."""
    targets = [f"form.{name}" for name in spec.form]
    numbered = spec.contacts.numbered()
    each, spread = spec.contacts.each, spec.contacts.spread
    for n in CONTACT_NUMBERS:
        contact = numbered.get(n, each)
        if contact is not None:
            targets += [f"contacts.{n}.{part}" for part in CONTACT_PARTS if getattr(contact, part)]
        elif spread is not None:
            targets.append(f"contacts.{n}.phone")
    return targets


def _in_new_values(spec: MappingSpec) -> Iterator[Mistake]:
    for name in spec.new_values:
        rule = spec.form.get(name)
        if rule is None:
            close = difflib.get_close_matches(name, spec.form, 1)
            hint = f'did you mean "{close[0]}"?' if close else f"one of {', '.join(spec.form)}"
            yield ("new_values", name), f'nothing here fills "form.{name}": {hint}'
        elif rule.type == "valueid":
            yield ("new_values", name), "a valueid names a value that exists: none is created"


def _in_the_rest(spec: MappingSpec) -> Iterator[Mistake]:
    if not spec.form:
        yield ("form",), "a record needs at least one field"
    for name in spec.form:
        if not name.strip():
            yield ("form", name), "a field needs a name"
    if spec.region is not None and spec.region not in _regions():
        yield ("region",), f"{spec.region} is not a region that has phone numbers"
    if spec.stamp is not None and spec.stamp in spec.form:
        yield ("stamp",), f"form.{spec.stamp} is filled twice: stamp needs a field of its own"
    default = spec.phone_field.default if spec.phone_field else None
    if default is not None and not PHONE_FIELD.fullmatch(default):
        yield ("phone_field", "default"), f'"{default}" is not one of phone1 to phone9'
    constant = spec.phone_field.value if spec.phone_field else None
    if constant is not None:
        reachable = {t.split(".")[1] for t in unique_targets(spec) if t.startswith("contacts.")}
        if not PHONE_FIELD.fullmatch(constant):
            yield ("phone_field",), f'"{constant}" is not one of phone1 to phone9'
        elif constant.removeprefix("phone") not in reachable:
            yield ("phone_field",), f"no contact {constant[-1]} in this mapping for {constant}"
    if spec.timezone is not None:
        try:
            ZoneInfo(spec.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            yield ("timezone",), f'unknown time zone "{spec.timezone}": write one as Europe/Vienna'


def needed_project(spec: MappingSpec, projectid: int) -> dict[str, Any]:
    """A project, as the service describes one, in which the mapping's records are welcome.

    A field is multiple where the mapping says so, simple where its values are few and known, and
    text otherwise. Values are made by the service as records name them, but for valueids.
    """
    fields = [_field(name, rule) for name, rule in spec.form.items()]
    if spec.stamp is not None:
        fields.append({"name": spec.stamp, "type": "text", "indexed": "yes"})
    dispositions = []
    if spec.disposition is not None:
        ids = _known_values(spec.disposition.dispositionid) or [str(n) for n in range(1, 100)]
        dispositions = [{"dispositionid": i, "name": f"Disposition {i}"} for i in ids]
    return {
        "projectid": projectid,
        "name": "Rehearsal",
        "fields": fields,
        "dispositions": dispositions,
    }


def _field(name: str, rule: Rule) -> dict[str, Any]:
    known = _known_values(rule)
    if rule.type == "valueid":
        values = [{"valueid": int(text), "name": f"Value {text}"} for text in known]
        return {"name": name, "type": "simple", "values": values}
    if rule.multiple:
        return {"name": name, "type": "multiple"}
    return {"name": name, "type": "simple" if rule.choices or rule.map else "text"}


def _known_values(rule: Rule) -> list[str]:
    """The texts that a rule can send, those that stand in the mapping."""
    texts = [*(rule.choices or ()), *(rule.map or {}).values(), rule.value, rule.default]
    return list(dict.fromkeys(text for text in texts if text))
