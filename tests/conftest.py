"""Settings of all tests: no limit on the time of a single example, because a busy machine would decide who passes."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
