"""The trainer's copy of all embeddings on its own disk: two flat files, memory-mapped, caught up by cursor.

Reading a million embeddings out of a store takes seconds; out of a mapped file it takes none. The copy can be deleted
at any time: it is rebuilt from the store. One process at a time writes it (`fcntl` lock); a kill in the middle of an
append leaves rows that `meta.json` does not count, and the next append overwrites them.
"""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from personas.entities import INGEST, EmbeddingBlock, FaceKey, FloatArray
from personas.face_arrays import KEY_BYTES, FaceKeys
from personas.media import write_atomically
from personas.store.base import PICTURES_ERASED, Store

DIM = 128
#: One row of the key file: the picture's SHA-256, the number of the face, the ingest event that brought it.
KEY_DTYPE = np.dtype([("image_id", "V32"), ("face_no", "<u2"), ("ingest_seq", "<u8")])
KEYS_FILE, VECTORS_FILE = "keys.bin", "vectors.bin"
FORMAT_VERSION = 1  # 1: keys.bin of KEY_DTYPE, vectors.bin float32 (n, 128)
#: Rows moved at a time where faces came twice: 32 MB of vectors.
ROWS_AT_ONCE = 65_536

Rows = npt.NDArray[np.intp]
Words = npt.NDArray[np.uint64]


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingMatrix:
    """All embeddings of one embedder up to an ingest event, one row a face, in no order that means anything."""

    keys: npt.NDArray[np.void]  #: KEY_DTYPE (n,)
    vectors: FloatArray  #: float32 (n, 128), L2-normalised, memory-mapped
    through_seq: int
    embedder: str

    def __len__(self) -> int:
        return len(self.keys)

    def face_keys(self, rows: Iterable[int] | Rows) -> FaceKeys:
        """Keys of these rows."""
        return _packed(self.keys[np.asarray(rows if isinstance(rows, np.ndarray) else list(rows), np.intp)])

    def words(self) -> Words:
        """The first eight bytes of each face's picture as a number, (n,)."""
        return _words(self.keys)

    def rows_of(self, keys: Collection[FaceKey], *, among: Rows | None = None) -> dict[FaceKey, int]:
        """Rows of those keys that are present, or present among these rows."""
        if not len(keys):
            return {}
        wanted = FaceKeys.of(keys if isinstance(keys, FaceKeys) else list(keys))
        words = _words(self.keys if among is None else self.keys[among])
        rows = np.flatnonzero(_is_among(words, np.unique(wanted.words())))
        rows = rows if among is None else among[rows]
        asked = set(wanted)
        return {key: row for key, row in zip(self.face_keys(rows), rows.tolist(), strict=True) if key in asked}

    def among(self, keys: FaceKeys, *, rows: Rows) -> npt.NDArray[np.bool_]:
        """Which of these rows are faces among `keys`, which are sorted: (n_rows,)."""
        found = np.zeros(len(rows), np.bool_)
        if len(keys) and len(rows):
            places = np.flatnonzero(_is_among(_words(self.keys[rows]), keys.words()))
            found[places] = _is_among(self.face_keys(rows[places]).texts(), keys.texts())
        return found

    def through(self, seq: int) -> Rows:
        """Rows of the faces that ingest events up to this one brought."""
        return np.flatnonzero(self.keys["ingest_seq"] <= seq)

    def buckets(self, n_buckets: int) -> npt.NDArray[np.uint32]:
        """The bucket of each row, (n,), as `personas.buckets` says."""
        first = _ids(self.keys, 2).view(">u2").ravel().astype(np.uint32)
        return np.asarray(first * np.uint32(n_buckets) >> np.uint32(16), np.uint32)

    def in_buckets(self, first: int, last: int, n_buckets: int, *, through: int) -> Rows:
        """Rows in buckets `first` to `last - 1` of the faces that ingest events up to `through` brought."""
        bucket = self.buckets(n_buckets)
        return np.flatnonzero((bucket >= first) & (bucket < last) & (self.keys["ingest_seq"] <= through))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class MatrixFolder:
    """The files of one embedder's matrix."""

    def __init__(self, root: Path, embedder: str) -> None:
        self.folder = root / "matrix" / re.sub(r"[^A-Za-z0-9.+-]+", "-", embedder)
        self.embedder = embedder

    def catch_up(self, store: Store) -> EmbeddingMatrix:
        """Append what was ingested since, and map the files."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with _locked(self.folder):
            n_rows, through = self._meta()
            head = store.head(INGEST)
            if head < through:  # another store lies behind this folder: start again
                n_rows = through = 0
            if head > through:
                n_rows = self._append(store, n_rows, after=through, through=head)
                erased = _erased_since(store, through, head) if through else {}
                n_rows = self._drop(erased, n_rows)
                if erased:
                    self._forget_others()
                through = head
                meta = {"format": FORMAT_VERSION, "n_rows": n_rows, "through_seq": through}
                write_atomically(self.folder / "meta.json", json.dumps(meta).encode())
            return self._map(n_rows, through)

    def _forget_others(self) -> None:
        """Copies of other embedders hold what was erased too, and nobody may ever catch them up: they are built anew
        when somebody needs them."""
        for folder in self.folder.parent.iterdir():
            if folder != self.folder and folder.is_dir():
                with _locked(folder):
                    for name in ("meta.json", KEYS_FILE, VECTORS_FILE):
                        (folder / name).unlink(missing_ok=True)

    def _meta(self) -> tuple[int, int]:
        try:
            meta = json.loads((self.folder / "meta.json").read_text())
        except FileNotFoundError:
            return 0, 0
        if meta.get("format") != FORMAT_VERSION:
            return 0, 0
        return int(meta["n_rows"]), int(meta["through_seq"])

    def _append(self, store: Store, n_rows: int, *, after: int, through: int) -> int:
        """Write blocks behind row `n_rows`; returns how many rows there are then, one a face."""
        n_before = n_rows
        keys_path, vectors_path = self.folder / KEYS_FILE, self.folder / VECTORS_FILE
        for path, row_bytes in ((keys_path, KEY_DTYPE.itemsize), (vectors_path, DIM * 4)):
            if not n_before:
                path.unlink(missing_ok=True)  # whoever has mapped the old file keeps it
            path.touch()
            with path.open("r+b") as file:
                file.truncate(n_before * row_bytes)
        with keys_path.open("ab") as keys_file, vectors_path.open("ab") as vectors_file:
            for block in store.embedding_blocks(after_seq=after, through_seq=through, embedder=self.embedder):
                keys_file.write(_records(block).tobytes())
                vectors_file.write(np.ascontiguousarray(block.vectors, np.float32).tobytes())
                n_rows += len(block.keys)
        if n_rows == n_before:
            return n_rows
        keys = np.memmap(keys_path, KEY_DTYPE, mode="r+", shape=(n_rows,))
        vectors = np.memmap(vectors_path, np.float32, mode="r+", shape=(n_rows, DIM))
        return _once_each(keys, vectors, n_before)

    def _drop(self, erased: Mapping[str, int], n_rows: int) -> int:
        """Leave out the rows of erased pictures; returns how many rows there are then.

        erased: pictures, with the event that says so; what came back behind it stays. The files are written anew
        beside their places, for others have mapped them. A kill in between finds no `meta.json`, and so starts again
        from the store, where the vectors are gone.
        """
        if not erased or not n_rows:
            return n_rows
        matrix = self._map(n_rows, 0)
        rows = _rows_of_pictures(matrix, erased)
        if not len(rows):
            return n_rows
        kept = np.ones(n_rows, np.bool_)
        kept[rows] = False
        (self.folder / "meta.json").unlink(missing_ok=True)
        for name, array in ((KEYS_FILE, matrix.keys), (VECTORS_FILE, matrix.vectors)):
            part = self.folder / f"{name}.part"
            with part.open("wb") as file:
                for start in range(0, n_rows, ROWS_AT_ONCE):
                    some = slice(start, start + ROWS_AT_ONCE)
                    file.write(array[some][kept[some]].tobytes())
            part.replace(self.folder / name)
        return int(kept.sum())

    def _map(self, n_rows: int, through: int) -> EmbeddingMatrix:
        if not n_rows:
            return EmbeddingMatrix(np.zeros(0, KEY_DTYPE), np.zeros((0, DIM), np.float32), through, self.embedder)
        keys = np.memmap(self.folder / KEYS_FILE, KEY_DTYPE, mode="r", shape=(n_rows,))
        vectors = np.memmap(self.folder / VECTORS_FILE, np.float32, mode="r", shape=(n_rows, DIM))
        return EmbeddingMatrix(keys, vectors, through, self.embedder)


def _erased_since(store: Store, after: int, through: int) -> dict[str, int]:
    """Pictures that these ingest events say were erased, with the number of the event."""
    erased: dict[str, int] = {}
    while after < through and (events := store.events(INGEST, after=after)):
        for event in events:
            if event.kind == PICTURES_ERASED:
                erased |= dict.fromkeys(event.payload["images"], event.seq)
        after = events[-1].seq
    return erased


def _rows_of_pictures(matrix: EmbeddingMatrix, erased: Mapping[str, int]) -> Rows:
    """Rows that were brought before their picture was erased."""
    words = np.array(sorted({int(image_id[:16], 16) for image_id in erased}), np.uint64)
    rows = np.flatnonzero(_is_among(matrix.words(), words))
    sequences = matrix.keys["ingest_seq"][rows]
    gone = [
        sequence < erased.get(key.image_id, 0)
        for key, sequence in zip(matrix.face_keys(rows), sequences.tolist(), strict=True)
    ]
    return rows[np.array(gone, np.bool_)]


def _once_each(keys: npt.NDArray[np.void], vectors: FloatArray, n_before: int) -> int:
    """Of a face that has several rows (embedded again) keep the first row, with what the latest event brought.

    Rows from `n_before` on are new and may move up; returns how many rows there are then. Blocks come in any order, so
    the event decides, not the place.
    """
    words = _words(keys)
    new = np.sort(words[n_before:])
    if (np.diff(new) != 0).all() and not _is_among(words[:n_before], new).any():
        return len(keys)  # nearly always: no picture came twice
    candidates = np.flatnonzero(_is_among(words, new))
    texts = _packed(keys[candidates]).texts()
    order = np.lexsort((candidates, keys["ingest_seq"][candidates], texts))
    candidates, texts = candidates[order], texts[order]
    starts = np.flatnonzero(np.concatenate([[True], texts[1:] != texts[:-1]]))
    latest = candidates[np.append(starts[1:], len(candidates)) - 1]
    first = np.minimum.reduceat(candidates, starts)
    for start in range(0, len(first), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        keys[first[part]], vectors[first[part]] = keys[latest[part]], vectors[latest[part]]
    kept = np.ones(len(keys), np.bool_)
    kept[candidates] = False
    kept[first] = True
    rows = n_before + np.flatnonzero(kept[n_before:])
    for start in range(0, len(rows), ROWS_AT_ONCE):
        moved = rows[start : start + ROWS_AT_ONCE]
        place = slice(n_before + start, n_before + start + len(moved))
        keys[place], vectors[place] = keys[moved], vectors[moved]
    return n_before + len(rows)


def _is_among(values: npt.NDArray[Any], among: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which of `values` are among these; `among` is sorted and not empty."""
    place = np.minimum(np.searchsorted(among, values), len(among) - 1)
    return np.asarray(among[place] == values)


def _records(block: EmbeddingBlock) -> npt.NDArray[np.void]:
    packed = FaceKeys.of(block.keys).packed
    records = np.zeros(len(packed), KEY_DTYPE)
    records["image_id"] = np.ascontiguousarray(packed[:, :32]).view("V32").ravel()
    records["face_no"] = np.ascontiguousarray(packed[:, 32:]).view(">u4").ravel()
    records["ingest_seq"] = block.ingest_seq
    return records


def _packed(records: npt.NDArray[np.void]) -> FaceKeys:
    packed = np.zeros((len(records), KEY_BYTES), np.uint8)
    packed[:, :32] = _ids(records)
    packed[:, 32:] = np.ascontiguousarray(records["face_no"].astype(">u4")).view(np.uint8).reshape(-1, 4)
    return FaceKeys(packed)


def _words(records: npt.NDArray[np.void]) -> Words:
    return _ids(records, 8).view(">u8").ravel().astype(np.uint64)


def _ids(records: npt.NDArray[np.void], n_bytes: int = 32) -> npt.NDArray[np.uint8]:
    """The first bytes of each picture's hash, (n, n_bytes)."""
    first = np.dtype({"names": ["id"], "formats": [f"V{n_bytes}"], "offsets": [0], "itemsize": KEY_DTYPE.itemsize})
    return np.ascontiguousarray(records.view(first)["id"]).view(np.uint8).reshape(-1, n_bytes)
