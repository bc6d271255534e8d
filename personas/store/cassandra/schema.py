"""Schema migrations: the numbered .cql files beside this module, applied once each, in order, by one process.

`schema_migration` remembers the checksum of what was applied; a file that changed afterwards stops everything. A lease
in `schema_lock`, taken by a lightweight transaction, keeps a second process out: Cassandra must not be given schema
changes from two places, and Azure Cosmos DB throttles them. Each statement is made `IF NOT EXISTS`, so a migration that
was cut short is completed by running it again; what `FILLING` has done after the statements may be done twice, too.
"""

from __future__ import annotations

import hashlib
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from personas.errors import TransientError
from personas.store.base import StoreError
from personas.store.cassandra.failures import SchemaMissingError, translating
from personas.store.cassandra.marks import CassandraMarks
from personas.store.cassandra.session import PROFILE, SERIAL_PROFILE, StoreSession
from personas.store.cassandra.values import to_micros
from personas.store.cassandra.work import CassandraWork

FOLDER = Path(__file__).parent / "migrations"
#: Seconds after which a lock is taken to be a dead process's; renewed before each migration's statements.
LOCK_SECONDS = 120
_DATACENTER = re.compile(r"\s*([\w.-]+)\s*:\s*([1-9]\d*)\s*")
_NAME = re.compile(r"(\d{4})_(\w+)\.cql")
_KEYSPACE = re.compile(r"[a-z][a-z0-9_]{0,47}")


def _index_unfinished(session: StoreSession) -> None:
    CassandraWork(session, n_buckets=1).index_unfinished()  # jobs are in no bucket


def _keep_marks(session: StoreSession) -> None:
    CassandraMarks(session, n_buckets=1).keep_old_marks(at=datetime.now(UTC))  # marks are in no bucket


#: What fills a migration's tables from those that were there, by number.
FILLING: Final[Mapping[int, Callable[[StoreSession], None]]] = {2: _index_unfinished, 4: _keep_marks}


class LockedError(TransientError):
    """Another process is changing the schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """A file of statements."""

    number: int
    name: str
    checksum: str  #: SHA-256 of the text
    statements: tuple[str, ...]


def migrations(folder: Path = FOLDER) -> list[Migration]:
    """By number. Raises StoreError for files that are not numbered 1, 2, 3, …"""
    found = []
    for number, path in enumerate(sorted(folder.glob("*.cql")), start=1):
        matched = _NAME.fullmatch(path.name)
        if matched is None or int(matched.group(1)) != number:
            raise StoreError(f"{path.name} should be migration {number:04d}: migrations are numbered without gaps.")
        text = path.read_text()
        bare = "\n".join(line.partition("--")[0] for line in text.splitlines())
        statements = tuple(" ".join(part.split()) for part in bare.split(";") if part.strip())
        checksum = hashlib.sha256(text.encode()).hexdigest()
        found.append(Migration(number=number, name=matched.group(2), checksum=checksum, statements=statements))
    return found


def placed(statement: str, name_of: Callable[[str], str]) -> str:
    """A migration's statement with the table's full name in it; safe to repeat. name_of: see StoreSession."""
    created = re.sub(r"^CREATE TABLE (?:IF NOT EXISTS )?", "CREATE TABLE IF NOT EXISTS ", statement)
    changed = r"^(CREATE TABLE IF NOT EXISTS|ALTER TABLE|DROP TABLE IF EXISTS) (\w+)"
    return re.sub(changed, lambda found: f"{found[1]} {name_of(found[2])}", created)


def replication_map(text: str) -> str:
    """What `CREATE KEYSPACE` says: "3" is three copies in every datacenter, "dc1:3, dc2:2" so many in each; a CQL map
    is taken as it is. Azure Cosmos DB ignores it. Raises StoreError."""
    text = text.strip()
    if text.startswith("{"):
        return text
    if text == "1":
        return "{'class': 'SimpleStrategy', 'replication_factor': 1}"
    copies: dict[str, object] = {"class": "NetworkTopologyStrategy"}
    for part in [f"replication_factor:{text}"] if text.isdecimal() else text.split(","):
        matched = _DATACENTER.fullmatch(part)
        if matched is None:
            raise StoreError(
                f"{text!r} is no replication: give a number of copies, as 3, or one a datacenter, as dc1:3,dc2:3."
            )
        copies[matched[1]] = int(matched[2])
    return str(copies)


class Schema:
    """The schema of a session's keyspaces."""

    def __init__(self, session: StoreSession) -> None:
        self._session = session
        self._keyspaces = sorted({session.keyspace, session.side_keyspace})
        for keyspace in self._keyspaces:
            if _KEYSPACE.fullmatch(keyspace) is None:
                raise StoreError(f"{keyspace!r} cannot be a keyspace: use small letters, digits and _, 48 at most.")
        self._owner = str(uuid.uuid4())

    def _run(self, text: str, *params: object, serial: bool = False) -> Any:
        text = re.sub(r"@(\w+)", lambda found: self._session.name_of(found[1]), text)
        profile = SERIAL_PROFILE if serial else PROFILE
        with translating(self._session.where):
            return self._session.driver.execute(text, params or None, execution_profile=profile, timeout=120)

    def create_keyspace(self, replication: str = "1") -> None:
        """replication: see `replication_map`. A keyspace that is there stays as it is. Raises StoreError."""
        copies = replication_map(replication)
        for keyspace in self._keyspaces:
            self._run(f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {copies}")

    def drop_keyspace(self) -> None:
        for keyspace in self._keyspaces:
            self._run(f"DROP KEYSPACE IF EXISTS {keyspace}")

    def pending(self) -> list[Migration]:
        """Migrations not applied yet. Raises StoreError when an applied one has changed, or this code is too old."""
        known = migrations()
        self._require_never_in_one()
        try:
            applied = {row.number: row.checksum for row in self._run("SELECT number, checksum FROM @schema_migration")}
        except SchemaMissingError:
            return known  # nothing was ever applied
        for migration in known:
            if applied.get(migration.number, migration.checksum) != migration.checksum:
                raise StoreError(
                    f"Migration {migration.number:04d}_{migration.name} has changed since it was applied. Restore the"
                    " file; changes belong in a new migration."
                )
        if any(number > len(known) for number in applied):
            raise StoreError("The store was migrated by a newer version of this product; run that version.")
        return [migration for migration in known if migration.number not in applied]

    def _require_never_in_one(self) -> None:
        """Raises StoreError when all tables lie in the first of two keyspaces: half of them would begin anew, empty."""
        if len(self._keyspaces) == 1:
            return
        try:
            self._run(f"SELECT number FROM {self._session.keyspace}.schema_migration LIMIT 1")  # noqa: S608 - a checked name
        except SchemaMissingError:
            return
        raise StoreError(
            f"This store lies in one keyspace, {self._session.keyspace}, and tables are not moved: unset"
            " CASSANDRA_SIDE_KEYSPACE."
        )

    def migrate(self, *, say: Callable[[str], None] = lambda _: None) -> list[Migration]:
        """Apply what is pending; returns it. Raises LockedError."""
        self._run(
            "CREATE TABLE IF NOT EXISTS @schema_migration (number int PRIMARY KEY, name text, checksum text,"
            " applied_at bigint)"
        )
        self._run("CREATE TABLE IF NOT EXISTS @schema_lock (name text PRIMARY KEY, owner text, until bigint)")
        with self._locked():
            pending = self.pending()
            for migration in pending:
                say(f"Applying {migration.number:04d}_{migration.name} …")
                for statement in migration.statements:
                    self._renew()
                    self._run(placed(statement, self._session.name_of))
                if migration.number in FILLING:
                    self._renew()
                    FILLING[migration.number](self._session)
                self._run(
                    "INSERT INTO @schema_migration (number, name, checksum, applied_at) VALUES (%s, %s, %s, %s)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                    to_micros(datetime.now(UTC)),
                )
        return pending

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock():
            raise LockedError(
                "Another process is migrating this store. Wait until it is done; a lock that a killed process left"
                f" ends by itself after {LOCK_SECONDS} seconds."
            )
        try:
            yield
        finally:
            self._run("DELETE FROM @schema_lock WHERE name = 'schema' IF owner = %s", self._owner)

    def _lock(self) -> bool:
        for _ in range(2):
            now, until = self._times()
            new = "INSERT INTO @schema_lock (name, owner, until) VALUES ('schema', %s, %s) IF NOT EXISTS"
            if self._run(new, self._owner, until).was_applied:
                return True
            held = self._run("SELECT owner, until FROM @schema_lock WHERE name = 'schema'", serial=True).one()
            if held is not None:
                take = "UPDATE @schema_lock SET owner = %s, until = %s WHERE name = 'schema' IF owner = %s"
                free = held.until is None or held.until <= now
                return bool(free and self._run(take, self._owner, until, held.owner).was_applied)
            time.sleep(0.1)
        return False

    def _renew(self) -> None:
        _, until = self._times()
        renewed = self._run(
            "UPDATE @schema_lock SET until = %s WHERE name = 'schema' IF owner = %s", until, self._owner
        )
        if not renewed.was_applied:
            raise LockedError("Another process took the schema's lock: this one was too slow. Run it again.")

    @staticmethod
    def _times() -> tuple[int, int]:
        now = datetime.now(UTC)
        return to_micros(now), to_micros(now + timedelta(seconds=LOCK_SECONDS))
