"""What a run leaves in the store and says in its summary, in one process with drawn pictures."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.pool import ExtractionError
from ingest.summary import Progress
from personas.entities import INGEST, LABELS
from personas.services.curation import delete_images
from personas.services.undo import undo_command
from personas.store.base import Store
from tests import factories as make
from tests.ingest.conftest import Ingest, reasons
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.states import state_of


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content).to_bytes(4, "big")
        return len(content).to_bytes(4, "big") + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_pictures_faces_and_originals_are_stored(store: Store, folder: Path, ingest: Ingest, settings: Any) -> None:
    two = draw(folder / "two.png", [(20, 20, 80, RED), (200, 100, 50, BLUE)])
    draw(folder / "sub" / "none.png", [])
    summary = ingest()
    assert (summary.pictures, summary.new, summary.known, summary.faces, summary.no_face) == (2, 2, 0, 2, 1)
    assert summary.rejected == ()
    faces = store.faces_of([sha256(two)])[sha256(two)]
    assert [(face.face_no, round(face.box.x), round(face.box.width)) for face in faces] == [(0, 20, 80), (1, 200, 50)]
    assert {face.detector for face in faces} == {"squares 1"}
    assert {face.embedder for face in faces} == {"colour 1"}
    original = Path(settings.MEDIA_ROOT) / "originals" / sha256(two)[:2] / sha256(two)
    assert original.read_bytes() == two.read_bytes()
    (path,) = store.paths_of([sha256(two)])[sha256(two)]
    assert (path.source, path.path, path.size) == (str(folder), "two.png", two.stat().st_size)


def test_a_second_run_adds_nothing_and_reads_no_picture(
    store: Store, folder: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        sidecar(draw(folder / f"{number}.png", shade=100 + number), persona="Ada", labeled=True, category="portrait")
    first = ingest()
    state, heads = state_of(store), (store.head(LABELS), store.head(INGEST))
    monkeypatch.setattr("ingest.worker.Bench.look", lambda *_: pytest.fail("a known picture was read"))
    second = ingest()
    assert (second.pictures, second.new, second.known, second.labels) == (5, 0, 5, 0)
    assert (second.faces, second.no_face, second.categories) == (first.faces, first.no_face, {"portrait": 5})
    assert (state_of(store), (store.head(LABELS), store.head(INGEST))) == (state, heads)


def test_a_file_with_new_bytes_is_read_again(store: Store, folder: Path, ingest: Ingest) -> None:
    draw(folder / "a.png", shade=100)
    ingest()
    draw(folder / "a.png", [], shade=101)
    summary = ingest()
    assert (summary.new, summary.pictures) == (1, 1)
    assert len(store.images().items) == 2
    (path,) = store.known_paths(str(folder)).items
    assert path.image_id == sha256(folder / "a.png")


def test_a_file_that_was_only_touched_is_read_but_not_extracted(
    store: Store, folder: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    os.utime(folder / "a.png", ns=(1, 1))
    monkeypatch.setattr("ingest.worker.Bench.extract", lambda *_: pytest.fail("known content was extracted"))
    summary = ingest()
    assert (summary.new, summary.known, summary.labels) == (0, 1, 0)
    (path,) = store.known_paths(str(folder)).items
    assert (path.mtime_ns, path.sidecar) == (1, sha256(folder / "a.json"))


def test_one_content_under_two_paths_is_stored_and_extracted_once(
    store: Store, folder: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "a.png")
    for name in ("b.png", "sub/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(folder / "a.png", folder / name)
    extracted: list[str] = []
    from ingest.worker import Bench

    really = Bench.extract
    monkeypatch.setattr(
        Bench, "extract", lambda self, image_id, content: extracted.append(image_id) or really(self, image_id, content)
    )
    summary = ingest()
    assert (summary.pictures, summary.new, summary.known, summary.faces) == (3, 1, 2, 1)
    assert extracted == [sha256(folder / "a.png")]
    assert [path.path for path in store.known_paths(str(folder)).items] == ["a.png", "b.png", "sub/c.png"]
    (folder / "d.png").hardlink_to(folder / "a.png")
    assert (ingest().new, len(extracted)) == (0, 1)


def test_the_same_picture_in_another_source_keeps_its_face(
    store: Store, folder: Path, ingest: Ingest, tmp_path: Path
) -> None:
    from ingest.services import folder_source

    draw(folder / "a.png")
    ingest()
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(folder / "a.png", other / "b.png")
    summary = ingest(source=folder_source(other))
    assert (summary.new, summary.known, summary.faces) == (0, 1, 1)
    assert len(store.paths_of([sha256(folder / "a.png")])[sha256(folder / "a.png")]) == 2


def test_a_new_detector_reads_again_and_moves_no_label(
    store: Store, folder: Path, ingest: Ingest, settings: Any
) -> None:
    sidecar(draw(folder / "a.png", [(20, 20, 80, RED), (200, 100, 50, BLUE)]), persona="Ada", labeled=True, face=1)
    ingest()
    before = state_of(store)["labels"]
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.newer_squares"
    summary = ingest()
    assert (summary.new, summary.known, summary.labels) == (0, 1, 0)
    assert state_of(store)["labels"] == before
    assert [image.detector for image in store.images().items] == ["squares 2"]
    assert ingest().pictures_per_second == 0


def test_a_deleted_picture_is_looked_at_by_a_new_detector_once_it_is_back(
    store: Store, folder: Path, ingest: Ingest, settings: Any
) -> None:
    image_id = sha256(draw(folder / "a.png", [(20, 20, 80, RED)]))
    ingest()
    command_id = make.command_id()
    delete_images(store=store, image_ids=[image_id], actor="tester", at=make.NOW, command_id=command_id)
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.newer_squares"
    for _ in range(2):
        assert ingest().rejected == ()
        assert store.images_by_id([image_id])[image_id].detector == "squares 1"
    undo_command(store=store, command_id=command_id, actor="tester", at=make.NOW)
    ingest()
    assert store.images_by_id([image_id])[image_id].detector == "squares 2"


def test_every_bad_file_is_reported_and_the_good_ones_are_taken(
    store: Store, folder: Path, ingest: Ingest, settings: Any, tmp_path: Path
) -> None:
    settings.MAX_IMAGE_BYTES = 50_000
    draw(folder / "good.png")
    draw(folder / "good.jpg", shade=90)
    (folder / "empty.jpg").touch()
    (folder / "cut.jpg").write_bytes((folder / "good.jpg").read_bytes()[:900])
    (folder / "text.jpg").write_text("this is not a picture")
    (folder / "notes.txt").write_text("neither is this")
    (folder / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    (folder / "huge.jpg").write_bytes(b"\xff\xd8\xff" + b"0" * 60_000)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "outside.jpg").write_bytes(b"secret")
    (folder / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "alone.json").write_text("{}")
    (folder / "unfinished.jpg.part").write_text("")
    summary = ingest()
    assert reasons(summary) == {
        "empty.jpg": "empty",
        "cut.jpg": "truncated",
        "text.jpg": "not_a_picture",
        "notes.txt": "not_a_picture",
        "bomb.png": "too_many_pixels",
        "huge.jpg": "too_many_bytes",
        "pipe.jpg": "device_or_pipe",
        "zero.jpg": "link_out_of_source",
        "out.jpg": "link_out_of_source",
        "alone.json": "sidecar_without_picture",
    }
    assert all(each.message for each in summary.rejected)
    assert (summary.pictures, summary.new) == (2, 2)
    assert summary.reasons["not_a_picture"] == 2
    assert reasons(ingest()) == reasons(summary)


def test_a_picture_without_a_picture_s_name_is_recognised(folder: Path, ingest: Ingest) -> None:
    draw(folder / "a.png").rename(folder / "IMG_0001")
    assert (ingest().new, ingest().known) == (1, 1)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", "sidecar_not_json"),
        (b"\x00\xff", "sidecar_not_json"),
        (b'{"persona": 3, "labeled": true}', "sidecar_wrong_type"),
        (b'{"persona": "Ada", "labeled": true, "face": 7}', "sidecar_no_such_face"),
        (b'{"persona": "Ada", "labeled": true, "box": [0, 0, 9, 9]}', "sidecar_no_such_face"),
    ],
)
def test_a_picture_whose_sidecar_is_bad_is_taken_all_the_same(
    store: Store, folder: Path, ingest: Ingest, content: bytes, reason: str
) -> None:
    picture = draw(folder / "a.png")
    picture.with_suffix(".json").write_bytes(content)
    for _ in range(2):  # it is told until it is corrected
        summary = ingest()
        assert reasons(summary) == {"a.json": reason}
        assert (summary.pictures, summary.faces, summary.labels) == (1, 1, 0)
    assert list(store.all_labels()) == []
    sidecar(picture, persona="Ada", labeled=True)
    assert (ingest().labels, ingest().rejected) == (1, ())


def test_a_name_that_is_not_utf8_is_stored_with_escapes(store: Store, folder: Path, ingest: Ingest) -> None:
    draw(folder / "a.png").rename(folder / os.fsdecode(b"caf\xe9.png"))
    assert ingest().new == 1
    assert [path.path for path in store.known_paths(str(folder)).items] == ["caf\\xe9.png"]
    assert (ingest().known, ingest().rejected) == (1, ())


def test_a_failure_nobody_foresaw_is_reported_by_picture(folder: Path, ingest: Ingest, settings: Any) -> None:
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.broken"
    draw(folder / "a.png")
    assert reasons(ingest()) == {"a.png": "failed_extraction"}


def test_originals_that_cannot_be_written_stop_the_run_with_advice(folder: Path, ingest: Ingest, settings: Any) -> None:
    draw(folder / "a.png")
    Path(settings.MEDIA_ROOT).write_text("a file is in the way")
    with pytest.raises(Exception, match="MEDIA_ROOT"):
        ingest()


def test_progress_counts_up_to_all(folder: Path, ingest: Ingest) -> None:
    for number in range(70):
        draw(folder / f"{number}.png", shade=40 + number)
    (folder / "bad.jpg").write_text("no")
    told: list[Progress] = []
    ingest(progress=told.append)
    assert [each.done for each in told] == sorted(each.done for each in told)
    assert (told[-1].done, told[-1].total, told[-1].rejected) == (71, 71, 1)


def test_a_store_that_lost_a_picture_gets_it_again(store: Store, folder: Path, ingest: Ingest) -> None:
    from personas.store.sql.models import ImageRow

    draw(folder / "a.png")
    ingest()
    ImageRow.objects.all().delete()
    assert (ingest().new, ingest().known) == (1, 1)


def test_a_busy_store_is_waited_for(
    store: Store, folder: Path, ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from personas.errors import TransientError

    really: Callable[..., Any] = store.save_extracted
    failures = iter([True, True])

    def busy(*args: Any, **options: Any) -> Any:
        if next(failures, False):
            raise TransientError("busy")
        return really(*args, **options)

    monkeypatch.setattr("personas.patience.PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(store, "save_extracted", busy)
    draw(folder / "a.png")
    assert ingest().new == 1


# ---- in worker processes ---------------------------------------------------------------------------------------------
def test_workers_leave_the_same_state_as_one_process(
    store: Store, folder: Path, ingest: Ingest, transactional_db: None
) -> None:
    for number in range(30):
        picture = draw(folder / f"{number:02}.png", [(20, 20, 80, (RED, GREEN, BLUE)[number % 3])], shade=90 + number)
        sidecar(picture, persona=("Ada", "Bob", None)[number % 3], labeled=number % 2 == 0, category="c")
    shutil.copy(folder / "00.png", folder / "copy.png")
    summary = ingest(workers=2)
    state = state_of(store)
    assert (summary.pictures, summary.new, summary.labels, summary.truths) == (31, 30, 15, 15)
    again = ingest(workers=1)
    assert (again.new, again.labels, state_of(store)) == (0, 0, state)


def test_a_picture_that_crashes_its_worker_is_named_and_the_rest_is_taken(
    folder: Path, ingest: Ingest, settings: Any
) -> None:
    from tests.ingest.fakes import MAGENTA

    settings.FACE_EXTRACTOR = "tests.ingest.fakes.deadly"
    for number in range(20):
        draw(folder / f"{number:02}.png", shade=90 + number)
    draw(folder / "07-deadly.png", [(20, 20, 80, MAGENTA)])
    shutil.copy(folder / "07-deadly.png", folder / "13-again.png")
    summary = ingest(workers=2)
    assert reasons(summary) == {"07-deadly.png": "crashed_extraction", "13-again.png": "crashed_extraction"}
    assert (summary.pictures, summary.new) == (20, 20)


def test_a_copy_is_extracted_itself_when_the_first_one_failed(folder: Path, ingest: Ingest, settings: Any) -> None:
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.fails_first"
    draw(folder / "a.png")
    shutil.copy(folder / "a.png", folder / "b.png")
    summary = ingest(workers=1)
    assert reasons(summary) == {"a.png": "failed_extraction"}
    assert (summary.pictures, summary.new) == (1, 1)


def test_copies_of_a_bad_picture_are_all_reported(folder: Path, ingest: Ingest) -> None:
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    assert set(reasons(ingest(workers=1))) == {"0.jpg", "1.jpg", "2.jpg"}


def test_a_worker_that_is_killed_costs_no_picture(folder: Path, ingest: Ingest, settings: Any) -> None:
    from PIL import Image

    settings.FACE_EXTRACTOR = "tests.ingest.fakes.dies_once"
    for number in range(12):
        path = draw(folder / f"{number:02}.png", shade=90 + number)
        if number == 4:
            with Image.open(path) as image:
                image.load()
                image.putpixel((5, 5), (3, 2, 1))
                image.save(path)
    summary = ingest(workers=2)
    assert (Path(settings.CACHE_ROOT) / "models" / "died-once").exists()
    assert (summary.new, summary.rejected) == (12, ())


def test_workers_that_cannot_start_end_the_run_with_advice(folder: Path, ingest: Ingest, settings: Any) -> None:
    draw(folder / "a.png")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.stillborn"
    with pytest.raises(ExtractionError, match="use fewer workers"):
        ingest(workers=1)


def test_models_that_cannot_be_loaded_end_the_run_and_say_so(folder: Path, ingest: Ingest, settings: Any) -> None:
    draw(folder / "a.png")
    settings.FACE_EXTRACTOR = "tests.ingest.fakes.absent"
    with pytest.raises(ExtractionError, match="absent"):
        ingest(workers=1)
