"""The engine with deploy/clickhouse's own configuration, in a process of its own: what it answers to statements."""

import multiprocessing
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "deploy/clickhouse"

# Our files are merged into these, as into those of the image.
CONFIG = "<clickhouse><users_config>{users}</users_config><logger><level>none</level></logger></clickhouse>"
USERS = """
<clickhouse>
    <profiles><default/></profiles>
    <quotas><default/></quotas>
    <users><default><password/><networks><ip>::/0</ip></networks><profile>{profile}</profile><quota>default</quota>
        <access_management>1</access_management></default></users>
</clickhouse>
"""


def answers(directory: Path, statements: Sequence[str], profile: str = "default") -> list[str]:
    """The answer to each statement, or `error CODE`. The user has all rights and the limits of a profile.

    What was created is there for the next call with the directory.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_answers, directory, list(statements), profile).result(timeout=100)


def _answers(directory: Path, statements: list[str], profile: str) -> list[str]:
    from chdb import session

    os.environ.update({f"CLICKHOUSE_{name}_PASSWORD": name for name in ("MIGRATE", "INGEST", "GRAFANA")})
    directory.mkdir(exist_ok=True)
    for name in ("config.d", "users.d"):
        shutil.copytree(DEPLOY / name, directory / name, dirs_exist_ok=True)
    (directory / "config.xml").write_text(CONFIG.format(users=directory / "users.xml"))
    (directory / "users.xml").write_text(USERS.format(profile=profile))
    engine = session.Session(f"{directory / 'store'}?config-file={directory / 'config.xml'}")
    return [_answer(engine, statement) for statement in statements]


def _answer(engine: object, statement: str) -> str:
    try:
        return str(engine.query(statement, "TSV")).strip()  # type: ignore[attr-defined]
    except Exception as error:
        return "error " + str(error).removeprefix("Code: ").partition(".")[0]
