"""How the answer of a statement goes to the client: its status once that is known, then piece by piece."""

from __future__ import annotations

import asyncio
import json
import secrets
from contextlib import aclosing
from typing import Final

from starlette.types import Send

from runstream_analytics.serve import answer, wire
from runstream_analytics.serve.engine import EngineError
from runstream_analytics.serve.run import Cost, Run

STALLED_S: Final = 300.0
"""A client that takes nothing for so long is taken for gone."""

HOLD_BACK_BYTES: Final = 64 * 1024
"""A statement that fails before so much is known to have failed when the status is sent."""


async def send_answer(run: Run, headers: dict[str, str], send: Send, *, compress: bool, version: str) -> None:
    """Send what a statement gives. Raises EngineError when it failed before anything was sent, and TimeoutError."""
    packed = wire.compressed if compress else bytes
    async with aclosing(run.pieces()) as pieces:
        head = b""
        async for piece in pieces:
            head += piece
            if len(head) > HOLD_BACK_BYTES:
                break
        else:
            await _all(await run.cost(), packed(head) if head else b"", headers, send)
            return
        tag = secrets.token_hex(8)
        # Nobody knows the number of rows yet; some clients take none for an empty answer.
        some = {"X-ClickHouse-Exception-Tag": tag, "X-ClickHouse-Summary": summary(Cost(1, len(head), 0.0))}
        await _start(send, headers | some)
        await _body(send, packed(head))
        async for piece in pieces:
            await _body(send, packed(piece))
    try:
        await run.cost()
    except EngineError as error:
        end = wire.exception_block(tag, answer.failure(error.text, version)[1])
        # Left without an end, so that the connection breaks off: JDBC looks for no exception in a body, and must not
        # take what it got for everything.
        await _body(send, wire.uncompressed(end) if compress else end)
        return
    await _body(send, b"", more=False)


def summary(cost: Cost) -> str:
    """The header with what a statement took."""
    rows, size = str(cost.rows), str(cost.bytes)
    said = {"read_rows": rows, "read_bytes": size, "written_rows": "0", "written_bytes": "0", "result_rows": rows}
    return json.dumps({**said, "result_bytes": size, "elapsed_ns": str(int(cost.elapsed_s * 1e9))})


async def _all(cost: Cost, body: bytes, headers: dict[str, str], send: Send) -> None:
    await _start(send, headers | {"X-ClickHouse-Summary": summary(cost), "Content-Length": str(len(body))})
    await _body(send, body, more=False)


async def _start(send: Send, headers: dict[str, str]) -> None:
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": raw})


async def _body(send: Send, body: bytes, *, more: bool = True) -> None:
    async with asyncio.timeout(STALLED_S):
        await send({"type": "http.response.body", "body": body, "more_body": more})
