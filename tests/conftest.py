"""For all tests: property tests repeat exactly and have all the time they need; signals reach children; brokers."""

import signal

from hypothesis import settings

from broker.fixtures import broker, own_broker, prefix, three_brokers

__all__ = ["broker", "own_broker", "prefix", "three_brokers"]

settings.register_profile("runstream", deadline=None, derandomize=True, database=None)
settings.load_profile("runstream")

# A shell starts what runs in its background with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
