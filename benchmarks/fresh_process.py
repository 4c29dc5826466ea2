"""Running one measurement in a process of its own: nothing that ran before it warms it up or stands in its way."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

T = TypeVar("T")


class MeasurementFailed(RuntimeError):
    """The process raised, died, or took too long; the message says which."""


def in_fresh_process(function: Callable[..., T], *arguments: object, timeout_s: float = 600.0) -> T:
    """The result of `function(*arguments)`, called in a new interpreter. Raises MeasurementFailed.

    The function must be importable and its arguments and result picklable.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        if not receiver.poll(timeout_s):
            raise MeasurementFailed(f"no result within {timeout_s:g} s")
        ok, value = receiver.recv()
    except EOFError:
        process.join()
        raise MeasurementFailed(f"the process ended with status {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
        receiver.close()
    if not ok:
        raise MeasurementFailed(str(value))
    result: T = value
    return result


def silence() -> None:
    """Nothing more on this process's standard output: trackers greet there."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _work(sender: Connection, function: Callable[..., object], arguments: tuple[object, ...]) -> None:
    silence()
    try:
        sender.send((True, function(*arguments)))
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        sender.send((False, f"{type(error).__name__}: {error} ({place.name}, line {place.lineno})"))
    sender.close()
    # Some trackers leave threads and exit hooks that hang; what they had to say is said.
    os._exit(0)
