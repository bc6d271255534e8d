"""The trainer's copy of all embeddings on its own disk: two flat files, memory-mapped, caught up by cursor.

Reading a million embeddings out of a store takes seconds; out of a mapped file it takes none. The copy can be deleted
at any time: it is rebuilt from the store. One process at a time writes it (`fcntl` lock); a kill in the middle of an
append leaves rows that `meta.json` does not count, and the next append overwrites them.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from personas.entities import INGEST, FaceKey, FloatArray
from personas.media import write_atomically
from personas.store.base import Store

DIM = 128
#: One row of the key file: the picture's SHA-256, the number of the face, the ingest event that brought it.
KEY_DTYPE = np.dtype([("image_id", "V32"), ("face_no", "<u2"), ("ingest_seq", "<u8")])
FORMAT_VERSION = 1  # 1: keys.bin of KEY_DTYPE, vectors.bin float32 (n, 128)


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMatrix:
    """All embeddings of one embedder up to an ingest event, in key order of arrival."""

    keys: npt.NDArray[np.void]  #: KEY_DTYPE (n,)
    vectors: FloatArray  #: float32 (n, 128), L2-normalised, memory-mapped
    through_seq: int
    embedder: str

    def __len__(self) -> int:
        return len(self.keys)

    def face_key(self, row: int) -> FaceKey:
        record = self.keys[row]
        return FaceKey(record["image_id"].tobytes().hex(), int(record["face_no"]))

    def face_keys(self, rows: Iterable[int]) -> list[FaceKey]:
        return [self.face_key(row) for row in rows]

    def identities(self) -> list[bytes]:
        """34 bytes a face that sort as face keys do."""
        return _identities(self.keys)

    def rows_of(self, keys: Collection[FaceKey]) -> dict[FaceKey, int]:
        """Rows of those keys that are present."""
        if not keys:
            return {}
        wanted = {bytes.fromhex(key.image_id) + key.face_no.to_bytes(2, "big"): key for key in keys}
        ids = np.frombuffer(b"".join({identity[:32] for identity in wanted}), "S32")
        rows = np.flatnonzero(np.isin(np.ascontiguousarray(self.keys["image_id"]).view("S32"), ids))
        return {
            wanted[identity]: row
            for row, identity in zip(rows.tolist(), _identities(self.keys[rows]), strict=True)
            if identity in wanted
        }


class MatrixFolder:
    """The files of one embedder's matrix."""

    def __init__(self, root: Path, embedder: str) -> None:
        self.folder = root / "matrix" / re.sub(r"[^A-Za-z0-9.+-]+", "-", embedder)
        self.embedder = embedder

    def catch_up(self, store: Store) -> EmbeddingMatrix:
        """Append what was ingested since, and map the files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            n_rows, through = self._meta()
            head = store.head(INGEST)
            if head < through:  # another store lies behind this folder: start again
                n_rows = through = 0
            if head > through:
                n_rows = self._append(store, n_rows, after=through, through=head)
                through = head
                meta = {"format": FORMAT_VERSION, "n_rows": n_rows, "through_seq": through}
                write_atomically(self.folder / "meta.json", json.dumps(meta).encode())
            return self._map(n_rows, through)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _meta(self) -> tuple[int, int]:
        try:
            meta = json.loads((self.folder / "meta.json").read_text())
        except FileNotFoundError:
            return 0, 0
        if meta.get("format") != FORMAT_VERSION:
            return 0, 0
        return int(meta["n_rows"]), int(meta["through_seq"])

    def _append(self, store: Store, n_rows: int, *, after: int, through: int) -> int:
        """Write blocks behind row `n_rows`; a face that is there already (embedded again) is overwritten in place."""
        known: dict[bytes, int] = {}
        if n_rows:
            known = {identity: row for row, identity in enumerate(self._map(n_rows, after).identities())}
        with _opened(self.folder / "keys.bin") as keys_file, _opened(self.folder / "vectors.bin") as vectors_file:
            keys_file.truncate(n_rows * KEY_DTYPE.itemsize)
            vectors_file.truncate(n_rows * DIM * 4)
            blocks = store.embedding_blocks(after_seq=after, through_seq=through, embedder=self.embedder)
            for block in blocks:
                records = _records(block.keys, block.ingest_seq)
                vectors = np.ascontiguousarray(block.vectors, np.float32)
                for i, identity in enumerate(_identities(records)):
                    row = known.setdefault(identity, n_rows)
                    n_rows += row == n_rows
                    keys_file.seek(row * KEY_DTYPE.itemsize)
                    keys_file.write(records[i : i + 1].tobytes())
                    vectors_file.seek(row * DIM * 4)
                    vectors_file.write(vectors[i].tobytes())
        return n_rows

    def _map(self, n_rows: int, through: int) -> EmbeddingMatrix:
        if not n_rows:
            return EmbeddingMatrix(np.zeros(0, KEY_DTYPE), np.zeros((0, DIM), np.float32), through, self.embedder)
        keys = np.memmap(self.folder / "keys.bin", KEY_DTYPE, mode="r", shape=(n_rows,))
        vectors = np.memmap(self.folder / "vectors.bin", np.float32, mode="r", shape=(n_rows, DIM))
        return EmbeddingMatrix(keys, vectors, through, self.embedder)


def _opened(path: Path) -> BinaryIO:
    path.touch()
    return path.open("r+b", buffering=1 << 20)


def _records(keys: Sequence[FaceKey], ingest_seq: int) -> npt.NDArray[np.void]:
    records = np.zeros(len(keys), KEY_DTYPE)
    ids = b"".join(bytes.fromhex(key.image_id) for key in keys)
    records["image_id"] = np.frombuffer(ids, "V32")
    records["face_no"] = [key.face_no for key in keys]
    records["ingest_seq"] = ingest_seq
    return records


def _identities(records: npt.NDArray[np.void]) -> list[bytes]:
    """34 bytes a face: the picture's hash and the number; they sort as FaceKeys do."""
    joined = np.zeros((len(records), 34), np.uint8)
    joined[:, :32] = np.ascontiguousarray(records["image_id"]).view(np.uint8).reshape(-1, 32)
    joined[:, 32:] = np.ascontiguousarray(records["face_no"].astype(">u2")).view(np.uint8).reshape(-1, 2)
    blob = joined.tobytes()
    return [blob[i : i + 34] for i in range(0, len(blob), 34)]
