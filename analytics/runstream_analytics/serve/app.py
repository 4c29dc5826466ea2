"""The application: from a request to its answer."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runstream_analytics.serve import answer, guard, wire
from runstream_analytics.serve.allowed import allowed
from runstream_analytics.serve.answer import Refused
from runstream_analytics.serve.door import Door
from runstream_analytics.serve.engine import Engine, EngineError, Session
from runstream_analytics.serve.freshness import Freshness
from runstream_analytics.serve.request import Asked, asked, statement
from runstream_analytics.serve.run import Cost, Run
from runstream_analytics.serve.sending import send_answer, summary
from runstream_ingest.announcement import FRESH_PATH
from runstream_ingest.connect import DATABASE

AT_ONCE: Final = 16
"""Statements that run at a time, each with a thread and memory of its own; others wait."""

WAIT_S: Final = 30.0
"""How long they wait; as long as the shortest patience of clients."""

MOST_BODY_BYTES: Final = 16 * 1024 * 1024
"""More than any statement that is answered, and little memory."""

REMEMBERED: Final = 1000
"""Statements whose canonical form is remembered: those of a few dashboards."""

REMEMBERED_BYTES: Final = 64 * 1024
"""A longer one is read again each time."""

FAREWELL_S: Final = 1.0
"""How long clients have to take the rest of their answer when the server ends."""

FRESH_S: Final = 30.0
"""How long somebody waits for what is new to be loaded; then the answer is that of the store as it is."""

_SETTINGS_PROBE: Final = re.compile(r"SELECT name, value, readonly FROM system\.settings(?: LIMIT \d+)?")
"""clickhouse-connect asks so which settings it may send."""


class Application:
    """ClickHouse's HTTP protocol over an engine. Lives in one event loop."""

    def __init__(
        self,
        engine: Engine,
        door: Door,
        freshness: Freshness,
        most: Mapping[str, int],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._engine = engine
        self._door = door
        self._freshness = freshness
        self._most = most
        self._on_trouble = on_trouble
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="runstream-serve")
        self._quick = ThreadPoolExecutor(2, thread_name_prefix="runstream-serve-quick")
        self._free = asyncio.Semaphore(AT_ONCE)
        self._running: dict[str, Run] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._canonical: dict[str, str] = {}
        self.asgi: ASGIApp = Starlette(
            routes=[Route("/ping", self._ping), Route(FRESH_PATH, self._fresh), Route("/", self)],
            exception_handlers={HTTPException: _no_handle},
        )

    async def end_all(self) -> None:
        """End what runs: clients are told, and those that do not listen are left."""
        await asyncio.gather(*(run.kill() for run in list(self._running.values())))
        if self._answering:
            _, deaf = await asyncio.wait(self._answering, timeout=FAREWELL_S)
            for task in deaf:
                task.cancel()

    async def _ping(self, request: Request) -> Response:
        return self._refusal_of(request, token=False) or PlainTextResponse("Ok.\n")

    async def _fresh(self, request: Request) -> Response:
        refusal = self._refusal_of(request)
        if refusal is None:
            await self._freshness.loaded_from_now_on(FRESH_S)
        return refusal or PlainTextResponse("Ok.\n")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request for a statement."""
        request = Request(scope, receive)
        response = self._refusal_of(request) or _without_statement(request)
        try:
            if response is None:
                given = asked(request.query_params, request.headers)
                text = await _text(request)
        except ClientDisconnect:
            return
        except Refused as refused:
            response = self._failed(refused.text, "")
            response.headers["Connection"] = "close"  # what is unread would be taken for the next request
        if response is not None:
            await response(scope, receive, send)
            return
        answering = asyncio.create_task(self._answer(given, text, scope, receive, send))
        self._answering.add(answering)
        answering.add_done_callback(self._answering.discard)
        leaving = asyncio.create_task(_gone(receive))
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        leaving.cancel()
        if not answering.done():
            answering.cancel()
        ended, _ = await asyncio.gather(answering, leaving, return_exceptions=True)
        if isinstance(ended, Exception) and not isinstance(ended, OSError):
            self._on_trouble(
                f"a request failed in a way nobody expected ({type(ended).__name__}: {ended}): {text[:200]}"
            )
            raise ended

    def _refusal_of(self, request: Request, *, token: bool = True) -> Response | None:
        try:
            self._door.check_place(request.headers)
            if token:
                self._door.check_token(request.query_params, request.headers)
        except Refused as refused:
            response = self._failed(refused.text, "")
            response.headers["Connection"] = "close"
            return response
        return None

    async def _answer(self, given: Asked, text: str, scope: Scope, receive: Receive, send: Send) -> None:
        query_id = given.query_id or str(uuid.uuid4())
        try:
            if not text:
                raise Refused(62, "Empty query", "SYNTAX_ERROR")
            canonical = await self._understood(text)
            if (other := guard.killed(canonical)) is not None:
                if other in self._running:
                    await self._running[other].kill()
                response = Response(headers=answer.common_headers(query_id))
            elif given.protocol_version and canonical == wire.HELLO:
                response = self._hello(given, query_id)
            else:
                await self._run(given, canonical, query_id, send)
                return
        except Refused as refused:
            response = self._failed(refused.text, query_id)
        except EngineError as error:
            response = self._failed(error.text, query_id)
        await response(scope, receive, send)

    async def _understood(self, text: str) -> str:
        if text in self._canonical:
            return self._canonical[text]
        canonical = await asyncio.get_running_loop().run_in_executor(self._quick, self._engine.canonical, text)
        if len(text) <= REMEMBERED_BYTES:
            if len(self._canonical) >= REMEMBERED:
                self._canonical.clear()
            self._canonical[text] = canonical
        return canonical

    async def _run(self, given: Asked, canonical: str, query_id: str, send: Send) -> None:
        """Run a statement and send its answer. Raises Refused and EngineError before anything is sent."""
        judged = guard.judged(canonical, given.parameters, self._engine.known)
        form = guard.checked_format(judged.format or given.format)
        database = guard.checked_database(given.database)
        settings = allowed((*given.settings, *judged.settings), self._engine.setting_types, self._most)
        readonly = 2 if _SETTINGS_PROBE.fullmatch(judged.text) else 1
        session = Session(DATABASE if database == "default" else database, settings, readonly)
        try:
            await asyncio.wait_for(self._free.acquire(), WAIT_S)
        except TimeoutError:
            text = f"Too many simultaneous queries: {AT_ONCE} run, and none ended within {WAIT_S:.0f} s"
            raise Refused(202, text, "TOO_MANY_SIMULTANEOUS_QUERIES") from None
        run = self._running[query_id] = Run(self._engine, self._threads, self._quick)
        try:
            run.begin(session, judged, form, given.parameters)
            headers = _headers(query_id, form)
            await send_answer(run, headers, send, compress=given.compress, version=self._engine.version)
        finally:
            await run.end()
            if self._running.get(query_id) is run:
                del self._running[query_id]
            self._free.release()

    def _hello(self, given: Asked, query_id: str) -> Response:
        body = wire.hello(self._engine.version, given.protocol_version)
        body = wire.compressed(body) if given.compress else body
        return Response(body, headers={**_headers(query_id, "Native"), "X-ClickHouse-Summary": summary(Cost(1, 0, 0))})

    def _failed(self, text: bytes, query_id: str) -> Response:
        code, body = answer.failure(text, self._engine.version)
        headers = {"X-ClickHouse-Exception-Code": str(code), **answer.common_headers(query_id or str(uuid.uuid4()))}
        return PlainTextResponse(body, answer.status_of(code), headers)


def _without_statement(request: Request) -> Response | None:
    if request.method == "OPTIONS":
        return Response(status_code=204)
    if request.method in ("GET", "POST"):
        alone = request.method == "GET" and not request.query_params.get("query")
        return PlainTextResponse("Ok.\n") if alone and not request.headers.get("Content-Length") else None
    return PlainTextResponse("Ok.\n") if request.method == "HEAD" else PlainTextResponse("Use GET or POST\n", 405)


async def _text(request: Request) -> str:
    """Raises Refused, and ClientDisconnect."""
    if request.headers.get("Content-Type", "").startswith("multipart/"):
        raise Refused(48, "External tables are not supported here", "NOT_IMPLEMENTED")
    if request.query_params.get("decompress") in ("1", "true"):
        raise Refused(48, "Bodies in blocks (decompress=1) are not supported here", "NOT_IMPLEMENTED")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BODY_BYTES:
            raise Refused(62, f"The statement is longer than {MOST_BODY_BYTES:,} bytes", "SYNTAX_ERROR")
    encoding = request.headers.get("Content-Encoding", "").lower()
    return statement(request.query_params.get("query", ""), bytes(body), encoding)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _no_handle(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"There is no handle {request.url.path}\n", 404)


def _headers(query_id: str, form: str) -> dict[str, str]:
    kind = {"Content-Type": answer.content_type(form), "X-ClickHouse-Format": form}
    return {**kind, **answer.common_headers(query_id)}
