"""The worker on topics: a member of the consumer group that stores until it is stopped.

A store on a server is opened once. An embedded one is given back when another process wants it (see holding.py); the
worker stays in its group meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from clickhouse_connect.driver.exceptions import ClickHouseError

from runstream_ingest.backoff import Backoff
from runstream_ingest.batch import Batcher
from runstream_ingest.clock import Clock
from runstream_ingest.consumer import consumer_config, maker
from runstream_ingest.dead_letter_topic import DeadLetterTopic
from runstream_ingest.deliver import Stopped, StoreKeepsFailing
from runstream_ingest.follow import FREE_DELETED_EVERY_S, REPORT_EVERY_S, SAY_TROUBLE_AFTER_S
from runstream_ingest.free import free_deleted
from runstream_ingest.holding import ASK_EVERY_S, Hold, Holding
from runstream_ingest.lock import StoreBusy
from runstream_ingest.loop import KEEP_ALIVE_S, Loaded
from runstream_ingest.observer import Observer
from runstream_ingest.poison import PoisonGuard
from runstream_ingest.renewal import Renewal
from runstream_ingest.settings import WorkerSettings
from runstream_ingest.sources.kafka import KafkaTopics
from runstream_ingest.store import StoreFailed, StoreUnfit, loop_into
from runstream_ingest.topics import BrokerFailed, TopicAdmin, TopicsUnfit
from runstream_schemas.settings import Settings

FIRST_ANSWER_S: Final = 60.0
"""A worker that starts together with its broker waits so long for it before it says what is wrong and ends."""


LOOK_AT_TOPICS_EVERY_S: Final = 60.0
"""A topic that vanishes is taken for one without events, so somebody has to look."""


class Worker:
    """Stores what arrives at the topics."""

    def __init__(
        self,
        settings: Settings,
        worker: WorkerSettings,
        *,
        clock: Clock,
        stop: threading.Event,
        observer: Observer,
        on_loaded: Callable[[Loaded], None],
        on_trouble: Callable[[str], None],
        hold: Hold | None = None,
    ) -> None:
        """The store is opened and given back by the worker itself unless it gets a hold on one."""
        self._settings = settings
        self._worker = worker
        self._clock = clock
        self._stop = stop
        self._observer = observer
        self._on_loaded = on_loaded
        self._on_trouble = on_trouble
        self._guard = PoisonGuard()
        self._holding = hold or Holding(settings, clock)
        self._renewal = Renewal(self._holding, clock, observer, on_trouble)
        self._dead_letters = DeadLetterTopic(settings.url, settings.kafka)
        self._topics = TopicAdmin(settings.url, settings.kafka)
        self._freed_at = self._looked_at = clock.monotonic()

    def run(self, *, once: bool = False) -> None:
        """Work until the stop event is set; `once`: until all that the topics hold is stored.

        Trouble with the store is waited out for ever. Raises TopicsUnfit, BrokerFailed or BrokerRefuses when the topics
        cannot be used, what a person has to look at (Poisoned, FatalStoreError, StoreUnfit), and WornOut.
        """
        self._check_topics()
        source = KafkaTopics(
            maker(consumer_config(self._settings.url, self._settings.kafka, self._worker)),
            self._settings.kafka.event_topics,
            clock=self._clock,
            observer=self._observer,
            unknown_schema_wait_s=self._worker.unknown_schema_wait_s,
        )
        try:
            # Whoever opens an embedded store next does it.
            if self._work(source, once) and (once or not self._embedded):
                self._renewal.finish()
        finally:
            self._renewal.give_back()
            source.close()

    def _check_topics(self) -> None:
        backoff = Backoff()
        until = self._clock.monotonic() + FIRST_ANSWER_S
        while not self._stop.is_set():
            try:
                self._topics.check()
                return
            except BrokerFailed as error:
                if self._clock.monotonic() > until:
                    raise
                self._wait_out(str(error), backoff)

    def _look_at_topics(self) -> None:
        """Say what is wrong with the topics. A broker that does not answer now is no news about them."""
        if self._clock.monotonic() - self._looked_at >= LOOK_AT_TOPICS_EVERY_S:
            self._looked_at = self._clock.monotonic()
            try:
                self._topics.check()
            except TopicsUnfit as error:
                self._on_trouble(str(error))
            except BrokerFailed:
                pass

    def _work(self, source: KafkaTopics, once: bool) -> bool:
        """Until the end; whether the store worked by then."""
        works = True
        backoff = Backoff()
        while not self._stop.is_set():
            try:
                if once and source.caught_up():
                    break
                self._look_at_topics()
                if self._embedded and not source.wait_for_events(ASK_EVERY_S):
                    self._quiet(source)
                    continue
                self._load(source, once)
                works, backoff = True, Backoff()
            except Stopped:
                return False
            except StoreUnfit:
                raise
            except (StoreBusy, StoreFailed, StoreKeepsFailing, ClickHouseError, OSError) as error:
                works = False
                self._renewal.give_back()
                source.rewind()
                self._wait_out(str(error), backoff, source.keep_alive)
        return works

    def _quiet(self, source: KafkaTopics) -> None:
        """Pass on what was noticed while there was nothing to load."""
        self._renewal.turn()
        self._renewal.rest()
        self._observer.turned()
        notices = source.notices()
        for notice in notices:
            self._observer.noticed(notice.kind)
        if notices:
            self._on_loaded(Loaded(notices=notices))

    def _load(self, source: KafkaTopics, once: bool) -> None:
        store = self._holding.store()
        until = self._clock.monotonic() + REPORT_EVERY_S
        loop = loop_into(
            store,
            source,
            observer=self._observer,
            stop=self._stop,
            guard=self._guard,
            give_up_s=SAY_TROUBLE_AFTER_S if self._embedded else None,
            dead_letters=self._dead_letters,
            batcher=Batcher(self._worker.batch_bytes, self._worker.batch_age_s),
            inserters=self._worker.inserters,
            on_trouble=self._on_trouble,
            on_progress=lambda loaded: self._renewal.loaded(),
            on_turn=self._renewal.turn,
        )

        def ends(idle: bool) -> bool:
            if loop.noticed or self._clock.monotonic() >= until or self._holding.due():
                return True
            return idle and (self._embedded or (once and source.caught_up()))

        self._on_loaded(loop.run(ends))
        if self._clock.monotonic() - self._freed_at >= FREE_DELETED_EVERY_S:
            free_deleted(store.client, store.layout)
            self._freed_at = self._clock.monotonic()
        self._renewal.rest()

    def _wait_out(self, trouble: str, backoff: Backoff, keep_alive: Callable[[], None] = lambda: None) -> None:
        delay = backoff.next_s()
        self._on_trouble(f"{trouble}; trying again in {delay:.1f} s")
        until = self._clock.monotonic() + delay
        while not self._stop.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.wait(min(left, KEEP_ALIVE_S), self._stop)
            keep_alive()

    @property
    def _embedded(self) -> bool:
        return self._settings.store_dir is not None
