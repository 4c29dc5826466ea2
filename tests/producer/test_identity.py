"""Every rank of a job arrives at the same run; two jobs never do."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runstream.identity import JobIdentity, ProcessFacts, identify, parse_run_id, read_facts, uuid7

FACTS = ProcessFacts("boot/pid:[1]", 4242, 777)
OTHER_NODE = ProcessFacts("other boot/pid:[1]", 99, 5)


def torchrun(rank: int, world: int = 4, local_world: int = 4, run_id: str = "none", **more: str) -> dict[str, str]:
    return {
        "RANK": str(rank),
        "WORLD_SIZE": str(world),
        "LOCAL_RANK": str(rank % local_world),
        "LOCAL_WORLD_SIZE": str(local_world),
        "GROUP_RANK": str(rank // local_world),
        "TORCHELASTIC_RUN_ID": run_id,
        **more,
    }


def srun(rank: int, *, job: str = "100", step: str = "0", tasks: int = 4, nodes: int = 2) -> dict[str, str]:
    return {
        "SLURM_CLUSTER_NAME": "alps",
        "SLURM_JOB_ID": job,
        "SLURM_STEP_ID": step,
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank % (tasks // nodes)),
        "SLURM_NODEID": str(rank // (tasks // nodes)),
        "SLURM_STEP_NUM_TASKS": str(tasks),
        "SLURM_STEP_NUM_NODES": str(nodes),
    }


def place(identity: JobIdentity) -> tuple[int, int, int, int]:
    return identity.rank, identity.local_rank, identity.world_size, identity.node


def test_a_process_alone_gets_a_fresh_uuid7_at_each_init() -> None:
    first, second = identify({}, FACTS, 0), identify({}, FACTS, 1)
    assert first.run_id != second.run_id
    assert first.run_id.version == 7
    assert (first.run_id_source, place(first), first.warning) == ("process", (0, 0, 1, 0), None)


def test_all_torchrun_ranks_of_one_node_share_a_run_although_the_id_is_none() -> None:
    identities = [identify(torchrun(rank), FACTS, 0) for rank in range(4)]
    assert len({identity.run_id for identity in identities}) == 1
    assert [place(identity) for identity in identities] == [(rank, rank, 4, 0) for rank in range(4)]
    assert identities[0].run_id_source == "node"
    assert not any(identity.warning for identity in identities)


def test_two_jobs_on_one_node_have_two_runs() -> None:
    other = replace(FACTS, parent_pid=4243)
    reused_pid = replace(FACTS, parent_start=778)
    ids = {identify(torchrun(0), facts, 0).run_id for facts in (FACTS, other, reused_pid, OTHER_NODE)}
    assert len(ids) == 4


def test_two_inits_in_one_process_are_two_runs_and_all_ranks_agree_on_both() -> None:
    ids = [{identify(torchrun(rank), FACTS, n).run_id for rank in range(4)} for n in (0, 1)]
    assert [len(found) for found in ids] == [1, 1]
    assert ids[0] != ids[1]


def test_orphans_of_two_jobs_are_told_apart_by_their_ports() -> None:
    orphan = replace(FACTS, parent_pid=1, parent_start=0)
    jobs = [{"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": port} for port in ("1", "2")]
    assert identify(jobs[0], orphan, 0).run_id != identify(jobs[1], orphan, 0).run_id


def test_several_nodes_share_a_run_by_the_torchrun_id() -> None:
    ids = {
        identify(torchrun(rank, run_id="job-7", local_world=2), facts, 0).run_id
        for rank, facts in ((0, FACTS), (1, FACTS), (2, OTHER_NODE), (3, OTHER_NODE))
    }
    assert len(ids) == 1
    assert identify(torchrun(0, run_id="job-8", local_world=2), FACTS, 0).run_id not in ids


@pytest.mark.parametrize("unusable", ["none", "", "None", " "])
def test_several_nodes_without_a_usable_id_make_a_run_each_and_warn_once_a_node(unusable: str) -> None:
    ranks = [(rank, FACTS if rank < 2 else OTHER_NODE) for rank in range(4)]
    identities = [identify(torchrun(rank, run_id=unusable, local_world=2), facts, 0) for rank, facts in ranks]
    assert identities[0].run_id == identities[1].run_id != identities[2].run_id == identities[3].run_id
    assert [bool(identity.warning) for identity in identities] == [True, False, True, False]
    assert "RUNSTREAM_RUN_ID" in str(identities[0].warning)


@pytest.mark.parametrize("nodes", [1, 2])
def test_srun_ranks_share_a_run_whatever_shell_stands_between(nodes: int) -> None:
    facts = [replace(FACTS, parent_pid=1000 + rank) for rank in range(4)]
    identities = [identify(srun(rank, nodes=nodes), facts[rank], 0) for rank in range(4)]
    assert len({identity.run_id for identity in identities}) == 1
    assert identities[3].run_id_source == "slurm"
    assert identities[3].job_id == "100"
    assert place(identities[3]) == ((3, 3, 4, 0) if nodes == 1 else (3, 1, 4, 1))


def test_two_srun_steps_of_one_job_are_two_runs() -> None:
    assert identify(srun(0, step="0"), FACTS, 0).run_id != identify(srun(0, step="1"), FACTS, 0).run_id


def test_a_requeued_job_keeps_its_run() -> None:
    again = {**srun(0), "SLURM_RESTART_COUNT": "1"}
    assert identify(again, OTHER_NODE, 0).run_id == identify(srun(0), FACTS, 0).run_id


def test_torchrun_on_several_slurm_nodes_shares_the_step() -> None:
    ids = set()
    for rank, facts in ((0, FACTS), (2, OTHER_NODE)):
        environ = {**srun(rank // 2, tasks=2), **torchrun(rank, local_world=2)}
        identity = identify(environ, facts, 0)
        assert (identity.run_id_source, identity.rank, identity.world_size) == ("slurm", rank, 4)
        ids.add(identity.run_id)
    assert len(ids) == 1


def test_a_batch_script_with_eight_tasks_is_one_process() -> None:
    batch = {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_NNODES": "2"}
    assert identify(batch, FACTS, 0).world_size == 1
    assert identify({**batch, "SLURM_STEP_ID": "4294967291"}, FACTS, 0).world_size == 1


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (
            {"OMPI_COMM_WORLD_RANK": "3", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "3",
             "OMPI_COMM_WORLD_LOCAL_SIZE": "4"},
            (3, 3, 4, 0),
        ),
        ({"PMI_RANK": "1", "PMI_SIZE": "2", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2", "SLURM_PROCID": "0",
          "SLURM_NTASKS": "2"}, (1, 1, 2, 0)),
        ({"RUNSTREAM_RANK": "5", "RUNSTREAM_WORLD_SIZE": "8", "RUNSTREAM_LOCAL_RANK": "1", "RUNSTREAM_NODE": "2",
          "RANK": "0", "WORLD_SIZE": "1"}, (5, 1, 8, 2)),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}, (1, 1, 2, 0)),
        ({"RANK": "9", "WORLD_SIZE": "2"}, (0, 0, 1, 0)),
        ({"RANK": "x", "WORLD_SIZE": "2"}, (0, 0, 1, 0)),
        ({"RANK": "1"}, (0, 0, 1, 0)),
        ({"WORLD_SIZE": ""}, (0, 0, 1, 0)),
    ],
)  # fmt: skip
def test_ranks_come_from_the_innermost_launcher_that_speaks_clearly(
    environ: dict[str, str], expected: tuple[int, int, int, int]
) -> None:
    assert place(identify(environ, FACTS, 0)) == expected


def test_an_explicit_run_id_comes_before_the_variable_and_that_before_all_else() -> None:
    chosen, variable = uuid7(), uuid7()
    environ = {**torchrun(1), "RUNSTREAM_RUN_ID": str(variable)}
    assert identify(environ, FACTS, 0).run_id == variable
    assert identify(environ, FACTS, 0).run_id_source == "RUNSTREAM_RUN_ID"
    argument = identify(environ, FACTS, 0, chosen)
    assert (argument.run_id, argument.run_id_source, argument.rank) == (chosen, "argument", 1)
    assert identify({"RUNSTREAM_RUN_ID": ""}, FACTS, 0).run_id_source == "process"


@given(st.text(min_size=1).filter(lambda text: 0 < len(text.strip()) <= 512))
def test_a_name_always_means_the_same_run(name: str) -> None:
    try:
        assert parse_run_id(name) == parse_run_id(f" {name} ")
    except ValueError as error:
        assert "looks like a UUID" in str(error)


def test_different_names_are_different_runs_and_a_surrogate_is_a_name_too() -> None:
    assert len({parse_run_id(name) for name in ("baseline", "baseline-2", "\udcff", "3f2a9c1b")}) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "   ",
        "x" * 513,
        7,
        None,
        b"x",
        "0190a7c2-7b1e-7c3a-9d2f-0123456789a",
        "0190a7c2-7b1e-7c3a-9d2f-0123456789aX",
    ],
)
def test_a_damaged_run_id_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(ValueError, match="RUNSTREAM_RUN_ID"):
        parse_run_id(wrong, "RUNSTREAM_RUN_ID")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "environ",
    [
        {"RUNSTREAM_RANK": "one", "RUNSTREAM_WORLD_SIZE": "2"},
        {"RUNSTREAM_RANK": "2", "RUNSTREAM_WORLD_SIZE": "2"},
        {"RUNSTREAM_RANK": "0"},
        {"RUNSTREAM_WORLD_SIZE": "2"},
        {"RUNSTREAM_RANK": "-1", "RUNSTREAM_WORLD_SIZE": "2"},
    ],
)
def test_a_rank_that_the_user_set_wrong_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="RUNSTREAM_"):
        identify(environ, FACTS, 0)


@given(st.integers(0, 2**48 - 1))
def test_uuid7_carries_its_time_version_and_variant(unix_ms: int) -> None:
    made = uuid7(unix_ms)
    assert (made.int >> 80, made.version, made.variant) == (unix_ms, 7, uuid.RFC_4122)


def test_uuid7_sorts_by_time_and_differs_within_a_millisecond() -> None:
    assert uuid7(1) < uuid7(2) < uuid7(3)
    assert len({uuid7(5).hex[-6:] for _ in range(50)}) > 45


def test_siblings_read_the_same_facts_and_they_name_the_real_parent() -> None:
    program = "from runstream.identity import read_facts; print(read_facts())"
    outputs = {subprocess.check_output([sys.executable, "-c", program]) for _ in range(2)}
    assert len(outputs) == 1
    assert f"parent_pid={os.getpid()}," in outputs.pop().decode()
    assert read_facts().parent_start > 0
