"""The tables of the SQL adapter. Only the adapter reads and writes them; everything else asks the store port.

No foreign keys: each write is one transaction of the adapter that brings its parents along, labels may precede a
persona's row (STRANGER has none), and the other store has none either. Keys are the port's own, so a primary key serves
the keyset query it was made for. Pictures and faces are named by the hex digits of a SHA-256, which sort alike
everywhere.
"""

from __future__ import annotations

from django.db import models


class Row(models.Model):
    """What every table shares."""

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{type(self).__name__} {self.pk}"


class ImageRow(Row):
    image_id = models.CharField(max_length=64, primary_key=True)
    width = models.PositiveIntegerField()
    height = models.PositiveIntegerField()
    format = models.CharField(max_length=20)
    n_bytes = models.PositiveBigIntegerField()
    status = models.CharField(max_length=20)
    n_faces = models.PositiveIntegerField()
    detector = models.CharField(max_length=200)
    embedder = models.CharField(max_length=200)  #: of the last extraction
    ingested_at = models.DateTimeField()

    class Meta:
        db_table = "store_image"
        indexes = (models.Index(fields=["status", "n_faces"], name="image_counts"),)  # counting reads the index alone


class DeletedImageRow(Row):
    """A picture a human deleted, who may take it back. Apart from the picture, so that extraction does not write it."""

    image_id = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    command_id = models.CharField(max_length=36, blank=True)

    class Meta:
        db_table = "store_image_deleted"


class ErasedImageRow(Row):
    """All that is left of a picture that was erased for good."""

    image_id = models.CharField(max_length=64, primary_key=True)
    at = models.DateTimeField()
    command_id = models.CharField(max_length=36)

    class Meta:
        db_table = "store_image_erased"


class ImagePathRow(Row):
    pk = models.CompositePrimaryKey("source", "path")
    source = models.CharField(max_length=1000)
    path = models.CharField(max_length=1500)  #: below the source
    name = models.CharField(max_length=255)  #: last part of the path
    image_id = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    mtime_ns = models.BigIntegerField()
    sidecar = models.CharField(max_length=64, blank=True)
    extractor = models.CharField(max_length=400, blank=True)

    class Meta:
        db_table = "store_image_path"
        indexes = (
            models.Index(fields=["image_id"], name="path_by_image"),
            models.Index(fields=["name"], name="path_by_name"),
        )


class FaceRow(Row):
    pk = models.CompositePrimaryKey("image_id", "face_no")
    image_id = models.CharField(max_length=64)
    face_no = models.PositiveIntegerField()
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField()
    height = models.FloatField()
    landmarks = models.BinaryField()  #: float64 (n, 2), little-endian
    score = models.FloatField()
    quality = models.FloatField()
    detector = models.CharField(max_length=200)
    embedder = models.CharField(max_length=200)  #: of its newest embedding

    class Meta:
        db_table = "store_face"


class EmbeddingRow(Row):
    """For reading some faces. Beside the face, not in it: lists of faces stay slim, and an older embedder's vector
    stays readable for as long as its version is champion."""

    pk = models.CompositePrimaryKey("image_id", "face_no", "embedder")
    image_id = models.CharField(max_length=64)
    face_no = models.PositiveIntegerField()
    embedder = models.CharField(max_length=200)
    vector = models.BinaryField()  #: float32, little-endian

    class Meta:
        db_table = "store_embedding"


class EmbeddingBlockRow(Row):
    """For reading all faces: append-only, one row an ingest batch (and embedder), split at `part`."""

    pk = models.CompositePrimaryKey("embedder", "ingest_seq", "part")
    embedder = models.CharField(max_length=200)
    ingest_seq = models.PositiveBigIntegerField()
    part = models.PositiveIntegerField()
    n_faces = models.PositiveIntegerField()
    keys = models.BinaryField()
    vectors = models.BinaryField()

    class Meta:
        db_table = "store_emb_block"


class HeadRow(Row):
    """Last number given in a sequence; whoever appends locks its row first, so numbers have no gaps."""

    name = models.CharField(max_length=100, primary_key=True)
    value = models.PositiveBigIntegerField()

    class Meta:
        db_table = "store_head"


class EventRow(Row):
    pk = models.CompositePrimaryKey("stream", "seq")
    stream = models.CharField(max_length=100)
    seq = models.PositiveBigIntegerField()
    event_id = models.CharField(max_length=36)
    command_id = models.CharField(max_length=36)
    kind = models.CharField(max_length=100)
    actor = models.CharField(max_length=255)
    at = models.DateTimeField()
    payload = models.TextField()  #: JSON

    class Meta:
        db_table = "store_event"
        constraints = (
            models.UniqueConstraint(fields=["stream", "event_id"], name="event_once"),
            models.CheckConstraint(condition=models.Q(seq__gt=0), name="event_seq_from_1"),
        )


class GonePersonaRow(Row):
    """A persona that was merged into its heir or, where there is none, deleted; no row once it is back."""

    persona_id = models.CharField(max_length=100, primary_key=True)
    heir = models.CharField(max_length=100, blank=True, default="")

    class Meta:
        db_table = "store_persona_gone"


class PersonaRow(Row):
    persona_id = models.CharField(max_length=100, primary_key=True)
    name = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    cover_image_id = models.CharField(max_length=64, blank=True, default="")  #: "": the product picks one
    cover_face_no = models.PositiveIntegerField(default=0)
    hidden = models.BooleanField(default=False)

    class Meta:
        db_table = "store_persona"
        indexes = (models.Index(fields=["name"], name="persona_by_name"),)


class LabelRow(Row):
    pk = models.CompositePrimaryKey("image_id", "face_no", "persona_id")
    image_id = models.CharField(max_length=64)
    face_no = models.PositiveIntegerField()
    persona_id = models.CharField(max_length=100)
    belongs = models.BooleanField()
    actor = models.CharField(max_length=255)
    at = models.DateTimeField()
    seq = models.PositiveBigIntegerField()

    class Meta:
        db_table = "store_label"
        indexes = (models.Index(fields=["persona_id", "belongs", "image_id", "face_no"], name="label_by_persona"),)
        constraints = (
            models.UniqueConstraint(
                fields=["image_id", "face_no"], condition=models.Q(belongs=True), name="face_belongs_to_one"
            ),
        )


class TruthRow(Row):
    pk = models.CompositePrimaryKey("image_id", "face_no")
    image_id = models.CharField(max_length=64)
    face_no = models.PositiveIntegerField()
    persona = models.CharField(max_length=255, null=True)  # noqa: DJ001 - None is "nobody we know", "" is no name
    category = models.CharField(max_length=255, blank=True)

    class Meta:
        db_table = "store_truth"


class ModelVersionRow(Row):
    version = models.PositiveIntegerField(primary_key=True)
    status = models.CharField(max_length=20)
    created_at = models.DateTimeField()
    label_seq = models.PositiveBigIntegerField()
    scored_through = models.PositiveBigIntegerField()
    embedder = models.CharField(max_length=200)
    data_hash = models.CharField(max_length=64)
    artefact = models.CharField(max_length=64)
    metrics = models.TextField()  #: JSON
    reasons = models.TextField()  #: JSON
    fit_seconds = models.FloatField()
    n_labels = models.PositiveBigIntegerField()
    n_personas = models.PositiveIntegerField()
    n_scored = models.PositiveBigIntegerField()
    said_through = models.PositiveBigIntegerField(default=0)
    replaced = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "store_model_version"


class ChampionRow(Row):
    """One row. Switching is an UPDATE that names the revision it expects."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    version = models.PositiveIntegerField()
    revision = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=255)

    class Meta:
        db_table = "store_champion"
        constraints = (models.CheckConstraint(condition=models.Q(id=1), name="one_champion"),)


class RankedPageRow(Row):
    """A thousand ranked faces. `last_rank` and `last_key` are those of the page's last face: where reading goes on."""

    pk = models.CompositePrimaryKey("version", "persona_id", "kind", "page")
    version = models.PositiveIntegerField()
    persona_id = models.CharField(max_length=100)
    kind = models.CharField(max_length=20)
    page = models.PositiveIntegerField()
    n_faces = models.PositiveIntegerField()
    last_rank = models.FloatField()  #: as `rank_of` gives it
    last_key = models.CharField(max_length=80)  #: image_id:face_no with ten digits, sorts as the key does
    keys = models.BinaryField()
    probabilities = models.BinaryField()  #: float64, little-endian

    class Meta:
        db_table = "store_ranked_page"


class FreshRow(Row):
    """A face ingested since its version was published."""

    pk = models.CompositePrimaryKey("version", "persona_id", "image_id", "face_no")
    version = models.PositiveIntegerField()
    persona_id = models.CharField(max_length=100)
    image_id = models.CharField(max_length=64)
    face_no = models.PositiveIntegerField()
    probability = models.FloatField()

    class Meta:
        db_table = "store_fresh"
        indexes = (
            models.Index(fields=["version", "persona_id", "-probability", "image_id", "face_no"], name="fresh_ranked"),
        )


class PublicationRow(Row):
    version = models.PositiveIntegerField(primary_key=True)
    fresh_through = models.PositiveBigIntegerField()

    class Meta:
        db_table = "store_publication"


class JobRow(Row):
    job_id = models.CharField(max_length=100, primary_key=True)
    kind = models.CharField(max_length=50)
    status = models.CharField(max_length=20)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    actor = models.CharField(max_length=255)
    done = models.PositiveBigIntegerField()
    total = models.PositiveBigIntegerField()
    message = models.TextField(blank=True)
    detail = models.TextField()  #: JSON
    wish = models.CharField(max_length=20, default="", blank=True)

    class Meta:
        db_table = "store_job"
        indexes = (
            models.Index(fields=["-created_at", "-job_id"], name="jobs_newest_first"),
            models.Index(fields=["status"], name="jobs_by_status"),
        )


class ShareRow(Row):
    pk = models.CompositePrimaryKey("job_id", "number")
    job_id = models.CharField(max_length=100)
    number = models.PositiveIntegerField()
    status = models.CharField(max_length=20)
    updated_at = models.DateTimeField()
    attempts = models.PositiveIntegerField()
    total = models.PositiveBigIntegerField()
    message = models.TextField(blank=True)
    work = models.TextField()  #: JSON
    result = models.TextField()  #: JSON

    class Meta:
        db_table = "store_share"


class CursorRow(Row):
    name = models.CharField(max_length=100, primary_key=True)
    seq = models.PositiveBigIntegerField()

    class Meta:
        db_table = "store_cursor"


class LeaseRow(Row):
    name = models.CharField(max_length=100, primary_key=True)
    owner = models.CharField(max_length=255)
    until = models.DateTimeField()

    class Meta:
        db_table = "store_lease"


class AuditRow(Row):
    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=255)
    action = models.CharField(max_length=100)
    target = models.CharField(max_length=1000)
    detail = models.TextField()  #: JSON

    class Meta:
        db_table = "store_audit"
        indexes = (models.Index(fields=["-at", "-id"], name="audits_newest_first"),)
