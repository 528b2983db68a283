"""A pooler as PgBouncer is in transaction mode: any number of clients, and few connections to the server between them."""

import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import LifoQueue

_SERVERS = 8
_BEGINS_WITHIN = 10.0
_SETTINGS = """
[databases]
{database} = host={folder} port=5432 dbname={database} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 200
ignore_startup_parameters = extra_float_digits,options
"""
_ENCRYPT = (80877103, 80877104)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            raise ConnectionError
        data += more
    return data


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    kind = _exactly(connection, 1)
    length = _exactly(connection, 4)
    return kind, kind + length + _exactly(connection, struct.unpack("!i", length)[0] - 4)


class TransactionPooler:
    """Between PostgreSQL's socket in a folder and a port on loopback."""

    def __init__(self, folder: Path, database: str) -> None:
        self._idle = LifoQueue[socket.socket]()
        self._servers = [self._connected(folder, database) for _ in range(_SERVERS)]
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Serve no more."""
        self._listening.close()
        for server in self._servers:
            server.close()

    def _connected(self, folder: Path, database: str) -> socket.socket:
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(folder / ".s.PGSQL.5432"))
        words = b"user\0postgres\0database\0" + database.encode() + b"\0\0"
        server.sendall(struct.pack("!ii", 8 + len(words), 196608) + words)
        self._greeting, kind = b"", b""
        while kind != b"Z":
            kind, message = _message(server)
            self._greeting += message
        self._idle.put(server)
        return server

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError, ConnectionError):
            code = _ENCRYPT[0]
            while code in _ENCRYPT:
                length, code = struct.unpack("!ii", _exactly(client, 8))
                _exactly(client, length - 8)
                if code in _ENCRYPT:
                    client.sendall(b"N")
            client.sendall(self._greeting)
            while self._transaction(client):
                pass

    def _transaction(self, client: socket.socket) -> bool:
        kind, message = _message(client)
        if kind == b"X":
            return False
        server = self._idle.get()
        try:
            while True:
                server.sendall(message)
                if kind in b"QS":
                    answer, status = b"", b""
                    while answer != b"Z":
                        answer, status = _message(server)
                        client.sendall(status)
                    if status[-1:] == b"I":
                        return True
                kind, message = _message(client)
        finally:
            self._idle.put(server)


@contextmanager
def transaction_pooler(folder: Path, database: str) -> Generator[TransactionPooler]:
    """A pooler before one database, whose server has its socket in this folder."""
    pooler = TransactionPooler(folder, database)
    try:
        yield pooler
    finally:
        pooler.close()


def pgbouncer() -> str | None:
    """The real one, if it is on this machine: Debian has it in a folder that is not everybody's path."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")


@contextmanager
def pgbouncer_before(program: str, folder: Path, database: str, settings: Path) -> Generator[int]:
    """The real one in transaction mode before the same; gives its port. `settings` is where its file is written."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    text = _SETTINGS.format(database=database, folder=folder, port=port, servers=_SERVERS)
    settings.write_text(text, encoding="utf-8")
    settings.chmod(0o644)
    owner = ["-u", folder.owner()] if os.geteuid() == 0 else []  # It refuses to be root.
    with subprocess.Popen([program, "-q", *owner, settings], stderr=subprocess.PIPE, text=True) as process:
        try:
            _await_port(port, process)
            yield port
        finally:
            process.terminate()


def _await_port(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + _BEGINS_WITHIN
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        threading.Event().wait(0.05)
    assert process.stderr is not None
    process.kill()
    raise AssertionError(process.stderr.read())
