"""How a worker on topics begins, or says why it cannot."""

from collections.abc import Iterator
from pathlib import Path

import kafka_tasks
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    ResourcePatternType,
    ResourceType,
)
from ingest_support import batch_record
from kafka_worker import RunningWorker, committed, until
from worker_process import WORKER

from broker.accounts import with_accounts
from broker.fixtures import require_broker
from broker.kafka import Cluster, free_ports
from runstream_ingest.dead_letter_topic import DeadLetterTopic
from runstream_ingest.sources.source import LogFailed
from runstream_schemas import settings as shared
from runstream_schemas.exit_codes import ExitCode
from runstream_schemas.settings import Settings

pytest_plugins = ("http_front.fixture", "http_fixtures")

IMPATIENT = (
    "import runstream_ingest.topics as t, runstream_ingest.worker as w; t.ANSWER_S = 0.5; w.FIRST_ANSWER_S = 1.0; "
    + WORKER
)


def test_missing_topics_are_named_with_what_makes_them(broker: Cluster, prefix: str, tmp_path: Path) -> None:
    done = kafka_tasks.drain(kafka_tasks.worker_environment(tmp_path, broker.url, prefix))
    assert done.returncode == ExitCode.LOG_FAILED
    assert "missing" in done.stderr
    assert f"{prefix}.metric" in done.stderr
    assert "runstream topics create" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broker_that_never_comes_is_waited_for_and_then_named(prefix: str, tmp_path: Path) -> None:
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"
    environ = kafka_tasks.worker_environment(tmp_path, f"kafka://{nowhere}", prefix)
    with RunningWorker(environ, code=IMPATIENT) as worker:
        assert worker.ended() == ExitCode.LOG_FAILED
        said = [line["message"] for line in worker.lines()]
    assert "trying again" in said[1]
    assert nowhere in said[-1]
    assert "is it running" in said[-1]


def test_a_worker_that_starts_before_its_broker_begins_when_it_comes(
    own_broker: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(own_broker.url, prefix)
    kafka_tasks.produce(own_broker.url, prefix, {"metric": [batch_record(0)]})
    (node,) = own_broker.nodes
    own_broker.stop(node)
    environ = kafka_tasks.worker_environment(tmp_path, own_broker.url, prefix, RUNSTREAM_STORE=url)
    quick = "import runstream_ingest.topics as t; t.ANSWER_S = 1.0; " + WORKER
    with RunningWorker(environ, code=quick) as worker:
        worker.wait_for_words("trying again")
        own_broker.start(node)
        until(lambda: committed(own_broker, prefix).get(("metric", 0)) == 1)
        assert worker.stop() == 0


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that asks who one is."""
    require_broker()
    with Cluster(
        tmp_path_factory.mktemp("secured") / "cluster", extra=with_accounts(("worker", "guest"), "secret")
    ) as cluster:
        yield cluster


def allow(cluster: Cluster, user: str, kind: ResourceType, name: str, *operations: AclOperation) -> None:
    admin = cluster.admin()
    bindings = [
        AclBinding(kind, name, ResourcePatternType.PREFIXED, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
    for future in admin.create_acls(bindings).values():
        future.result(30)


def as_user(cluster: Cluster, user: str, password: str, tmp_path: Path, prefix: str, store: str) -> dict[str, str]:
    return kafka_tasks.worker_environment(
        tmp_path,
        f"kafka://127.0.0.1:{cluster.secure_ports[0]}",
        prefix,
        RUNSTREAM_STORE=store,
        RUNSTREAM_KAFKA_SECURITY="sasl_plaintext",
        RUNSTREAM_KAFKA_USERNAME=user,
        RUNSTREAM_KAFKA_PASSWORD=password,
        RUNSTREAM_KAFKA_SASL_MECHANISM="PLAIN",
    )


def settings_of(environ: dict[str, str]) -> Settings:
    return shared.load(environ={name: value for name, value in environ.items() if name.startswith("RUNSTREAM_")})


def test_the_smallest_rights_suffice_and_what_is_missing_is_named(
    secured: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(secured.url, prefix)
    kafka_tasks.produce(secured.url, prefix, {"metric": [batch_record(0), batch_record(1, names=("lr", "n" * 2000))]})
    environ = as_user(secured, "worker", "secret", tmp_path, prefix, url)
    allow(secured, "worker", ResourceType.TOPIC, prefix, AclOperation.READ)
    allow(secured, "worker", ResourceType.TOPIC, f"{prefix}.dead_letter", AclOperation.WRITE)
    done = kafka_tasks.drain(environ)
    assert done.returncode == ExitCode.LOG_FAILED, done.stderr
    assert "grant it READ on the group" in done.stderr
    allow(secured, "worker", ResourceType.GROUP, f"{prefix}.ingest", AclOperation.READ)
    done = kafka_tasks.drain(environ)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert committed(secured, prefix)["metric", 0] == 2
    assert secured.end_offset(f"{prefix}.dead_letter") == 1


def test_without_the_right_to_keep_dead_letters_nothing_is_committed_and_the_right_is_named(
    secured: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(secured.url, prefix)
    kafka_tasks.produce(secured.url, prefix, {"metric": [batch_record(0), batch_record(1, names=("lr", "n" * 2000))]})
    allow(secured, "worker", ResourceType.TOPIC, prefix, AclOperation.READ)
    allow(secured, "worker", ResourceType.GROUP, f"{prefix}.ingest", AclOperation.READ)
    with RunningWorker(as_user(secured, "worker", "secret", tmp_path, prefix, url)) as worker:
        line = worker.wait_for_words("takes no dead letters")
        assert f"grant this user WRITE on {prefix}.dead_letter" in line["message"]
        assert committed(secured, prefix).get(("metric", 0), 0) <= 0
        allow(secured, "worker", ResourceType.TOPIC, f"{prefix}.dead_letter", AclOperation.WRITE)
        until(lambda: committed(secured, prefix).get(("metric", 0)) == 2)
        assert worker.stop() == 0
    assert secured.end_offset(f"{prefix}.dead_letter") == 1


def test_who_looks_at_dead_letters_needs_the_topic_and_its_group_and_is_told(
    secured: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(secured.url, prefix)
    kafka_tasks.send(secured.url, [(f"{prefix}.metric", b"key", b"no event")])
    kafka_tasks.drain(kafka_tasks.worker_environment(tmp_path, secured.url, prefix, RUNSTREAM_STORE=url))
    settings = settings_of(as_user(secured, "guest", "secret", tmp_path, prefix, url))
    topic = f"{prefix}.dead_letter"
    for kind, name, right in (
        (ResourceType.TOPIC, topic, AclOperation.READ),
        (ResourceType.GROUP, f"{topic}.reader", AclOperation.DESCRIBE),
    ):
        with pytest.raises(LogFailed, match=f"grant this user {right.name}"):
            list(DeadLetterTopic(settings.url, settings.kafka).letters())
        allow(secured, "guest", kind, name, right)
    assert len(list(DeadLetterTopic(settings.url, settings.kafka).letters())) == 1


def test_a_user_without_rights_and_a_wrong_password_are_told_apart(
    secured: Cluster, prefix: str, tmp_path: Path, url: str
) -> None:
    kafka_tasks.make_topics(secured.url, prefix)
    with RunningWorker(as_user(secured, "guest", "secret", tmp_path, prefix, url)) as worker:
        assert worker.ended() == ExitCode.LOG_FAILED
        assert "grant" in worker.lines()[-1]["message"]
    with RunningWorker(as_user(secured, "worker", "wrong", tmp_path, prefix, url), code=IMPATIENT) as worker:
        assert worker.ended() == ExitCode.LOG_FAILED
        assert "RUNSTREAM_KAFKA_PASSWORD" in worker.lines()[-1]["message"]
