"""The broker that settings may name can be spoken to with what is installed."""

from __future__ import annotations

from kombu import Connection


def test_a_redis_url_needs_nothing_that_is_not_installed():
    assert Connection("redis://127.0.0.1:1/0").transport.driver_type == "redis"
