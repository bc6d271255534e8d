"""What a resource should be against what Azure returns."""

from __future__ import annotations

from typing import Any

from orchestration.azure.comparison import differences, digest, filled, secret, secrets_in


def told(should_be: dict[str, Any], is_now: dict[str, Any]) -> list[str]:
    return [str(each) for each in differences(should_be, is_now)]


def test_what_azure_adds_is_no_difference() -> None:
    assert told({"properties": {"a": 1}}, {"id": "/x", "properties": {"a": 1.0, "made": "today"}}) == []


def test_ids_and_locations_come_back_in_another_case() -> None:
    assert (
        told(
            {"location": "westeurope", "id": "/subscriptions/A"}, {"location": "West Europe", "id": "/subscriptions/a"}
        )
        == []
    )


def test_a_difference_is_named_by_its_path_without_properties() -> None:
    found = told(
        {"properties": {"containers": [{"name": "web", "properties": {"image": "r/x:2"}}]}},
        {"properties": {"containers": [{"name": "web", "properties": {"image": "r/x:1"}}]}},
    )
    assert found == ["containers.web.image: r/x:1 → r/x:2"]


def test_named_items_are_told_apart_whatever_their_order() -> None:
    a, b, c = ({"name": name, "value": name} for name in "abc")
    assert told({"env": [a, b]}, {"env": [b, a]}) == []
    assert told({"env": [a, b]}, {"env": [b, c]}) == ["env.a: nothing → there", "env.c: there → nothing"]


def test_secrets_are_not_compared_and_not_shown() -> None:
    assert told({"key": secret("redis-password")}, {}) == []


def test_a_digest_changes_with_a_secret_and_tells_nothing_without_its_key() -> None:
    body = {"env": [{"name": "KEY", "secureValue": secret("k")}]}
    one = digest(body, lambda _: "1", key="x")
    assert one != digest(body, lambda _: "2", key="x")
    assert one == digest(body, lambda _: "1", key="x")
    assert one != digest(body, lambda _: "1", key="y")


def test_a_body_is_sent_with_its_secrets() -> None:
    body = {"env": [{"name": "KEY", "secureValue": secret("k")}], "other": secret("l")}
    assert secrets_in(body) == {"k", "l"}
    assert filled(body, str.upper) == {"env": [{"name": "KEY", "secureValue": "K"}], "other": "L"}
