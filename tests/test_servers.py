"""The servers that tests start are what they say: of the run's own, forgetful, and there again after a kill."""

from __future__ import annotations

import psycopg
import pytest
import redis

from tests.servers import NoServerError, PostgresServer, RedisServer


@pytest.fixture
def own_redis(redis_server: RedisServer):
    """One that this test may kill; `redis_server` says by its skip whether there can be one."""
    with RedisServer() as server:
        yield server


def test_redis_is_empty_after_a_flush_and_goes_on(redis_server):
    with redis_server.client() as client:
        client.set("message", "waiting")
        redis_server.flush()
        assert client.get("message") is None


def test_a_killed_redis_forgets_and_comes_back_on_its_port(own_redis):
    with own_redis.client() as client:
        client.set("message", "waiting")
    own_redis.kill()
    with pytest.raises(redis.ConnectionError):
        own_redis.client().ping()
    own_redis.start()
    with own_redis.client() as client:
        assert client.get("message") is None


def test_each_database_is_its_owners_alone(postgres_server: PostgresServer):
    first, second = postgres_server.new_database(), postgres_server.new_database()
    with psycopg.connect(first) as connection:
        connection.execute("CREATE TABLE faces (id int)")
    with psycopg.connect(second) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM faces")


def test_where_there_is_no_redis_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoServerError, match="apt-get install redis-server"):
        RedisServer()
