"""What every test may ask for."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

from tests.wheel import from_the_wheel

pytest_plugins = ["tests.serving", "tests.database.postgres", "tests.database.places"]

# No test is timed: other work on the same machine must not make one fail.
settings.register_profile("untimed", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_report_header() -> str:
    return f"servers and commands under test: {'the installed wheel' if from_the_wheel() else 'the clone'}"
