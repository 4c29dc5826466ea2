"""A TCP proxy whose network a test can spoil: black holes, forgotten connections, slow links, resets."""

import math
import socket
import struct
import threading
import time
from dataclasses import dataclass

PIECE_BYTES = 4096
SILENCE_S = 0.5
"""How long a connection to this machine is without an answer when nobody will give one."""
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes `close` send a reset."""


@dataclass(eq=False)
class _Connection:
    client: socket.socket
    server: socket.socket
    forgotten: bool = False

    def reset(self) -> None:
        for side in (self.client, self.server):
            try:
                side.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # Another thread may wait in `recv`, and the reset is sent only when it has gone.
                side.shutdown(socket.SHUT_RD)
            except OSError:
                pass  # it is closed already
            side.close()


class Proxy:
    """Forwards 127.0.0.1:`port` to another port there. Use as a context manager."""

    def __init__(self, port: int, target: int) -> None:
        self.port = port
        self._target = target
        self._flows = threading.Event()
        self._flows.set()
        self._quality = (math.inf, 0.0)
        self._turn = threading.Lock()
        self._connections: set[_Connection] = set()
        self._accepts = threading.Event()
        self._accepts.set()
        self._waiting: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", port))

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def swallow(self) -> None:
        """A black hole: connections stay open, and not a byte passes until `heal`."""
        self._flows.clear()

    def drop(self) -> None:
        """A black hole that takes no new connections either: a SYN gets no answer, as the kernel does it to a listener
        that accepts nobody while its queue is full."""
        self.swallow()
        self._accepts.clear()
        self._listener.listen(0)
        while True:
            client = socket.socket()
            self._waiting.append(client)
            client.settimeout(SILENCE_S)
            try:
                client.connect(("127.0.0.1", self.port))
            except TimeoutError:
                return

    def forget(self) -> None:
        """On the connections of now nothing ever passes again, and nobody is told: so firewalls restart."""
        for connection in self._connections.copy():
            connection.forgotten = True

    def cut(self) -> None:
        """Reset all connections."""
        for connection in self._connections.copy():
            connection.reset()

    def slow(self, bytes_per_s: float, delay_s: float) -> None:
        """All connections together carry so much; each piece of 4 KiB is late by so much."""
        self._quality = (bytes_per_s, delay_s)

    def heal(self) -> None:
        """A good network again. What was held back is not lost, what was forgotten is."""
        for client in self._waiting:
            client.close()
        self._waiting.clear()
        self._listener.listen()
        self._accepts.set()
        self.slow(math.inf, 0.0)
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # it is closed
            self._accepts.wait()
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        self._flows.wait()
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            client.close()
            return
        connection = _Connection(client, server)
        self._connections.add(connection)
        for source, sink in ((client, server), (server, client)):
            sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._pump, args=(connection, source, sink), daemon=True).start()

    def _pump(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        try:
            while piece := source.recv(PIECE_BYTES):
                self._hold_back(len(piece))
                if not connection.forgotten:
                    sink.sendall(piece)
            if not connection.forgotten:
                sink.shutdown(socket.SHUT_WR)
        except OSError:
            connection.reset()
        self._connections.discard(connection)

    def _hold_back(self, size: int) -> None:
        bytes_per_s, delay_s = self._quality
        time.sleep(delay_s)
        with self._turn:
            time.sleep(size / bytes_per_s)
        self._flows.wait()
