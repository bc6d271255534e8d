"""YAML as people read it: keys in the order they were given, nothing referred to, long texts not folded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """Spelt out each time: `&id001` says nothing to a reader."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Items of a list stand below their key, not beside it."""
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    """Some parsers take `on`, `1.10` and the like for something else than text: what may be mistaken has quotes."""
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def document(*parts: Mapping[str, Any], comment: str = "") -> str:
    """One YAML file of one or more documents, with a comment at its head."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    body = yaml.dump_all([dict(part) for part in parts], Dumper=_Dumper, sort_keys=False, width=110)
    return head + body
