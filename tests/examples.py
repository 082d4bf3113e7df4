"""How many examples Hypothesis tries, and under which rules."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# What is shared by the examples is only read, or is not changed by them.
examples = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
