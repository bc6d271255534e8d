"""What is really sent to the node: every request of the tests' own session is looked at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

#: Scans, secondary indexes, views, counters, logged batches, and aggregates that Azure Cosmos DB does not have.
FORBIDDEN = re.compile(
    r"ALLOW\s+FILTERING|BEGIN\s+(?!UNLOGGED)|CREATE\s+(CUSTOM\s+)?INDEX|MATERIALIZED|\bcounter\b|DISTINCT"
    r"|\bcount\s*\(|\bmax\s*\(|\bmin\s*\(|\btoken\s*\(|BatchType\.(LOGGED|COUNTER)",
    re.IGNORECASE,
)
#: Requests that read or write rows, and so must be prepared.
_ROWS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|BEGIN)\b", re.IGNORECASE)
#: The schema's own tables, which are read once a migration.
_SCHEMA = re.compile(r"\bschema_(migration|lock)\b")


class Sent:
    """For `Session.add_request_init_listener`."""

    def __init__(self) -> None:
        self.prepared: set[str] = set()
        self.plain: set[str] = set()
        self.batch_types: set[str] = set()

    def look(self, future: Any) -> None:
        query = future.query
        if hasattr(query, "prepared_statement"):
            self.prepared.add(query.prepared_statement.query_string)
        elif hasattr(query, "batch_type"):
            self.batch_types.add(str(query.batch_type))
        else:
            self.plain.add(query.query_string)

    def offences(self) -> Iterator[str]:
        """Each as a line."""
        for text in sorted(self.prepared | self.plain):
            if FORBIDDEN.search(text):
                yield f"not to be used: {text}"
        for text in sorted(self.plain):
            if _ROWS.match(text) and not _SCHEMA.search(text):
                yield f"not prepared: {text}"
        for kind in sorted(self.batch_types - {"UNLOGGED"}):
            yield f"a batch of kind {kind}"
