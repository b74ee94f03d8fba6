"""A real SFTP server on loopback, with its own host key and the client's SSH configuration."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

PASSWORD = "pa:ss@w/ord"
USER = "lead"


@dataclass(frozen=True)
class SftpPlace:
    """A running server: its files, its address, and the variables with which it is trusted."""

    root: Path
    port: int
    variables: dict[str, str]
    config: Path
    known_hosts: Path

    @property
    def url(self) -> str:
        return f"sftp://{USER}@127.0.0.1:{self.port}"


class _Doorman(asyncssh.SSHServer):
    """Lets in who has the password."""

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


class Files(asyncssh.SFTPServer):
    """Serves a folder as if it were all there is."""

    root: Path

    def __init__(self, chan: asyncssh.SSHServerChannel[bytes]) -> None:
        super().__init__(chan, chroot=os.fsencode(self.root))


@contextlib.contextmanager
def sftp_server(
    folder: Path, files: type[Files] = Files, doorman: Callable[[], Any] = _Doorman
) -> Iterator[SftpPlace]:
    """Serve `folder`/there; the client's key and known_hosts are in `folder`."""
    root = folder / "there"
    root.mkdir(exist_ok=True)
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    user_key = asyncssh.generate_private_key("ssh-ed25519")
    identity, authorized = folder / "id_ed25519", folder / "authorized_keys"
    user_key.write_private_key(str(identity))
    identity.chmod(0o600)
    user_key.write_public_key(str(authorized))
    served = type("Served", (files,), {"root": root})

    async def serve() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            0,
            server_factory=doorman,
            server_host_keys=[host_key],
            authorized_client_keys=str(authorized),
            sftp_factory=served,
        )

    with loop_in_thread() as run:
        acceptor = run(serve())
        port = acceptor.get_port()
        known_hosts, config = folder / "known_hosts", folder / "ssh_config"
        public = host_key.export_public_key().decode().strip()
        known_hosts.write_text(f"[127.0.0.1]:{port} {public}\n")
        config.write_text(f"IdentityFile {identity}\nUserKnownHostsFile {known_hosts}\n")
        variables = {"VCC_SSH_CONFIG": str(config), "SFTP_PASSWORD": PASSWORD}
        try:
            yield SftpPlace(root, port, variables, config, known_hosts)
        finally:

            async def stop() -> None:
                acceptor.close()
                await acceptor.wait_closed()

            run(stop())


@contextlib.contextmanager
def loop_in_thread() -> Iterator[Callable[[Any], Any]]:
    """An event loop beside the test; gives a function that awaits something on it."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield lambda awaitable: asyncio.run_coroutine_threadsafe(awaitable, loop).result(30)
    finally:

        async def finish() -> None:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await loop.shutdown_asyncgens()

        asyncio.run_coroutine_threadsafe(finish(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
        # What connections leave in cycles has finalizers, and CPython 3.11 may fail to compile a
        # module if they run in the middle of it.
        gc.collect()
