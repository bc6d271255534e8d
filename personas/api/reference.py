"""The OpenAPI document as a page shows it: operations by subject, with their parameters, bodies and answers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

#: Stands for a value of that kind in examples.
VALUES: Final[Mapping[str, Any]] = {"integer": 1, "number": 0.5, "boolean": True, "string": "…", "object": {}}
FORMATS: Final[Mapping[str, str]] = {
    "date-time": "2026-01-02T03:04:05Z",
    "uuid": "123e4567-e89b-42d3-a456-426614174000",
    "binary": "(a picture)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    where: str  #: "path", "query" or "header"
    kind: str  #: in words: "integer, 1 to 200"
    required: bool
    default: str
    choices: tuple[str, ...]
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    operation_id: str
    method: str
    path: str
    summary: str
    description: str  #: what the summary does not say
    parameters: tuple[Parameter, ...]
    body: str  #: an example, "" for none
    takes_files: bool
    status: str  #: of the answer when all is well
    answer: str  #: an example, or the types of a picture

    @property
    def writes(self) -> bool:
        return self.method != "GET"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    name: str
    operations: tuple[Operation, ...]


def subjects_of(document: Json) -> tuple[Subject, ...]:
    """Operations by their first tag, in the order of the document."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            found.setdefault(said["tags"][0], []).append(_operation(document, path, method, said))
    return tuple(Subject(name=name, operations=tuple(operations)) for name, operations in found.items())


def _operation(document: Json, path: str, method: str, said: Json) -> Operation:
    status, answered = next((status, each) for status, each in said["responses"].items() if status.startswith("2"))
    bodies = said.get("requestBody", {}).get("content", {})
    return Operation(
        operation_id=said["operationId"],
        method=method.upper(),
        path=path,
        summary=said["summary"],
        description=said["description"].removeprefix(said["summary"]).removeprefix(".").strip(),
        parameters=tuple(_parameter(document, each) for each in said["parameters"]),
        body=_example(document, bodies),
        takes_files="multipart/form-data" in bodies,
        status=status,
        answer=_example(document, answered["content"]),
    )


def _parameter(document: Json, said: Json) -> Parameter:
    schema = said["schema"]
    choice = _resolved(document, schema)
    return Parameter(
        name=said["name"],
        where=said["in"],
        kind=", ".join(_kind(choice)),
        required=said["required"],
        default="" if schema.get("default") is None else json.dumps(schema["default"]).strip('"'),
        choices=tuple(map(str, choice.get("enum", ()))),
        description=said.get("description", ""),
    )


def _kind(schema: Json) -> Iterator[str]:
    yield schema.get("format") or schema.get("type", "string")
    if "minimum" in schema and "maximum" in schema:
        yield f"{schema['minimum']} to {schema['maximum']:,}"
    elif "maxLength" in schema:
        yield f"{schema['maxLength']} characters at most"


def _example(document: Json, content: Json) -> str:
    """Of JSON a value that has its shape; of anything else its types; "" of nothing."""
    for media_type, said in content.items():
        if media_type == "application/json":
            return json.dumps(_value(document, said["schema"]), indent=2, ensure_ascii=False)
    return " or ".join(content)


def _value(document: Json, schema: Json) -> Any:
    schema = _resolved(document, schema)
    if "enum" in schema:
        return schema["enum"][0]
    if "prefixItems" in schema:
        return [_value(document, each) for each in schema["prefixItems"]]
    if "items" in schema:
        return [_value(document, schema["items"])]
    if "properties" in schema:
        return {name: _value(document, each) for name, each in schema["properties"].items()}
    if "format" in schema:
        return FORMATS[schema["format"]]
    return VALUES[schema["type"]]


def _resolved(document: Json, schema: Json) -> Json:
    """The schema that is meant by a reference, or by a choice between it and null."""
    if "$ref" in schema:
        return _resolved(document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for choices in ("anyOf", "allOf"):
        if choices in schema:
            return _resolved(document, next(each for each in schema[choices] if each.get("type") != "null"))
    return schema
