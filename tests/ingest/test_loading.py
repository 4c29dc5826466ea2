"""Log directory → embedded store, with the real engine, tables and views."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import engine_tasks as tasks
import failing_store
from ingest_support import OTHER, RUN, batches, segment, segment_path, write_segment

from support_events import ATTEMPT

InEngine = Callable[..., Any]


def test_every_point_is_stored_as_it_was_logged(in_engine: InEngine, tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "log", "metric"), batches(3, rows=50))
    assert in_engine(tasks.load, tmp_path, tmp_path / "log")["points"] == 300
    steps = range(150)
    expected = [("lr", str(RUN), 0, ATTEMPT, step, float(step * 31 % 97) / 7) for step in steps]
    expected += [("train/loss", *row[1:]) for row in expected]
    assert in_engine(tasks.points_of, tmp_path) == sorted(expected)


def test_a_history_fills_every_view(model: dict[str, list[str]]) -> None:
    assert len(model["runs"]) == 1
    assert "vision" in model["tags"][0]
    assert [view for view, rows in model.items() if not rows] == []


def test_replaying_all_files_three_times_in_any_order_changes_no_view(
    in_engine: InEngine, tmp_path: Path, model: dict[str, list[str]]
) -> None:
    assert in_engine(tasks.replayed_in_any_order, tmp_path, 1) == model


def test_a_second_load_reads_only_what_is_new(in_engine: InEngine, tmp_path: Path) -> None:
    whole = segment(batches(6))
    first = segment(batches(4), sync=whole[-16:])
    path = segment_path(tmp_path / "log", "metric")
    path.write_bytes(first + b"\x02")
    assert in_engine(tasks.load, tmp_path, tmp_path / "log")["messages"] == 4
    assert in_engine(tasks.load, tmp_path, tmp_path / "log")["messages"] == 0
    path.write_bytes(whole)
    assert in_engine(tasks.load, tmp_path, tmp_path / "log")["messages"] == 2
    assert len(in_engine(tasks.points_of, tmp_path)) == 6 * 40


def test_two_log_directories_are_loaded_together(in_engine: InEngine, tmp_path: Path) -> None:
    write_segment(segment_path(tmp_path / "a", "metric"), batches(3))
    write_segment(segment_path(tmp_path / "b", "metric"), batches(2, run_id=OTHER))
    assert in_engine(tasks.load, tmp_path, tmp_path / "a", tmp_path / "b")["points"] == 200
    assert in_engine(tasks.load, tmp_path, tmp_path / "b", tmp_path / "a")["points"] == 0


def test_of_a_zoo_of_poison_only_the_culprits_die(in_engine: InEngine, tmp_path: Path) -> None:
    zoo = in_engine(tasks.zoo, tmp_path)
    assert zoo["missing"] == []
    assert zoo["bad tag kept"]
    # Eight bad batches, one bad tag, one damaged region.
    assert zoo["counts"] == {"messages": 12 + 8 + 2 + 3, "points": 14 * 40, "dead": 10, "notices": 2}
    assert zoo["kept"] == 10
    assert zoo["rows"] == 10
    assert zoo["stored"] == [(str(RUN), seq) for seq in range(12)] + [(str(OTHER), 0), (str(OTHER), 2)]
    assert zoo["tags"] == [("a",)]
    assert zoo["leftovers"] == []
    assert zoo["again"]["messages"] == 0


def test_a_flood_of_poison_stops_and_puts_nothing_aside(in_engine: InEngine, tmp_path: Path) -> None:
    flood = in_engine(tasks.flood, tmp_path)
    assert "refused" in flood["error"]
    assert flood["letters"] == 0
    assert flood["positions"] == 0


def test_a_failing_view_holds_everything_back_until_it_is_healed(in_engine: InEngine, tmp_path: Path) -> None:
    result = in_engine(failing_store.failing_view, tmp_path)
    assert "keeps failing" in result["error"]
    assert result["committed while failing"] == 0
    assert result["healed"] == 200
    assert result["second"] == [0, 1, 2, 3, 4]
    assert result["points"] == 200
    assert result["letters"] == 0


def test_a_worker_that_follows_names_a_failing_store_and_gives_it_back_until_it_is_mended(
    in_engine: InEngine, tmp_path: Path
) -> None:
    result = in_engine(failing_store.followed_while_failing, tmp_path)
    assert len(result["said"]) == 1
    assert "the store keeps failing" in result["said"][0]
    assert "trying again" in result["said"][0]
    assert result["loads"] == [200]
    assert result["points"] == 200


def test_the_space_of_deleted_runs_is_freed_and_no_view_changes(in_engine: InEngine, tmp_path: Path) -> None:
    assert in_engine(tasks.deleted_space, tmp_path) == {"had": 120, "runs": 1, "has": 0, "again": 0, "same": True}


def test_a_store_of_a_later_version_is_refused_with_the_remedy(in_engine: InEngine, tmp_path: Path) -> None:
    assert "upgrade" in in_engine(tasks.store_of_a_later_version, tmp_path)


def test_a_migration_cut_off_in_the_middle_is_completed(in_engine: InEngine, tmp_path: Path) -> None:
    assert in_engine(tasks.half_migrated, tmp_path) == ["point_from_landing"]


def test_a_new_store_is_filled_from_the_beginning_of_the_log(in_engine: InEngine, tmp_path: Path) -> None:
    assert in_engine(tasks.recreated_store, tmp_path) == (160, 160)


def test_a_store_that_cannot_be_made_says_where_and_why(in_engine: InEngine, tmp_path: Path) -> None:
    message = in_engine(tasks.store_at_a_bad_place, tmp_path)
    assert str(tmp_path / "file") in message


def test_the_probe_of_a_killed_worker_is_swept_away(in_engine: InEngine, tmp_path: Path) -> None:
    assert in_engine(tasks.probe_of_a_killed_worker, tmp_path) == (3, 0)
