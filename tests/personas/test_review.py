"""Which faces the review queue looks at, in a store that holds more than it looks through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from personas.entities import FaceKey, Prediction, RankedFace, RankedKind, Verdict
from personas.recogniser import plug_in
from personas.selectors import review
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.groups import put_groups
from tests.web import FakeRecogniser, champions, publish

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Of all faces, the queue looks at one for each version."""
    settings.MEDIA_ROOT = str(tmp_path / "media")
    monkeypatch.setattr(review, "FACES_LOOKED_AT", 1)
    with champions():
        yield get_store()


def asked(store: Store) -> list[set[FaceKey]]:
    return [{face.key for face in question.faces} for question in review.review(store, limit=99).questions]


def look_alikes(store: Store, n: int) -> list[FaceKey]:
    """So many pictures of somebody."""
    one = factories.new_face("somebody")
    factories.save(store, *[factories.extracted(f"somebody {number}", faces=[one]) for number in range(n)])
    return sorted(factories.key(f"somebody {number}") for number in range(n))


def test_groups_of_unknown_people_are_asked_about_wherever_they_are(store: Store) -> None:
    faces = look_alikes(store, 4)
    assert asked(store) == []
    put_groups(store, a=faces)
    assert asked(store) == [set(faces)]


def test_the_most_uncertain_faces_of_all_review_lists_are_asked_about_in_one_order(store: Store) -> None:
    keys = factories.save_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    version = publish(store, {})
    chances = {keys[1]: ("ada", 0.9), keys[2]: ("bob", 0.55), keys[3]: ("ada", 0.6), keys[4]: ("bob", 0.8)}
    for persona_id in ("ada", "bob"):
        ranked = [RankedFace(key, chance) for key, (who, chance) in chances.items() if who == persona_id]
        store.put_ranked(version.version, RankedKind.REVIEW, {persona_id: ranked})
    plug_in(lambda: FakeRecogniser(version.version, chances))
    assert asked(store) == [{keys[2]}, {keys[3]}, {keys[4]}, {keys[1]}]


def test_each_version_looks_at_other_faces_until_all_were_looked_at(store: Store) -> None:
    keys = factories.save_pictures(store, 3)
    factories.add_personas(store, "Ada")
    seen = []
    for _ in range(3):
        publish(store, dict.fromkeys(keys, ("ada", 0.6)))
        seen += asked(store)
    assert seen == [{key} for key in keys]


def test_the_queue_is_made_once_a_version(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = factories.save_pictures(store, 1)
    factories.add_personas(store, "Ada")
    publish(store, {keys[0]: ("ada", 0.6)})
    assert review.count_questions(store) == 1
    monkeypatch.setattr(review, "questions", lambda *args, **options: pytest.fail("the order was made again"))
    assert review.count_questions(store) == 1
    assert asked(store) == [{keys[0]}]


def test_many_questions_are_counted_no_further(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "FACES_LOOKED_AT", 1000)
    monkeypatch.setattr(review, "MANY", 3)
    keys = factories.save_pictures(store, 9)
    factories.add_personas(store, "Ada")
    publish(store, dict.fromkeys(keys, ("ada", 0.6)))
    assert review.count_questions(store) == 4
    assert review.review(store, limit=2).n_open == 4


def test_a_face_hardly_like_anybody_is_offered_the_likeliest_and_asked_who_it_is(store: Store) -> None:
    faces = look_alikes(store, 3)
    put_groups(store, a=faces)
    factories.add_personas(store, *(f"P{number}" for number in range(9)))

    class Doubtful(FakeRecogniser):
        def _one(self, key: FaceKey, rejected: frozenset[str], n_candidates: int) -> Prediction:
            candidates = tuple((f"p{number}", 0.03 / 2**number) for number in range(n_candidates))
            return Prediction(key=key, persona_id=None, probability=None, version=1, candidates=candidates)

    plug_in(lambda: Doubtful(1, {}))
    factories.label(store, "p1", *faces, verdict=Verdict.REJECTED)
    (question,) = review.review(store).questions
    assert question.suggested is None
    assert [choice.persona.persona_id for choice in question.choices] == ["p0", "p2", "p3"]
