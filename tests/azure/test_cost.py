"""What a deployment costs: meters of its graph, and prices from a file or a double of the Retail Prices API.

EVERY PRICE HERE IS MADE UP (tests/azure/made_up_prices.py). None is Azure's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from orchestration.azure.cost import Estimate, Priced, estimate, filters, nodes_of
from orchestration.azure.meters import Usage, lines
from orchestration.azure.prices import PriceList, PricesError, current, read
from orchestration.deployment.description import Description, parse
from tests.azure.conftest import SAID
from tests.azure.made_up_prices import BURSTABLE, MADE_UP, POSTGRESQL, item
from tests.azure_double.https import Answer, Authority, HttpsServer, Request

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
#: What is paid for in each kind of deployment.
EVERYTHING = {
    "image": "",
    "private": True,
    "data": "sample_data",
    "machine_learning": {"enabled": True, "instance": "Standard_DS2_v2", "instances": 2},
}
ALL_USED = Usage(face_transactions=250_000, log_gb=25, cassandra_gb=10, vault_operations=20_000)


@pytest.fixture
def price_file(tmp_path: Path) -> Path:
    """A file of prices, all made up, of 4 March 2026."""
    return write(tmp_path / "prices.json", MADE_UP)


def write(path: Path, items: list[dict[str, Any]], **more: Any) -> Path:
    path.write_text(json.dumps({"fetched": NOW.isoformat(), "Items": items} | more))
    return path


def described(**changed: Any) -> Description:
    return parse(SAID | changed)


def costs(prices: PriceList, usage: Usage | None = None, **changed: Any) -> Estimate:
    said = described(**changed)
    return estimate(said, nodes_of(said, {}), usage or Usage(), prices)


def line(found: Estimate, what: str) -> Priced:
    return next(each for each in found.lines if each.what == what)


# ---- what is paid for ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("cloud", ["public", "government"])
@pytest.mark.parametrize("users", ["postgresql", "bootstrap"])
def test_every_node_of_every_graph_is_free_or_has_a_meter(private: bool, cloud: str, users: str) -> None:
    more = {"machine_learning": {}} if cloud == "government" else {}
    said = described(**EVERYTHING | {"private": private, "cloud": cloud, "users": users} | more)
    resources = {each.resource for each in lines(said, nodes_of(said, {}), ALL_USED)}
    assert any(name.startswith("PostgreSQL") for name in resources) == (users == "postgresql")
    assert any(name.startswith("NAT gateway") for name in resources) == (private or cloud == "public")


def test_the_whole_of_a_private_deployment_adds_up(price_file: Path) -> None:
    found = costs(read(price_file), ALL_USED, **EVERYTHING)
    assert found.lacking == ()
    cores = 0.5 + 0.5 + 2 + 2 + 1 + 1 + 0.2  # redis, dispatcher, trainer, ingest, scorer, web, caddy; init ends
    gib = 0.5 + 1 + 4 + 4 + 2 + 2 + 0.2
    always = 730 * (cores * 0.5 + gib * 0.25)
    always += 10 * 3.0  # stored in Cosmos DB
    always += 730 * 0.1 + 32 * 4  # PostgreSQL
    always += 730 / 24 * 6.0  # registry
    always += 730 * (1.0 + 0.2) + 4 * (730 * 0.3 + 7.0)  # NAT gateway and its address, endpoints and their zones
    always += 100 * 1.0 + 150 * 0.5  # 250 thousand transactions of Face in two tiers
    always += 20 * 2.0  # 25 GB of logs, the first five for nothing
    always += 2 * 8.0 + 2 * 730 * 0.9  # vault, and the machines of the endpoint
    assert found.least == pytest.approx(always + 2 * 730 * 2.0)  # a tenth of 1,000 request units twice, an empty share
    assert found.most == pytest.approx(always + 2 * 730 * 20.0 + 100 * 0.5)


def test_each_keyspace_costs_what_it_may_use(price_file: Path) -> None:
    found = costs(read(price_file), sku={"cassandra_throughput": 4000, "cassandra_side_throughput": 2000})
    units = [each for each in found.lines if each.what == "100 request units a second"]
    assert [(each.least_amount, each.most_amount) for each in units] == [
        pytest.approx((730 * 8.0, 730 * 80.0)),
        pytest.approx((730 * 4.0, 730 * 40.0)),
    ]


def test_what_nobody_said_is_not_counted_and_named(price_file: Path) -> None:
    found = costs(read(price_file))
    assert {"data stored", "taken in", "1,000 transactions"}.isdisjoint(each.what for each in found.lines)
    assert [what for what in found.not_counted if "--" in what] == [
        "Face transactions (--face-transactions)",
        "logs taken in (--log-gb)",
        "data stored in Cosmos DB (--cassandra-gb)",
        "Key Vault operations (--vault-operations)",
    ]


def test_more_workers_cost_more(price_file: Path) -> None:
    one, four = (costs(read(price_file), scale={"ingest": number}) for number in (1, 4))
    assert four.least - one.least == pytest.approx(3 * 730 * (2 * 0.5 + 4 * 0.25))


@pytest.mark.parametrize(("name", "per_hour"), [("vCore", 4 * 0.5), ("4 vCore", 0.5)])
@pytest.mark.parametrize(("letter", "tier"), [("D", "General\u00a0Purpose"), ("E", "Memory Optimized")])
def test_servers_sold_by_core_are_counted_by_core(
    name: str, per_hour: float, letter: str, tier: str, tmp_path: Path
) -> None:
    product = f"{POSTGRESQL} Flexible Server {tier} - {letter}dsv5 Series Compute"
    by_core = item(POSTGRESQL, product, name, "vCore", "1 Hour", 0.5)
    sku = {"postgresql": f"Standard_{letter}4ds_v5"}
    found = costs(read(write(tmp_path / "more.json", [*MADE_UP, by_core])), sku=sku)
    assert line(found, "compute").most_amount == pytest.approx(730 * per_hour)


# ---- what has no price -----------------------------------------------------------------------------------------------
def without(meter: str) -> list[dict[str, Any]]:
    return [each for each in MADE_UP if each["meterName"] != meter]


def test_what_has_no_price_is_told_with_its_meter_and_is_in_no_sum(tmp_path: Path) -> None:
    whole = costs(read(write(tmp_path / "whole.json", MADE_UP)))
    found = costs(read(write(tmp_path / "part.json", without("B1MS"))))
    assert [(each.what, each.trouble) for each in found.lacking] == [("compute", "no price found")]
    assert found.lacking[0].meter == f"{POSTGRESQL} / {BURSTABLE} / B1ms / B1ms or B1ms vCore"
    assert whole.least - found.least == pytest.approx(730 * 0.1)


@pytest.mark.parametrize(
    ("other", "trouble"),
    [
        pytest.param({"retailPrice": 0.7}, "several prices found, which differ", id="another price"),
        pytest.param({"retailPrice": 0.1}, "", id="the same twice"),
        pytest.param({"retailPrice": 0.7, "type": "DevTestConsumption"}, "", id="for others"),
        pytest.param({"retailPrice": 0.7, "armRegionName": "eastus"}, "", id="elsewhere"),
        pytest.param({"retailPrice": 0.7, "unitOfMeasure": "100 Hours"}, "", id="in another unit"),
    ],
)
def test_of_prices_that_differ_none_is_chosen(tmp_path: Path, other: dict[str, Any], trouble: str) -> None:
    twice = item(POSTGRESQL, BURSTABLE, "B1MS", "B1MS", "1 Hour", 0.0) | other
    assert line(costs(read(write(tmp_path / "two.json", [*MADE_UP, twice]))), "compute").trouble == trouble


def test_a_price_that_begins_at_a_later_tier_is_no_price_of_the_first_unit(tmp_path: Path) -> None:
    late = [each | {"tierMinimumUnits": 9.0} if each["meterName"] == "B1MS" else each for each in MADE_UP]
    found = costs(read(write(tmp_path / "late.json", late)))
    assert [each.trouble for each in found.lacking] == ["no price found below 9 units"]


def test_prices_of_the_commercial_cloud_are_not_governments(tmp_path: Path) -> None:
    here = [each | {"armRegionName": "usgovvirginia"} for each in MADE_UP if each["armRegionName"] == "westeurope"]
    world = [each for each in MADE_UP if each["armRegionName"] != "westeurope"]
    said = {"cloud": "government", "location": "usgovvirginia", "private": True}
    found = costs(read(write(tmp_path / "world.json", here + world)), **said)
    assert {each.resource.split()[0] for each in found.lacking} == {"NAT", "private", "DNS"}
    own = [each | {"armRegionName": "US Gov"} for each in world]
    assert costs(read(write(tmp_path / "own.json", here + own)), **said).lacking == ()


# ---- files -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("{", "cannot be read", id="not JSON"),
        pytest.param("[]", "no file of prices", id="not an object"),
        pytest.param('{"fetched": "2026-03-04", "Items": [{"retailPrice": "1"}]}', "no file of prices", id="a text"),
        pytest.param('{"fetched": "2026-03-04", "Items": [{"retailPrice": NaN}]}', "no file of prices", id="no number"),
        pytest.param('{"Items": []}', "does not say of when", id="no date"),
        pytest.param('{"fetched": "yesterday", "Items": []}', "does not say of when", id="a date of no calendar"),
        pytest.param(
            '{"fetched": "2026-03-04", "Items": [{"retailPrice": 1, "currencyCode": "USD"},'
            ' {"retailPrice": 1, "currencyCode": "EUR"}]}',
            r"not all in one currency \(EUR, USD\)",
            id="two currencies",
        ),
    ],
)
def test_a_file_that_is_none_of_prices_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "prices.json").write_text(content)
    with pytest.raises(PricesError, match=message):
        read(tmp_path / "prices.json")


def test_prices_of_another_location_are_refused(price_file: Path) -> None:
    with pytest.raises(PricesError, match="has no prices of northeurope"):
        costs(read(price_file), location="northeurope")


# ---- the API ---------------------------------------------------------------------------------------------------------
class PricesApi:
    """A double of the Retail Prices API: filters as this product writes them, two items a page."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.trouble: list[Answer] = []  #: what it answers first

    def __call__(self, request: Request) -> Answer:
        self.requests.append(request)
        if self.trouble:
            return self.trouble.pop(0)
        said = request.query["$filter"]
        clauses = [clause.partition(" eq ") for clause in said.split(" and ") if " eq " in clause]
        named = {"priceType": "type"}
        asked = [(named.get(field, field), value.strip("'")) for field, _, value in clauses]
        found = [each for each in MADE_UP if all(each[field] == value for field, value in asked)]
        skip = int(request.query.get("$skip", "0"))
        link = f"https://elsewhere.invalid:443/api/retail/prices?$filter={said}&$skip={skip + 2}"
        more = skip + 2 < len(found)
        return Answer(content={"Items": found[skip : skip + 2], "NextPageLink": link if more else None})


@pytest.fixture
def api() -> PricesApi:
    return PricesApi()


@pytest.fixture
def environment(tmp_path: Path, api: PricesApi) -> Iterator[dict[str, str]]:
    """Where the double is."""
    authority = Authority(tmp_path)
    with HttpsServer(api, authority) as server:
        yield {
            "AZURE_PRICES_ENDPOINT": f"{server.url}/api/retail/prices",
            "AZURE_CA_BUNDLE": str(authority.bundle),
        }


Asking = Callable[..., PriceList]


@pytest.fixture
def asking(tmp_path: Path, environment: dict[str, str]) -> Asking:
    """Asks for the prices of a deployment."""

    def ask(*, now: datetime = NOW, refresh: bool = False, **changed: Any) -> PriceList:
        said = described(**changed)
        wanted = filters(said, nodes_of(said, {}), ALL_USED)
        return current(wanted, home=tmp_path, location=said.location, environment=environment, now=now, refresh=refresh)

    return ask


def test_the_api_is_asked_page_by_page_on_the_same_host(asking: Asking, api: PricesApi, price_file: Path) -> None:
    asked = costs(asking(**EVERYTHING), ALL_USED, **EVERYTHING)
    assert asked.lacking == ()
    assert asked.most == costs(read(price_file), ALL_USED, **EVERYTHING).most
    assert any("$skip" in request.query for request in api.requests)
    assert all("authorization" not in request.headers for request in api.requests)


def test_what_was_fetched_serves_for_a_day(asking: Asking, api: PricesApi, tmp_path: Path) -> None:
    first = asking()
    since = len(api.requests)
    assert asking(now=NOW + timedelta(hours=23)) == first
    assert len(api.requests) == since
    assert first.place == str(tmp_path / "deployments" / "prices-westeurope.json")
    assert asking(now=NOW + timedelta(hours=25)).fetched == NOW + timedelta(hours=25)


def test_the_api_is_asked_again_when_told_to_or_when_more_is_needed(asking: Asking, api: PricesApi) -> None:
    asking()
    since = len(api.requests)
    asking(refresh=True)
    assert len(api.requests) == 2 * since
    asking(private=True)
    assert len(api.requests) > 3 * since


def test_a_kept_file_that_was_spoilt_is_fetched_again(asking: Asking, tmp_path: Path) -> None:
    kept = Path(asking().place)
    kept.write_text("{")
    assert asking().items
    assert list(kept.parent.iterdir()) == [kept]


def test_an_api_that_is_busy_is_asked_again(asking: Asking, api: PricesApi) -> None:
    api.trouble = [Answer(status=429, headers={"retry-after": "0"}), Answer(status=503)]
    assert asking().items


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(Answer(status=400), "answers 400", id="refused"),
        pytest.param(Answer(body=b"<html>"), "no page of the Retail Prices API", id="a page of a proxy"),
        pytest.param(Answer(content={"Items": [{}]}), "no page of the Retail Prices API", id="no price"),
    ],
)
def test_an_api_that_gives_no_prices_leads_to_a_file(
    asking: Asking, api: PricesApi, answer: Answer, message: str, tmp_path: Path
) -> None:
    api.trouble = [answer]
    with pytest.raises(PricesError, match=rf"{message}.*Without network: .*deployments/prices-westeurope.json"):
        asking()
    asking()
    api.trouble = [answer]
    with pytest.raises(PricesError, match=r"Prices of 4 March 2026 are in .*: `--prices "):
        asking(now=NOW + timedelta(days=2))
    assert read(tmp_path / "deployments" / "prices-westeurope.json").fetched == NOW


def test_without_network_the_message_says_how_to_get_a_file(tmp_path: Path) -> None:
    nowhere = {"AZURE_PRICES_ENDPOINT": "https://127.0.0.1:9/prices"}
    with pytest.raises(PricesError, match=r"cannot be reached \(ConnectionError\)\. Without network: .*--prices FILE"):
        current({"x"}, home=tmp_path, location="westeurope", environment=nowhere, now=NOW)


# ---- the command -----------------------------------------------------------------------------------------------------
@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "deployment.toml"
    path.write_text("\n".join(f"{key} = {json.dumps(value)}" for key, value in SAID.items()))
    return path


def run(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `manage.py cost`."""
    out = StringIO()
    try:
        call_command("cost", *arguments, stdout=out)
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    return 0, out.getvalue()


def test_the_command_shows_sums_dates_and_what_they_lack(
    config: Path, price_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, text = run("--config", str(config), "--prices", str(price_file))
    assert code == 0
    assert "USD a month" in text
    assert "(LRS Data Stored)" in text
    assert max(map(len, text.split("Prices of")[0].splitlines())) <= 80
    assert f"Prices of 2026-03-04, {price_file}." in text.replace("\n", "")
    assert "LACKS" not in text
    part = write(tmp_path / "part.json", without("B1MS"))
    code, text = run("--config", str(config), "--prices", str(part))
    assert code == 3
    assert "sum of what has a price" in text
    assert re.search(r"730\.0 × 1 Hour +no price  $", text, flags=re.MULTILINE)
    assert "THE SUM LACKS what has no price:\n- PostgreSQL server" in text
    assert f"compute: no price found for {POSTGRESQL} / {BURSTABLE} / B1ms" in text


def test_the_command_gives_json_with_no_amount_where_there_is_no_price(config: Path, tmp_path: Path) -> None:
    part = write(tmp_path / "part.json", without("B1MS"))
    code, text = run("--config", str(config), "--prices", str(part), "--json", "--face-transactions", "2000")
    found = json.loads(text)
    assert code == 3
    assert (found["currency"], found["prices_of"]) == ("USD", "2026-03-04")
    by_what = {each["what"]: each for each in found["lines"]}
    assert by_what["1,000 transactions"]["most"] == 2.0
    assert (by_what["compute"]["least"], by_what["compute"]["trouble"]) == (None, "no price found")


def test_the_command_asks_the_api_and_keeps_what_it_says(
    config: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
) -> None:
    settings.FACEPROJECT_HOME = tmp_path / "home"
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, text = run("--config", str(config), "--json")
    assert (code, json.loads(text)["lacking"]) == (0, [])
    assert (tmp_path / "home/deployments/prices-westeurope.json").exists()


@pytest.mark.parametrize("number", ["-1", "many", "nan", "inf"])
def test_a_number_that_is_none_is_wrong_usage(config: Path, number: str) -> None:
    with pytest.raises(CommandError, match="is no number of zero or more"):
        run("--config", str(config), f"--log-gb={number}")
