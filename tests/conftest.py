"""Property tests are the same in every run, and never fail because the machine is slow."""

from hypothesis import settings

settings.register_profile("runstream", deadline=None, derandomize=True, database=None)
settings.load_profile("runstream")
