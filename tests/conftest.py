"""For all tests: property tests repeat exactly and have all the time they need, and Ctrl-C reaches child processes."""

import signal

from hypothesis import settings

settings.register_profile("runstream", deadline=None, derandomize=True, database=None)
settings.load_profile("runstream")

# A shell starts what runs in its background with SIGINT ignored, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
