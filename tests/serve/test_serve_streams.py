"""Large and slow answers: memory is bounded, and what nobody reads any more ends."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from serving import Served

ROWS = 10_000_000
SQL = f"SELECT number, number / 3 AS third, toString(number) AS text FROM numbers({ROWS})"


@pytest.mark.parametrize("form", ["Native", "JSONEachRow"])
def test_ten_million_rows_pass_in_bounded_memory(served: Served, form: str) -> None:
    served.text("SELECT 1")
    before = served.memory_kb()
    received = _read_all(served, f"{SQL} FORMAT {form}")
    assert received > 200_000_000
    assert served.memory_kb() - before < 150_000


def test_a_client_that_reads_slowly_costs_no_memory(served: Served) -> None:
    before = served.memory_kb()
    with _asking(served, "SELECT number FROM numbers(1000000000)") as connection:
        read = 0
        while read < 40_000_000:
            read += len(connection.recv(1 << 16))
        assert served.memory_kb() - before < 100_000
    _await_nothing_running(served)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT number FROM numbers(100000000000)",
        "SELECT sum(sipHash64(number)) FROM numbers(100000000000)",
        "SELECT sleepEachRow(1) FROM numbers(100) SETTINGS max_block_size = 1",
    ],
)
def test_what_a_client_asked_that_hung_up_ends(served: Served, sql: str) -> None:
    with _asking(served, sql):
        _await(lambda: _running(served) == 1)
    _await_nothing_running(served)


def test_a_statement_is_ended_by_its_query_id(served: Served) -> None:
    sql = "SELECT sum(sipHash64(number)) FROM numbers(100000000000)"
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(served.ask, sql, query_id="it's-mine-17".replace("'", ""))
        _await(lambda: _running(served) == 1)
        assert served.ask("KILL QUERY WHERE query_id = 'another'").status == 200
        assert _running(served) == 1
        assert served.ask("KILL QUERY WHERE query_id = 'its-mine-17'").status == 200
        answer = asked.result(30)
    assert answer.code == 394, answer.body


def test_small_questions_are_answered_beside_a_large_one(served: Served) -> None:
    with _asking(served, "SELECT number FROM numbers(100000000000)") as connection:
        connection.recv(1000)
        for number in range(20):
            assert served.text(f"SELECT {number}") == f"{number}\n"


def test_more_clients_than_places_wait_for_their_turn(served: Served) -> None:
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda n: served.text(f"SELECT {n} + sleep(0.05)"), range(40)))
    assert answers == [f"{n}\n" for n in range(40)]


def test_nothing_is_left_open_by_those_who_hung_up(served: Served) -> None:
    served.text("SELECT 1")
    _await_nothing_running(served)
    before = served.descriptors()
    for _ in range(20):
        with _asking(served, "SELECT number FROM numbers(100000000000)") as connection:
            connection.recv(1000)
    _await_nothing_running(served)
    _await(lambda: served.descriptors() <= before + 2)


def _asking(served: Served, sql: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", served.port))
    connection.sendall(f"GET /?query={quote(sql)} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def _read_all(served: Served, sql: str) -> int:
    with _asking(served, sql) as connection:
        received = 0
        end = b""
        while not end.endswith(b"0\r\n\r\n"):
            piece = connection.recv(1 << 20)
            assert piece, "it broke off"
            received += len(piece)
            end = (end + piece)[-5:]
    return received


def _running(served: Served) -> int:
    """How many threads of the server wait for a statement that is none of ours: the engine's own list is hidden."""
    return int(served.text("SELECT value FROM system.metrics WHERE metric = 'Query'")) - 1


def _await_nothing_running(served: Served) -> None:
    _await(lambda: _running(served) == 0)


def _await(condition: object, timeout_s: float = 30) -> None:
    until = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)
