"""A network like that of docker-compose, without Docker: a namespace of its own in which services have their names.

`python network.py PROGRAM …` runs a program in it. All ports are free there, `kafka` and the others resolve to this
namespace's loopback, and what is mounted or still running when the program ends is gone with it.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

NAMES = {"kafka": 1, "clickhouse": 1, "kafka-exporter": 1, "prometheus": 1, "ingest": 2}
"""The services, and how many addresses each has: two workers, as after `--scale ingest=2`."""

ADDRESS_RECORD = 1


def missing() -> str:
    """Why there can be no such network here; empty when there can."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return "no programs unshare and ip (Debian: util-linux, iproute2) to make a network namespace with"
    tried = subprocess.run([*_unshare(), "true"], check=False, capture_output=True, text=True, timeout=30)
    return f"network namespaces are not allowed here: {tried.stderr.strip()}" if tried.returncode else ""


def run_inside(program: list[str], timeout_s: float) -> str:
    """Run a program in the network; what it printed. Raises AssertionError with its messages when it fails."""
    command = [*_unshare(), sys.executable, __file__, *program]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    return done.stdout


def _unshare() -> list[str]:
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", *user, "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def answer(query: bytes) -> bytes:
    """The answer of a name server that knows the services."""
    end = query.index(b"\0", 12)
    labels, place = [], 12
    while place < end:
        labels.append(query[place + 1 : place + 1 + query[place]].decode().lower())
        place += 1 + query[place]
    [kind] = struct.unpack_from(">H", query, end + 1)
    count = NAMES.get(".".join(labels), 0)
    addresses = range(1, count + 1) if kind == ADDRESS_RECORD else ()
    head = query[:2] + struct.pack(">HHHHH", 0x8580 if count else 0x8583, 1, len(addresses), 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", ADDRESS_RECORD, 1, 1, 4)
    return head + query[12 : end + 5] + b"".join(record + bytes([127, 0, 0, last]) for last in addresses)


def _serve_names(server: socket.socket) -> None:
    while True:
        query, client = server.recvfrom(4096)
        server.sendto(answer(query), client)


def main() -> int:
    """Inside: make the network, then run the program."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as resolver:
        resolver.write("nameserver 127.0.0.1\n")
        resolver.flush()
        subprocess.run(["mount", "--bind", resolver.name, str(Path("/etc/resolv.conf").resolve())], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
            server.bind(("127.0.0.1", 53))
            threading.Thread(target=_serve_names, args=(server,), daemon=True).start()
            return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
