"""A plan that knows what the file's columns show: the programs concerned, compiled again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from importer.mapping.contacts import ContactsProgram
from importer.mapping.facts import Facts
from importer.mapping.finding import NOTHING
from importer.mapping.judge import judge, phone_reading
from importer.mapping.program import Program, compiled
from importer.mapping.rule import Type
from importer.mapping.spec import MappingSpec
from importer.model import PhoneReading, Problem

if TYPE_CHECKING:
    from importer.mapping.plan import Placed, Plan


def inform(plan: Plan, facts: Facts) -> Plan:
    """The plan with what the facts say about its columns; the plan itself where that is nothing."""
    if not facts.targets:
        return plan
    informer = _Informer(plan.spec, facts)
    types = {program.target: type_ for program, type_ in plan.programs}
    contacts = _inform_contacts(plan.contacts, types, informer)
    form, premium, disposition = map(informer.placed, (plan.form, plan.premium, plan.disposition))
    phone_field = plan.phone_field
    if phone_field is not None:
        phone_field = informer.program(phone_field, types[phone_field.target])
    remarks, phones = tuple(informer.remarks), tuple(informer.phones)
    keys = tuple(
        part
        if part.normal is None
        else replace(part, normal=informer.program(part.normal, "phone"))
        for part in plan.keys
    )
    return replace(
        plan,
        form=form,
        contacts=replace(
            contacts,
            normal={t: informer.program(p, "phone") for t, p in contacts.normal.items()},
        ),
        phone_field=phone_field,
        premium=premium,
        disposition=disposition,
        keys=keys,
        remarks=remarks,
        phones=phones,
    )


@dataclass(frozen=True, slots=True)
class _Informer:
    """Compiles programs again, and gathers on the way what is to be told of their columns."""

    spec: MappingSpec
    facts: Facts
    remarks: list[Problem] = field(default_factory=list)
    phones: list[PhoneReading] = field(default_factory=list)

    def program(self, program: Program, type_: Type) -> Program:
        tallies = self.facts.targets.get(program.target)
        if not tallies:
            return program
        region = program.rule.region or self.spec.region
        finding, remarks = judge(program, type_, region, tallies)
        self.remarks.extend(remarks)
        if (reading := phone_reading(program, type_, region, tallies)) is not None:
            self.phones.append(reading)
        if finding == NOTHING:
            return program
        return compiled(program, type_, self.spec, finding)

    def placed(self, programs: Placed) -> Placed:
        return {
            name: (self.program(program, type_), type_)
            for name, (program, type_) in programs.items()
        }


def _inform_contacts(
    contacts: ContactsProgram, types: Mapping[str, Type], informer: _Informer
) -> ContactsProgram:
    numbered = {
        n: {part: informer.program(program, types[program.target]) for part, program in of.items()}
        for n, of in contacts.numbered.items()
    }
    spread = contacts.spread
    if spread is not None:
        spread = informer.program(spread, types[spread.target])
    return replace(contacts, numbered=numbered, spread=spread)
