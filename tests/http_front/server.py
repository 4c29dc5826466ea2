"""The server: each connection has a thread, which reads, runs and answers one request after the other."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import struct
import sys
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from http_front import answer, body
from http_front.answer import Answer
from http_front.engine import Engine, EngineError, memory_file
from http_front.faults import Fault, Plan, Seen
from http_front.request import Insert, Request, parse

MAX_WAIT_S = 60.0
"""Nobody waits longer for a test that forgot about it."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing throws away what was not sent and tells the other side so."""


class Front(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self,
        address: tuple[str, int],
        engine: Engine,
        *,
        account: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(address, Handler)
        self.engine = engine
        self.account = account
        self.tls = tls
        self.plan = Plan()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.server_address[1]}"

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        # The handshake is left to the connection's own thread: here it would keep everybody else waiting.
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A client that goes away, or speaks no TLS, is nothing to talk about.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class Gone(ConnectionError):
    """The connection was spoiled on purpose; nothing is to be answered on it any more."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front
    # A client waits for its answer: send headers and body at once, and do not wait for more.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/ping":
            self._send(answer.plain(200, "Ok.\n"))
        elif path == "/control":
            self._report()
        else:
            self._query()

    def do_POST(self) -> None:
        if urlsplit(self.path).path == "/control":
            self._plant()
        else:
            self._query()

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _query(self) -> None:
        if urlsplit(self.path).path != "/":
            self.close_connection = True
            self._send(answer.plain(404, f"There is no handle {urlsplit(self.path).path}\n"))
            return
        try:
            pieces = body.pieces(self.rfile, self.headers)
            try:
                request = parse(self.path, self.headers, pieces)
                self._check(request)
                made = self._answer(request)
            except EngineError as error:
                made = answer.failed(error.text, self.server.engine.version)
                # What is unread would be taken for the next request.
                deque(pieces, maxlen=0)
        except body.UnknownEncoding as error:
            made = answer.failed(answer.exception(48, str(error), "NOT_IMPLEMENTED"), self.server.engine.version)
            self.close_connection = True
        except (Gone, body.Truncated):
            self.close_connection = True
            return
        self._send(made)

    def _check(self, request: Request) -> None:
        if self.server.account is not None and (request.beside.user, request.beside.password) != self.server.account:
            why = "Authentication failed: password is incorrect, or there is no user with such name"
            raise EngineError(answer.exception(516, f"{request.beside.user}: {why}", "AUTHENTICATION_FAILED"))

    def _answer(self, request: Request) -> Answer:
        if isinstance(request.statement, Insert):
            return self._insert(request, request.statement)
        data = self.server.engine.run(request, request.statement, readonly=self.server.plan.readonly)
        return answer.result(data, request.statement, request.beside.format, request.beside.query_id)

    def _insert(self, request: Request, insert: Insert) -> Answer:
        fault = self.server.plan.take(insert.table)
        if fault is not None and fault.kind == "hold":
            self.server.plan.hold(MAX_WAIT_S)
            fault = None
        descriptor = memory_file()
        try:
            seen = self._receive(request, insert, descriptor)
            if fault is None or fault.after_write:
                try:
                    self.server.engine.insert(request, insert, descriptor, readonly=self.server.plan.readonly)
                except EngineError as error:
                    seen.outcome = "refused"
                    self.server.plan.note(seen)
                    return answer.failed(error.text, self.server.engine.version, request.beside.query_id)
            seen.outcome = "stored" if fault is None else f"{fault.kind}{' after write' if fault.after_write else ''}"
            self.server.plan.note(seen)
            return answer.stored(request.beside.query_id) if fault is None else self._spoil(fault, request)
        finally:
            os.close(descriptor)

    def _receive(self, request: Request, insert: Insert, descriptor: int) -> Seen:
        with open(descriptor, "wb", closefd=False) as file:
            file.writelines(insert.data)
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(0)
            data = file.read()
        if insert.format == "Avro":
            # The file ends with its marker.
            data = data.replace(data[-16:], b"")
        return Seen(
            table=insert.table,
            digest=hashlib.sha256(data).hexdigest(),
            bytes=os.fstat(descriptor).st_size,
            settings=dict(request.beside.settings),
            encoding=self.headers.get("Content-Encoding", ""),
            connection=str(self.client_address[1]),
            outcome="",
        )

    def _spoil(self, fault: Fault, request: Request) -> Answer:
        version = self.server.engine.version
        if fault.kind == "refuse":
            text = answer.exception(fault.code, fault.text or "planted", "PLANTED")
            return answer.failed(text, version, request.beside.query_id)
        if fault.kind == "page":
            return answer.page(fault.code, "No server is available to handle this request")
        if fault.kind == "redirect":
            return Answer(307, b"", {"Location": self.path})
        if fault.kind == "late":
            # A server that has begun to tell its progress can change the status no more, but names the exception.
            made = answer.failed(answer.exception(fault.code, "planted", "PLANTED"), version, request.beside.query_id)
            return Answer(200, made.body, {"X-ClickHouse-Progress": "{}", **made.headers})
        if fault.kind == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-ClickHouse-Query-Id: x\r\n\r\nff\r\n")
        if fault.kind == "hang":
            # Nothing more is said on it: it ends when the client goes away.
            self.connection.settimeout(MAX_WAIT_S)
            self.connection.recv(1)
        if fault.kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            # http.server would say goodbye first.
            os.close(self.connection.detach())
        raise Gone(fault.kind)

    def _report(self) -> None:
        wanted = dict(parse_qsl(urlsplit(self.path).query))
        report = self.server.plan.report(int(wanted.get("inserts", 0)), int(wanted.get("holding", 0)), MAX_WAIT_S)
        self._send(answer.plain(200, json.dumps(report)))

    def _plant(self) -> None:
        wish = json.loads(b"".join(body.pieces(self.rfile, self.headers)))
        if "fault" in wish:
            self.server.plan.plant(Fault(**wish["fault"]), wish["times"])
        elif "readonly" in wish:
            self.server.plan.readonly = wish["readonly"]
        elif "release" in wish:
            self.server.plan.release.set()
        else:
            self.server.plan.clear()
        self._send(answer.plain(200, "{}"))

    def _send(self, made: Answer) -> None:
        self.send_response(made.status)
        for name, value in made.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(made.body)))
        self.send_header("Connection", "close" if self.close_connection else "keep-alive")
        self.end_headers()
        self.wfile.write(made.body)
        self.wfile.flush()


def context(certificate: str, key: str) -> ssl.SSLContext:
    """TLS with a certificate and its key, both PEM files."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(certificate, key)
    return made
