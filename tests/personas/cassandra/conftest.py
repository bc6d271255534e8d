"""Tests that need a node are collected only when one is asked for; the run says so at its end."""

from tests.cassandra_node import cassandra_is_asked_for

collect_ignore = [] if cassandra_is_asked_for() else ["test_store.py"]
