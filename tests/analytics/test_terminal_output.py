"""What a terminal shows: widths, many runs, names that are awkward to print."""

import re
from pathlib import Path
from uuid import UUID

import logged_runs
import pytest
from logged_runs import MANY, NAMES
from rich.cells import cell_len
from shells import on_terminal, plain, shell

import support_events as events


def test_a_terminal_shows_fifty_of_many_runs_and_says_so_and_a_pipe_gets_all(many: Path) -> None:
    text = plain(on_terminal(many, 100, "ls"))
    assert len(re.findall(r"trial-\d+", text)) == 50
    assert "50 of 5000 runs; --limit 0 shows all" in text
    code, out, err = shell(many, "ls")
    assert (code, err) == (0, "")
    assert len(re.findall(r"trial-\d+", out)) == MANY


@pytest.mark.parametrize(("columns", "no_color"), [(40, False), (120, True)])
def test_a_terminal_of_any_width_shows_every_id_in_full(fresh: Path, columns: int, no_color: bool) -> None:
    text = on_terminal(fresh, columns, "ls", NO_COLOR="1") if no_color else on_terminal(fresh, columns, "ls")
    assert all(str(run_id)[-8:] in plain(text) for run_id in NAMES)
    assert fits(text, columns)
    assert ("\x1b[32m" in text) != no_color


def test_a_narrow_terminal_leaves_out_what_nobody_asked_for_and_says_so(fresh: Path) -> None:
    text = plain(
        on_terminal(fresh, 90, "ls", "--sort", "val/accuracy:max", "--where", "lr > 0 and started > 2000-01-01")
    )
    [heading] = re.findall(r"^id .*", text, re.MULTILINE)
    assert heading.split() == ["id", "name", "state", "started", "val/accuracy:max", "lr"]
    assert "no room for experiment, duration, step; --columns chooses what is shown" in text


AWKWARD = [
    "学習率" * 30,
    "two\nlines\r\x1b[2J\x1b]0;title\x07",
    "\u202egnp.exe",
    "\x9b31m",
    "\U0001f469\u200d\U0001f52c \u2764\ufe0f",
    "\u05e2\u05d1\u05e8\u05d9\u05ea",
    "a\tb",
]


def test_no_name_can_steer_the_terminal_or_break_the_table(tmp_path: Path) -> None:
    columns = 80
    ids = [UUID(int=int(UUID("01935000-0000-7000-8000-000000000000")) + number) for number in range(len(AWKWARD))]
    for number, (run_id, name) in enumerate(zip(ids, AWKWARD, strict=True)):
        log, attempt = tmp_path / ".runstream" / "log", events.ATTEMPT + number
        logged_runs.put(log, "run", [events.run(run_id, attempt=attempt, name=name, experiment=name)])
        logged_runs.put(log, "tag", [events.tag(run_id, name, name, attempt=attempt)])
        frame = events.frame([0, 1], [attempt + 1, attempt + 2], {name: [0.5, 0.25]})
        logged_runs.put(log, "metric", [events.metric(run_id, [frame], attempt=attempt)])
    for arguments in (["ls"], ["show", *map(str, ids)], ["plot", *AWKWARD], ["verify"], ["delete", *map(str, ids)]):
        text = on_terminal(tmp_path, columns, *arguments, may_fail=True)
        assert fits(text, columns), arguments
        assert not set("\x07\x9b\u202e\t") & set(text), arguments
        assert "\x1b[2J" not in text
        assert "\x1b]" not in text


def fits(text: str, columns: int) -> bool:
    """Whether tables and charts stay within a terminal; a message may be longer, and is folded by the terminal."""
    lines = plain(text).replace("\r", "").split("\n")
    return all(
        cell_len(line) <= columns for line in lines if not re.match(r"runstream|none of|no room|\S+ is running", line)
    )
