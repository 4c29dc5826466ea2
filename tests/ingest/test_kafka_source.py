"""What the source on topics gives away and commits when partitions come and go in the middle of a call."""

import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_INVALID, KafkaError
from ingest_support import batches
from scripted import METRIC, FakeClock
from scripted_consumer import TOPIC, Record, ScriptedConsumer, source_of

from runstream_ingest.sources.kafka import KafkaTopics
from runstream_ingest.sources.refusal import BrokerRefuses
from runstream_ingest.sources.source import Partition

VALUES = [METRIC.header + datum for datum in batches(8, rows=1)]
UNKNOWN = b"\xc3\x01" + b"\x07" * 8 + VALUES[0][10:]


def gives(partition: int, *offsets: int) -> list[Record]:
    return [Record(partition, offset, VALUES[offset]) for offset in offsets]


def polled(source: KafkaTopics) -> list[tuple[str, int]]:
    return [(message.partition.name, message.offset) for message in source.poll(1 << 20, 0.0)]


def test_what_came_early_of_a_partition_that_goes_is_not_given_away() -> None:
    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0, 1) or []])
    source = source_of(consumer, FakeClock())
    assert polled(source) == []
    consumer.calls = [
        lambda c: [*gives(0, 0, 1), *gives(1, 0)],
        lambda c: c.take_away() or [],
        lambda c: c.assign_in_group(1) or gives(1, 0, 1),
    ]
    for _ in range(3):
        source.keep_alive()
    assert polled(source) == [("1", 0), ("1", 1)]


def test_a_partition_that_goes_and_comes_back_in_one_call_is_read_from_what_is_committed() -> None:
    def comes_and_goes(consumer: ScriptedConsumer) -> list[Record]:
        consumer.take_away()
        consumer.assign_in_group(0, 2)
        consumer.assigned = {0: 7, 2: 7}
        return [*gives(0, 3), *gives(1, 3)]

    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0, 1) or [], comes_and_goes])
    source = source_of(consumer, FakeClock())
    assert [polled(source), polled(source)] == [[], []]
    assert consumer.assigned == {0: OFFSET_INVALID, 2: OFFSET_INVALID}


def test_a_partition_that_comes_and_goes_in_one_call_is_left_to_its_new_worker() -> None:
    def restless(consumer: ScriptedConsumer) -> list[Record]:
        consumer.take_away()
        consumer.assign_in_group(0)
        consumer.take_away()
        return gives(0, 3)

    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0) or [], restless])
    source = source_of(consumer, FakeClock())
    assert polled(source) == []
    assert polled(source) == []
    assert consumer.assigned == {}


def test_partitions_that_begin_anew_leave_the_others_where_they_are() -> None:
    def unknown(partition: int) -> Record:
        return Record(partition, None, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))

    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0, 1, 2, 3) or [unknown(1), unknown(2), *gives(0, 4)]])
    source = source_of(consumer, FakeClock())
    consumer.positions = {0: 5}
    assert polled(source) == [("0", 4)]
    assert consumer.assigned == {0: 5, 1: OFFSET_BEGINNING, 2: OFFSET_BEGINNING, 3: OFFSET_INVALID}
    # Nothing has come of 2 yet: it would be sent back to what is committed, which is nowhere.
    consumer.calls = [lambda c: gives(1, 0), lambda c: [unknown(3)]]
    consumer.positions = {0: 5, 1: 1}
    assert [polled(source), polled(source)] == [[("1", 0)], []]
    assert consumer.assigned == {0: 5, 1: 1, 2: OFFSET_BEGINNING, 3: OFFSET_BEGINNING}
    source.rewind()
    assert set(consumer.assigned.values()) == {OFFSET_INVALID}


def test_a_partition_that_waits_for_a_schema_goes_on_where_it_comes_back() -> None:
    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0) or [], lambda c: [Record(0, 0, UNKNOWN)]])
    source = source_of(consumer, FakeClock())
    assert [polled(source), polled(source)] == [[], []]
    assert consumer.paused == {0}
    consumer.calls = [lambda c: c.take_away() or [], lambda c: c.assign_in_group(0) or [], lambda c: gives(0, 1)]
    assert [polled(source), polled(source), polled(source)] == [[], [], [("0", 1)]]
    assert consumer.paused == set()


def test_positions_that_the_broker_does_not_take_are_sent_again_unless_later_ones_were() -> None:
    clock = FakeClock()
    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0, 1) or []])
    source = source_of(consumer, clock)
    polled(source)
    source.commit({Partition(TOPIC, "0"): 3, Partition(TOPIC, "1"): 4})
    source.commit({Partition(TOPIC, "0"): 5})
    consumer.answer_commit(KafkaError.REBALANCE_IN_PROGRESS, 0)
    consumer.answer_commit(None, 1)
    clock.now += 1.5
    polled(source)
    assert consumer.commits[2:] == [{1: 4}]
    consumer.answer_commit(KafkaError._TIMED_OUT)
    polled(source)
    assert consumer.commits[3:] == []
    clock.now += 1.5
    polled(source)
    assert consumer.commits[3:] == [{1: 4}]
    consumer.answer_commit(None)
    clock.now += 1.5
    polled(source)
    assert consumer.commits[4:] == []


def test_positions_of_a_partition_that_is_gone_are_not_sent_again() -> None:
    clock = FakeClock()
    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0) or [], lambda c: c.take_away() or []])
    source = source_of(consumer, clock)
    polled(source)
    source.commit({Partition(TOPIC, "0"): 3})
    polled(source)
    consumer.answer_commit(KafkaError.ILLEGAL_GENERATION)
    clock.now += 1.5
    polled(source)
    assert consumer.commits == [{0: 3}]


def test_a_topic_made_anew_is_read_from_its_first_event_and_nothing_of_the_old_one_is_committed() -> None:
    consumer = ScriptedConsumer([lambda c: c.assign_in_group(0) or []])
    source = source_of(consumer, FakeClock())
    released: list[tuple[list[Partition], bool]] = []
    source.listen(lambda partitions, lost: released.append((list(partitions), lost)))
    polled(source)
    outside = Record(0, 7, error=KafkaError(KafkaError._AUTO_OFFSET_RESET))
    consumer.calls = [lambda c: [*gives(0, 5, 6), outside]]
    assert polled(source) == []
    assert released == [([Partition(TOPIC, "0")], True)]
    assert consumer.assigned == {0: OFFSET_BEGINNING}
    assert [notice.kind for notice in source.notices()] == ["expired"]


def test_errors_that_no_retry_can_mend_say_what_to_do() -> None:
    refused = Record(0, 0, error=KafkaError(KafkaError.GROUP_AUTHORIZATION_FAILED))
    source = source_of(ScriptedConsumer([lambda c: [refused]]), FakeClock())
    with pytest.raises(BrokerRefuses, match="grant it READ on the group"):
        source.poll(1, 0.0)
