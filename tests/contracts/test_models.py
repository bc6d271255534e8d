"""Contract: versions, the champion pointer, ranked pages and fresh rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from personas.entities import Champion, RankedFace, RankedKind, VersionStatus
from personas.errors import NotFoundError
from personas.face_arrays import RankedFaces
from personas.store.base import OutdatedError, Store, rank_of
from tests import factories as make
from tests.contracts.paging import all_ranked, everything

PREDICTED, REVIEW = RankedKind.PREDICTED, RankedKind.REVIEW


def by_rank(ranked: list[RankedFace], kind: RankedKind = PREDICTED) -> list[RankedFace]:
    return sorted(ranked, key=lambda face: (rank_of(kind, face.probability), face.key))


def with_ties(count: int) -> list[RankedFace]:
    return [RankedFace(make.key(n, n % 3), round(0.4 + (n % 7) / 12, 6)) for n in range(count)]


def test_versions_are_numbered_from_one_and_read_back_as_stored(store: Store) -> None:
    given = make.model_version(version=99, metrics={"per_persona": {"ann": 0.25}}, reasons=("first",), fit_seconds=1.5)
    stored = store.add_model_version(given)
    assert stored == replace(given, version=1)
    assert store.model_version(1) == stored
    assert store.add_model_version(make.model_version()).version == 2
    assert store.model_version(3) is None


def test_versions_page_newest_first(store: Store) -> None:
    for _ in range(5):
        store.add_model_version(make.model_version())
    found = everything(lambda cursor: store.model_versions(cursor=cursor, limit=2))
    assert [version.version for version in found] == [5, 4, 3, 2, 1]
    with pytest.raises(NotFoundError):
        store.model_versions(cursor="rubbish")


def test_a_version_is_updated_by_number(store: Store) -> None:
    stored = store.add_model_version(make.model_version(status=VersionStatus.PUBLISHING))
    changed = replace(
        stored,
        status=VersionStatus.READY,
        scored_through=7,
        n_scored=5,
        said_through=6,
        replaced=3,
        reasons=("ok",),
        metrics={"macro_f1": 0.75},
    )
    store.update_model_version(changed)
    assert store.model_version(1) == changed
    with pytest.raises(NotFoundError):
        store.update_model_version(replace(changed, version=12))


def test_a_version_is_not_updated_by_a_writer_who_thinks_it_has_another_status(store: Store) -> None:
    publishing = store.add_model_version(make.model_version(status=VersionStatus.PUBLISHING))
    ready = replace(publishing, status=VersionStatus.READY, n_scored=7)
    store.update_model_version(ready, expected=VersionStatus.PUBLISHING)
    with pytest.raises(OutdatedError, match="version 1"):
        store.update_model_version(replace(publishing, n_scored=5), expected=VersionStatus.PUBLISHING)
    assert store.model_version(1) == ready
    with pytest.raises(NotFoundError):
        store.update_model_version(replace(ready, version=12), expected=VersionStatus.READY)


def test_versions_added_at_once_get_different_numbers(
    shared_store: Store, together: Callable[..., list[object]]
) -> None:
    added = together([lambda: shared_store.add_model_version(make.model_version()).version] * 4)
    assert sorted(str(number) for number in added) == ["1", "2", "3", "4"]


# ---- champion --------------------------------------------------------------------------------------------------------


def switch(store: Store, version: int, expected: int) -> Champion | None:
    return store.switch_champion(version, expected_revision=expected, actor="zoe", at=make.at(expected))


def test_the_champion_switches_only_from_the_revision_expected(store: Store) -> None:
    for _ in range(3):
        store.add_model_version(make.model_version())
    assert store.champion() is None
    assert switch(store, 1, 3) is None
    assert store.champion() is None
    first = switch(store, 1, 0)
    assert first == Champion(version=1, revision=1, at=make.at(0), actor="zoe")
    assert switch(store, 2, 0) is None
    assert store.champion() == first
    assert switch(store, 2, 1) == Champion(version=2, revision=2, at=make.at(1), actor="zoe")
    assert switch(store, 1, 2) == store.champion()  # rolled back; the revision still rises
    assert switch(store, 3, 2) is None


def test_a_version_that_does_not_exist_cannot_be_champion(store: Store) -> None:
    with pytest.raises(NotFoundError):
        switch(store, 5, 0)


@pytest.mark.parametrize("revision", [0, 1])
def test_one_of_many_switches_at_once_wins(
    shared_store: Store, together: Callable[..., list[object]], revision: int
) -> None:
    for _ in range(4):
        shared_store.add_model_version(make.model_version())
    if revision:
        switch(shared_store, 1, 0)

    def attempt(version: int) -> Callable[[], object]:
        return lambda: switch(shared_store, version, revision)

    won = [result for result in together([attempt(version) for version in (1, 2, 3, 4)]) if result]
    assert won == [shared_store.champion()]


# ---- ranked pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(RankedKind))
def test_ranked_faces_come_in_order_with_ties_by_key(store: Store, kind: RankedKind) -> None:
    ranked = with_ties(50)
    store.put_ranked(1, kind, {"ann": ranked})
    assert list(store.ranked(1, "ann", kind, limit=1000)) == by_rank(ranked, kind)
    assert all_ranked(lambda after: store.ranked(1, "ann", kind, after=after, limit=3)) == by_rank(ranked, kind)


@pytest.mark.parametrize("kind", list(RankedKind))
def test_ranked_faces_given_as_arrays_are_kept_like_those_given_one_by_one(store: Store, kind: RankedKind) -> None:
    ranked = with_ties(2100)
    store.put_ranked(1, kind, {"ann": ranked, "bob": RankedFaces.of(ranked), "cid": RankedFaces.of([])})
    for name in ("ann", "bob"):
        kept = all_ranked(lambda after, name=name: store.ranked(1, name, kind, after=after, limit=300))  # type: ignore[misc]
        assert kept == by_rank(ranked, kind)
    assert store.ranked(1, "cid", kind) == ()


def test_fresh_rows_given_as_arrays_are_kept_like_those_given_one_by_one(store: Store) -> None:
    ranked = with_ties(40)
    store.add_fresh(1, {"ann": ranked, "bob": RankedFaces.of(ranked)}, scored_through=4)
    assert store.fresh(1, "bob", limit=50) == store.fresh(1, "ann", limit=50) == tuple(by_rank(ranked))


def test_reading_goes_on_over_page_borders_inside_a_tie(store: Store) -> None:
    ranked = [RankedFace(make.key(n), 1.0 if n < 2500 else 0.5) for n in range(3100)]
    store.put_ranked(1, PREDICTED, {"ann": ranked})
    read = all_ranked(lambda after: store.ranked(1, "ann", PREDICTED, after=after, limit=700))
    assert read == by_rank(ranked)
    assert len(store.ranked(1, "ann", PREDICTED, limit=2345)) == 2345


def test_the_first_faces_of_many_personas_are_those_of_each(store: Store) -> None:
    faces = {f"p{n:03}": with_ties(3 + n % 4) for n in range(600)} | {"ann": with_ties(2300)}
    store.put_ranked(1, REVIEW, faces)
    store.put_ranked(1, PREDICTED, {"p001": with_ties(9), "bob": with_ties(2)})
    asked = [*faces, "bob", "nobody", "p001"]
    assert store.ranked_of_each(1, asked, REVIEW, limit=5) == {
        persona_id: tuple(by_rank(ranked, REVIEW)[:5]) for persona_id, ranked in faces.items()
    }
    assert store.ranked_of_each(1, ["ann"], REVIEW, limit=2100) == {"ann": store.ranked(1, "ann", REVIEW, limit=2100)}
    assert store.ranked_of_each(2, asked, REVIEW, limit=5) == {}


def test_reading_goes_on_after_a_face_that_is_not_in_the_pages(store: Store) -> None:
    ranked = by_rank(with_ties(30))
    store.put_ranked(1, PREDICTED, {"ann": ranked})
    after = RankedFace(make.key("elsewhere"), ranked[10].probability + 1e-9)
    behind = [face for face in ranked if face.probability < after.probability]
    assert list(store.ranked(1, "ann", PREDICTED, after=after)) == behind


def test_writing_ranked_faces_again_replaces_those_of_the_personas_given(store: Store) -> None:
    store.put_ranked(1, PREDICTED, {"ann": with_ties(1500), "bob": with_ties(3)})
    store.put_ranked(1, PREDICTED, {"ann": with_ties(2)})
    store.put_ranked(1, REVIEW, {"bob": with_ties(5)})
    store.put_ranked(2, PREDICTED, {"bob": with_ties(7)})
    assert store.ranked_counts(1) == {"ann": 2, "bob": 3}
    assert len(store.ranked(1, "bob", REVIEW)) == 5
    store.put_ranked(1, PREDICTED, {"ann": []})
    assert store.ranked(1, "ann", PREDICTED) == ()


def test_what_was_never_written_is_empty(store: Store) -> None:
    assert store.ranked(7, "ann", PREDICTED) == ()
    assert store.fresh(7, "ann") == ()
    assert store.ranked_counts(7) == {}
    assert store.fresh_through(7) == 0


def test_fresh_rows_come_in_the_order_of_ranked_ones(store: Store) -> None:
    ranked = with_ties(40)
    store.add_fresh(1, {"ann": ranked, "bob": ranked[:3]}, scored_through=4)
    assert all_ranked(lambda after: store.fresh(1, "ann", after=after, limit=3)) == by_rank(ranked)
    assert len(store.fresh(1, "bob")) == 3
    assert store.fresh(2, "ann") == ()


def test_fresh_rows_are_upserts_and_the_mark_only_rises(store: Store) -> None:
    store.add_fresh(1, {}, scored_through=3)
    assert store.fresh_through(1) == 3
    store.add_fresh(1, {"ann": [RankedFace(make.key("a"), 0.7)]}, scored_through=5)
    store.add_fresh(1, {"ann": [RankedFace(make.key("a"), 0.75)]}, scored_through=4)
    assert store.fresh(1, "ann") == (RankedFace(make.key("a"), 0.75),)
    assert store.fresh_through(1) == 5
    assert store.fresh_through(2) == 0


def test_counts_add_pages_and_fresh_rows(store: Store) -> None:
    store.put_ranked(1, PREDICTED, {"ann": with_ties(1001), "bob": with_ties(2)})
    store.put_ranked(1, REVIEW, {"ann": with_ties(9)})
    store.add_fresh(
        1, {"bob": [RankedFace(make.key("new"), 0.9)], "cid": [RankedFace(make.key("new2"), 0.9)]}, scored_through=1
    )
    assert store.ranked_counts(1) == {"ann": 1001, "bob": 3, "cid": 1}


def test_dropping_a_version_forgets_its_pages_only(store: Store) -> None:
    for version in (1, 2):
        store.put_ranked(version, PREDICTED, {"ann": with_ties(5)})
        store.add_fresh(version, {"ann": with_ties(5)}, scored_through=9)
    store.drop_ranked(1)
    assert (store.ranked(1, "ann", PREDICTED), store.fresh(1, "ann"), store.fresh_through(1)) == ((), (), 0)
    assert store.ranked_counts(2) == {"ann": 10}
    assert store.fresh_through(2) == 9
    store.drop_ranked(1)
