"""The administration in a browser, on either store: people, faces with their labelling, versions, labels, jobs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

import personas.store
from personas.entities import FaceKey, JobStatus, JobWish
from personas.store import get_store
from personas.store.base import Store
from tests import factories
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Any]


@pytest.fixture(params=["sql", "cassandra"])
def store(request: pytest.FixtureRequest, transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    if request.param == "cassandra":
        opened = request.getfixturevalue("cassandra_store")
        monkeypatch.setattr(personas.store, "open_store", lambda name: opened)
    get_store.cache_clear()
    with champions():
        yield get_store()
    get_store.cache_clear()


@pytest.fixture
def ada(store: Store) -> list[FaceKey]:
    """Ada has one labelled face of six and four predicted ones; Bob has none."""
    keys = add_pictures(store, 6)
    factories.add_personas(store, "Ada", "Bob")
    factories.label(store, "ada", keys[0])
    publish(store, dict.fromkeys(keys[1:5], ("ada", 0.9)))
    return keys


def filtered(page: Any, **chosen: str) -> Any:
    """The rows of the list that is open, with these filters."""
    filters = page.locator("form[method=get].actions")
    for title, words in chosen.items():
        filters.get_by_label(title.capitalize()).select_option(label=words)
    filters.get_by_role("button", name="Show").click()
    return page.locator("#result_list tbody tr").filter(has=page.locator("th"))


def act(page: Any, rows: Any, action: str, *, person: str = "", first: int) -> None:
    """An action on the first rows of a list."""
    for number in range(first):
        rows.nth(number).get_by_role("checkbox").check()
    form = page.locator("#changelist form[method=post]")
    form.get_by_label("Action").select_option(label=action)
    if person:
        form.get_by_label("Person").select_option(label=person)
    form.get_by_role("button", name="Go").click()


def test_a_person_is_searched_renamed_and_added(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/admin/")
    page.locator("#personas-persona").get_by_role("link", name="Personas").click()
    page.get_by_label("Search").fill("ad")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    page.get_by_role("link", name="Ada", exact=True).click()
    page.get_by_label("Name", exact=True).fill("Ada Lovelace")
    page.get_by_role("button", name="Save name").click()
    expect(page.locator(".messagelist")).to_contain_text("Renamed to Ada Lovelace.")
    assert store.personas_by_id(["ada"])["ada"].name == "Ada Lovelace"
    page.goto("/admin/personas/persona/")
    page.get_by_role("link", name="Add persona").click()
    page.get_by_label("Name", exact=True).fill("Grace")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_role("heading", name="Grace")).to_be_visible()
    assert len(store.personas_named("Grace")) == 1


def test_faces_of_a_person_are_confirmed_and_rejected(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/admin/personas/persona/ada/change/")
    page.get_by_role("link", name="Predicted faces").click()
    rows = filtered(page)
    expect(rows).to_have_count(4)
    act(page, rows, "Confirm what is predicted", first=2)
    expect(page.locator(".messagelist")).to_contain_text("2 of 2 faces changed.")
    expect(rows).to_have_count(2)  # what was filtered still is
    act(page, rows, "Reject what is predicted or labelled", first=1)
    expect(rows).to_have_count(1)
    assert store.label_counts(["ada"])["ada"] == (3, 1)
    expect(filtered(page, person="Ada", status="labelled")).to_have_count(3)
    expect(filtered(page, person="Ada", status="rejected")).to_have_count(1)


def test_faces_are_labelled_as_somebody_and_the_label_is_taken_back(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/admin/personas/face/")
    rows = filtered(page, person="Anybody", status="unknown")
    expect(rows).to_have_count(1)
    act(page, rows, "Label as…", person="Bob", first=1)
    expect(page.locator(".messagelist")).to_contain_text("1 of 1 faces changed.")
    rows = filtered(page, person="Bob", status="labelled")
    expect(rows).to_have_count(1)
    expect(rows.locator("img")).to_be_visible()
    assert store.label_counts(["bob"])["bob"] == (1, 0)
    act(page, rows, "Take the label back", first=1)
    expect(rows).to_have_count(0)
    assert store.label_counts(["bob"])["bob"] == (0, 0)


def test_a_face_is_labelled_on_its_own_page(open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any) -> None:
    page = open_page()
    page.goto("/admin/personas/face/")
    filtered(page, person="Ada", status="predicted").first.get_by_role("link").first.click()
    page.get_by_role("button", name="Confirm what is predicted").click()
    expect(page.locator(".messagelist")).to_contain_text("1 of 1 faces changed.")
    expect(page.get_by_role("row", name="Status labelled")).to_be_visible()
    assert store.label_counts(["ada"])["ada"] == (2, 0)


def test_a_label_is_taken_back_from_the_list_of_labels(
    open_page: OpenPage, ada: list[FaceKey], store: Store, expect: Any
) -> None:
    page = open_page()
    page.goto("/admin/personas/label/")
    filtered(page, person="Ada", says="belongs").first.get_by_role("link").first.click()
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator(".messagelist")).to_contain_text("Taken back.")
    assert store.label_counts(["ada"])["ada"] == (0, 0)


def test_a_job_is_paused_and_resumed(open_page: OpenPage, store: Store, expect: Any) -> None:
    store.put_job(factories.job("0b1c-a-job", status=JobStatus.RUNNING, total=10, done=4))
    page = open_page()
    page.goto("/admin/personas/job/")
    filtered(page, show="Unfinished").first.get_by_role("link").first.click()
    for action, wish in (("Pause", JobWish.PAUSE), ("Resume", JobWish.NONE)):
        page.get_by_role("button", name=action).click()
        expect(page.locator(".messagelist")).to_contain_text(f"{action}: the job's workers were told.")
        job = store.job("0b1c-a-job")
        assert job is not None
        assert job.wish is wish


def test_an_earlier_version_is_put_in_use(open_page: OpenPage, store: Store, learnt_twice: None, expect: Any) -> None:
    page = open_page()
    page.goto("/admin/personas/modelversion/")
    rows = page.locator("#result_list tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("in use")
    rows.nth(1).get_by_role("link").first.click()
    page.get_by_role("button", name="Use this version").click()
    expect(page.locator(".messagelist")).to_contain_text("Version 1 is in use now.")
    expect(page.get_by_role("row", name="Status in use")).to_be_visible()
    expect(page.get_by_role("button", name="Use this version")).to_have_count(0)
    champion = store.champion()
    assert champion is not None
    assert (champion.version, champion.actor) == (1, "owner")
