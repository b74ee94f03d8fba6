"""Write what the documentation takes from the code; ``make docs`` runs it, a test holds it.

The mapping's reference tables in mapping.md, its JSON Schema, the options in commands.md, the
settings of jobs in nightly.md, and the public classes in library.md.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import click

HERE = Path(__file__).parent
BEGIN, END = "<!-- generated: do not edit below -->", "<!-- end of generated -->"


def mapping_reference() -> str:
    """The keys of every object of the mapping, as tables in Markdown."""
    from importer.mapping.spec import (
        Contact,
        Contacts,
        Disposition,
        DoNotCall,
        MappingSpec,
        Premium,
        Rows,
        Rule,
        SkipWhen,
        Source,
        mapping_schema,
    )

    schema = mapping_schema()
    parts = [
        ("The file", MappingSpec, schema),
        ("A rule", Rule, schema["$defs"]["Rule"]),
        *(
            (title, model, schema["$defs"][model.__name__])
            for title, model in (
                ("`source`", Source),
                ("`contacts`", Contacts),
                ("A contact", Contact),
                ("`premium`", Premium),
                ("`disposition`", Disposition),
                ("`rows`", Rows),
                ("An entry of `rows.skip_when`", SkipWhen),
                ("An entry of `rows.do_not_call`", DoNotCall),
            )
        ),
    ]
    return "\n\n".join(
        f"### {title}\n\n{model.__doc__}\n\n{_table(model, described)}"
        for title, model, described in parts
    )


def _table(model: Any, described: dict[str, Any]) -> str:
    lines = ["| key | takes | meaning |", "|---|---|---|"]
    required = described.get("required", [])
    for name, field in model.model_fields.items():
        key = field.alias or name
        takes = _takes(described["properties"][key])
        must = " **Required.**" if key in required else ""
        default = field.default
        if isinstance(default, bool | str) and not must:
            must = f" Default: `{json.dumps(default)}`."
        meaning = (field.description or "").replace("|", "\\|")
        lines.append(f"| `{key}` | {takes} | {meaning}{must} |")
    return "\n".join(lines)


def _takes(part: dict[str, Any]) -> str:
    """The kind of value, in words."""
    if "$ref" in part:
        name = part["$ref"].rsplit("/", 1)[-1]
        return {"Rule": "a rule", "Contact": "a contact"}.get(name, "keys, see below")
    if "const" in part:
        return f"`{part['const']}`"
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "anyOf" in part:
        kinds = list(dict.fromkeys(_takes(option) for option in part["anyOf"]))
        return "a column header or a rule" if kinds == ["text", "a rule"] else " or ".join(kinds)
    kind = part.get("type")
    if isinstance(kind, list):
        return "text"
    if kind == "array":
        return "a list"
    if kind == "object":
        return "keys"
    pattern = f" `{part['pattern']}`" if "pattern" in part else ""
    return {"integer": "a whole number", "boolean": "`true` or `false`"}.get(
        str(kind), f"text{pattern}"
    )


def command_reference() -> str:
    """Every command with its options, in Markdown."""
    return "\n\n".join(_commands())


def _commands() -> Iterator[str]:
    from importer.cli.main import COMMANDS, cli

    context = click.Context(cli, info_name="vcc-import")
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None  # noqa: S101
        own = click.Context(command, info_name=name, parent=context)
        usage = " ".join(command.collect_usage_pieces(own))
        text = inspect.cleandoc(command.help or "")
        lines = [f"## {name}", f"`vcc-import {name} {usage}`", text, command.epilog or ""]
        options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
        if options:
            table = ["| option | meaning |", "|---|---|", *map(_option, options)]
            lines.append("\n".join(table))
        yield "\n\n".join(line for line in lines if line)


def _option(option: click.Option) -> str:
    names = f"{', '.join(option.opts)} {option.metavar or ''}".strip()
    said = option.show_default
    default = (
        f" Default: {said if isinstance(said, str) else f'`{option.default}`'}." if said else ""
    )
    variable = f" Environment: `{option.envvar}`." if option.envvar else ""
    meaning = f"{option.help}{default}{variable}".replace("|", "\\|")
    names = names.replace("|", "\\|")  # a bar ends a table's cell, even in code
    return f"| `{names}` | {meaning} |"


def job_settings() -> str:
    """The settings of a run that a job may have, in Markdown."""
    from importer.settings import SETTINGS, Boolean, FilePath, OneOf, OpenStatuses, Seconds, Setting

    def takes(declared: Setting) -> str:
        match declared.kind:
            case Seconds():
                return "`30s`, `5m`, `1h`, or seconds"
            case Boolean():
                return "`true` or `false`"
            case OneOf():
                return ", ".join(f"`{choice}`" for choice in declared.kind.choices)
            case OpenStatuses():
                return f"`[{declared.metavar}]`"
            case FilePath():
                return "a path"
        return ", ".join(f"`{word}`" for word in declared.metavar.split("|"))

    lines = ["| key | takes | meaning |", "|---|---|---|"]
    for name, declared in SETTINGS.items():
        if declared.in_jobs:
            lines.append(f"| `{name}` | {takes(declared)} | {declared.help} |")
    return "\n".join(lines)


def library_reference() -> str:
    """Every public class, and every class of ours that their fields have, in Markdown."""
    import importer

    public = ((name, getattr(importer, name)) for name in importer.__all__)
    classes = {name: one for name, one in public if inspect.isclass(one)}
    reached = list(classes.values())
    for one in reached:  # which grows meanwhile
        for word in re.findall(r"\b[A-Z]\w+", " ".join(_fields(one))):
            other = getattr(sys.modules[one.__module__], word, None)
            if inspect.isclass(other) and other.__module__.startswith("importer."):
                if other not in reached:
                    reached.append(other)
                classes.setdefault(word, other)
    return "\n\n".join(_class(name, one) for name, one in sorted(classes.items()))


def _class(name: str, one: type) -> str:
    parts = [f"### `{name}`", _in_markdown(inspect.getdoc(one) or "")]
    if issubclass(one, enum.Enum):
        parts.append("Values: " + ", ".join(f"`{member.value}`" for member in one) + ".")
    elif members := [*_fields(one), *_members(one)]:
        parts.append(
            "\n".join(["| field | type | default, or meaning |", "|---|---|---|", *members])
        )
    return "\n\n".join(parts)


def _fields(one: type) -> Iterator[str]:
    """A line for each field of a dataclass or a named tuple."""
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            if not field.name.startswith("_"):
                yield _field(field.name, field.type, field.default)
    elif issubclass(one, tuple):
        for name in getattr(one, "_fields", ()):
            hint = one.__annotations__[name]
            hint = getattr(hint, "__forward_arg__", hint)
            yield _field(name, hint, getattr(one, "_field_defaults", {}).get(name, MISSING))


def _field(name: str, hint: object, default: object) -> str:
    plain = default is None or isinstance(default, bool | int | float | str)
    said = f" default `{default!r}` " if plain and not isinstance(default, enum.Enum) else " "
    return f"| `{name}` | `{_in_a_cell(hint)}` |{said}|"


def _in_a_cell(text: object) -> str:
    return str(text).replace("|", "\\|")  # a bar ends a table's cell, even in code


def _members(one: type) -> Iterator[str]:
    """A line for each public property and method that the class itself has."""
    for name, member in vars(one).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            shown, function = name, member.fget
        elif inspect.isfunction(member):
            shown, function = f"{name}()", member
        else:
            continue
        hint = getattr(function, "__annotations__", {}).get("return", "")
        about = (inspect.getdoc(member) or "").split("\n\n")[0].replace("\n", " ")
        yield f"| `{shown}` | `{_in_a_cell(hint)}` | {_in_a_cell(_in_markdown(about))} |"


def _in_markdown(text: str) -> str:
    """A docstring, whose marks are those of Sphinx, in Markdown."""
    text = re.sub(r":\w+:`~?(?:importer\.)?([^`]+)`", r"`\1`", text)
    return text.replace("``", "`")


def put_between_marks(text: str, generated: str) -> str:
    """A page with what stands between its marks made new."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n\n{generated}\n\n{END}{after}"


def pages() -> Iterator[tuple[Path, str]]:
    """Each page that is generated, wholly or in part, as it should be."""
    from importer.mapping.spec import mapping_schema

    schema = json.dumps(mapping_schema(), ensure_ascii=False, indent=2) + "\n"
    yield HERE / "mapping.schema.json", schema
    generators = {
        "mapping.md": mapping_reference,
        "commands.md": command_reference,
        "library.md": library_reference,
        "nightly.md": job_settings,
    }
    for name, generate in generators.items():
        path, generated = HERE / name, generate()
        yield path, put_between_marks(path.read_text("utf-8"), generated)


if __name__ == "__main__":
    for page, content in pages():
        page.write_text(content, "utf-8")
        sys.stdout.write(f"{page}\n")
