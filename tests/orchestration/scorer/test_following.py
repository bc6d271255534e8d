"""Whoever is champion answers, a request wholly by one version, and nothing is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import DatabaseError, connection

from orchestration.scorer import serving
from orchestration.scorer.serving import ChampionFollower
from personas.entities import LABELS
from personas.projection import PERSONA_RENAMED
from personas.store import get_store
from tests import factories
from tests.ingest.fakes import GREEN, RED
from tests.orchestration.scorer.conftest import in_base64
from tests.orchestration.scorer.world import EMBEDDER, colour_vector, personas_of, picture, publish, switch_to
from training.champion import artefacts


def test_without_a_version_the_scorer_is_alive_and_not_ready(store, installed, asker):
    installed().source.look()
    assert asker.get("/healthz").status_code == 200
    readiness = asker.get("/readyz")
    assert readiness.status_code == 503
    assert "train" in readiness.json()["problem"]
    response = asker.raw(picture(RED))
    assert (response.status_code, response.json()["code"]) == (503, "no_model")
    assert asker.get("/v1/model").status_code == 503


def test_a_switch_of_the_champion_is_followed_both_ways(store, media_root, installed, asker):
    source = installed().source
    answers = {}
    for known in (("red",), ("red", "green")):
        version = publish(store, media_root, *known).version
        source.look()
        answers[version] = personas_of(asker.raw(picture(RED, GREEN)).json()["results"][0])
        assert asker.get("/v1/model").json()["version"] == version
    assert list(answers.values()) == [["red", None], ["red", "green"]]
    switch_to(store, 1)
    source.look()
    assert asker.get("/v1/model").json()["version"] == 1


def test_a_request_is_answered_wholly_by_the_version_it_began_with(store, media_root, installed, asker, monkeypatch):
    scorer = installed()
    publish(store, media_root, "red")
    scorer.source.look()
    extract_many = scorer.extractors.extract_many

    def switched_meanwhile(contents):
        outcomes = extract_many(contents)
        publish(store, media_root, "red", "green")
        scorer.source.look()
        return outcomes

    monkeypatch.setattr(type(scorer.extractors), "extract_many", lambda _, contents: switched_meanwhile(contents))
    answer = asker.json({"images": [in_base64(picture(RED, GREEN))] * 2}).json()
    assert answer["version"] == 1
    assert {face["version"] for result in answer["results"] for face in result["faces"]} == {1}
    assert [personas_of(result) for result in answer["results"]] == [["red", None]] * 2
    assert asker.get("/v1/model").json()["version"] == 2


def test_a_version_that_does_not_load_leaves_the_old_one_and_says_so(store, media_root, installed, asker, caplog):
    source = installed().source
    publish(store, media_root, "red")
    source.look()
    bad = publish(store, media_root, "red", "green")
    path = artefacts(media_root).path(bad.artefact)
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    caplog.clear()
    for _ in range(3):
        source.look()
    assert personas_of(asker.raw(picture(RED)).json()["results"][0]) == ["red"]
    readiness = asker.get("/readyz")
    assert (readiness.status_code, readiness.json()["version"]) == (200, 1)
    assert "ArtefactCorrupt" in readiness.json()["problem"]
    assert len([each for each in caplog.records if "not in use" in each.message]) == 1, "once, not at every look"
    path.write_bytes(good)
    source.look()
    assert asker.get("/readyz").json() == {**readiness.json(), "version": 2, "problem": None}


def test_a_version_of_another_embedder_is_not_served_and_the_difference_is_named(store, media_root, installed, asker):
    source = installed().source
    publish(store, media_root, "red", embedder="another 2")
    source.look()
    problem = asker.get("/readyz").json()["problem"]
    assert "another 2" in problem
    assert EMBEDDER in problem


@pytest.mark.parametrize("error", [DatabaseError("host db.example.org"), RuntimeError("host db.example.org")])
def test_a_store_that_is_away_changes_nothing_and_is_not_named_to_strangers(store, media_root, asker, installed, error):
    scorer = installed()
    publish(store, media_root, "red")
    scorer.source.look()

    def away():
        raise error

    scorer.source.open_store = away
    scorer.source.look()
    readiness = asker.get("/readyz")
    assert readiness.status_code == 200
    assert readiness.json()["problem"]
    assert "example.org" not in readiness.json()["problem"]
    assert asker.raw(picture(RED)).status_code == 200
    scorer.source.open_store = get_store
    scorer.source.look()
    assert asker.get("/readyz").json()["problem"] is None


def test_the_follower_goes_on_when_connections_cannot_be_closed(monkeypatch):
    class EndOfTest(BaseException):
        pass

    follower = ChampionFollower(get_store, media_root="", embedder=EMBEDDER)
    looks = iter(range(3))

    def look():
        if next(looks, None) is None:
            raise EndOfTest

    def refuse():
        raise ConnectionError("no host")

    monkeypatch.setattr(follower, "look", look)
    monkeypatch.setattr(serving, "close_old_connections", refuse)
    monkeypatch.setattr(serving, "LOOK_SECONDS", 0)
    with pytest.raises(EndOfTest):
        follower._follow()


def test_a_new_name_of_a_persona_is_followed_without_a_new_version(store, media_root, installed, asker):
    publish(store, media_root, "red")
    factories.add_personas(store, "Red")
    source = installed().source
    source.look()
    recogniser = source.served.recogniser
    store.record(LABELS, [replace(factories.persona_added("red", "Scarlet"), kind=PERSONA_RENAMED)])
    source.look()
    assert asker.raw(picture(RED)).json()["results"][0]["faces"][0]["persona"] == {"id": "red", "name": "Scarlet"}
    assert source.served.recogniser is recogniser


# ---- nothing is written ----------------------------------------------------------------------------------------------

#: What the scorer may ask of a store.
READS = {"champion", "head", "model_version", "personas_by_id"}


class ReadOnly:
    """A store that is asked only."""

    def __init__(self, store):
        self.store = store

    def __getattr__(self, name):
        assert name in READS, f"the scorer called {name}"
        return getattr(self.store, name)


def only_reads(execute, sql, params, many, context):
    assert sql.lstrip().upper().startswith("SELECT"), f"the scorer wrote: {sql}"
    return execute(sql, params, many, context)


def test_the_guard_of_the_next_test_would_see_a_write(store):
    with pytest.raises(AssertionError, match="the scorer called record"):
        ReadOnly(store).record("labels", [])
    with connection.execute_wrapper(only_reads), pytest.raises(AssertionError, match="the scorer wrote"):
        factories.add_personas(store, "Red")


@pytest.fixture(params=["sql", "cassandra"])
def any_store(request):
    return request.getfixturevalue("store" if request.param == "sql" else "cassandra_store")


def test_no_request_and_no_look_writes_to_the_store_or_the_database(any_store, media_root, installed, asker):
    store = any_store
    publish(store, media_root, "red")
    publish(store, media_root, "red", "green")
    switch_to(store, 1)
    scorer = installed()
    guarded = ChampionFollower(lambda: ReadOnly(store), media_root=str(media_root), embedder=EMBEDDER)
    object.__setattr__(scorer, "source", guarded)
    for version in (1, 2):
        switch_to(store, version)
        with connection.execute_wrapper(only_reads):
            guarded.look()
            assert guarded.problem == ""
            assert asker.raw(picture(RED, GREEN)).json()["version"] == version
            assert asker.embeddings([colour_vector(RED).tolist()]).status_code == 200
            assert asker.raw(b"text").status_code == 415
            assert asker.get("/v1/model").status_code == asker.get("/readyz").status_code == 200
