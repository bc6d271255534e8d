"""Labels from a CSV file, and adding a persona, by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from personas.entities import DELETED, LABELS, STRANGER, Box, NewEvent, Verdict
from personas.export import COLUMNS, ExportFormat, ExportKind, export, write_lines
from personas.projection import PERSONA_RENAMED
from personas.selectors.gallery import find_personas, personas_called
from personas.services.curation import delete_images
from personas.services.label_file import LabelFileResult, UnableToReadLabelsError, label_from_file
from personas.services.labelling import DELETED_ALREADY, new_command_id
from personas.services.personas import persona_id_of_name
from personas.store.base import Store
from tests import factories as make


@pytest.fixture
def filled(store: Store) -> Store:
    """Pictures 0 to 4 with a face in the middle each, Ann and Bob."""
    middle = Box(make.WIDTH / 2 - 40, make.HEIGHT / 2 - 40, 80, 80)
    make.save(store, *[make.extracted(n, faces=[make.new_face(n, at_box=middle)]) for n in range(5)])
    make.add_personas(store, "Ann", "Bob")
    return store


def apply(store: Store, *lines: str, header: str = "image,persona,belongs,face", **options: Any) -> LabelFileResult:
    content = "\n".join([header, *lines, ""]).encode()
    return label_from_file(store=store, content=content, actor="tester", at=make.NOW, **options)


def said(store: Store, name: str | int, face_no: int = 0) -> dict[str, bool]:
    labels = store.labels_of_images([make.image_id(name)]).get(make.key(name, face_no), ())
    return {label.persona_id: label.belongs for label in labels}


def test_lines_become_labels_and_rejections(filled: Store) -> None:
    result = apply(
        filled,
        "0.jpg,Ann,true,",
        "1.jpg,ann,TRUE,0",
        "1.jpg,Bob,false,0",
        "2.jpg,Stranger,true,",
        "3.jpg,stranger,true,",
    )
    assert (result.n_lines, result.n_changed, result.n_unchanged, result.refused) == (5, 5, 0, ())
    assert said(filled, 0) == {"ann": True}
    assert said(filled, 1) == {"ann": True, "bob": False}
    assert said(filled, 2) == said(filled, 3) == {STRANGER: True}


def test_all_faces_of_a_persona_and_verdict_are_one_event(filled: Store) -> None:
    before = filled.head(LABELS)
    apply(filled, *[f"{n}.jpg,Ann,true," for n in range(4)], "4.jpg,Bob,true,", "0.jpg,Bob,false,")
    events = filled.events(LABELS, after=before)
    assert [len(event.payload["faces"]) for event in events] == [4, 1, 1]
    assert len({event.command_id for event in events}) == 1


def test_applying_a_file_again_changes_nothing_until_something_was_taken_back(filled: Store) -> None:
    lines = ["0.jpg,Ann,true,", "1.jpg,Ann,true,"]
    apply(filled, *lines)
    head = filled.head(LABELS)
    again = apply(filled, *lines)
    assert (again.n_changed, again.n_unchanged, filled.head(LABELS)) == (0, 2, head)
    make.label(filled, "ann", make.key(0), verdict=Verdict.CLEARED)
    assert apply(filled, *lines).n_changed == 1
    assert said(filled, 0) == {"ann": True}


def test_good_lines_are_applied_beside_refused_ones(filled: Store) -> None:
    result = apply(
        filled,
        "0.jpg,Ann,true,",
        "absent.jpg,Ann,true,",
        "1.jpg,Zoe,true,",
        "2.jpg,Ann,maybe,",
        "2.jpg,Ann,true,x",
        "2.jpg,Ann,true,9",
        "2.jpg,Stranger,false,",
        ",Ann,true,",
        "3.jpg,Bob,true,",
    )
    assert [refused.line for refused in result.refused] == [3, 4, 5, 6, 7, 8, 9]
    assert "add_persona" in result.refused[1].reason
    assert result.n_changed == 2
    assert said(filled, 0) == {"ann": True}
    assert said(filled, 3) == {"bob": True}


def test_a_line_about_a_deleted_picture_is_refused(filled: Store) -> None:
    deleted = [make.image_id(0)]
    delete_images(store=filled, image_ids=deleted, actor="tester", at=make.NOW, command_id=new_command_id())
    head = filled.head(LABELS)
    result = apply(filled, "0.jpg,Ann,true,", f"{make.image_id(0)},Ann,true,0", "1.jpg,Ann,true,")
    assert [(refused.line, refused.reason) for refused in result.refused] == [
        (2, DELETED_ALREADY),
        (3, DELETED_ALREADY),
    ]
    assert said(filled, 0) == {DELETED: True}
    assert [event.payload["faces"] for event in filled.events(LABELS, after=head)] == [[list(make.key(1))]]


def test_a_base_name_of_two_pictures_is_refused_with_both(filled: Store) -> None:
    make.save(filled, make.extracted("x", paths=[make.image_path("x", path="one/same.jpg")]))
    make.save(filled, make.extracted("y", paths=[make.image_path("y", path="two/same.jpg")]))
    (refused,) = apply(filled, "same.jpg,Ann,true,0").refused
    assert ["one/same.jpg" in refused.candidates[0], "two/same.jpg" in refused.candidates[1]] == [True, True]
    assert apply(filled, "two/same.jpg,Ann,true,0").n_changed == 1
    assert apply(filled, f"{make.image_id('x')},Bob,true,0").n_changed == 1
    assert (said(filled, "x"), said(filled, "y")) == ({"bob": True}, {"ann": True})


def test_one_picture_under_two_paths_of_one_name_is_no_ambiguity(filled: Store) -> None:
    paths = [make.image_path("x", path="one/x.jpg"), make.image_path("x", path="two/x.jpg")]
    make.save(filled, make.extracted("x", paths=paths))
    assert apply(filled, "x.jpg,Ann,true,0").n_changed == 1


def test_a_name_of_two_personas_is_refused_with_their_ids(filled: Store) -> None:
    filled.record(LABELS, [make.persona_added("ann-2", "Ann")])
    (refused,) = apply(filled, "0.jpg,Ann,true,").refused
    assert refused.candidates == ("Ann (ann)", "Ann (ann-2)")
    assert apply(filled, "0.jpg,ann-2,true,").n_changed == 1


def test_a_picture_of_two_equal_faces_needs_the_number(filled: Store) -> None:
    two = [make.new_face(n, at_box=Box(x, 200, 80, 80)) for n, x in enumerate((230.0, 330.0))]
    make.save(filled, make.extracted("pair", faces=two))
    (refused,) = apply(filled, "pair.jpg,Ann,true,").refused
    assert set(refused.candidates) == {str(make.key("pair", 0)), str(make.key("pair", 1))}
    assert apply(filled, "pair.jpg,Ann,true,1").n_changed == 1
    assert said(filled, "pair", 1) == {"ann": True}


def test_an_empty_persona_overwrites_nothing(filled: Store) -> None:
    make.label(filled, "ann", make.key(0))
    (refused,) = apply(filled, "0.jpg,,true,").refused
    assert "Stranger" in refused.reason
    assert said(filled, 0) == {"ann": True}


@pytest.mark.parametrize(
    "lines",
    [
        ["0.jpg,Ann,true,", "0.jpg,Bob,true,0"],
        ["0.jpg,Ann,true,", "0.jpg,Ann,false,0"],
        ["0.jpg,Ann,true,", "0.jpg,Stranger,true,"],
        ["0.jpg,Ann,true,", "0.jpg,Zoe,true,"],
    ],
)
def test_lines_that_contradict_each_other_are_all_refused(filled: Store, lines: list[str]) -> None:
    result = apply(filled, *lines, "1.jpg,Ann,true,", "absent.jpg,Ann,true,", create_personas=True)
    assert [refused.line for refused in result.refused] == [2, 3, 5]
    assert "Lines 2, 3" in result.refused[0].reason
    assert (said(filled, 0), said(filled, 1)) == ({}, {"ann": True})
    assert result.personas_added == ()


def test_a_line_may_say_the_same_again_or_more(filled: Store) -> None:
    assert apply(filled, "0.jpg,Ann,true,", "0.jpg,Ann,true,0", "0.jpg,Bob,false,").refused == ()
    assert said(filled, 0) == {"ann": True, "bob": False}


def test_new_names_become_personas_when_asked_for(filled: Store) -> None:
    result = apply(filled, "0.jpg,Zoe  Q,true,", "1.jpg,Zoe Q,true,", create_personas=True)
    assert result.personas_added == ("Zoe Q",)
    (zoe,) = filled.personas_named("Zoe Q")
    assert zoe.persona_id == persona_id_of_name("Zoe Q")
    assert said(filled, 0) == said(filled, 1) == {zoe.persona_id: True}
    assert apply(filled, "2.jpg,Zoe Q,true,", create_personas=True).personas_added == ()


def test_a_refused_line_adds_no_persona(filled: Store) -> None:
    result = apply(filled, "absent.jpg,Zoe,true,", create_personas=True)
    assert (result.personas_added, filled.personas_named("Zoe")) == ((), ())


def test_the_former_name_of_a_persona_is_not_somebody_new(filled: Store) -> None:
    apply(filled, "0.jpg,Zoe,true,", create_personas=True)
    payload = {"persona_id": persona_id_of_name("Zoe"), "name": "Zora"}
    event = NewEvent(kind=PERSONA_RENAMED, actor="x", at=make.NOW, command_id=make.command_id(), payload=payload)
    filled.record(LABELS, [event])
    (refused,) = apply(filled, "1.jpg,Zoe,true,", create_personas=True).refused
    assert "Zora" in refused.candidates[0]


def test_files_of_spreadsheets_are_read(filled: Store) -> None:
    content = '\ufeffImage;Persona;Belongs\r\n0.jpg;Ann;TRUE\r\n"1.jpg";"Bob";true\r\n'.encode()
    result = label_from_file(store=filled, content=content, actor="tester", at=make.NOW)
    assert (result.n_changed, result.refused) == (2, ())


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00i", b"image,persona\nx,y\n"])
def test_what_is_no_label_file_is_refused_as_a_whole(filled: Store, content: bytes) -> None:
    with pytest.raises(UnableToReadLabelsError):
        label_from_file(store=filled, content=content, actor="tester", at=make.NOW)


def test_a_long_file_asks_few_questions(filled: Store, django_assert_max_num_queries: Callable[..., Any]) -> None:
    make.save_pictures(filled, 200)
    lines = [f"picture-{n}.jpg,Ann,true,0" for n in range(200)]
    with django_assert_max_num_queries(200 + 40):  # a look-up a distinct name, the rest together
        assert apply(filled, *lines).n_changed == 200


# ---- commands --------------------------------------------------------------------------------------------------------


def test_the_label_command_tells_what_it_did(filled: Store, tmp_path: Path) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("image,persona,belongs\n0.jpg,Ann,true\nabsent.jpg,Ann,true\n")
    out, err = StringIO(), StringIO()
    with pytest.raises(SystemExit) as caught:
        call_command("label", str(file), stdout=out, stderr=err)
    assert caught.value.code == 3
    assert "2 lines: 1 labelled, 0 known before, 1 refused" in out.getvalue()
    assert "line 3: There is no picture absent.jpg" in err.getvalue()

    file.write_text("image,persona,belongs\n1.jpg,Zoe,true\n")
    out = StringIO()
    call_command("label", str(file), "--json", "--create-personas", stdout=out)
    told = json.loads(out.getvalue())
    assert (told["n_changed"], told["personas_added"], told["refused"]) == (1, ["Zoe"], [])

    out = StringIO()
    call_command("label", str(file), stdout=out)
    assert "1 line: 0 labelled, 1 known before, 0 refused." in out.getvalue()


def test_a_file_that_is_absent_is_named(store: Store, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("label", str(tmp_path / "absent.csv"))


def test_add_persona_prints_the_id_and_refuses_a_namesake(store: Store) -> None:
    out = StringIO()
    call_command("add_persona", "  Zoe   Q ", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert store.personas_by_id([told["persona_id"]])[told["persona_id"]].name == "Zoe Q"
    with pytest.raises(CommandError, match="already"):
        call_command("add_persona", "Zoe Q")
    call_command("add_persona", "Zoe Q", "--namesake", stdout=StringIO())
    assert len(store.personas_named("Zoe Q")) == 2


# ---- one name, two spellings -----------------------------------------------------------------------------------------
ZOE, ZOE_DECOMPOSED = "Zo\u00eb", "Zoe\u0308"


@pytest.mark.parametrize(("known", "typed"), [(ZOE, ZOE_DECOMPOSED), (ZOE_DECOMPOSED, ZOE)])
def test_a_name_is_one_however_its_letters_are_composed(filled: Store, known: str, typed: str) -> None:
    added = apply(filled, f"0.jpg,{known},true,", create_personas=True)
    again = apply(filled, f"1.jpg,{typed},true,", create_personas=True)
    assert (added.personas_added, again.personas_added, again.refused) == ((ZOE,), (), ())
    assert [persona.name for persona in personas_called(filled, typed)] == [ZOE]
    assert [persona.name for persona in find_personas(filled, typed.lower())] == [ZOE]
    assert persona_id_of_name(known) == persona_id_of_name(typed)


@pytest.mark.parametrize(("stored", "written"), [(ZOE, ZOE_DECOMPOSED), (ZOE_DECOMPOSED, ZOE)])
def test_a_path_is_found_however_its_letters_are_composed(filled: Store, stored: str, written: str) -> None:
    paths = [make.image_path("a", path=f"trip/{stored}.jpg")]
    make.save(filled, make.extracted("a", faces=[make.new_face("a", at_box=Box(280, 200, 80, 80))], paths=paths))
    for name in (f"{written}.jpg", f"trip/{written}.jpg"):
        assert apply(filled, f"{name},Ann,true,").refused == ()


def test_the_spelling_that_is_exactly_there_is_meant(filled: Store) -> None:
    for name, spelling in (("a", ZOE), ("b", ZOE_DECOMPOSED)):
        make.save(filled, make.extracted(name, paths=[make.image_path(name, path=f"{spelling}.jpg")]))
    apply(filled, f"{ZOE_DECOMPOSED}.jpg,Ann,true,")
    assert (said(filled, "a"), said(filled, "b")) == ({}, {"ann": True})


def test_paths_are_looked_up_all_at_once(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    find = filled.find_paths_many
    monkeypatch.setattr(filled, "find_paths_many", lambda names: asked.append(len(names)) or find(names))
    apply(filled, *[f"{n}.jpg,Ann,true," for n in range(5)])
    assert asked == [5]


@pytest.mark.parametrize("name", ["=2+2", "+1", "-1", "@sum", "'=2+2", "''quoted", "'plain"])
def test_what_an_export_wrote_can_be_read_back(filled: Store, name: str, no_champion: None) -> None:
    make.save(filled, make.extracted("a", paths=[make.image_path("a", path=f"{name}.jpg")]))
    filled.record(LABELS, [make.persona_added("formula", name), make.labelled("formula", [make.key("a")])])
    file = StringIO(newline="")
    write_lines(export(filled, ExportKind.LABELS), COLUMNS[ExportKind.LABELS], file, ExportFormat.CSV)
    filled.record(LABELS, [make.labelled("formula", [make.key("a")], Verdict.CLEARED)])
    result = label_from_file(store=filled, content=file.getvalue().encode(), actor="tester", at=make.NOW)
    assert (result.refused, said(filled, "a")) == ((), {"formula": True})


def test_strangers_of_an_export_can_be_read_back(filled: Store, no_champion: None) -> None:
    make.label(filled, STRANGER, make.key(0))
    file = StringIO(newline="")
    write_lines(export(filled, ExportKind.LABELS), COLUMNS[ExportKind.LABELS], file, ExportFormat.CSV)
    result = label_from_file(store=filled, content=file.getvalue().encode(), actor="tester", at=make.NOW)
    assert (result.n_unchanged, result.refused) == (1, ())
