"""Every CQL statement the adapter prepares, by name. Nothing else is ever executed, apart from the migrations.

Each reads or writes single partitions. `{at}` is where a write names its own timestamp: what is projected from an event
is stamped with the event's number, what follows from a claim with the claim's revision: a slow writer or a clock that
is behind cannot undo what came later. What a lightweight transaction may change later is stamped below every ballot: a
ballot is the time in microseconds. Azure Cosmos DB keeps its own clock; there the clause is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """idempotent: running it twice does what running it once does, so the driver may retry it."""

    text: str
    idempotent: bool = True
    fetch_rows: int = 5000  #: rows the server puts together at once; fewer where rows may be large
    table: str = field(init=False)  #: the one it touches

    def __post_init__(self) -> None:
        words = self.text.replace("{at}", "").split()
        before = "FROM" if words[0] in ("SELECT", "DELETE") else "INTO" if words[0] == "INSERT" else "UPDATE"
        object.__setattr__(self, "table", words[words.index(before) + 1])

    @property
    def reads(self) -> bool:
        return self.text.startswith("SELECT")

    @property
    def conditional(self) -> bool:
        """A lightweight transaction."""
        return " IF " in self.text


def _insert(table: str, columns: str, end: str = "") -> str:
    names = columns.split()
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(':' + name for name in names)}){end}"


_IF_NEW = " IF NOT EXISTS"
_STAMPED = "{at}"

# ---- layout ----------------------------------------------------------------------------------------------------------
LAYOUT = Statement("SELECT n_buckets FROM layout WHERE space = :space")
SET_LAYOUT = Statement(_insert("layout", "space n_buckets", _IF_NEW), idempotent=False)

# ---- pictures --------------------------------------------------------------------------------------------------------
CLAIM = Statement("SELECT revision, claimed_at, claimant, picture FROM image_claim WHERE image_id = :image_id")
FIRST_CLAIM = Statement(
    _insert("image_claim", "image_id revision claimed_at claimant picture", _IF_NEW), idempotent=False
)
NEXT_CLAIM = Statement(
    "UPDATE image_claim SET revision = :revision, claimed_at = :claimed_at, claimant = :claimant, picture = :picture"
    " WHERE image_id = :image_id IF revision = :expected",
    idempotent=False,
)
_IMAGE = "image_id, width, height, format, n_bytes, status, n_faces, detector, embedder, ingested_at"
PUT_IMAGE = Statement(_insert("image", f"bucket {_IMAGE.replace(',', '')} announced counted", _STAMPED))
ANNOUNCED = Statement(
    "SELECT image_id, announced, counted FROM image WHERE bucket = :bucket AND image_id IN :image_ids"
)
DROP_IMAGE = Statement("DELETE FROM image{at} WHERE bucket = :bucket AND image_id = :image_id")
PUT_DELETED = Statement(_insert("deleted_image", "space image_id at command_id", _STAMPED))
DROP_DELETED = Statement("DELETE FROM deleted_image{at} WHERE space = :space AND image_id = :image_id")
OLD_DELETED = Statement("SELECT image_id FROM image_deleted WHERE space = :space")  # read by migration 4 alone
DELETED_AMONG = Statement("SELECT image_id FROM deleted_image WHERE space = :space AND image_id IN :image_ids")
DELETED_BETWEEN = Statement(
    "SELECT image_id FROM deleted_image WHERE space = :space AND image_id >= :first AND image_id <= :last"
)
DELETED_AFTER = Statement(
    "SELECT image_id, at, command_id FROM deleted_image"
    " WHERE space = :space AND image_id > :after AND image_id < :until LIMIT :rows"
)
PUT_ERASED = Statement(_insert("erased_image", "space image_id at command_id", _STAMPED))
DROP_ERASED = Statement("DELETE FROM erased_image{at} WHERE space = :space AND image_id = :image_id")
ERASED_AMONG = Statement(
    "SELECT image_id, at, command_id FROM erased_image WHERE space = :space AND image_id IN :image_ids"
)
ERASED_AFTER = Statement(
    "SELECT image_id, at, command_id FROM erased_image WHERE space = :space AND image_id > :after LIMIT :rows"
)
IMAGES_BY_ID = Statement(f"SELECT {_IMAGE} FROM image WHERE bucket = :bucket AND image_id IN :image_ids")
IMAGES = Statement(f"SELECT {_IMAGE} FROM image WHERE bucket = :bucket AND image_id > :after LIMIT :rows")
_FACE = "image_id, face_no, box, landmarks, score, quality, detector, embedder"
PUT_FACE = Statement(_insert("face", f"bucket {_FACE.replace(',', '')}", _STAMPED))
DROP_FACES = Statement("DELETE FROM face{at} WHERE bucket = :bucket AND image_id = :image_id")
FACES = Statement(
    f"SELECT {_FACE} FROM face WHERE bucket = :bucket AND (image_id, face_no) > (:image_id, :face_no) LIMIT :rows"
)
FACES_OF = Statement(f"SELECT {_FACE} FROM face WHERE bucket = :bucket AND image_id IN :image_ids")
FACE_TAGS = Statement("SELECT image_id, face_no, embedder FROM face WHERE bucket = :bucket AND image_id IN :image_ids")
PUT_EMBEDDING = Statement(_insert("embedding", "bucket image_id face_no embedder vector", _STAMPED))
DROP_EMBEDDINGS = Statement("DELETE FROM embedding{at} WHERE bucket = :bucket AND image_id = :image_id")
EMBEDDINGS_OF = Statement(
    "SELECT image_id, face_no, embedder, vector FROM embedding WHERE bucket = :bucket AND image_id IN :image_ids"
)
BLOCK_WRITTEN, BLOCK_DROPPED = 1, 2  #: stamps: each block is written once, dropped at most once
PUT_BLOCK = Statement(_insert("emb_block", "chunk seq event_id embedder part n_faces face_keys vectors", _STAMPED))
BLOCK_SIZES = Statement("SELECT seq, n_faces FROM emb_block WHERE chunk = :chunk AND seq > :after AND seq <= :through")
DROP_BLOCKS = Statement("DELETE FROM emb_block{at} WHERE chunk = :chunk AND seq = :seq AND event_id = :event_id")
BLOCKS = Statement(
    "SELECT seq, event_id, embedder, n_faces, face_keys, vectors FROM emb_block"
    " WHERE chunk = :chunk AND seq > :after AND seq <= :through",
    fetch_rows=15,  # a row may hold half a megabyte
)
BLOCK_KEYS = Statement(
    "SELECT seq, event_id, embedder, part, n_faces, face_keys FROM emb_block WHERE chunk = :chunk",
    fetch_rows=200,
)
_ONE_BLOCK = "chunk = :chunk AND seq = :seq AND event_id = :event_id AND embedder = :embedder AND part = :part"
BLOCK = Statement(f"SELECT n_faces, face_keys, vectors FROM emb_block WHERE {_ONE_BLOCK}")
SHRINK_BLOCK = Statement(
    "UPDATE emb_block SET n_faces = :n_faces, face_keys = :face_keys, vectors = :vectors"
    f" WHERE {_ONE_BLOCK} IF n_faces = :expected",
    idempotent=False,
)

# ---- paths -----------------------------------------------------------------------------------------------------------
_PATH = "source, path, image_id, size, mtime_ns, sidecar, extractor"
PUT_PATH = Statement(_insert("path", _PATH.replace(",", "")))
PUT_PATH_BY_IMAGE = Statement(_insert("path_by_image", "bucket image_id source path"))
PUT_PATH_BY_NAME = Statement(_insert("path_by_name", "name path source"))
DROP_PATH = Statement("DELETE FROM path WHERE source = :source AND path = :path")
DROP_PATH_BY_NAME = Statement("DELETE FROM path_by_name WHERE name = :name AND path = :path AND source = :source")
DROP_PATHS_BY_IMAGE = Statement("DELETE FROM path_by_image WHERE bucket = :bucket AND image_id = :image_id")
PATHS = Statement(f"SELECT {_PATH} FROM path WHERE source = :source AND path > :after LIMIT :rows")
PATHS_AT = Statement(f"SELECT {_PATH} FROM path WHERE source = :source AND path IN :paths")
PATHS_OF = Statement(
    "SELECT image_id, source, path FROM path_by_image WHERE bucket = :bucket AND image_id IN :image_ids"
)
PATHS_NAMED = Statement("SELECT source, path FROM path_by_name WHERE name = :name")
PATHS_EXACT = Statement("SELECT source, path FROM path_by_name WHERE name = :name AND path = :path")

# ---- the log ---------------------------------------------------------------------------------------------------------
_EVENT = "stream, seq, event_id, command_id, kind, actor, at, payload"
APPEND = Statement(
    _insert("event", f"chunk {_EVENT.replace(',', '')} with_faces without_faces n_faces claimant", _IF_NEW),
    idempotent=False,
)
EVENTS = Statement(
    f"SELECT {_EVENT} FROM event WHERE stream = :stream AND chunk = :chunk AND seq > :after AND seq <= :through",
    fetch_rows=50,
)
EVENT_AT = Statement(f"SELECT {_EVENT} FROM event WHERE stream = :stream AND chunk = :chunk AND seq = :seq")
EVENT_IDS = Statement(
    "SELECT seq, event_id FROM event WHERE stream = :stream AND chunk = :chunk AND seq > :after AND seq <= :through"
)
TALLIES = Statement("SELECT with_faces, without_faces, n_faces FROM event WHERE stream = :stream AND chunk = :chunk")
CLAIMANTS = Statement("SELECT claimant FROM event WHERE stream = :stream AND chunk = :chunk")
LAST_EVENT = Statement("SELECT seq FROM event WHERE stream = :stream AND chunk = :chunk ORDER BY seq DESC LIMIT 1")
PUT_EVENT_ID = Statement(_insert("event_by_id", "stream event_id seq"))
SEQ_OF_EVENT = Statement("SELECT seq FROM event_by_id WHERE stream = :stream AND event_id = :event_id")
FOLLOWER = Statement("SELECT seq FROM follower WHERE name = :name")
FIRST_FOLLOWER = Statement(_insert("follower", "name seq", _IF_NEW), idempotent=False)
NEXT_FOLLOWER = Statement("UPDATE follower SET seq = :seq WHERE name = :name IF seq < :below", idempotent=False)

# ---- personas and labels ---------------------------------------------------------------------------------------------
_PERSONA = "persona_id, name, created_at, cover_image_id, cover_face_no, hidden"
PUT_PERSONA = Statement(_insert("persona", f"space {_PERSONA.replace(',', '')}", _STAMPED))
NAME_PERSONA = Statement("UPDATE persona{at} SET name = :name WHERE space = :space AND persona_id = :persona_id")
COVER_PERSONA = Statement(
    "UPDATE persona{at} SET cover_image_id = :cover_image_id, cover_face_no = :cover_face_no"
    " WHERE space = :space AND persona_id = :persona_id"
)
HIDE_PERSONA = Statement("UPDATE persona{at} SET hidden = :hidden WHERE space = :space AND persona_id = :persona_id")
DROP_PERSONA = Statement("DELETE FROM persona{at} WHERE space = :space AND persona_id = :persona_id")
PERSONAS = Statement(f"SELECT {_PERSONA} FROM persona WHERE space = :space AND persona_id > :after LIMIT :rows")
PERSONAS_BY_ID = Statement(f"SELECT {_PERSONA} FROM persona WHERE space = :space AND persona_id IN :persona_ids")
PUT_GONE_PERSONA = Statement(_insert("persona_gone", "persona_id heir", _STAMPED))
DROP_GONE_PERSONA = Statement("DELETE FROM persona_gone{at} WHERE persona_id = :persona_id")
HEIR_OF = Statement("SELECT heir FROM persona_gone WHERE persona_id = :persona_id")
PUT_PERSONA_NAME = Statement(_insert("persona_by_name", "name persona_id"))
PERSONAS_NAMED = Statement("SELECT persona_id FROM persona_by_name WHERE name = :name")
PUT_LABEL = Statement(_insert("label", "persona_id part belongs image_id face_no actor at seq", _STAMPED))
DROP_LABEL = Statement(
    "DELETE FROM label{at} WHERE persona_id = :persona_id AND part = :part AND belongs = :belongs"
    " AND image_id = :image_id AND face_no = :face_no"
)
LABELS_OF_PERSONA = Statement(
    "SELECT image_id, face_no, actor, at, seq FROM label WHERE persona_id = :persona_id AND part = :part"
    " AND belongs = :belongs AND (image_id, face_no) > (:image_id, :face_no) LIMIT :rows"
)
LABELLED_FACES = Statement(
    "SELECT belongs, image_id, face_no FROM label WHERE persona_id = :persona_id AND part = :part"
)
PUT_TALLY = Statement(
    _insert("label_tally", "persona_id part labelled rejected first_image_id first_face_no", _STAMPED)
)
LABEL_TALLIES = Statement(
    "SELECT persona_id, part, labelled, rejected, first_image_id, first_face_no FROM label_tally"
    " WHERE persona_id = :persona_id"
)
_SAID = "image_id, face_no, persona_id, belongs, actor, at, seq"
PUT_SAID = Statement(_insert("label_by_image", f"bucket {_SAID.replace(',', '')}", _STAMPED))
DROP_SAID = Statement(
    "DELETE FROM label_by_image{at} WHERE bucket = :bucket AND image_id = :image_id AND face_no = :face_no"
    " AND persona_id = :persona_id"
)
SAID_OF = Statement(f"SELECT {_SAID} FROM label_by_image WHERE bucket = :bucket AND image_id IN :image_ids")
SAID_IN = Statement(f"SELECT {_SAID} FROM label_by_image WHERE bucket = :bucket")
PUT_TRUTH = Statement(_insert("truth", "bucket image_id face_no persona category"))
DROP_TRUTHS = Statement("DELETE FROM truth WHERE bucket = :bucket AND image_id = :image_id")
TRUTHS = Statement("SELECT image_id, face_no, persona, category FROM truth WHERE bucket = :bucket")

# ---- versions and predictions ----------------------------------------------------------------------------------------
_VERSION = (
    "version, claim, status, created_at, label_seq, scored_through, embedder, data_hash, artefact, metrics, reasons,"
    " fit_seconds, n_labels, n_personas, n_scored, said_through, replaced"
)
ADD_VERSION = Statement(_insert("model_version", f"space {_VERSION.replace(',', '')}", _IF_NEW), idempotent=False)
_CHANGE_VERSION = (
    "UPDATE model_version SET status = :status, scored_through = :scored_through, n_scored = :n_scored,"
    " said_through = :said_through, replaced = :replaced,"
    " reasons = :reasons, metrics = :metrics WHERE space = :space AND version = :version"
)
CHANGE_VERSION = Statement(f"{_CHANGE_VERSION} IF EXISTS", idempotent=False)
CHANGE_VERSION_FROM = Statement(f"{_CHANGE_VERSION} IF status = :expected", idempotent=False)
VERSION_AT = Statement(f"SELECT {_VERSION} FROM model_version WHERE space = :space AND version = :version")
VERSIONS = Statement(f"SELECT {_VERSION} FROM model_version WHERE space = :space AND version < :before LIMIT :rows")
LAST_VERSION = Statement("SELECT version FROM model_version WHERE space = :space LIMIT 1")
CHAMPION = Statement("SELECT version, revision, at, actor FROM champion WHERE space = :space")
FIRST_CHAMPION = Statement(_insert("champion", "space version revision at actor", _IF_NEW), idempotent=False)
NEXT_CHAMPION = Statement(
    "UPDATE champion SET version = :version, revision = :revision, at = :at, actor = :actor"
    " WHERE space = :space IF revision = :expected",
    idempotent=False,
)
PUT_PAGE = Statement(
    _insert("ranked_page", "persona_id version kind page n_faces last_rank last_key face_keys probabilities")
)
DROP_PAGE = Statement(
    "DELETE FROM ranked_page WHERE persona_id = :persona_id AND version = :version AND kind = :kind AND page = :page"
)
DROP_PAGES = Statement("DELETE FROM ranked_page WHERE persona_id = :persona_id AND version = :version")
PAGE_ENDS = Statement(
    "SELECT page, last_rank, last_key FROM ranked_page"
    " WHERE persona_id = :persona_id AND version = :version AND kind = :kind"
)
PAGES = Statement(
    "SELECT page, face_keys, probabilities FROM ranked_page"
    " WHERE persona_id = :persona_id AND version = :version AND kind = :kind AND page >= :page LIMIT :rows",
    fetch_rows=100,
)
PUT_PAGE_TALLY = Statement(_insert("ranked_tally", "version kind persona_id n_faces n_pages"))
PAGE_TALLIES = Statement("SELECT kind, persona_id, n_faces, n_pages FROM ranked_tally WHERE version = :version")
PAGE_TALLIES_OF = Statement(
    "SELECT persona_id, n_pages FROM ranked_tally"
    " WHERE version = :version AND kind = :kind AND persona_id IN :persona_ids"
)
DROP_PAGE_TALLIES = Statement("DELETE FROM ranked_tally WHERE version = :version")
PUT_FRESH = Statement(_insert("fresh", "persona_id version digest written_at n_faces face_keys probabilities"))
FRESH = Statement(
    "SELECT written_at, n_faces, face_keys, probabilities FROM fresh"
    " WHERE persona_id = :persona_id AND version = :version",
    fetch_rows=50,
)
FRESH_ROWS = Statement(
    "SELECT digest, written_at, face_keys, probabilities FROM fresh"
    " WHERE persona_id = :persona_id AND version = :version",
    fetch_rows=50,
)
DROP_FRESH_ROW = Statement(
    "DELETE FROM fresh WHERE persona_id = :persona_id AND version = :version AND digest = :digest"
)
FRESH_KEYS = Statement(
    "SELECT persona_id, n_faces, face_keys FROM fresh WHERE persona_id = :persona_id AND version = :version",
    fetch_rows=50,
)
DROP_FRESH = Statement("DELETE FROM fresh WHERE persona_id = :persona_id AND version = :version")
PUBLICATION = Statement("SELECT fresh_through FROM publication WHERE version = :version")
FIRST_PUBLICATION = Statement(_insert("publication", "version fresh_through", _IF_NEW), idempotent=False)
NEXT_PUBLICATION = Statement(
    "UPDATE publication SET fresh_through = :fresh_through WHERE version = :version IF fresh_through < :below",
    idempotent=False,
)
DROP_PUBLICATION = Statement("DELETE FROM publication WHERE version = :version IF EXISTS", idempotent=False)

# ---- work ------------------------------------------------------------------------------------------------------------
_JOB = "job_id, kind, status, created_at, updated_at, actor, done, total, message, detail"
PUT_JOB = Statement(_insert("job", _JOB.replace(",", "")))
JOB = Statement(f"SELECT {_JOB} FROM job WHERE job_id = :job_id")
PUT_WISH = Statement(_insert("job_wish", "job_id wish"))
WISH = Statement("SELECT wish FROM job_wish WHERE job_id = :job_id")
PUT_UNFINISHED = Statement(_insert("job_unfinished", "space job_id"))
DROP_UNFINISHED = Statement("DELETE FROM job_unfinished WHERE space = :space AND job_id = :job_id")
UNFINISHED = Statement("SELECT job_id FROM job_unfinished WHERE space = :space")
_SHARE = "job_id, number, status, updated_at, attempts, total, message, work, result"
PUT_SHARE = Statement(_insert("share", _SHARE.replace(",", "")))
SHARE = Statement(f"SELECT {_SHARE} FROM share WHERE job_id = :job_id AND number = :number")
SHARES = Statement(f"SELECT {_SHARE} FROM share WHERE job_id = :job_id", fetch_rows=500)
DROP_SHARES = Statement("DELETE FROM share WHERE job_id = :job_id")
PUT_ENTRY = Statement(_insert("timeline", "list day at id body"))
PUT_DAY = Statement(_insert("timeline_day", "list day"))
DAYS = Statement("SELECT day FROM timeline_day WHERE list = :list AND day <= :day")
ENTRIES = Statement(
    "SELECT at, id, body FROM timeline WHERE list = :list AND day = :day AND (at, id) < (:at, :id) LIMIT :rows"
)
DROP_ENTRY = Statement("DELETE FROM timeline WHERE list = :list AND day = :day AND at = :at AND id = :id")
LEASE = Statement("SELECT until FROM lease WHERE name = :name")
FIRST_LEASE = Statement(_insert("lease", "name owner until", _IF_NEW), idempotent=False)
RENEW_LEASE = Statement("UPDATE lease SET until = :until WHERE name = :name IF owner = :owner", idempotent=False)
TAKE_LEASE = Statement(
    "UPDATE lease SET owner = :owner, until = :until WHERE name = :name IF owner = :old AND until <= :now",
    idempotent=False,
)
DROP_LEASE = Statement("DELETE FROM lease WHERE name = :name IF owner = :owner", idempotent=False)

#: Every statement, by name.
ALL: dict[str, Statement] = {name: value for name, value in globals().items() if isinstance(value, Statement)}
