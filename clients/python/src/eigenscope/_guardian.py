"""Runs a server as long as the process that started it lives.

Its standard input is a pipe from that process: when the pipe ends, for whatever reason, the server is asked to stop, and a data
folder of its own is removed. Arguments: ``keep`` or the folder to remove, then the command.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

STOP_SECS = 10.0
"""How long a server may take to stop before it is ended."""


def main(folder: str, command: list[str]) -> int:
    """Starts the command; gives its exit code when it has ended."""
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    print(f"pid {server.pid}", flush=True)
    # The pipe is the server's from here on: who reads it sees its end when the server ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def watch() -> None:
        # Read without Python's buffer: its lock would keep the interpreter from ending.
        while os.read(0, 4096):
            pass
        server.terminate()
        try:
            server.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            server.kill()

    threading.Thread(target=watch, daemon=True).start()
    code = server.wait()
    if folder != "keep":
        shutil.rmtree(folder, ignore_errors=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
