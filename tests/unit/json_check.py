"""Holds a JSON document against its schema: the words of JSON Schema that ours use, no others."""

from __future__ import annotations

import json
from typing import Any

from lwipscope.report.json_schemas import Schema, name_of, schema_of

_TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
    "object": dict,
    "array": list,
}
_WORDS = {
    *("$schema", "title", "description", "type", "const", "enum"),
    *("properties", "required", "items", "additionalProperties"),
}


def faults(value: Any, schema: Schema, where: str = "$") -> list[str]:
    """Where the value is not as the schema says; the words of JSON Schema that ours use."""
    unknown = set(schema) - _WORDS
    assert not unknown, f"the schema uses {unknown}, which is not looked at here"
    found = []
    allowed = schema.get("type")
    if allowed is not None:
        named = [allowed] if isinstance(allowed, str) else allowed
        fits = any(
            isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
            for name in named
        )
        if not fits:
            return [f"{where}: {value!r} is not {' or '.join(named)}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{where}: {value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} is none of {schema['enum']}")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}: no {key}" for key in schema.get("required", ()) if key not in value]
        for key, item in value.items():
            of = properties.get(key, schema.get("additionalProperties", {}))
            found += faults(item, of, f"{where}.{key}")
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(item, schema.get("items", {}), f"{where}[{number}]")
    return found


def checked(text: str, kind: str) -> dict[str, Any]:
    """The document, which is one of that kind; every field that it has is in the schema."""
    document: dict[str, Any] = json.loads(text)
    assert document["schema"] == name_of(kind)
    assert not faults(document, schema_of(kind))
    assert text.isascii()
    return document
