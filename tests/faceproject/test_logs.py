"""Log records: extras are kept, one line each, and nothing about persons among them."""

from __future__ import annotations

import ast
import json
import logging
import sys
from pathlib import Path

from faceproject.logs import JsonFormatter, LineFormatter

REPO = Path(__file__).resolve().parents[2]
#: What no record may be given: it names people, or what they called their pictures.
PERSONAL = {"name", "names", "persona_name", "user", "username", "file", "filename", "source", "embedding", "vector"}


def record(message="training attempt ended", *arguments, **extra):
    made = logging.makeLogRecord({"name": "training.tasks", "levelname": "INFO", "msg": message, "args": arguments})
    made.__dict__.update(extra)
    return made


def test_a_line_ends_with_the_extras():
    formatter = LineFormatter("%(levelname)s %(name)s: %(message)s")
    line = formatter.format(record(version=3, promoted=True, path="/a b/"))
    assert line == 'INFO training.tasks: training attempt ended path="/a b/" promoted=True version=3'


def test_a_json_record_is_one_object_on_one_line_with_its_exception():
    try:
        raise ValueError("two\nlines")
    except ValueError:
        text = JsonFormatter().format(record("bad %s", "thing", exc_info=sys.exc_info(), version=3, level="shadow"))
    assert "\n" not in text
    said = json.loads(text)
    assert said["time"].endswith("+00:00")
    assert (said["level"], said["logger"], said["message"], said["version"]) == (
        "INFO",
        "training.tasks",
        "bad thing",
        3,
    )
    assert "ValueError: two" in said["exception"]


def test_what_libraries_attach_is_not_written():
    for formatter in (LineFormatter("%(message)s"), JsonFormatter()):
        text = formatter.format(
            record(request={"POST": "Grace"}, sql="SELECT 'Grace'", params=("Grace",), data="Grace")
        )
        assert "Grace" not in text


def test_an_extra_with_a_line_break_stays_on_its_line():
    assert "\n" not in LineFormatter("%(message)s").format(record(path="/a\nINFO forged"))


def test_no_record_of_the_product_is_given_a_name_of_a_person():
    given = set()
    for app in ("faceproject", "personas", "ingest", "training", "orchestration"):
        for path in (REPO / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "extra" and isinstance(node.value, ast.Dict):
                    given |= {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
    assert "version" in given
    assert not given & PERSONAL
