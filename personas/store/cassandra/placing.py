"""Which of two keyspaces a table lies in, for a store that is given two (CASSANDRA_SIDE_KEYSPACE).

Azure Cosmos DB lets 25 tables share the throughput of a keyspace, and the product has more; a table beyond them would
need a throughput of its own, ten times what the second keyspace costs for all of them (decision 22).
https://learn.microsoft.com/azure/cosmos-db/concepts-limits#per-account-limits
"""

from __future__ import annotations

from typing import Final

#: Tables that share one keyspace's throughput, at most.
SHARING: Final = 25
#: Tables of the side keyspace: small, and asked for by the command or by the hour, not by the face.
SIDE: Final = frozenset(
    {
        *("schema_migration", "schema_lock", "layout", "follower"),
        *("persona", "persona_by_name", "persona_gone"),
        *("model_version", "champion", "publication"),
        *("job_wish", "job_unfinished", "timeline", "timeline_day"),
        *("image_deleted", "deleted_image", "erased_image"),
    }
)
