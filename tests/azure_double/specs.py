"""Azure's own description of its control plane, from a folder beside the checkout: operations, and schemas of bodies.

Operations: method, path, success codes, whether it goes on after the answer (extracted from Microsoft's swagger).
Schemas: JSON Schema of each resource's PUT body. SOURCES.md in that folder says where they come from.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft4Validator
from jsonschema.exceptions import best_match

REPOSITORY: Final = Path(__file__).resolve().parent.parent.parent
EXPRESSION: Final = "https://schema.management.azure.com/schemas/common/definitions.json#/definitions/expression"
#: Operations that Azure has and that description lacks: method, path, version.
ALSO: Final = (
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.Network/locations/{location}/usages", "2025-07-01"),
    ("GET", "/subscriptions/{subscriptionId}/providers/Microsoft.Authorization/permissions", "2022-04-01"),
)
SCOPE: Final = "(?P<scope>.+)"


def folder() -> Path:
    """FACEPROJECT_AZURE_SPECS, else ../shared/azure-specs beside the checkout. It may not be there."""
    return Path(os.environ.get("FACEPROJECT_AZURE_SPECS") or REPOSITORY.parent / "shared" / "azure-specs").resolve()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One of Azure's. `template` has `{}` for each name in it; `list` says that it answers with a page of resources."""

    method: str
    template: str
    namespace: str
    version: str
    statuses: tuple[int, ...]
    lro: bool
    pattern: re.Pattern[str]

    @property
    def literals(self) -> int:
        """How much of it is said literally: of two that match, the one that says more is meant."""
        return sum(part != "{}" for part in self.template.split("/"))


def namespace_of(template: str) -> str:
    """The provider that a path speaks of, the last one in it: "Microsoft.Network"."""
    parts = template.split("/")
    places = [place for place, part in enumerate(parts) if part.lower() == "providers" and place + 1 < len(parts)]
    return parts[places[-1] + 1] if places and "{" not in parts[places[-1] + 1] else "Microsoft.Resources"


class Operations:
    """All operations; `find` is the router."""

    def __init__(self) -> None:
        said = json.loads((folder() / "pandora" / "ops.json").read_text())
        self._by_method: dict[str, list[Operation]] = {}
        for key, each in said.items():
            if each["path"] != "/{scope}":  # any resource by id: it is found by its own path
                self._add(key.split("/")[1], each)
        for method, path, version in ALSO:
            self._add(version, {"method": method, "path": path, "status": [200], "lro": False})
        for known in self._by_method.values():
            known.sort(key=lambda operation: -operation.literals)
        self.versions = self._known_versions()

    def _add(self, version: str, said: Mapping[str, Any]) -> None:
        path = said["path"]
        pattern = re.escape(path).replace(r"/\{scope\}", "/" + SCOPE)
        operation = Operation(
            method=said["method"],
            template=re.sub(r"\{\w+\}", "{}", path),
            namespace=namespace_of(path),
            version=version,
            statuses=tuple(said["status"]),
            lro=said["lro"],
            pattern=re.compile(re.sub(r"\\\{\w+\\\}", "([^/]+)", pattern), re.IGNORECASE),
        )
        self._by_method.setdefault(operation.method, []).append(operation)

    def _known_versions(self) -> dict[str, frozenset[str]]:
        versions: dict[str, set[str]] = {}
        for known in self._by_method.values():
            for operation in known:
                versions.setdefault(operation.namespace.lower(), set()).add(operation.version)
        for file in (folder() / "arm-schemas").glob("*/Microsoft.*.json"):
            namespace = ".".join(file.stem.split(".")[:2]).lower()
            versions.setdefault(namespace, set()).add(file.parent.name)
        return {namespace: frozenset(of) for namespace, of in versions.items()}

    def find(self, method: str, path: str) -> Operation | None:
        """What this request is; None: Azure has no such operation."""
        for operation in self._by_method.get(method, ()):
            if operation.pattern.fullmatch(path):
                return operation
        return None


@cache
def operations() -> Operations:
    """Read once."""
    return Operations()


class Schemas:
    """What a body of each kind may be."""

    def problems(self, kind: str, version: str, body: Mapping[str, Any]) -> Iterator[str]:
        """kind: "Microsoft.Network/virtualNetworks/subnets". Says what is wrong with a body, or that none can tell."""
        checker = _checker(kind.lower(), version)
        if checker is None:
            yield f"{kind} has no schema of version {version}"
            return
        if error := best_match(checker.iter_errors(body)):
            where = ".".join(map(str, error.absolute_path)) or "the body"
            yield f"{kind} {version}: {where}: {error.message[:300]}"


@cache
def _checker(kind: str, version: str) -> Draft4Validator | None:
    namespace, _, names = kind.partition("/")
    wanted = names.replace("/", "_")
    for file in sorted((folder() / "arm-schemas" / version).glob("*.json")):
        if not file.stem.lower().startswith(namespace):
            continue
        said = _file(file)
        for section in (part for part in said if part.lower().endswith("resourcedefinitions")):
            for name, definition in said[section].items():
                if name.lower() == wanted:
                    return Draft4Validator({**definition, "definitions": said["definitions"]})
    return None


@cache
def _file(file: Path) -> dict[str, Any]:
    said: dict[str, Any] = _strict(json.loads(file.read_text()))
    if file.stem == "Microsoft.ContainerInstance":  # they are fractions of cores and of gigabytes
        for name in ("ResourceRequests", "ResourceLimits"):
            for part in ("cpu", "memoryInGB"):
                said["definitions"][name]["properties"][part] = {"type": "number"}
    known = said["definitions"]
    said["definitions"] = {name: _each_variant(definition, known) for name, definition in known.items()}
    return said


def _each_variant(definition: dict[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """A kind of several variants, told apart by a property, is written as all of: what they share, and nothing else;
    one of: each variant. Nothing would fit both, so each variant gets what they share."""
    match definition:
        case {"allOf": [{"properties": shared} as base, {"oneOf": variants}]}:
            return {"oneOf": [_variant(base, shared, each, known) for each in variants]}
    return definition


def _variant(
    base: Mapping[str, Any], shared: Mapping[str, Any], variant: Mapping[str, Any], known: Mapping[str, Any]
) -> dict[str, Any]:
    reference, told = variant["allOf"]
    own = known[reference["$ref"].rpartition("/")[2]]
    required = {*base.get("required", ()), *own.get("required", ()), *told.get("required", ())}
    apart = {name: {"enum": [each["const"]]} for name, each in told["properties"].items()}
    return {
        "type": "object",
        "properties": {**shared, **own.get("properties", {}), **apart},
        "required": sorted(required),
        "additionalProperties": False,
    }


def _strict(part: Any) -> Any:
    """Without template expressions (`[parameters('x')]` stands for any value), and nothing but what is described."""
    if isinstance(part, list):
        return [_strict(each) for each in part]
    if not isinstance(part, dict):
        return part
    found = {key: _strict(each) for key, each in part.items() if key not in ("id", "description") or _is_schema(each)}
    if isinstance(options := found.get("oneOf"), list):
        plain = [each for each in options if each.get("$ref") != EXPRESSION]
        if len(plain) == 1:
            del found["oneOf"]
            found |= plain[0]
        else:
            found["oneOf"] = plain
    if found.get("type") == "object" and found.get("properties") and "oneOf" not in found:
        found.setdefault("additionalProperties", False)
    return found


def _is_schema(each: Any) -> bool:
    """`id` and `description` may be names of properties, which are schemas, or words of a schema, which are texts."""
    return isinstance(each, dict)
