"""JSON Schema (2020-12) of models as they are on the wire: what we send, and what we accept beside leniency.

A field that forgives malformed values says so with an ``x-deserialize-*`` keyword and otherwise shows what it should
hold. ``x-unstable`` marks what the protocol is trying out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, NoDefault
from pydantic_core import core_schema

Schema: TypeAlias = dict[str, Any]

REF = "#/$defs/"

_MAPS = ("properties", "$defs")
_LISTS = ("anyOf", "oneOf", "allOf")
_SINGLE = ("items", "additionalProperties", "not")


def definitions(types: Mapping[str, Any], unions: Mapping[str, Any]) -> dict[str, Schema]:
    """A definition for each of ``types``, for what they refer to, and for each of ``unions`` that they use, by name.

    A union has a definition of its own wherever it is used.
    """
    named = {**unions, **types}
    inputs = [(name, "validation", TypeAdapter(type_)) for name, type_ in named.items()]
    roots, document = TypeAdapter.json_schemas(inputs, by_alias=True, schema_generator=_Generator)  # type: ignore[arg-type]
    found: dict[str, Schema] = dict(document.get("$defs", {}))
    found.update({name: dict(roots[name, "validation"]) for name in named if _is_no_model(named[name])})
    tidied = {name: _tidy(schema) for name, schema in found.items()}
    _refer(tidied, {name: tidied[name] for name in unions if name in tidied})
    return _reachable(tidied, types)


def without_unstable(found: Mapping[str, Schema], roots: Iterable[str]) -> dict[str, Schema]:
    """The definitions that the roots need, without what is marked ``x-unstable``."""
    return _reachable({name: _stripped(schema) for name, schema in found.items()}, roots)


class _Generator(GenerateJsonSchema):
    """Without titles, with the defaults that factories make, and with open unions told apart from closed ones."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def get_default_value(self, schema: core_schema.WithDefaultSchema) -> Any:
        factory = schema.get("default_factory")
        value = factory() if factory is not None else schema.get("default", NoDefault)  # type: ignore[call-arg]
        return value.to_wire() if isinstance(value, BaseModel) else value  # type: ignore[attr-defined]

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        made = super().tagged_union_schema(schema)
        if "discriminator" in made:
            return {**made, "discriminator": {"propertyName": made["discriminator"]["propertyName"]}}
        # Told apart by a function: more than one member may fit, and some are there for what we do not know.
        made["anyOf"] = made.pop("oneOf")
        return made


def _is_no_model(type_: Any) -> bool:
    return not (isinstance(type_, type) and issubclass(type_, BaseModel))


def _tidy(schema: Schema) -> Schema:
    """The same in fewer words: no titles, no empty defaults, required discriminators, short nullable types."""
    schema = _each(schema, _tidy)
    schema.pop("title", None) if isinstance(schema.get("title"), str) else None
    if schema.get("default", 0) in (None, [], {}):
        del schema["default"]
    if "properties" in schema:
        _require_constants(schema)
        _spell_as_on_the_wire(schema)
    members = schema.get("anyOf", [])
    if len(members) == 1 or (len(members) == 2 and members[1] == {"type": "null"} and _is_simple(members[0])):
        rest = {name: value for name, value in schema.items() if name != "anyOf"}
        schema = {**members[0], **rest}
        if len(members) == 2:
            schema["type"] = [schema["type"], "null"]
    return {"description": schema.pop("description"), **schema} if "description" in schema else schema


def _is_simple(schema: Schema) -> bool:
    return isinstance(schema.get("type"), str) and "enum" not in schema and "const" not in schema


def _require_constants(schema: Schema) -> None:
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        if (
            "const" in field
            and field.get("default") == field["const"]
            and "x-deserialize-default-on-error" not in field
        ):
            del field["default"]
            required.add(name)
    if required:
        schema["required"] = [name for name in schema["properties"] if name in required]


def _spell_as_on_the_wire(schema: Schema) -> None:
    """Docstrings name attributes; the properties are called as the protocol calls them."""
    for name in schema["properties"] if "description" in schema else ():
        attribute = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
        schema["description"] = schema["description"].replace(f"``{attribute}``", f"``{name}``")


def _refer(found: dict[str, Schema], unions: Mapping[str, Schema]) -> None:
    """Puts a reference wherever one of the unions stands spelled out."""

    def replaced(schema: Schema) -> Schema:
        schema = _each(schema, replaced)
        for name, union in unions.items():
            keyword = "oneOf" if "oneOf" in union else "anyOf"
            if schema.get(keyword) == union[keyword] and len(union[keyword]) > 1:
                rest = {key: value for key, value in schema.items() if key not in union}
                return {"$ref": REF + name, **rest}
        return schema

    # Unions may hold each other, so the smaller ones go first and change how the bigger ones are spelled.
    for _ in range(2):
        for name, schema in found.items():
            found[name] = _each(schema, replaced) if name in unions else replaced(schema)
        unions = {name: found[name] for name in unions}


def _stripped(schema: Schema) -> Schema:
    schema = dict(schema)
    if "properties" in schema:
        schema["properties"] = {
            name: field for name, field in schema["properties"].items() if not field.get("x-unstable")
        }
    for keyword in _LISTS:
        if keyword in schema:
            schema[keyword] = [member for member in schema[keyword] if not member.get("x-unstable")]
    return _each(schema, _stripped)


def _each(schema: Schema, change: Any) -> Schema:
    """A copy with every schema inside it changed."""
    made = dict(schema)
    for keyword, value in schema.items():
        if keyword in _MAPS:
            made[keyword] = {name: change(inner) for name, inner in value.items()}
        elif keyword in _LISTS:
            made[keyword] = [change(inner) for inner in value]
        elif keyword in _SINGLE and isinstance(value, dict):
            made[keyword] = change(value)
    return made


def _reachable(found: Mapping[str, Schema], roots: Iterable[str]) -> dict[str, Schema]:
    pending, seen = list(roots), set[str]()
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending.extend(_references(found[name]))
    return {name: found[name] for name in sorted(seen)}


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REF)
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
