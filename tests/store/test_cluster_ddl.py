"""The store on a cluster, as far as one engine can tell: it parses everything, and runs it as its only node.

The golden files hold every statement. To write them again: `GOLDEN=write pytest tests/store/test_cluster_ddl.py`.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import cluster_process
import pytest
from store_histories import METRICS, histories

import support_events as events
from runstream_schemas import moving
from runstream_schemas.cluster import INTERNAL_VIEWS, Cluster, ClusterError, created
from runstream_schemas.shards import Move, ShardMap, bucket_of, even
from runstream_schemas.tables import migrations

GOLDEN = Path(__file__).parent / "golden" / "cluster"

EVERYWHERE = "step_min = -9223372036854775808, step_max = 9223372036854775807"

VIEWS = sorted(
    name
    for migration in migrations()
    for kind, name in map(created, migration.statements)
    if kind == "VIEW" and name not in INTERNAL_VIEWS and not name.startswith(("chart", "due_"))
)


def wanted(*, runs: str = "[]") -> list[str]:
    """A SELECT of everything that people read: views, and charts of every kind and width."""
    charts = [
        f"chart(metric = '{metric}', runs = {runs}, points = {points}, {EVERYWHERE})"
        for metric, points in itertools.product([METRICS[0], METRICS[1]], [1, 40, 1000, 10**6])
    ]
    bands = [
        f"chart_band(metric = '{METRICS[0]}', runs = [], points = {points}, {EVERYWHERE})" for points in (1, 40, 10**6)
    ]
    return [f"SELECT * FROM {each}" for each in (*VIEWS, *charts, *bands)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Calls a function of cluster_process in the process that owns the engine."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:

        def call(function: Callable[..., Any], *arguments: Any) -> Any:
            return pool.submit(function, *arguments).result(timeout=110)

        call(cluster_process.open_engine, tmp_path_factory.mktemp("node"))
        yield call


@pytest.fixture(scope="module")
def loaded(engine: Callable[..., Any]) -> Callable[[str, str], list[str]]:
    """Asks stores with the same events: `single`, and those of CLUSTERS."""
    found = histories(range(5))
    found["tag"].append(events.tag(UUID(found["run"][0]["run_id"]), "owner", "ada"))
    found["param"] = [events.param(UUID(found["run"][0]["run_id"]), "lr", "0.1")]
    found["artifact"] = [events.artifact(UUID(found["run"][0]["run_id"]), "net", type="model")]
    engine(cluster_process.open_single, "single")
    for name, count in cluster_process.CLUSTERS.items():
        engine(cluster_process.open_cluster, Cluster(name, name, even(count)))
    for database in ("single", *cluster_process.CLUSTERS):
        for event, records in found.items():
            engine(cluster_process.insert, database, event, records)
        engine(cluster_process.renew_findings, database)
    return lambda database, sql: sorted(map(repr, engine(cluster_process.query, database, sql, {})))


def test_the_statements_for_a_cluster_are_the_golden_ones() -> None:
    cluster = Cluster("fleet", "runstream", even(2))
    # The map is the same everywhere and 1,024 numbers long.
    written = {
        f"{migration.number:04}_{migration.name}.sql": "".join(
            f"{_short(statement)};\n\n" for statement in migration.statements
        ).rstrip("\n")
        + "\n"
        for migration in cluster.migrations(migrations())
    }
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.mkdir(parents=True, exist_ok=True)
        for old in GOLDEN.glob("*.sql"):
            old.unlink()
        for name, text in written.items():
            (GOLDEN / name).write_text(text)
    assert written == {path.name: path.read_text() for path in GOLDEN.glob("*.sql")}


def test_the_engine_parses_every_statement_as_one_for_the_whole_cluster(engine: Callable[..., Any]) -> None:
    cluster = Cluster("fleet", "runstream", even(3))
    others = [
        *cluster.use_shards,
        f"{cluster.delete_from('point')} WHERE run_id IN ({{runs:Array(UUID)}})",
    ]
    for statement in [*cluster_process.statements_of(cluster), *others]:
        assert " ON CLUSTER fleet" in engine(cluster_process.parsed, statement), statement
    move = Move(1, 4, (5, 7))
    alone = [*moving.aside(cluster), *moving.copy(cluster, move), *moving.attach(cluster)]
    for statement in [*alone, *moving.forget(cluster, move.buckets), *moving.tidy(cluster)]:
        assert engine(cluster_process.parsed, statement)


def test_the_engine_makes_every_table_and_view_with_replicated_engines(tmp_path: Path) -> None:
    program = [sys.executable, cluster_process.__file__, str(tmp_path)]
    made = json.loads(subprocess.run(program, check=True, capture_output=True, text=True, timeout=100).stdout)
    kept = [engine for database, _, engine in made if database == "replicated_shard" and engine.endswith("MergeTree")]
    assert len(kept) > 10
    assert {engine[: len("Replicated")] for engine in kept} == {"Replicated"}
    assert {engine for database, _, engine in made if database == "replicated_probe"} == {"MaterializedView", "Null"}
    assert {engine for database, _, engine in made if database == "replicated"} == {"Distributed", "View"}


def test_no_name_is_left_to_the_database_of_whoever_asks() -> None:
    names = "|".join(name for migration in migrations() for _, name in map(created, migration.statements))
    bare = re.compile(rf"\b(?:FROM|JOIN|INTO|TO|TABLE|VIEW|EXISTS) +(?:{names})\b")
    for statement in cluster_process.statements_of(Cluster("fleet", "runstream", even(2))):
        assert not bare.search(statement), statement


@pytest.mark.parametrize("sql", wanted())
def test_a_cluster_of_one_shard_answers_like_a_single_server(loaded: Callable[[str, str], list[str]], sql: str) -> None:
    expected = loaded("single", sql)
    assert expected
    assert loaded("alone", sql) == expected


@pytest.mark.parametrize("sql", [sql for sql in wanted() if "chart_band" not in sql])
def test_every_shard_is_asked_once(loaded: Callable[[str, str], list[str]], sql: str) -> None:
    # Both shards of this cluster are the same one.
    once = loaded("single", sql)
    assert loaded("twice", sql) == sorted(once * 2)


def test_a_band_counts_the_runs_of_all_shards(loaded: Callable[[str, str], list[str]]) -> None:
    band = f"chart_band(metric = '{METRICS[0]}', runs = [], points = 40, {EVERYWHERE})"
    columns = "step, p50, min, max"
    assert loaded("twice", f"SELECT {columns}, runs FROM {band}") == loaded(
        "single", f"SELECT {columns}, runs * 2 FROM {band}"
    )


def test_the_width_of_buckets_follows_from_the_runs_of_all_shards(engine: Callable[..., Any]) -> None:
    # A shard that chose for itself would draw the short run at every step.
    cluster = Cluster("alone", "widths", even(1))
    engine(cluster_process.open_cluster, cluster)
    for number, length in enumerate((100, 200_000)):
        steps = range(0, length, length // 100)
        frame = events.frame(steps, [events.ATTEMPT + 1 + s for s in steps], {"loss": [1.0] * len(steps)})
        engine(cluster_process.insert, "widths", "metric", [events.metric(UUID(int=number), [frame])])
    found = engine(
        cluster_process.query,
        "widths",
        f"SELECT run_id, count() FROM chart(metric = 'loss', runs = [], points = 100, {EVERYWHERE}) GROUP BY run_id",
        {},
    )
    assert dict(found) == {UUID(int=0): 1, UUID(int=1): 49}


def test_a_bad_batch_is_refused_before_any_shard_has_a_part_of_it(engine: Callable[..., Any]) -> None:
    engine(cluster_process.open_cluster, Cluster("twice", "refusing", even(2)))
    good = [events.metric(UUID(int=n), [events.frame([1], [events.ATTEMPT + 1], {"loss": [1.0]})]) for n in range(20)]
    bad = events.metric(UUID(int=99), [events.frame([2, 1], [2, 1], {"loss": [1.0, 2.0]})])
    for database in ("refusing", "refusing_probe"):
        with pytest.raises(ValueError, match="Constraint `rows_ascend_by_step_and_time`"):
            engine(cluster_process.insert, database, "metric", [*good, bad])
        with pytest.raises(ValueError, match="Constraint `rows_ascend_by_step_and_time`"):
            engine(cluster_process.insert, database, "metric", [bad])
    engine(cluster_process.insert, "refusing_probe", "metric", good)
    assert engine(cluster_process.query, "", "SELECT count() FROM refusing_shard.point", {}) == [(0,)]
    engine(cluster_process.insert, "refusing", "metric", good)
    assert engine(cluster_process.query, "", "SELECT count() FROM refusing_shard.point", {}) == [(20,)]


def test_the_engine_sends_every_run_to_the_shard_of_the_map(engine: Callable[..., Any]) -> None:
    rng = random.Random(7)
    run_ids = [UUID(int=rng.getrandbits(128)) for _ in range(5000)]
    for shards in (even(1), even(3), ShardMap(tuple(rng.choices(range(1, 300), k=1024)))):
        expected = [shards.shards[bucket_of(run_id)] for run_id in run_ids]
        assert engine(cluster_process.shard_of, shards, list(map(str, run_ids))) == expected


def test_moving_buckets_changes_nothing_that_a_view_shows(engine: Callable[..., Any]) -> None:
    # Two stores stand for two shards: the engine has no second node to copy from.
    old, new = Cluster("alone", "old", even(1)), Cluster("alone", "new", even(1))
    for cluster in (old, new):
        engine(cluster_process.open_cluster, cluster)
    for event, records in histories(range(3)).items():
        engine(cluster_process.insert, "old", event, records)
    engine(cluster_process.renew_findings, "old")

    def seen(*databases: str) -> list[list[str]]:
        return [
            sorted(repr(row) for each in databases for row in engine(cluster_process.query, each, sql, {}))
            for sql in wanted()
            if "chart_band" not in sql and "points = 40," not in sql
        ]

    before = seen("old")
    buckets = tuple(range(0, 1024, 2))
    for statement in (
        *moving.aside(new),
        *(text.replace("new_shard", "old_shard") for text in moving.copy(new, Move(1, 2, buckets))),
        *moving.attach(new),
        *moving.forget(old, buckets),
        *moving.tidy(new),
    ):
        engine(cluster_process.command, "", statement)
    assert 0 < len(engine(cluster_process.query, "new", "SELECT * FROM runs", {})) < len(before[VIEWS.index("runs")])
    assert seen("old", "new") == before


def test_a_clustered_store_is_migrated_once_and_keeps_its_map(engine: Callable[..., Any]) -> None:
    shards = ShardMap((1, 2) * 512)
    cluster, applied = engine(cluster_process.prepare, "kept", "twice", shards)
    assert (cluster.shards, applied) == (shards, len(migrations()))
    # Whoever names no map takes the one that stands, not the default for two shards.
    assert engine(cluster_process.prepare, "kept", "twice") == (cluster, 0)
    with pytest.raises(ValueError, match="another map than the setting store_shards names"):
        engine(cluster_process.prepare, "kept", "twice", even(2))
    for statement in Cluster("twice", "kept", even(2)).use_shards:
        engine(cluster_process.command, "", cluster_process.on_this_node(statement))
    assert engine(cluster_process.prepare, "kept", "twice") == (Cluster("twice", "kept", even(2)), 0)


@pytest.mark.parametrize(
    ("name", "shards", "complaint"),
    [
        ("nowhere", None, r"no cluster 'nowhere' \(it knows: alone, careless, heavy, twice\)"),
        ("heavy", None, "shard 2 of cluster heavy has the weight 2"),
        ("careless", None, "shard 1 of cluster careless has no internal_replication"),
        ("twice", even(3), "names shard 3, and the cluster twice has 2 shards"),
    ],
)
def test_a_cluster_that_would_misplace_rows_is_refused(
    engine: Callable[..., Any], name: str, shards: ShardMap | None, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        engine(cluster_process.prepare, "misplaced", name, shards)


def test_a_database_of_a_single_server_does_not_become_a_clustered_one(engine: Callable[..., Any]) -> None:
    engine(cluster_process.open_single, "lonely")
    with pytest.raises(ValueError, match="made for one server: name another database in the setting store"):
        engine(cluster_process.prepare, "lonely", "alone")


def test_the_space_of_deleted_runs_is_freed_on_every_shard(engine: Callable[..., Any]) -> None:
    cluster, _ = engine(cluster_process.prepare, "freed", "alone")
    for number in range(2):
        frame = events.frame([1], [events.ATTEMPT + 1], {"loss": [1.0]})
        engine(cluster_process.insert, "freed", "metric", [events.metric(UUID(int=number), [frame])])
    engine(cluster_process.insert, "freed", "tag", [events.deletion(UUID(int=0), events.ATTEMPT)])
    assert engine(cluster_process.free, cluster) == 1
    assert engine(cluster_process.query, "", "SELECT run_id FROM freed_shard.point", {}) == [(UUID(int=1),)]
    assert engine(cluster_process.free, cluster) == 0


def test_culprits_are_found_on_whichever_node_answers(engine: Callable[..., Any]) -> None:
    cluster, _ = engine(cluster_process.prepare, "probed", "alone")
    good = [events.metric(UUID(int=n), [events.frame([1], [events.ATTEMPT + 1], {"loss": [1.0]})]) for n in range(9)]
    bad = events.metric(UUID(int=99), [events.frame([2, 1], [2, 1], {"loss": [1.0, 2.0]})])
    assert engine(cluster_process.culprits, cluster, [*good[:4], bad, *good[4:]]) == [4]
    assert engine(cluster_process.query, "", "SELECT count() FROM probed_shard.point", {}) == [(0,)]


@pytest.mark.parametrize(
    ("name", "database", "complaint"),
    [("fleet'", "runstream", "the cluster"), ("fleet", "run stream", "the database"), ("fleet", "1st", "the database")],
)
def test_names_that_would_need_quotes_are_refused(name: str, database: str, complaint: str) -> None:
    with pytest.raises(ClusterError, match=complaint):
        Cluster(name, database, even(1))


def test_a_statement_without_a_form_on_a_cluster_is_refused() -> None:
    with pytest.raises(ClusterError, match="no form on a cluster is known for: DROP TABLE point"):
        Cluster("fleet", "runstream", even(1)).statements("DROP TABLE point")


def _short(statement: str) -> str:
    return re.sub(r"\[(?:\d+, ){1023}\d+\]", "[…]", statement)
