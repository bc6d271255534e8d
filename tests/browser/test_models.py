"""Plots of versions in a browser: pointing, moving by keys, switching series off, the slider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.urls import reverse

from personas.store.base import Store
from tests import factories
from tests.versions import evaluated, evaluated_before
from tests.web import publish

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True)
def learnt(store: Store) -> None:
    """Three versions, the last in use."""
    store.record("labels", [factories.persona_added("ann", "Ann"), factories.persona_added("bo", "Bo")])
    publish(store, {}, metrics=evaluated_before(), n_labels=10)
    publish(store, {}, metrics=evaluated(right=15), n_labels=20, replaced=1)
    publish(store, {}, metrics=evaluated(right=18), n_labels=40, replaced=2)


def test_the_slider_moves_a_line_and_tells_what_would_be_named(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.goto(reverse("model-version", args=[3]))
    figure = page.locator("#plot-thresholds")
    slider = figure.get_by_label("Needed certainty")
    outcome = figure.locator(".plot-outcome")
    assert outcome.inner_text().startswith("As the version is: 20 of 25 held-out faces get a name")
    slider.press("ArrowRight")
    assert outcome.inner_text().startswith(
        "With 50 % needed: 16 of 25 held-out faces get a name, 1 of them a wrong one"
    )
    assert slider.get_attribute("aria-valuetext") == "50 %"
    for slug in ("thresholds", "histogram"):
        assert page.locator(f"#plot-{slug} .plot-cursor").get_attribute("x1") == "100.0"
    assert figure.locator(".on-cursor").count() == 3
    slider.press("End")
    assert "5 of 20 known faces are found" in outcome.inner_text()


def test_a_point_says_its_numbers_when_pointed_at(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.goto(reverse("model-version", args=[3]))
    figure = page.locator("#plot-reliability")
    says = figure.locator(".plot-says")
    hint = says.inner_text()
    figure.locator(".plot-point").first.hover()
    assert says.inner_text() == "10 faces, said 25.0 %, right 20.0 %"
    assert figure.locator(".plot-point.at").count() == 1
    page.locator("h1").hover()
    assert says.inner_text() == hint


def test_arrow_keys_move_from_point_to_point_and_from_line_to_line(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.goto(reverse("models"))
    figure = page.locator("#plot-learning")
    says = figure.locator(".plot-says")
    assert figure.locator('.plot-point[tabindex="0"]').count() == 1  # one stop a drawing for the tab key
    figure.locator('.plot-point[tabindex="0"]').focus()
    assert says.inner_text() == "Version 1, 10 labels: faces found 90.0 %"
    page.keyboard.press("ArrowRight")
    assert says.inner_text() == "Version 2, 20 labels: faces found 75.0 %"
    page.keyboard.press("End")
    assert says.inner_text() == "Version 3 (in use), 40 labels: faces found 90.0 %"
    page.keyboard.press("ArrowRight")  # nothing lies behind the last
    assert says.inner_text().startswith("Version 3 ")
    page.keyboard.press("ArrowDown")
    assert says.inner_text() == "Version 3 (in use), 40 labels: macro F1 90.0 %"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{reverse('model-version', args=[1])}")


def test_a_series_that_is_switched_off_is_neither_seen_nor_pointed_at(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.goto(reverse("models"))
    figure = page.locator("#plot-learning")
    figure.get_by_role("checkbox", name="faces found").uncheck()
    assert not figure.locator(".series-1").is_visible()
    assert figure.locator(".series-2").is_visible()
    stop = figure.locator('.plot-point[tabindex="0"]')
    assert "macro F1" in stop.get_attribute("aria-label")
    stop.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
        assert "faces found" not in figure.locator(".plot-says").inner_text()
    figure.get_by_role("checkbox", name="faces found").check()
    assert figure.locator(".series-1").is_visible()


def test_a_refresh_brings_plots_that_move(open_page: Callable[..., Any], store: Store) -> None:
    page = open_page()
    page.goto(reverse("models"))
    publish(store, {}, metrics=evaluated(right=20), n_labels=60, replaced=3)
    figure = page.locator("#plot-learning")
    figure.locator('[aria-label^="Version 4 (in use)"]').first.wait_for(timeout=60_000)
    assert figure.locator(".plot-says").is_visible()
    assert figure.locator('.plot-point[tabindex="0"]').count() == 1


def test_two_versions_are_chosen_and_compared(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.goto(reverse("models"))
    page.get_by_label("Compare version").select_option("2")
    page.get_by_label("with", exact=True).select_option("3")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url("**/models/compare/?a=2&b=3")
    assert page.get_by_role("heading", level=1).inner_text() == "Versions 2 and 3"
    page.get_by_role("link", name="Swap sides").click()
    page.wait_for_url("**/models/compare/?a=3&b=2")
    assert "−15.0 points" in page.locator(".differences").first.inner_text()


def test_without_javascript_the_numbers_and_the_switches_are_there(open_page: Callable[..., Any]) -> None:
    page = open_page(javascript=False)
    page.goto(reverse("model-version", args=[3]))
    figure = page.locator("#plot-thresholds")
    assert not figure.locator(".plot-slider").is_visible()
    assert not figure.locator(".plot-says").is_visible()
    figure.locator("summary").click()
    assert figure.get_by_role("row", name="50 % 93.8 % 75.0 % 2.5 %").is_visible()
    figure.get_by_role("checkbox", name="precision").uncheck()
    assert not figure.locator(".series-1").is_visible()


@pytest.mark.parametrize("address", ["/models/", "/models/1/", "/models/3/", "/models/compare/?a=2&b=3"])
def test_on_a_phone_nothing_is_wider_than_the_screen(open_page: Callable[..., Any], address: str) -> None:
    page = open_page(viewport={"width": 390, "height": 780}, device_scale_factor=2, has_touch=True)
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("svg.plot").last.tap()
    assert "Point or tap" not in page.locator(".plot-says").last.inner_text()
