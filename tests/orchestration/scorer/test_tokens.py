"""Nobody gets in without a token, and without one the scorer does not start; nor with limits of nothing."""

from __future__ import annotations

import stat

import pytest

from orchestration.home import SCORER_TOKEN
from orchestration.scorer.process import LimitError
from orchestration.scorer.tokens import NoTokenError, is_known, tokens_of_installation
from tests.orchestration.scorer.conftest import Asker
from tests.orchestration.scorer.world import TOKEN, picture, publish

OTHER = "another-token-that-nobody-guesses"


@pytest.fixture
def scorer(store, media_root, installed):
    publish(store, media_root, "red")
    scorer = installed()
    scorer.source.look()
    return scorer


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer \xff\xfe"],
)
def test_a_wrong_or_absent_token_is_refused_everywhere_but_at_the_probes(scorer, header):
    asker = Asker()
    for method, path in (
        ("POST", "/v1/score"),
        ("GET", "/v1/model"),
        ("GET", "/v1/openapi.json"),
        ("GET", "/nothing"),
        ("GET", "/healthz/"),
    ):
        response = asker.ask(method, path, headers={"Authorization": header})
        assert (response.status_code, response.json()["code"]) == (401, "no_token")
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
    for path in ("/healthz", "/readyz"):
        assert asker.get(path, headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize("headers", [{"Authorization": f"bearer  {TOKEN} "}, {"X-Scorer-Token": TOKEN}])
def test_the_token_is_taken_from_either_header(scorer, headers):
    response = Asker(token="wrong").raw(picture(), headers=headers)
    assert response.status_code == 200


def test_while_a_token_is_replaced_the_old_and_the_new_one_are_good(scorer_settings, store, media_root, installed):
    scorer_settings.SCORER_TOKEN = f" {TOKEN},\n{OTHER}\n"
    publish(store, media_root, "red")
    installed().source.look()
    assert [Asker(token=each).get("/v1/model").status_code for each in (TOKEN, OTHER, f"{TOKEN},")] == [200, 200, 401]


def test_every_token_is_compared_whichever_matches(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    assert is_known(TOKEN, (TOKEN, OTHER))
    assert len(compared) == 2
    assert {len(each) for pair in compared for each in pair} == {32}, "lengths tell something of the token"


def test_embedded_a_token_is_made_once_for_its_owner_only(scorer_settings, tmp_path, capsys):
    scorer_settings.SCORER_TOKEN = ""
    scorer_settings.EMBEDDED = True
    scorer_settings.FACEPROJECT_HOME = tmp_path
    tokens = tokens_of_installation(announce=True)
    path = tmp_path / SCORER_TOKEN
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tokens == (path.read_text(),)
    assert tokens_of_installation() == tokens
    said = capsys.readouterr().out
    assert str(path) in said
    assert tokens[0] not in said


@pytest.mark.parametrize("name", ["SCORER_CONCURRENCY", "SCORER_MAX_PICTURES"])
def test_a_limit_that_lets_nothing_through_is_refused_by_name(scorer_settings, installed, name):
    setattr(scorer_settings, name, 0)
    with pytest.raises(LimitError, match=f"{name}=0"):
        installed()


@pytest.mark.parametrize("said", ["", " \n", "short", f"{TOKEN} short"])
def test_served_without_a_good_token_nothing_starts(scorer_settings, said):
    scorer_settings.EMBEDDED = False
    scorer_settings.SCORER_TOKEN = said
    with pytest.raises(NoTokenError, match=r"SCORER_TOKEN|20 characters"):
        tokens_of_installation()
