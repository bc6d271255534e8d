"""What sidecars make of stored faces: labels, strangers, ground truth, and when they are silent."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from ingest.labels import SIDECAR_ACTOR
from personas.entities import DELETED, LABELS, STRANGER, FaceKey, Label, Verdict
from personas.services import curation
from personas.services.labelling import label_faces, new_command_id
from personas.services.personas import add_persona, persona_id_of_name, rename_persona
from personas.services.undo import undo_command
from personas.store.base import Store
from tests.ingest.conftest import Ingest, now, reasons
from tests.ingest.drawing import draw, sidecar
from tests.ingest.fakes import BLUE, GREEN, RED
from tests.ingest.test_pipeline import sha256

ADA = persona_id_of_name("Ada")
BOB = persona_id_of_name("Bob")
LARGE, SMALL = (10, 10, 90, RED), (200, 150, 50, BLUE)


def labels(store: Store) -> set[tuple[str, int, bool]]:
    return {(label.persona_id, label.face_no, label.belongs) for label in store.all_labels()}


def the_label(store: Store) -> Label:
    (label,) = store.all_labels()
    return label


def delete(store: Store, picture: Path) -> str:
    """The command that deleted it, for an undo."""
    command_id = new_command_id()
    curation.delete_images(store=store, image_ids=[sha256(picture)], actor="eve", at=now(), command_id=command_id)
    return command_id


def say(store: Store, persona_id: str, key: FaceKey, verdict: Verdict = Verdict.BELONGS) -> None:
    """What a person does in the product."""
    label_faces(
        store=store,
        persona_id=persona_id,
        faces=[key],
        verdict=verdict,
        actor="eve",
        at=now(),
        command_id=new_command_id(),
    )


def test_a_labeled_sidecar_makes_the_persona_and_labels_the_face(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    assert ingest().labels == 1
    assert [persona.name for persona in store.personas().items] == ["Ada"]
    label = the_label(store)
    assert (label.persona_id, label.face_no, label.belongs, label.actor) == (ADA, 0, True, SIDECAR_ACTOR)


def test_a_batch_makes_one_event_a_persona(store: Store, folder: Path, ingest: Ingest) -> None:
    for number in range(12):
        sidecar(draw(folder / f"{number}.png", shade=90 + number), persona=("Ada", "Bob")[number % 2], labeled=True)
    assert ingest().labels == 12
    events = store.events(LABELS, after=0)
    assert sum(event.kind == "persona_added" for event in events) == 2
    labelled = Counter((event.command_id, event.payload["persona_id"]) for event in events if "faces" in event.payload)
    assert set(labelled.values()) == {1}  # a busy machine may make more than one batch
    assert sum(len(event.payload["faces"]) for event in events if "faces" in event.payload) == 12


def test_a_persona_that_exists_under_that_name_is_meant(store: Store, folder: Path, ingest: Ingest) -> None:
    ada = add_persona(store=store, name="Ada", actor="eve", at=now(), command_id=new_command_id())
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    assert the_label(store).persona_id == ada.persona_id


def test_a_name_of_two_personas_is_reported_not_guessed(store: Store, folder: Path, ingest: Ingest) -> None:
    for _ in range(2):
        add_persona(store=store, name="Ada", actor="eve", at=now(), command_id=new_command_id())
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    summary = ingest()
    assert reasons(summary) == {"a.json": "ambiguous_persona"}
    assert (summary.pictures, labels(store)) == (1, set())


def test_a_renamed_persona_goes_on_being_meant_by_its_old_name(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    rename_persona(store=store, persona_id=ADA, name="Ada L.", actor="eve", at=now(), command_id=new_command_id())
    sidecar(draw(folder / "b.png", shade=99), persona="Ada", labeled=True)
    ingest()
    assert [persona.name for persona in store.personas().items] == ["Ada L."]
    assert store.label_counts([ADA]) == {ADA: (2, 0)}


def test_a_merged_persona_is_meant_as_the_one_it_was_merged_into(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    for name, heir in (("Ada", "Ada L."), ("Ada L.", "Countess")):
        into = add_persona(store=store, name=heir, actor="eve", at=now(), command_id=new_command_id()).persona_id
        (persona,) = store.personas_named(name)
        merge = {"actor": "eve", "at": now(), "command_id": new_command_id()}
        curation.merge_personas(store=store, persona_id=persona.persona_id, into=into, **merge)  # type: ignore[arg-type]
    sidecar(draw(folder / "b.png", shade=99), persona="Ada", labeled=True)
    assert ingest().labels == 1
    assert [persona.name for persona in store.personas().items] == ["Countess"]
    assert store.label_counts([into]) == {into: (2, 0)}


def test_a_sidecar_that_names_a_deleted_person_is_reported_until_there_is_one_again(
    store: Store, folder: Path, ingest: Ingest
) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    deletion = new_command_id()
    curation.delete_persona(store=store, persona_id=ADA, actor="eve", at=now(), command_id=deletion)
    sidecar(draw(folder / "b.png", shade=99), persona="Ada", labeled=True)
    for _ in range(2):
        summary = ingest()
        assert (summary.labels, reasons(summary)) == (0, {"b.json": "deleted_persona"})
        assert (labels(store), store.personas().items) == (set(), ())
    undo_command(store=store, command_id=deletion, actor="eve", at=now())
    summary = ingest()
    assert (summary.labels, summary.rejected) == (1, ())
    assert store.label_counts([ADA]) == {ADA: (2, 0)}


def test_a_persona_added_anew_under_the_name_of_a_deleted_one_is_meant(
    store: Store, folder: Path, ingest: Ingest
) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    curation.delete_persona(store=store, persona_id=ADA, actor="eve", at=now(), command_id=new_command_id())
    other = add_persona(store=store, name="Ada", actor="eve", at=now(), command_id=new_command_id())
    sidecar(draw(folder / "b.png", shade=99), persona="Ada", labeled=True)
    assert (ingest().labels, labels(store)) == (1, {(other.persona_id, 0, True)})


def test_null_and_labeled_is_a_known_stranger(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png"), persona=None, labeled=True)
    assert ingest().labels == 1
    assert the_label(store).persona_id == STRANGER
    assert store.personas().items == ()


@pytest.mark.parametrize("persona", ["Ada", None])
def test_unlabeled_is_ground_truth_and_nothing_else(
    store: Store, folder: Path, ingest: Ingest, persona: str | None
) -> None:
    sidecar(draw(folder / "a.png"), persona=persona, labeled=False, category="portrait")
    summary = ingest()
    assert (summary.labels, summary.truths, summary.categories) == (0, 1, {"portrait": 1})
    (truth,) = store.truths()
    assert (truth.persona, truth.category, truth.face_no) == (persona, "portrait", 0)
    assert (labels(store), store.personas().items) == (set(), ())


def test_nobody_in_a_picture_of_nobody_is_no_mistake(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png", []), persona=None, labeled=False, category="no-face")
    summary = ingest()
    assert (summary.rejected, summary.no_face, summary.truths) == ((), 1, 0)


def test_somebody_in_a_picture_of_nobody_is_reported(folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png", []), persona="Ada", labeled=True)
    summary = ingest()
    assert (reasons(summary), summary.no_face) == ({"a.json": "sidecar_no_such_face"}, 1)


@pytest.mark.parametrize(
    ("squares", "fields", "face_no"),
    [
        ([LARGE, SMALL], {"face": 1}, 1),
        ([LARGE, SMALL], {"box": [195, 145, 60, 60]}, 1),
        ([LARGE, SMALL], {"box": [0, 0, 110, 110]}, 0),
        ([LARGE, (140, 100, 40, BLUE)], {}, 1),
        ([(120, 80, 80, RED), (210, 100, 20, BLUE)], {}, 0),
    ],
    ids=["by number", "by box", "by loose box", "nearest the centre", "a small bystander"],
)
def test_the_face_that_is_meant(
    store: Store,
    folder: Path,
    ingest: Ingest,
    squares: list[tuple[int, int, int, tuple[int, int, int]]],
    fields: dict[str, object],
    face_no: int,
) -> None:
    sidecar(draw(folder / "a.png", squares), persona="Ada", labeled=True, **fields)
    ingest()
    assert labels(store) == {(ADA, face_no, True)}


def test_two_faces_with_the_same_claim_are_ambiguous(store: Store, folder: Path, ingest: Ingest) -> None:
    picture = draw(folder / "a.png", [(90, 80, 60, RED), (170, 80, 60, GREEN)])
    sidecar(picture, persona="Ada", labeled=True)
    assert reasons(ingest()) == {"a.json": "ambiguous"}
    assert labels(store) == set()
    sidecar(picture, persona="Ada", labeled=True, face=1)
    assert (ingest().labels, labels(store)) == (1, {(ADA, 1, True)})


def test_an_unchanged_sidecar_never_overrules_a_person(store: Store, folder: Path, ingest: Ingest) -> None:
    picture = draw(folder / "a.png")
    sidecar(picture, persona="Ada", labeled=True)
    ingest()
    bob = add_persona(store=store, name="Bob", actor="eve", at=now(), command_id=new_command_id())
    say(store, bob.persona_id, FaceKey(sha256(picture), 0))
    ingest()
    assert labels(store) == {(bob.persona_id, 0, True)}
    say(store, bob.persona_id, FaceKey(sha256(picture), 0), Verdict.CLEARED)
    ingest()
    assert labels(store) == set()


@pytest.mark.parametrize("verdict", [Verdict.BELONGS, Verdict.REJECTED])
def test_a_new_sidecar_does_not_overrule_what_a_person_said_before(
    store: Store, folder: Path, ingest: Ingest, verdict: Verdict
) -> None:
    picture = draw(folder / "a.png")
    ingest()
    name = "Bob" if verdict is Verdict.BELONGS else "Ada"
    persona = add_persona(store=store, name=name, actor="eve", at=now(), command_id=new_command_id())
    say(store, persona.persona_id, FaceKey(sha256(picture), 0), verdict)
    sidecar(picture, persona="Ada", labeled=True)
    summary = ingest()
    assert (summary.labels, summary.labels_kept, summary.rejected) == (0, 1, ())
    assert labels(store) == {(persona.persona_id, 0, verdict is Verdict.BELONGS)}
    assert ingest().labels_kept == 0


def test_a_changed_sidecar_is_a_new_statement(store: Store, folder: Path, ingest: Ingest) -> None:
    picture = draw(folder / "a.png")
    for name in ("Ada", "Bob", "Ada", "Bob"):
        sidecar(picture, persona=name, labeled=True)
        assert ingest().labels == 1
        assert labels(store) == {(persona_id_of_name(name), 0, True)}
    carl = add_persona(store=store, name="Carl", actor="eve", at=now(), command_id=new_command_id())
    say(store, carl.persona_id, FaceKey(sha256(picture), 0))
    sidecar(picture, persona="Ada", labeled=True)
    assert ingest().labels == 1
    assert labels(store) == {(ADA, 0, True)}


def test_a_changed_sidecar_takes_back_what_it_no_longer_says(store: Store, folder: Path, ingest: Ingest) -> None:
    picture = draw(folder / "a.png", [LARGE, SMALL])
    sidecar(picture, persona="Ada", labeled=True, face=0)
    ingest()
    sidecar(picture, persona="Ada", labeled=True, face=1)
    ingest()
    assert labels(store) == {(ADA, 1, True)}
    sidecar(picture, persona="Ada", labeled=False, face=1)
    ingest()
    assert labels(store) == set()
    assert [truth.face_no for truth in store.truths()] == [1]


def test_a_removed_sidecar_takes_nothing_back(store: Store, folder: Path, ingest: Ingest) -> None:
    sidecar(draw(folder / "a.png"), persona="Ada", labeled=True).rename(folder / "elsewhere")
    sidecar(folder / "a.png", persona="Ada", labeled=True)
    ingest()
    (folder / "a.json").unlink()
    ingest()
    assert labels(store) == {(ADA, 0, True)}


def test_a_sidecar_that_was_reformatted_says_nothing_new(store: Store, folder: Path, ingest: Ingest) -> None:
    path = sidecar(draw(folder / "a.png"), persona="Ada", labeled=True)
    ingest()
    head = store.head(LABELS)
    path.write_text(path.read_text().replace(", ", ",\n "))
    assert (ingest().labels, store.head(LABELS)) == (0, head)


@pytest.mark.parametrize("labeled", [True, False])
def test_a_changed_sidecar_of_a_deleted_picture_waits_until_the_picture_is_back(
    store: Store, folder: Path, ingest: Ingest, labeled: bool
) -> None:
    picture = draw(folder / "a.png")
    sidecar(picture, persona="Ada", labeled=True)
    ingest()
    deletion = delete(store, picture)
    head = store.head(LABELS)
    sidecar(picture, persona="Bob", labeled=labeled)
    summary = ingest()
    assert (summary.labels, summary.truths, summary.rejected, store.head(LABELS)) == (0, 0, (), head)
    assert labels(store) == {(DELETED, 0, True)}
    assert list(store.truths()) == []

    undo_command(store=store, command_id=deletion, actor="eve", at=now())
    summary = ingest()
    assert (summary.labels, summary.truths) == (int(labeled), int(not labeled))
    assert ((BOB, 0, True) in labels(store)) is labeled


def test_the_first_sidecar_of_a_deleted_picture_speaks_when_the_picture_is_back(
    store: Store, folder: Path, ingest: Ingest
) -> None:
    picture = draw(folder / "a.png")
    ingest()
    deletion = delete(store, picture)
    sidecar(picture, persona="Ada", labeled=True)
    assert (ingest().labels, labels(store)) == (0, {(DELETED, 0, True)})
    assert store.personas().items == ()
    undo_command(store=store, command_id=deletion, actor="eve", at=now())
    assert (ingest().labels, labels(store)) == (1, {(ADA, 0, True)})


def test_of_two_copies_that_name_a_face_differently_the_lower_path_is_right(
    store: Store, folder: Path, ingest: Ingest
) -> None:
    sidecar(draw(folder / "b.png"), persona="Bob", labeled=True)
    ingest()
    assert labels(store) == {(BOB, 0, True)}
    shutil.copy(folder / "b.png", folder / "a.png")
    shutil.copy(folder / "b.png", folder / "c.png")
    sidecar(folder / "a.png", persona="Ada", labeled=True)
    sidecar(folder / "c.png", persona="Carl", labeled=True)
    summary = ingest()
    assert labels(store) == {(ADA, 0, True)}
    assert reasons(summary) == {"c.json": "sidecar_overruled"}
