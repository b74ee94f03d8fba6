"""Senders on the workers of a Dask cluster: one that exists, or one on this machine.

Dask runs a task again whose worker died, and even one that has finished where its result was lost;
a request must never be sent again. So no row is a task: Dask places one actor on each worker
(:mod:`importer.sending.cluster_sender`), and leases and outcomes are frames that its methods take
and give. An actor is bound to its worker, and Dask does not make a lost one anew; should it do so
nevertheless, the new one knows nothing of this session, and refuses.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pkgutil
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from typing import Any

import importer
from importer.errors import ImporterError, ServiceError
from importer.files import WorkingFolder
from importer.sending import cluster_sender
from importer.sending.cluster_link import ClusterLink
from importer.sending.cluster_sender import PlacedSender
from importer.sending.remote import Link
from importer.settings import API_KEY_VARIABLE, CUSTOMER_VARIABLE, DEFAULT_WORKERS, Target

REACH = 10.0
"""Seconds to reach a scheduler, and for its workers to come."""
_PLACE = 30.0
"""Seconds in which a worker has to take its sender in: one that is busy takes nothing in."""

_NO_PAGES: dict[str, list[str]] = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}
"""What dask's web servers show on this machine, where nobody looks: nothing."""

Setups = Callable[[int], Sequence[bytes]]
"""The setups of so many senders, without the key."""


@contextlib.asynccontextmanager
async def cluster_senders(
    target: Target, scheduler: str | None, workers: int | None, setups: Setups
) -> AsyncIterator[Sequence[Link]]:
    """Place a sender on each of `workers` workers, and give the ways to them.

    Without a scheduler a cluster is started on this machine, and ends with the block. `workers`
    left out are all workers of the cluster; where there are fewer setups, fewer. Raises
    ServiceError where the cluster cannot be reached or cannot send for this run; then nothing was
    sent.
    """
    if scheduler is None:
        workers = len(setups(workers or DEFAULT_WORKERS))
    with _quiet():
        async with _client(target, scheduler, workers) as client:
            addresses = await _addresses(client, workers)
            await _check_versions(client, addresses)
            parts = dict(zip(addresses, setups(len(addresses)), strict=False))
            links = await _placed(client, parts)
            try:
                yield links
            finally:
                await asyncio.gather(*(link.close() for link in links))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Dask logs what it does, and tracebacks of a worker that dies: for --verbose only."""
    import distributed

    if logging.getLogger().isEnabledFor(logging.DEBUG):
        yield
        return
    names = (distributed.__name__, "distributed.client", "tornado.application")
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextlib.asynccontextmanager
async def _client(target: Target, scheduler: str | None, workers: int | None) -> AsyncIterator[Any]:
    """A client of the cluster."""
    from distributed import Client

    async with contextlib.AsyncExitStack() as stack:
        place: Any = scheduler
        if scheduler is None:
            place = await stack.enter_async_context(_local(target, workers or 1))
        try:
            client = Client(
                place,
                asynchronous=True,
                set_as_default=False,
                timeout=REACH,
                # Else as the user's configuration has it: workers may be out of reach.
                direct_to_workers=True if scheduler is None else None,
            )
            await stack.enter_async_context(client)
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise ServiceError(
                f"the Dask scheduler {scheduler or 'on this machine'} cannot be reached: {error}",
                "Check the address and that it runs; tls:// needs certificates (docs/scaling.md).",
            ) from None
        yield client


@contextlib.asynccontextmanager
async def _local(target: Target, workers: int) -> AsyncIterator[Any]:
    """A cluster of separate processes on this machine.

    A scheduler does what everybody says who can reach it, so that loopback is not enough on a
    machine of several users: it speaks TLS, with certificates that are made for it alone.
    """
    import dask
    from distributed import LocalCluster
    from distributed.security import Security

    with WorkingFolder() as folder:
        async with contextlib.AsyncExitStack() as stack:
            try:
                with _unheard_interrupts(), dask.config.set(_NO_PAGES):
                    cluster = await stack.enter_async_context(
                        LocalCluster(
                            n_workers=workers,
                            threads_per_worker=1,
                            processes=True,
                            host="127.0.0.1",
                            dashboard_address=None,
                            # Even so there is a web server; its usual port may be another's.
                            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                            asynchronous=True,
                            security=Security.temporary(),
                            silence_logs=logging.CRITICAL,
                            # Options of the workers: the environment goes through a pipe.
                            env={
                                API_KEY_VARIABLE: target.api_key.reveal(),
                                CUSTOMER_VARIABLE: target.customer,
                            },
                            preload=[cluster_sender.__name__],
                            local_directory=folder,
                            memory_limit=0,
                        )
                    )
            except (OSError, RuntimeError, ImportError) as error:
                raise ServiceError(
                    f"no Dask cluster can be started here: {error}",
                    "On one machine, --engine processes does the same without Dask.",
                ) from None
            yield cluster


@contextlib.contextmanager
def _unheard_interrupts() -> Iterator[None]:
    """Processes started meanwhile never hear Ctrl-C; this one hears it when the block ends."""
    if not hasattr(signal, "pthread_sigmask"):
        yield  # the workers' preload does it
        return
    # A helper of the first such process: it lets the signal through again when it has started.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _addresses(client: Any, workers: int | None) -> list[str]:
    """The workers to use."""
    with contextlib.suppress(TimeoutError):
        await client.wait_for_workers(workers or 1, timeout=REACH)
    found = sorted(await client.nthreads())
    if len(found) < (workers or 1):
        raise ServiceError(
            f"the Dask cluster has {len(found)} workers, and {workers or 1} are needed",
            "Start workers with this importer installed, or ask for fewer with --workers.",
        )
    return found[:workers]


async def _check_versions(client: Any, addresses: Sequence[str]) -> None:
    """Both ends are of one version: the frames are, and what a reply means."""
    found = await client.run(
        pkgutil.resolve_name, "importer:__version__", workers=list(addresses), on_error="return"
    )
    ours = importer.__version__
    wrong = [
        f"{address} has {'none' if isinstance(theirs, Exception) else theirs}"
        for address, theirs in sorted(found.items())
        if theirs != ours
    ]
    if wrong:
        raise ServiceError(
            f"the workers need vcc-importer {ours}, as this machine has: {', '.join(wrong)}",
            f'Install it where the workers run: pip install "vcc-importer[cluster]=={ours}"',
        )


async def _placed(client: Any, setups: dict[str, bytes]) -> list[ClusterLink]:
    """Place a sender on each worker; all of them, or ServiceError."""
    futures = {
        address: client.submit(
            PlacedSender,
            setup,
            actor=True,
            workers=[address],
            allow_other_workers=False,
            retries=0,
            pure=False,
        )
        for address, setup in setups.items()
    }

    async def met(address: str) -> tuple[Any, str, float]:
        with client.as_current():  # an actor speaks through the client that it finds
            actor = await futures[address]
        return actor, *await actor.hello()

    meetings = [asyncio.wait_for(met(address), _PLACE) for address in setups]
    answers = await asyncio.gather(*meetings, return_exceptions=True)
    wrong: dict[str, BaseException] = {
        address: answer
        for address, answer in zip(setups, answers, strict=True)
        if isinstance(answer, BaseException)
    }
    if wrong:
        what = (f"worker {address}: {_told(error)}" for address, error in wrong.items())
        hints = (error.hint for error in wrong.values() if isinstance(error, ImporterError))
        raise ServiceError("; ".join(what), next(hints, "Look at the worker's log."))
    return [
        ClusterLink(f"the sender on {address}", answer[0], futures[address], *answer[1:])
        for address, answer in zip(setups, answers, strict=True)
        if not isinstance(answer, BaseException)
    ]


def _told(error: BaseException) -> str:
    match error:
        case ImporterError():
            return error.message
        case TimeoutError():
            return f"busy, or lost: it took no sender in within {_PLACE:.0f} s"
        case _:
            return f"it takes no sender in: {error!r}"
