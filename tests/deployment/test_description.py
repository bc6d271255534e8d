"""deployment.toml: what is said, and messages that name the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestration.deployment.description import NO_SUBSCRIPTION, Description, load, parse
from orchestration.deployment.errors import DescriptionError

LEAST: dict[str, Any] = {"name": "faces", "subscription": NO_SUBSCRIPTION, "location": "westeurope"}


def refusal(**said: Any) -> str:
    with pytest.raises(DescriptionError) as caught:
        parse({**LEAST, **said})
    return str(caught.value)


def test_the_least_that_can_be_said_is_enough() -> None:
    said = parse(LEAST)
    assert (said.cloud, said.detector, said.users, said.group) == ("public", "azure", "postgresql", "faces")


def test_names_that_are_unique_in_a_cloud_follow_from_where_it_stands() -> None:
    here, there = parse(LEAST), parse({**LEAST, "resource_group": "other"})
    assert here.global_name("storage", longest=24, plain=True) == parse(LEAST).global_name(
        "storage", longest=24, plain=True
    )
    assert here.global_name("storage", longest=24) != there.global_name("storage", longest=24)
    assert here.global_name("face", longest=24).startswith("faces-")
    long = parse({**LEAST, "name": "a-very-long-name-x"})
    assert len(long.global_name("storage", longest=24, plain=True)) <= 24
    assert "-" not in long.global_name("storage", longest=24, plain=True)


def test_a_name_that_is_cut_short_has_no_two_hyphens_in_a_row() -> None:
    said = parse({**LEAST, "name": "faceproject-test-a"})
    assert said.global_name("vault", longest=24) == f"faceproject-test-{said.unique}"


@pytest.mark.parametrize(
    ("sku", "tier"),
    [
        ("Standard_B1ms", "Burstable"),
        ("Standard_D2ds_v5", "GeneralPurpose"),
        ("Standard_E4ds_v5", "MemoryOptimized"),
    ],
)
def test_a_server_is_of_the_tier_that_its_size_is_sold_in(sku: str, tier: str) -> None:
    assert parse({**LEAST, "sku": {"postgresql": sku}}).sku.postgresql_tier == tier


def test_a_web_name_is_short_enough_for_the_endpoint_that_bears_it() -> None:
    long = {"names": {"web": "a" * 33}}
    assert parse({**LEAST, **long}).names.web == "a" * 33
    assert "  names.web: names the machine learning endpoint too" in refusal(**long, machine_learning={"enabled": True})


def test_a_name_that_is_said_is_taken() -> None:
    assert parse({**LEAST, "names": {"face": "ours"}}).global_name("face") == "ours"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"name": "Faces!"}, "  name: 'Faces!' is no such name"),
        ({"name": "two--hyphens"}, "  name: 'two--hyphens' is no such name"),
        ({"name": "ab"}, "  name: "),
        ({"name": "a" * 19}, "  name: "),
        ({"names": {"vault": "two--hyphens"}}, "  names.vault: 'two--hyphens' is no such name"),
        ({"names": {"cassandra": "ends-"}}, "  names.cassandra: 'ends-' is no such name"),
        ({"sku": {"postgresql": "Standard_X1"}}, "  sku.postgresql: 'Standard_X1' is no such name"),
        ({"cloud": "moon"}, "  cloud: input should be 'public' or 'government', not 'moon'"),
        ({"subscription": "mine"}, "  subscription: must be a GUID"),
        ({"scale": {"ingest": 0}}, "  scale.ingest: "),
        ({"size": {"web": {"cpu": 1}}}, "  size.web.memory: must be given"),
        ({"sku": {"cassandra_throughput": 1500}}, "  sku.cassandra_throughput: "),
        ({"sise": {}}, "  sise: there is no such key"),
        ({"location": None}, "  location: "),
    ],
)
def test_what_is_wrong_names_the_key(said: dict[str, Any], told: str) -> None:
    assert told in refusal(**said)


def test_every_fault_is_told_at_once() -> None:
    told = refusal(cloud="moon", users="nobody")
    assert "  cloud: " in told
    assert "  users: " in told


def test_a_file_is_read_with_single_keys_changed(tmp_path: Path) -> None:
    path = tmp_path / "deployment.toml"
    path.write_text(f'name = "faces"\nsubscription = "{NO_SUBSCRIPTION}"\nlocation = "westeurope"\nimage = "r/x:1"\n')
    said = load(path, **{"scale.ingest": 4})
    assert (said.scale.ingest, said.image.product) == (4, "r/x:1")
    assert load(path, **{"image.product": "r/x:2"}).image.product == "r/x:2"


def test_a_file_that_is_not_there_or_no_toml_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DescriptionError, match=r"deployment\.example\.toml"):
        load(tmp_path / "deployment.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ")
    with pytest.raises(DescriptionError, match="is not TOML"):
        load(broken)


def test_a_description_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Description.model_validate(LEAST).name = "other"
