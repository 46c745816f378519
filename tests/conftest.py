"""What every suite shares."""

from hypothesis import settings

# Timing belongs in scripts/bench; a busy machine must not turn a test red.
settings.register_profile("default-without-deadline", deadline=None)
settings.load_profile("default-without-deadline")
