"""A server of one's own: started on a free port, stopped when Python ends."""

from __future__ import annotations

import atexit
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from . import _guardian
from .client import Client
from .errors import ServerUnreachable

START_SECS = 60.0
"""How long a server may take to say its address."""

_live: set[LocalServer] = set()


def find_binary(binary: str | os.PathLike[str] | None = None) -> str:
    """The ``eigenscope`` program: what is given, else ``EIGENSCOPE_BINARY``, else the one on the PATH.

    Raises
    ------
    FileNotFoundError
        When there is none, with what to do.
    """
    named = os.fspath(binary) if binary is not None else os.environ.get("EIGENSCOPE_BINARY")
    found = shutil.which(named or "eigenscope")
    if found is None:
        where = f"{named!r} is no program" if named else "there is no `eigenscope` on the PATH"
        raise FileNotFoundError(f"{where}; build it (cargo xtask serve), then put it on the PATH or set EIGENSCOPE_BINARY")
    return found


class LocalServer:
    """``eigenscope serve`` as a process of its own.

    It ends with :meth:`stop`, with the ``with`` block, and when Python ends, also when that is killed.

    Parameters
    ----------
    binary : path, optional
        The program; see :func:`find_binary`.
    data_dir : path, optional
        Folder for datasets, jobs and results, which stays; without it a temporary one, which is removed.
    port : int
        Where to listen; 0 for a free one.
    token : str, optional
        The token that requests must carry; a random one without it.
    workers : int
        Jobs that run at the same time.
    args : list of str
        Further arguments of ``eigenscope serve``.

    Raises
    ------
    ServerUnreachable
        When it does not start, with what it said.
    """

    def __init__(
        self,
        *,
        binary: str | os.PathLike[str] | None = None,
        data_dir: str | os.PathLike[str] | None = None,
        port: int = 0,
        token: str | None = None,
        workers: int = 1,
        args: Sequence[str] = (),
    ) -> None:
        self.binary = find_binary(binary)
        self.token = token or secrets.token_hex(16)
        self.data_dir = Path(tempfile.mkdtemp(prefix="eigenscope-") if data_dir is None else data_dir)
        self._owner = os.getpid()
        self._log: deque[str] = deque(maxlen=200)
        command = [
            self.binary,
            "serve",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--data-dir",
            str(self.data_dir),
            "--workers",
            str(workers),
        ]
        guarded = [sys.executable, "-I", _guardian.__file__, str(self.data_dir) if data_dir is None else "keep", *command, *args]
        self._guardian = subprocess.Popen(
            guarded,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # The token is not for the list of processes.
            env={**os.environ, "EIGENSCOPE_TOKEN": self.token},
            # Ctrl-C in a terminal is for Python: the server has to live to be told to cancel.
            start_new_session=True,
        )
        reader = threading.Thread(target=self._read_log, name="eigenscope log", daemon=True)
        reader.start()
        try:
            self.pid, self.url = self._hear()
        except BaseException:
            self.stop()
            raise
        _live.add(self)

    def _read_log(self) -> None:
        assert self._guardian.stderr is not None
        for line in self._guardian.stderr:
            self._log.append(line.decode(errors="replace").rstrip())

    def _hear(self) -> tuple[int, str]:
        """Process id and address, from what it prints."""
        assert self._guardian.stdout is not None
        too_slow = threading.Timer(START_SECS, self._guardian.kill)
        too_slow.start()
        pid = None
        try:
            for raw in self._guardian.stdout:
                line = raw.decode(errors="replace").strip()
                if line.startswith("pid "):
                    pid = int(line[4:])
                elif (found := re.search(r"https?://\S+", line)) and pid is not None:
                    return pid, found[0]
        finally:
            too_slow.cancel()
        self._guardian.wait()
        raise ServerUnreachable("the server did not start: " + (" / ".join(self.log[-5:]) or "it said nothing"))

    @property
    def log(self) -> list[str]:
        """The last lines that the server wrote."""
        return list(self._log)

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self._guardian.poll() is None

    def client(self, **options: Any) -> Client:
        """A client of it; see :class:`Client` for the options."""
        return Client(self.url, self.token, **options)

    def kill(self) -> None:
        """Ends the server at once, as a crash would; for tests of what outlives it."""
        os.kill(self.pid, signal.SIGKILL)
        self._guardian.wait()

    def stop(self) -> None:
        """Stops the server, and removes its data folder unless that was given."""
        _live.discard(self)
        if self._owner != os.getpid():
            return  # a fork: the server is the parent's
        if self._guardian.stdin is not None:
            self._guardian.stdin.close()
        try:
            self._guardian.wait(_guardian.STOP_SECS + 5)
        except subprocess.TimeoutExpired:
            self._guardian.kill()
            self._guardian.wait()
        for stream in (self._guardian.stdout, self._guardian.stderr):
            if stream is not None:
                try:
                    stream.close()
                except (OSError, ValueError):
                    pass  # the thread that reads the log has it

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<LocalServer {self.url.partition('?')[0]}{'' if self.is_alive else ', ended'}>"


@atexit.register
def _stop_all() -> None:
    for server in list(_live):
        server.stop()


def connect(
    url: str | None = None, token: str | None = None, *, data_dir: str | os.PathLike[str] | None = None, workers: int = 1, **options: Any
) -> Client:
    """A client of the server at ``url`` or ``EIGENSCOPE_URL``; without either of a server that is started for it.

    Parameters
    ----------
    url, token : str, optional
        See :class:`Client`.
    data_dir, workers
        Of the server that is started; see :class:`LocalServer`.
    options
        See :class:`Client`.

    Raises
    ------
    Unauthorized
        When the token is missing or wrong.
    ServerUnreachable
        When nobody answers, or the server does not start.
    FileNotFoundError
        When a server has to be started and its program is not there.
    """
    if url or os.environ.get("EIGENSCOPE_URL"):
        client = Client(url, token, **options)
        client.jobs()  # the token is right
        return client
    server = LocalServer(data_dir=data_dir, workers=workers)
    client = server.client(**options)
    client.server = server
    return client


_default: Client | None = None
_default_owner = 0
_lock = threading.Lock()


def default_client() -> Client:
    """The client of the functions of this package: ``connect()``, once per process."""
    global _default, _default_owner
    with _lock:
        if _default is None or _default_owner != os.getpid():
            _default, _default_owner = connect(), os.getpid()
        return _default


def use(client: Client | None) -> None:
    """Makes a client that of the functions of this package; ``None``: a new one at the next call."""
    global _default, _default_owner
    with _lock:
        _default, _default_owner = client, os.getpid()
