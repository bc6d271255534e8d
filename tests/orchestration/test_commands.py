"""The commands that span ingest and training, and the rule that every command has a test."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands
from django.core.management.base import CommandError

from orchestration.serving import UnableToServeError, serve
from personas.store import get_store
from tests.training.world import World

REPO = Path(__file__).resolve().parents[2]
APPS = ("personas", "ingest", "training", "orchestration")


def run(*arguments: str, **options):
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO(), **options)
    return out.getvalue()


@pytest.fixture
def world(db, tmp_path, settings):
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.ada = world.photograph("Ada", 12)
    world.crowd(20)
    world.introduce("Ada", world.ada[:4])
    return world


def test_every_command_is_mentioned_in_a_test():
    ours = [name for name, app in get_commands().items() if app in APPS]
    tests = "\n".join(path.read_text() for path in (REPO / "tests").rglob("*.py"))
    assert ours
    assert [name for name in ours if f'"{name}"' not in tests] == []


@pytest.mark.parametrize("name", sorted(name for name, app in get_commands().items() if app in APPS))
def test_every_command_offers_json_and_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as exit_info:
        call_command(name, "--help")
    text = capsys.readouterr().out
    assert exit_info.value.code == 0
    assert "--json" in text


def test_train_then_models_then_rollback_by_commands(world):
    assert json.loads(run("train", "--json"))["promoted"] is True
    assert run("train") == "Nothing new since version 1; no fit.\n"
    world.say("Ada", world.ada[5])
    assert "Version 2 is champion" in run("train")
    listed = json.loads(run("models", "--json"))
    assert (listed["champion"], [v["version"] for v in listed["versions"]]) == (2, [2, 1])
    assert "2 *" in run("models")
    assert json.loads(run("rollback", "--json"))["champion"] == 1
    assert "Version 2 is champion." in run("promote", "2")


def test_models_of_an_empty_store_say_what_to_do(db):
    assert "manage.py train" in run("models")


def test_models_fit_eighty_columns(capsys, monkeypatch):
    from training.management.commands.models import Command

    monkeypatch.setenv("COLUMNS", "80")
    version = {
        "version": 123,
        "champion": True,
        "status": "publishing",
        "n_labels": 123456,
        "n_personas": 12345,
        "n_scored": 1234567,
        "metrics": {"macro_f1": 1.0, "strangers_named": 0.0123},
        "created_at": "2025-11-22T10:30:59.123456+00:00",
        "deployment": "Azure ML: endpoint faces, deployment green, 100 % since 2025-11-22 10:35",
    }
    Command().show({"versions": [version]})
    shown = capsys.readouterr().out
    assert "…" not in shown
    assert max(map(len, shown.splitlines())) <= 80
    for text in ("strangers", "publishing", "1234567", "100.0%", "11-22 10:30"):
        assert text in shown


def test_an_error_is_one_line_and_json_says_its_kind(world):
    out = StringIO()
    with pytest.raises(CommandError, match="no version 9"):
        call_command("promote", "9", "--json", stdout=out)
    assert json.loads(out.getvalue())["kind"] == "NotFoundError"


def test_a_refused_version_gives_exit_code_three(db, tmp_path, settings):
    settings.MEDIA_ROOT, settings.CACHE_ROOT = str(tmp_path / "media"), str(tmp_path / "cache")
    world = World(get_store(), tmp_path)
    world.mix_up()
    world.say("Ada", world.store.labels_of_persona("bo", belongs=True, limit=1).items[0].key)
    with pytest.raises(SystemExit) as exit_info:
        run("train")
    assert exit_info.value.code == 3
    refused = json.loads(run("models", "--json"))["versions"][0]
    assert refused["status"] == "refused"
    out, err = StringIO(), StringIO()
    call_command("promote", str(refused["version"]), stdout=out, stderr=err)
    assert "is champion." in out.getvalue()
    assert "the gate had refused it" in err.getvalue()
    assert json.loads(run("promote", "1", "--json"))["reasons"] == []


def test_ingest_of_no_folder_is_wrong_usage():
    with pytest.raises(CommandError, match="name a folder"):
        run("ingest", "")


@pytest.mark.parametrize(("host", "port", "said"), [("foo", 8000, "no address"), ("127.0.0.1", 99999, "no port")])
def test_an_address_that_is_none_is_named(host, port, said):
    with pytest.raises(UnableToServeError, match=said):
        serve(host=host, port=port, say=print)


def test_evaluate_without_truth_says_where_it_comes_from(world):
    run("train")
    with pytest.raises(CommandError, match="labeled: false"):
        run("evaluate")


def test_embedded_mode_refuses_an_address_that_others_reach():
    with pytest.raises(UnableToServeError, match="EMBEDDED=false"):
        serve(host="0.0.0.0", port=8000, say=print)


def test_a_taken_port_is_named_with_what_to_do():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UnableToServeError, match="--port"):
            serve(host="127.0.0.1", port=taken.getsockname()[1], say=print)


def test_the_demo_tries_the_port_before_it_reads_a_picture(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        err = StringIO()
        with pytest.raises(CommandError, match="--port"):
            call_command("demo", data=tmp_path, port=taken.getsockname()[1], stderr=err)
    assert err.getvalue() == ""


@pytest.mark.parametrize("json_wanted", [False, True])
def test_the_demo_serves_with_an_exit_code_and_with_json_ends_after_the_summary(monkeypatch, json_wanted):
    from contextlib import nullcontext

    from orchestration.management.commands import demo

    served = []
    monkeypatch.setattr("orchestration.serving.place_to_serve", lambda host, port: nullcontext())
    monkeypatch.setattr("orchestration.serving.serve", lambda **place: served.append(place) or 7)
    monkeypatch.setattr(demo.Command, "run", lambda self, **options: {})
    monkeypatch.setattr(demo.Command, "show", lambda self, result: None)
    if json_wanted:
        assert run("demo", "--json") == "{}\n"
    else:
        with pytest.raises(SystemExit) as exit_info:
            run("demo")
        assert exit_info.value.code == 7
    assert len(served) == (0 if json_wanted else 1)
