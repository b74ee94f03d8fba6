"""``vcc-import schema``."""

from __future__ import annotations

import json

import click


@click.command(
    short_help="Print the JSON Schema of the mapping, for editors.",
    epilog="Example: vcc-import schema > mapping.schema.json",
)
@click.option("--jobs", is_flag=True, help="Print the schema of the jobs file (batch) instead.")
def schema(jobs: bool) -> None:
    """Print the JSON Schema of the mapping format.

    An editor that is told of it completes keys and underlines mistakes. In VS Code with the YAML
    extension, the mapping's first line is enough:

    # yaml-language-server: $schema=mapping.schema.json
    """
    if jobs:
        from importer.operations.jobs_spec import jobs_schema

        found = jobs_schema()
    else:
        from importer.pipeline.run import mapping_schema

        found = mapping_schema()
    click.echo(json.dumps(found, ensure_ascii=False, indent=2))
