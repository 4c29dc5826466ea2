"""Ships a journal while it is written: sends what was logged, heartbeats and the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from .batches import Message
from .courier import FIRST_RETRY_S, LAST_RETRY_S, Courier, deliver_all
from .journal import layout
from .journal.ahead import Ahead
from .journal.ring import Ring
from .status import status_message
from .transport.base import Backlog

LINGER_S = 1.0
"""How long a row waits at most before it leaves: longer makes fewer, larger messages, shorter fresher charts."""
COLLECT_S = 0.05
"""How often it is looked for acknowledgements while something is on the way."""


class Shipper:
    """The thread around a Courier: wakes up every LINGER_S, when a chunk is full, and when the attempt ends."""

    def __init__(
        self,
        ring: Ring,
        courier: Courier,
        *,
        position: Callable[[], int],
        moment: Callable[[], int],
        emptied: Callable[[], None],
        heartbeat_s: float,
        warn: Callable[[str, str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`position` is the writer's, `moment` the attempt's clock in µs.

        `emptied()` is called when nothing of the journal is needed any more, from the thread.
        """
        self._ring = ring
        self._courier = courier
        self._ahead = Ahead(ring)
        self._position = position
        self._moment = moment
        self._emptied = emptied
        self._heartbeat_s = heartbeat_s
        self._warn = warn
        self._monotonic = monotonic
        # A queue, because a signal handler may raise inside of `wake`: an Event would stay locked.
        self._wakes: SimpleQueue[None] = SimpleQueue()
        self._ending = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._work, name="runstream-shipper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def backlog(self) -> Backlog | None:
        """What has left the journal and is not at the event log."""
        return self._courier.backlog

    @property
    def trouble(self) -> str:
        """Why nothing arrives, if it is known."""
        return self._courier.trouble

    def wake(self) -> None:
        """Ship now what there is."""
        self._wakes.put(None)

    def leave_to_parent(self) -> None:
        """In a forked child: let go of locks. The thread is not here."""
        self._courier.leave_to_parent()

    def finish(self, timeout_s: float) -> bool:
        """Ship the rest and the final status; False when that took longer. Assumes that the writer is closed.

        May be called again, to wait longer.
        """
        self._ending.set()
        self._wakes.put(None)
        return self._done.wait(timeout_s)

    def _work(self) -> None:
        try:
            self._ship_until_the_end()
            self._ship_the_end()
        except Exception as error:
            self._warn("error", f"shipping stopped: {error!r:.300}; `runstream sync` ships the rest later")

    def _ship_until_the_end(self) -> None:
        heartbeat_at = self._monotonic()
        pause, retry = LINGER_S, FIRST_RETRY_S
        while not self._ending.is_set():
            position = self._position()
            self._ahead.prepare(position)
            if self._courier.ship(position):
                pause, retry = LINGER_S, FIRST_RETRY_S
                if self._monotonic() >= heartbeat_at:
                    heartbeat_at = self._monotonic() + self._heartbeat_s
                    self._courier.send_status(self._status("running", "", final=False))
            else:
                pause, retry = retry, min(2 * retry, LAST_RETRY_S)
            self._pause(pause)

    def _pause(self, pause_s: float) -> None:
        """Wait until there may be something to ship; what has arrived meanwhile is noted."""
        until = self._monotonic() + pause_s
        while (left := until - self._monotonic()) > 0:
            quiet = self._courier.idle and self._courier.backlog is None
            try:
                self._wakes.get(timeout=left if quiet else min(left, COLLECT_S))
                return
            except Empty:
                self._courier.collect(0)

    def _ship_the_end(self) -> None:
        courier = self._courier
        deliver_all(courier)
        state, error = self._ring.end
        courier.send_status(self._status(state, error, final=True))
        deliver_all(courier)
        courier.let_go_of_journal()
        self._ring.close(remove=True)
        self._emptied()
        while courier.backlog is not None:
            courier.bring_backlog(LAST_RETRY_S)
        courier.close()
        self._done.set()

    def _status(self, state: str, error: str, *, final: bool) -> Message:
        moment = self._moment()
        self._ring.set_word(layout.AT_STATUS_TIME, moment)
        return status_message(self._ring, self._courier.last, time=moment, state=state, error=error, final=final)
