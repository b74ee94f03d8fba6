"""What a mapping needs of the project it sends to: fields with their types, and dispositions."""

from __future__ import annotations

from typing import Any

from importer.mapping.rule import Rule
from importer.mapping.spec import MappingSpec


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
    """The texts that a rule can send, as far as the mapping tells them."""
    texts = [*(rule.choices or ()), *(rule.map or {}).values(), rule.value, rule.default]
    return list(dict.fromkeys(text for text in texts if text))
