"""A real Cassandra node for tests."""

from __future__ import annotations

import os


def cassandra_is_asked_for() -> bool:
    """Tests on a node run when one is named (CASSANDRA_CONTACT_POINTS) or wished for (TEST_CASSANDRA=1)."""
    return any(os.environ.get(name, "") not in ("", "0") for name in ("CASSANDRA_CONTACT_POINTS", "TEST_CASSANDRA"))
