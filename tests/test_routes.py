"""Every route, admin's too, as each role and as nobody, against the table in tests/routes.txt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import resolve, reverse

from personas.entities import JobStatus, Verdict
from personas.roles import Role
from personas.services.accounts import add_user
from personas.services.curation import delete_images
from personas.store import get_store
from tests import factories
from tests.routes import NO_METHOD, Offers, Rights, Route, all_routes, table
from tests.web import add_pictures, champions, publish

pytestmark = pytest.mark.django_db
EVERYBODY = (None, *Role)
TABLE = table()
METHODS = ("GET", "POST")


@pytest.fixture
def values() -> Iterator[dict[str, str]]:
    """Things for addresses to speak of; values of parameters by name, and of those that the table names by word."""
    with champions():
        store = get_store()
        keys = add_pictures(store, 3)
        factories.add_personas(store, "Ada")
        factories.label(store, "ada", keys[0])
        for _ in range(2):
            publish(store, {keys[1]: ("ada", 0.9)})
        store.put_job(factories.job("a-job", status=JobStatus.RUNNING, detail={"folder": "/nowhere"}))
        add_user(name="somebody", role=Role.VIEWER)
        deleted, *going = (key.image_id for key in add_pictures(store, 3, prefix="deleted"))
        by = {"actor": "a", "at": factories.NOW, "command_id": factories.command_id()}
        delete_images(store=store, image_ids=[deleted, *going], **by)
        yield {
            "deleted": deleted,
            "going": going[0],
            "going_by_program": going[1],
            "persona_id": "ada",
            "image_id": keys[0].image_id,
            "face_no": "0",
            "number": "1",
            "job_id": "a-job",
            "account": str(User.objects.get(username="somebody").pk),
            "group": str(Group.objects.get(name=Role.VIEWER).pk),
            "event": "labels:1",
            "face": str(keys[1]),
            "label": f"{keys[0]}:ada",
            "image": keys[0].image_id,
            "job": "a-job",
            "command": factories.label(store, "ada", keys[2], verdict=Verdict.REJECTED)[0].command_id,
        }


class Visitor:
    """Somebody with a role, who signs in again when something signed them out."""

    def __init__(self, role: Role | None) -> None:
        self.role = role
        self.client = Client(raise_request_exception=False)
        self.user: User | None = None
        if role is not None:
            add_user(name=f"the {role}".replace(" ", "-"), role=role)
            self.user = User.objects.get(username=f"the-{role}")

    def ask(self, method: str, url: str, form: Mapping[str, str]) -> Any:
        session = self.client.cookies.get(settings.SESSION_COOKIE_NAME)
        if self.user is not None and (session is None or not session.value):
            self.client.force_login(self.user)
        return self.client.get(url) if method == "GET" else self.client.post(url, form)


def refused(answer: Any) -> bool:
    """401 or 403, or sent to sign in (by the administration's own sign-out: to its front door)."""
    to = answer.get("Location", "")
    away = to.startswith((reverse("sign-in"), reverse("admin:login"))) or to == reverse("admin:index")
    return answer.status_code in (401, 403) or (answer.status_code == 302 and away)


def fault(answer: Any, rights: Rights, role: Role | None, method: str, url: str) -> str:
    """What is wrong with an answer; "" when nothing is."""
    code, policy = answer.status_code, answer.get("Content-Security-Policy", "")
    if not policy.startswith("default-src 'none'") or "unsafe" in policy:
        return f"{code} with the policy {policy!r}"
    if code >= 500 and code != 503:
        return f"{code}: it broke"
    if rights.who[method] == NO_METHOD:
        return "" if code == 405 or (refused(answer) and role is not Role.ADMIN) else f"{code}, expected 405"
    if not rights.may(role, method):
        return "" if refused(answer) else f"{code}, expected a refusal"
    signs_in = url == reverse("admin:login")
    if rights.answers is not None:
        return "" if code == rights.answers else f"{code}, expected {rights.answers}"
    if (refused(answer) and not signs_in) or code == 405 or (method == "GET" and code == 404):
        return f"{code}, expected to be served"
    return ""


def lines(faults: Iterable[str]) -> str:
    return "\n" + "\n".join(sorted(faults))


def url_of(route: Route, rights: Rights, values: Mapping[str, str]) -> str:
    given = {name: values.get(word, word) for name, word in rights.values.items()}
    return route.url({**values, **given})


def test_every_route_stands_in_the_table_and_every_line_has_its_route() -> None:
    names = {route.name for route in all_routes()}
    missing = sorted(names - TABLE.keys())
    assert missing == [], "say in tests/routes.txt who may use them"
    assert sorted(TABLE.keys() - names) == [], "these routes are gone"


@pytest.mark.parametrize("role", EVERYBODY, ids=lambda role: role or "nobody")
def test_each_route_serves_whom_it_should_and_nobody_else(role: Role | None, values: dict[str, str]) -> None:
    visitor, faults = Visitor(role), []
    for route in all_routes():
        rights = TABLE[route.name]
        url = url_of(route, rights, values)
        for method in METHODS:
            said = fault(visitor.ask(method, url, rights.form), rights, role, method, url)
            if said:
                faults.append(f"{method} {route.name}: {said}")
    assert not faults, lines(faults)


@pytest.mark.parametrize("role", Role)
def test_pages_offer_nothing_that_their_reader_may_not_do(role: Role, values: dict[str, str]) -> None:
    visitor, faults = Visitor(role), set()
    by_pattern = {route.pattern: route.name for route in all_routes()}
    for route in all_routes():
        rights = TABLE[route.name]
        if not rights.may(role, "GET") or rights.answers:
            continue
        url = url_of(route, rights, values)
        answer = visitor.ask("GET", url, {})
        if not answer["Content-Type"].startswith("text/html"):
            continue
        for method, path in Offers(answer.content.decode(), url).found:
            offered = resolve(path)
            name = offered.view_name if offered.url_name else by_pattern[str(offered.route)]
            if not TABLE[name].may(role, method):
                faults.add(f"{route.name} offers {method} {name}")
    assert not faults, lines(faults)
