"""The HTTP front that other tests take for a ClickHouse server: what clickhouse-connect needs of one, it does."""

import http.client
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, ProgrammingError

from http_front.control import RunningFront, running

pytest_plugins = "http_front.fixture"


def connected(front: RunningFront, **arguments: object) -> Client:
    place = urlsplit(front.url)
    return clickhouse_connect.get_client(
        interface=place.scheme, host=place.hostname, port=place.port, autogenerate_session_id=False, **arguments
    )


def raw(front: RunningFront, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str | None, str]:
    """Status, exception code and text of an answer."""
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=30)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("X-ClickHouse-Exception-Code"), text


@pytest.fixture
def client(front: RunningFront) -> Iterator[Client]:
    database = front.store_url().rsplit("/", 1)[1]
    client = connected(front)
    client.command(f"CREATE DATABASE {database}")
    client.database = database
    yield client
    client.close()


def test_values_of_many_types_and_awkward_texts_go_there_and_back(client: Client) -> None:
    texts = ["", "it's", 'say "no"', "tab\tand\nline", "back\\slash", "é🦊"]
    moment = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    client.command(
        "CREATE TABLE t (n Int64, u UUID, s String, m Map(String, Float64), d DateTime64(6, 'UTC'), "
        "l Array(Nullable(Int8))) ENGINE = MergeTree ORDER BY n"
    )
    rows = [
        [number, UUID(int=number), text, {text: number / 3}, moment, [None, 1]] for number, text in enumerate(texts)
    ]
    client.insert("t", rows)
    # The client leaves the zone away when it is UTC.
    shown = [[*row[:4], moment.replace(tzinfo=None), row[5]] for row in rows]
    assert [list(row) for row in client.query("SELECT * FROM t ORDER BY n").result_rows] == shown
    for number, text in enumerate(texts):
        given = {"s": text, "n": [number]}
        found = client.query("SELECT n FROM t WHERE s = {s:String} AND n IN {n:Array(Int64)}", given)
        assert found.result_rows == [(number,)]
    assert client.query("SELECT * FROM t LIMIT 0").column_names == ("n", "u", "s", "m", "d", "l")
    assert client.query("SELECT n FROM t WHERE n < 0").result_rows == []
    assert client.command("SELECT count() FROM t") == len(texts)
    assert client.ping()


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM nowhere", 60),
        ("SELEKT 1", 62),
        ("SELECT 1 SETTINGS no_such_setting = 1", 115),
        ("SELECT number, throwIf(number = 3, 'bad \\xfe\\xff') FROM numbers(9)", 395),
    ],
)
def test_errors_carry_their_code_and_the_connection_goes_on(client: Client, sql: str, code: int) -> None:
    with pytest.raises(DatabaseError) as failed:
        client.command(sql)
    assert failed.value.code == code
    assert f"Code: {code}." in str(failed.value)
    assert client.command("SELECT 1") == 1


def test_a_database_that_is_not_there_is_an_error(client: Client) -> None:
    client.database = "nowhere"
    with pytest.raises(DatabaseError) as failed:
        client.command("SELECT 1")
    assert failed.value.code == 81


def test_settings_hold_for_one_request(client: Client) -> None:
    query = "SELECT value FROM system.settings WHERE name = 'max_threads'"
    before = client.command(query)
    assert client.command(query, settings={"max_threads": 7}) == 7
    assert client.command(query) == before
    with pytest.raises(DatabaseError) as failed:
        client.command(query, settings={"no_such_setting": 7})
    assert failed.value.code == 115


@pytest.mark.parametrize("compress", [False, "lz4", "gzip"])
def test_bodies_may_be_compressed(front: RunningFront, client: Client, compress: str | bool) -> None:
    client.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    other = connected(front, compress=compress, database=client.database)
    other.insert("t", [[number] for number in range(100_000)], column_names=["n"])
    assert client.command("SELECT sum(n) FROM t") == sum(range(100_000))
    assert front.inserts(1)[0]["encoding"] == (compress or "")


def test_who_may_only_read_is_refused_everything_else(front: RunningFront, client: Client) -> None:
    client.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    front.readonly(True)
    reader = connected(front, database=client.database)
    assert reader.query("SELECT count() FROM t").result_rows == [(0,)]
    for sql in ("INSERT INTO t VALUES (1)", "CREATE TABLE u (n Int64) ENGINE = Null", "DROP TABLE t"):
        with pytest.raises(DatabaseError) as failed:
            reader.command(sql)
        assert failed.value.code == 164
    with pytest.raises(ProgrammingError, match="max_threads is readonly"):
        reader.command("SELECT 1", settings={"max_threads": 3})


def test_only_the_right_password_opens_it(tmp_path: Path) -> None:
    with running(tmp_path / "store", "--user", "ada", "--password", "it's:a/s€cret") as front:
        assert connected(front, username="ada", password="it's:a/s€cret").command("SELECT 1") == 1
        for account in ({"username": "ada", "password": "no"}, {"username": "bob", "password": "it's:a/s€cret"}, {}):
            with pytest.raises(DatabaseError) as failed:
                connected(front, **account)
            assert failed.value.code == 516
        assert raw(front, "GET", "/ping")[0] == 200


def test_several_clients_are_served_at_once_and_each_gets_its_own_answer(front: RunningFront, client: Client) -> None:
    client.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    wrong: list[object] = []
    together = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            own = connected(front, database=client.database)
            together.wait(30)
            for turn in range(10):
                own.insert("t", [[number * 1000 + turn]], column_names=["n"])
                if own.command("SELECT {n:Int64} * 2", parameters={"n": number}) != number * 2:
                    wrong.append(number)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert client.command("SELECT uniqExact(n) FROM t") == 80


def test_whoever_is_held_holds_nobody_else(front: RunningFront, client: Client) -> None:
    client.command("CREATE TABLE t (n Int64) ENGINE = MergeTree ORDER BY n")
    front.fail("hold", table="^t$")
    other = connected(front, database=client.database)
    thread = threading.Thread(target=other.insert, args=("t", [[1]], ["n"]))
    thread.start()
    front.inserts(holding=1)
    assert client.command("SELECT count() FROM t") == 0
    front.release()
    thread.join()
    assert client.command("SELECT count() FROM t") == 1


def test_a_body_that_breaks_off_stores_nothing(front: RunningFront, client: Client) -> None:
    client.command("CREATE TABLE t (s String) ENGINE = MergeTree ORDER BY s")
    connection = http.client.HTTPConnection(urlsplit(front.url).netloc, timeout=30)
    connection.putrequest("POST", f"/?database={client.database}&query=INSERT%20INTO%20t%20FORMAT%20TSV")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    connection.send(b"4\r\none\n\r\n4\r\ntw")
    connection.close()
    assert client.command("INSERT INTO t VALUES ('later')") is not None
    assert client.query("SELECT * FROM t").result_rows == [("later",)]


def test_curl_gets_plain_answers(front: RunningFront) -> None:
    assert raw(front, "GET", "/ping") == (200, None, "Ok.\n")
    assert raw(front, "GET", "/?query=SELECT%201%2C2") == (200, None, "1\t2\n")
    assert json.loads(raw(front, "POST", "/?default_format=JSONCompact", b"SELECT 1 AS a")[2])["data"] == [[1]]
    assert raw(front, "POST", "/", b"SELECT 1 FORMAT CSV") == (200, None, "1\n")
    assert raw(front, "GET", "/nowhere")[0] == 404
    status, code, text = raw(front, "POST", "/", b"SELECT nothing")
    assert (status, code) == (404, "47")
    assert text.startswith("Code: 47. DB::Exception: ")


def test_faults_come_in_their_order_to_the_tables_that_they_are_meant_for(front: RunningFront, client: Client) -> None:
    for table in ("landing_a", "b"):
        client.command(f"CREATE TABLE {table} (n Int64) ENGINE = MergeTree ORDER BY n")
    front.refuse(252, text="too many parts")
    front.refuse(241, after_write=True)
    for code in (252, 241):
        client.insert("b", [[1]], column_names=["n"])
        with pytest.raises(DatabaseError) as failed:
            client.insert("landing_a", [[code]], column_names=["n"])
        assert failed.value.code == code
    client.insert("landing_a", [[1]], column_names=["n"])
    assert client.query("SELECT n FROM landing_a ORDER BY n").result_rows == [(1,), (241,)]
    outcomes = [(seen["table"], seen["outcome"]) for seen in front.inserts(5)]
    assert outcomes == [
        ("b", "stored"),
        ("landing_a", "refuse"),
        ("b", "stored"),
        ("landing_a", "refuse after write"),
        ("landing_a", "stored"),
    ]
