"""The pages of model versions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from personas import sign_in
from personas.entities import AuditEntry, FaceKey, VersionStatus
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.versions import evaluated, evaluated_before
from tests.web import add_pictures, champions, publish
from training.deployment import DEPLOYMENT_JOB, Deployment, DeploymentState, to_detail

pytestmark = pytest.mark.django_db

ADA = "6f2f5c1e-9d6c-5b0a-8a54-3c5b8f6a7d11"
FIGURE = re.compile(r'<figure class="block plot-figure".*?</figure>', re.DOTALL)


@pytest.fixture
def store() -> Iterator[Store]:
    with champions():
        yield get_store()


@pytest.fixture
def web(client: Client) -> Client:
    client.force_login(sign_in.ensure_owner())
    return client


@pytest.fixture
def versions(store: Store) -> list[FaceKey]:
    """Version 1 is in use; version 2 was refused and speaks of Ada."""
    keys = add_pictures(store, 2)
    store.record("labels", [factories.persona_added(ADA, "Ada Lovelace"), factories.persona_added("bob", "Bob")])
    factories.label(store, ADA, *keys)
    publish(store, {})
    metrics = {
        "n": 20,
        "n_strangers": 40,
        "macro_f1": 0.9,
        "recall": 0.95,
        "strangers_named": None,
        "calibration_error": 0.021,
        "brier": 0.01,
        "per_persona": {ADA: {"n": 20, "recall": 0.95, "precision": 1.0, "f1": 0.97}},
        "reliability": [{"n": 5, "probability": 0.3, "right": 0.2}, {"n": 5, "probability": 0.9, "right": 1.0}],
        "curve": [{"probability": 0.5, "recall": 0.9, "strangers_named": 0.1}],
        "contradictions": [
            {"face": str(keys[0]), "labelled": ADA, "looks_like": "bob", "probability": 0.99},
            {"face": str(keys[1]), "labelled": "bob", "looks_like": ADA, "probability": 0.9},
        ],
    }
    store.add_model_version(
        factories.model_version(
            status=VersionStatus.REFUSED, metrics=metrics, reasons=(f"Some labels of {ADA} are probably swapped.",)
        )
    )
    return keys


def test_versions_are_listed_with_names_for_ids(web: Client, versions: list[FaceKey]) -> None:
    page = web.get(reverse("models")).content.decode()
    assert "In use" in page
    assert "Some labels of Ada Lovelace are probably swapped." in page
    assert ADA not in page


def test_nothing_learned_says_what_to_do_next(web: Client, store: Store) -> None:
    assert "first label" in web.get(reverse("models")).content.decode()


def test_a_version_shows_metrics_people_and_doubtful_labels_that_still_stand(
    web: Client, versions: list[FaceKey]
) -> None:
    page = web.get(reverse("model-version", args=[2])).content.decode()
    assert "95.0 %" in page
    assert "<polyline" in page
    assert page.count("looks like") == 2  # alternative text and words of the one label that was not corrected
    assert "Use this version" in page


def test_a_version_that_is_not_there_is_a_friendly_page(web: Client, store: Store) -> None:
    assert web.get(reverse("model-version", args=[7])).status_code == 404


def test_promoting_the_champion_is_refused_in_words(web: Client, versions: list[FaceKey]) -> None:
    response = web.post(reverse("model-promote", args=[1]), follow=True)
    assert response.redirect_chain == [(reverse("models"), 303)]
    page = response.content.decode()
    assert "champion already" in page
    assert 'class="toast toast-failed" role="alert"' in page


def test_rolling_back_without_an_earlier_version_is_refused_in_words(web: Client, versions: list[FaceKey]) -> None:
    page = web.post(reverse("models-rollback"), follow=True).content.decode()
    assert "no version before 1" in page


@pytest.mark.parametrize(("name", "arguments"), [("models-rollback", []), ("model-promote", [1])])
def test_a_switch_asked_on_a_page_that_showed_another_champion_is_not_made(
    web: Client, versions: list[FaceKey], store: Store, name: str, arguments: list[int]
) -> None:
    shown = web.get(reverse("models")).content.decode()
    assert set(re.findall(r'name="champion" value="([^"]*)"', shown)) == {"1"}
    publish(store, {})  # version 3, which the trainer put in use meanwhile
    assert 'name="champion" value="3"' in web.get(reverse("model-version", args=[2])).content.decode()
    page = web.post(reverse(name, args=arguments), {"champion": "1"}, follow=True).content.decode()
    assert "Version 3 has become champion since" in page
    champion = store.champion()
    assert champion is not None
    assert champion.version == 3


def test_switches_are_made_by_post_only(web: Client, versions: list[FaceKey]) -> None:
    assert web.get(reverse("model-promote", args=[2])).status_code == 405
    assert web.get(reverse("models-rollback")).status_code == 405


@pytest.fixture
def learnt(store: Store) -> Store:
    """Version 1 kept little of its evaluation, version 2 took over from it, version 3 is in use and finds more."""
    store.record("labels", [factories.persona_added("ann", "Ann"), factories.persona_added("bo", "Bo")])
    publish(store, {}, metrics=evaluated_before(), n_labels=10)
    publish(store, {}, metrics=evaluated(right=15), n_labels=20, replaced=1)
    publish(store, {}, metrics=evaluated(right=18), n_labels=40, replaced=2)
    return store


def shown(web: Client, address: str) -> str:
    response = web.get(address)
    assert response.status_code == 200
    return response.content.decode()


@pytest.mark.parametrize(
    ("address", "plots"),
    [
        ("/models/", ["learning", "calibration"]),
        ("/models/?over=time", ["learning", "calibration"]),
        ("/models/3/", ["thresholds", "histogram", "reliability"]),
        ("/models/1/", ["thresholds", "reliability"]),
        ("/models/compare/?a=2&b=3", ["thresholds", "reliability"]),
        ("/models/compare/?a=1&b=3", ["reliability"]),
    ],
)
def test_every_plot_has_a_role_a_name_and_a_table_of_its_numbers(
    web: Client, learnt: Store, address: str, plots: list[str]
) -> None:
    figures = FIGURE.findall(shown(web, address))
    assert [re.findall(r'id="plot-(\w+)"', figure)[0] for figure in figures] == plots
    for figure in figures:
        assert re.search(r'<svg class="plot"[^>]* role="group" aria-label="[^"]+"', figure)
        assert figure.count('class="plot-point') == figure.count("<title>") > 0
        table = figure.partition("<details>")[2]
        assert re.search(r"<caption[^>]*>[^<]+</caption>", table)
        assert table.count('<th scope="row">') >= 2


def test_no_page_of_versions_has_inline_styles_or_scripts(web: Client, learnt: Store) -> None:
    for address in ("/models/", "/models/3/", "/models/compare/?a=2&b=3"):
        page = shown(web, address)
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]* src=)", page)


def test_what_an_old_version_did_not_record_is_said(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("model-version", args=[1]))
    assert page.count("Version 1 did not record this") == 2  # histogram and who is taken for whom
    assert "did not record its precision" in page
    assert "did not record" not in shown(web, reverse("model-version", args=[3]))


def test_a_version_without_any_metrics_still_shows(web: Client, store: Store) -> None:
    publish(store, {}, metrics={})
    assert shown(web, reverse("model-version", args=[1])).count("did not record this") == 4


def test_who_is_taken_for_whom_is_told_by_name(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("model-version", args=[3]))
    assert "2 held-out faces were given a wrong name, in 2 pairs" in page
    matrix = page.partition('<table class="matrix">')[2].partition("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]+)</th>', matrix) == ["Bo", "Ann", "Strangers"]
    assert re.findall(r'class="number (\w+) shade-\d">(\d+)<', matrix)[:3] == [
        ("right", "8"),
        ("wrong", "1"),
        ("unnamed", "1"),
    ]


def test_two_versions_are_compared_number_by_number(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("models-compare") + "?a=2&b=3")
    assert "Versions 2 and 3" in page
    rows = [re.sub(r"<[^>]+>|\s+", " ", row).split() for row in re.findall(r"<tr>.*?</tr>", page, re.DOTALL)]
    assert ["Held-out", "faces", "found", "75.0", "%", "of", "20", "90.0", "%", "of", "20", "+15.0"] in [
        row[:12] for row in rows
    ]
    assert ["Bo", "50.0", "%", "of", "10", "80.0", "%", "of", "10", "+30.0", "points"] in rows
    assert "?a=3&amp;b=2" in page  # the other way round


def test_a_comparison_offers_to_use_the_version_that_is_not_in_use(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("models-compare") + "?a=2&b=3")
    assert re.findall(r'action="([^"]+promote/)"', page) == [reverse("model-promote", args=[2])]
    assert 'name="next" value="/models/compare/?a=2&amp;b=3"' in page


def test_a_comparison_with_an_old_version_says_what_cannot_be_compared(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("models-compare") + "?a=1&b=3")
    assert "Version 1 was made before names were counted by certainty" in page


def test_without_a_choice_the_version_in_use_is_compared_with_the_one_it_took_over_from(
    web: Client, learnt: Store
) -> None:
    response = web.get(reverse("models-compare"))
    assert (response.status_code, response.headers["Location"]) == (302, "/models/compare/?a=2&b=3")


def test_without_two_versions_there_is_nothing_to_compare(web: Client, store: Store) -> None:
    assert "not two versions" in shown(web, reverse("models-compare"))
    publish(store, {})
    assert "not two versions" in shown(web, reverse("models-compare"))


@pytest.mark.parametrize("query", ["a=2", "a=2&b=two", "a=2&b=99", "a=2&b=2", "a=-1&b=2", f"a=2&b={'9' * 30}"])
def test_a_comparison_of_what_is_not_two_versions_is_a_friendly_page(web: Client, learnt: Store, query: str) -> None:
    response = web.get(f"{reverse('models-compare')}?{query}")
    assert response.status_code == 404
    assert "ersion" in response.content.decode()


def test_the_list_offers_comparison_and_says_what_a_rollback_goes_back_to(web: Client, learnt: Store) -> None:
    page = shown(web, reverse("models"))
    assert "Roll back to version 2" in page
    assert 'href="/models/compare/?a=3&amp;b=1"' in page
    chosen = re.findall(r"<option selected>(\d)</option>", page)
    assert chosen == ["2", "3"]


def test_the_first_version_has_nothing_to_roll_back_to(web: Client, store: Store) -> None:
    publish(store, {})
    page = shown(web, reverse("models"))
    assert "Roll back" not in page
    assert "begins with the second" in page


def test_the_list_says_which_version_was_in_use_when(web: Client, learnt: Store) -> None:
    assert "In use when" not in shown(web, reverse("models"))  # no switch is in the audit log
    learnt.add_audit(
        AuditEntry(
            at=factories.NOW, actor="zoe", action="champion_switched", target="version 3", detail={"why": "rolled back"}
        )
    )
    page = shown(web, reverse("models")).partition("In use when")[2]
    assert re.findall(r"<td>([^<]*)</td>", page)[1:] == ["now", "zoe", "rolled back"]


def test_an_unknown_axis_is_the_usual_one(web: Client, learnt: Store) -> None:
    assert "What versions learn over labels" in shown(web, reverse("models") + "?over=moons")
    assert "What versions learn over time" in shown(web, reverse("models") + "?over=time")


def test_the_list_says_where_a_version_is_deployed(web: Client, store: Store) -> None:
    version = store.add_model_version(factories.model_version())
    store.switch_champion(version.version, expected_revision=0, actor="trainer", at=factories.NOW)
    page = web.get(reverse("models")).content.decode()
    assert "The scorer follows the version in use." in page
    deployed = Deployment(
        version=version.version,
        endpoint="faces",
        state=DeploymentState.SERVING,
        since=factories.NOW,
        name="green",
        traffic=100,
    )
    store.put_job(factories.job(DEPLOYMENT_JOB, detail=to_detail({version.version: deployed})))
    page = web.get(reverse("models")).content.decode()
    assert "Azure ML: endpoint faces, deployment green, 100 % since" in page
