"""How the program says what happens: words for people, or one JSON object a line.

With ``--log-format json`` everything on standard error is such an object: what libraries log, what
people would read there, and errors. Standard output stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import click

from importer.cli.terminal import shown
from importer.model import Progress, Stage, Status

if TYPE_CHECKING:
    import logging

    from importer.library import RunResult
    from importer.model import Event

Command = TypeVar("Command", bound=Callable[..., Any])
Level = Literal["info", "warning", "error"]

_VERBOSE, _FORMAT = "importer.verbose", "importer.log_format"
_NAME = "importer.cli"


def _set_up(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Let the libraries' and our own logs through; at the default level they hold warnings."""
    import logging

    context.meta[_VERBOSE if parameter.name == "verbose" else _FORMAT] = value
    level = logging.DEBUG if context.meta.get(_VERBOSE) else logging.WARNING
    as_json = context.meta.get(_FORMAT) == "json"
    logging.captureWarnings(as_json)
    if not as_json:
        logging.basicConfig(level=level, force=True)
        for handler in logging.getLogger().handlers:
            handler.setFormatter(_formatter())
        logging.getLogger(_NAME).setLevel(logging.NOTSET)
        return
    from importer.cli.jsonlog import JsonHandler

    logging.basicConfig(level=level, handlers=[JsonHandler()], force=True)
    logging.getLogger(_NAME).setLevel(min(level, logging.INFO))


def _formatter() -> logging.Formatter:
    """How a record is written for people: libraries log what services say, too."""
    import logging

    class Formatter(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            return shown(super().format(record))

    return Formatter("%(levelname)s %(name)s: %(message)s")


verbose_option = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_set_up,
    help="Log what happens, for a report of a fault.",
)
_format_option = click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    metavar="text|json",
    expose_value=False,
    is_eager=True,
    callback=_set_up,
    help="How to write on standard error: for people, or one JSON object a line.",
)


def log_options(command: Command) -> Command:
    """Add the options that say what is logged, and how."""
    return verbose_option(_format_option(command))


def as_json() -> bool:
    """Whether standard error takes JSON objects only."""
    import logging

    return any(getattr(handler, "takes_json", False) for handler in logging.getLogger().handlers)


def put(level: Level, message: str, **data: Any) -> None:
    """Write a JSON object; `data` are more keys of it."""
    import logging

    number = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}[level]
    logging.getLogger(_NAME).log(number, "%s", message, extra={"data": data})


def put_bug() -> None:
    """Write the exception that is being handled, with where it came from."""
    import logging

    logging.getLogger(_NAME).exception("This is a bug in vcc-import: please report this line.")


def put_result(result: RunResult, exit_code: int) -> None:
    """Write how a run ended."""
    summary = result.summary
    put(
        "info" if exit_code == 0 else "warning",
        f"{summary.source['path']}: {summary.status}",
        run=summary.run_id,
        status=summary.status,
        exit_code=exit_code,
        rows=summary.rows,
        counts={status.value: count for status, count in summary.counts.items()},
        elapsed_s=summary.elapsed_s,
        reason=summary.reason,
        results=str(result.directory.path),
    )


def put_progress(name: str, tell: Callable[[Event], None]) -> Callable[[Progress | Event], None]:
    """A listener that writes where a run stands, at each stage and each `_APART` seconds."""
    import time

    stage: Stage | None = None
    told = 0.0

    def listen(news: Progress | Event) -> None:
        nonlocal stage, told
        if not isinstance(news, Progress):
            tell(news)
        elif news.stage is not stage or time.monotonic() - told >= _APART:
            stage, told = news.stage, time.monotonic()
            sending = news.stage is Stage.SENDING
            counts = {status.value: news.counts.get(status, 0) for status in Status}
            put(
                "info",
                f"{name}: {news.stage.value}",
                rows=news.total,
                done=news.done if sending else news.passed,
                **({"counts": counts} if sending else {}),
            )

    return listen


_APART = 30.0
