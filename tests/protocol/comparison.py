"""Says in which points two JSON Schemas of one vocabulary differ, however each of them spells it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product, zip_longest
from typing import Any, TypeAlias

Schema: TypeAlias = dict[str, Any]

MARKS = ("x-deserialize-default-on-error", "x-deserialize-skip-invalid-items", "x-deserialize-default-on-null")
FACTS = {
    "string": ("const", "format", "minLength"),
    "integer": ("const", "format", "minimum", "maximum"),
    "number": ("format", "minimum", "maximum"),
}


@dataclass(frozen=True)
class Shape:
    """One alternative of a schema with its references resolved."""

    kind: str = "any"
    name: str = ""
    facts: frozenset[tuple[str, Any]] = frozenset()
    properties: dict[str, Schema] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Schema | None = None
    values: Schema | None = None

    def key(self, document: Document) -> tuple[tuple[str, Any], ...]:
        """What tells an object from the other objects of a union: its constants."""
        constants = []
        for name, schema in self.properties.items():
            shapes = document.shapes(schema)
            if len(shapes) == 1 and "const" in dict(shapes[0].facts):
                constants.append((name, dict(shapes[0].facts)["const"]))
        return tuple(sorted(constants))


class Document:
    """A schema's definitions, and which of them were looked at."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions
        self.seen: set[str] = set()

    def shapes(self, schema: Schema) -> list[Shape]:
        """The alternatives of a schema: unions flattened, references and combinations resolved."""
        found = [_merged(parts) for parts in product(*self._parts(schema))]
        open_kinds = {shape.kind for shape in found if shape.kind in ("string", "integer") and not _const(shape)}
        return [shape for shape in found if not (_const(shape) and shape.kind in open_kinds)]

    def _parts(self, schema: Schema) -> Iterator[list[Shape]]:
        yield list(_own_shapes(schema))
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/$defs/")
            self.seen.add(name)
            definition = self.definitions[name]
            has_own_fields = "properties" in definition
            yield [
                replace(shape, name=name if has_own_fields else shape.name or name) for shape in self.shapes(definition)
            ]
        for part in schema.get("allOf", ()):
            yield self.shapes(part)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                yield [shape for member in schema[keyword] for shape in self.shapes(member)]


def _own_shapes(schema: Schema) -> Iterator[Shape]:
    kinds = schema.get("type", "object" if "properties" in schema else "any")
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        if kind == "object":
            values = schema.get("additionalProperties")
            yield Shape(
                kind,
                properties=schema.get("properties", {}),
                required=frozenset(schema.get("required", ())),
                values=values if isinstance(values, dict) else None,
            )
        elif kind == "array":
            yield Shape(kind, items=schema.get("items", {}))
        elif kind == "string" and "enum" in schema:
            yield from (Shape(kind, facts=frozenset({("const", word)})) for word in schema["enum"])
        else:
            yield Shape(kind, facts=frozenset((name, schema[name]) for name in FACTS.get(kind, ()) if name in schema))


def _merged(parts: tuple[Shape, ...]) -> Shape:
    made = parts[0]
    for part in parts[1:]:
        made = Shape(
            part.kind if made.kind == "any" else made.kind,
            part.name or made.name,
            made.facts | part.facts,
            {**made.properties, **part.properties},
            made.required | part.required,
            part.items or made.items,
            part.values or made.values,
        )
    return made


def _const(shape: Shape) -> bool:
    return "const" in dict(shape.facts)


class Comparison:
    """Their vocabulary against ours; collects one sentence for each difference."""

    def __init__(self, theirs: Document, ours: Document) -> None:
        self.theirs = theirs
        self.ours = ours
        self.differences: set[str] = set()
        self._compared: set[tuple[str, str, frozenset[str], frozenset[str]]] = set()

    def compare(self, theirs: Schema, ours: Schema, place: str) -> None:
        """Note how two schemas differ that stand at the same place."""
        there, here = self.theirs.shapes(theirs), self.ours.shapes(ours)
        self._compare_scalars(there, here, place)
        self._compare_arrays(there, here, place)
        for their_shape, our_shape in self._pairs(there, here):
            shape_place = (their_shape or our_shape).name or place
            if their_shape is None or our_shape is None:
                words = ", ".join(sorted((their_shape or our_shape).required))
                self._note(shape_place, f"an object with {words or 'nothing required'}", their_shape, our_shape)
            else:
                self._compare_objects(their_shape, our_shape, shape_place)

    def _note(self, place: str, what: str, there: object, here: object) -> None:
        sides = [side for side, is_there in (("there", there), ("here", here)) if is_there]
        self.differences.add(f"{place}: {what} only {sides[0]}")

    def _compare_scalars(self, there: list[Shape], here: list[Shape], place: str) -> None:
        scalars = [
            {(shape.kind, *sorted(shape.facts)) for shape in shapes if shape.kind not in ("object", "array")}
            for shapes in (there, here)
        ]
        for scalar in scalars[0] ^ scalars[1]:
            text = " ".join(part if isinstance(part, str) else f"{part[0]}={part[1]}" for part in scalar)
            self._note(place, text, scalar in scalars[0], scalar in scalars[1])

    def _compare_arrays(self, there: list[Shape], here: list[Shape], place: str) -> None:
        arrays = [[shape for shape in shapes if shape.kind == "array"] for shapes in (there, here)]
        for their_array, our_array in zip_longest(*arrays):
            if their_array is None or our_array is None:
                self._note(place, "an array", their_array, our_array)
            else:
                self.compare(their_array.items or {}, our_array.items or {}, f"{place}[]")

    def _pairs(self, there: list[Shape], here: list[Shape]) -> Iterator[tuple[Any, Any]]:
        left = [shape for shape in here if shape.kind == "object"]
        alone: list[Shape] = []
        objects = [shape for shape in there if shape.kind == "object"]
        for strict in (True, False):
            for shape in objects if strict else alone.copy():
                key = shape.key(self.theirs)
                fits = [
                    each
                    for each in left
                    if each.key(self.ours) == key and (not strict or each.required == shape.required)
                ]
                if fits:
                    left.remove(fits[0])
                    if not strict:
                        alone.remove(shape)
                    yield shape, fits[0]
                elif strict:
                    alone.append(shape)
        yield from ((shape, None) for shape in alone)
        yield from ((None, shape) for shape in left)

    def _compare_objects(self, theirs: Shape, ours: Shape, place: str) -> None:
        pair = (place, ours.name, frozenset(theirs.properties), frozenset(ours.properties))
        if theirs.name and pair in self._compared:
            return
        self._compared.add(pair)
        for name in theirs.properties.keys() | ours.properties.keys():
            at = f"{place}.{name}"
            if name not in theirs.properties or name not in ours.properties:
                self._note(at, "the field", name in theirs.properties, name in ours.properties)
                continue
            if (name in theirs.required) != (name in ours.required):
                self._note(at, "required", name in theirs.required, name in ours.required)
            their_field, our_field = theirs.properties[name], ours.properties[name]
            for mark in MARKS:
                if their_field.get(mark) != our_field.get(mark):
                    self._note(at, mark, their_field.get(mark), our_field.get(mark))
            their_default, our_default = _default(their_field), _default(our_field)
            if their_default != our_default:
                self.differences.add(f"{at}: default {their_default} there, {our_default} here")
            self.compare(their_field, our_field, at)
        if theirs.values is not None and ours.values is not None:
            self.compare(theirs.values, ours.values, f"{place}.*")
        elif (theirs.values or ours.values) and not (theirs.properties or ours.properties):
            self._note(place, "the type of its values", theirs.values, ours.values)


def _default(schema: Schema) -> Any:
    """The default; an empty one says no more than none, and so does a flag inside a default that is false."""
    default = schema.get("default")
    return _without_empty(default) or None if isinstance(default, dict | list) else default


def _without_empty(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: inner for name, inner in value.items() if _without_empty(inner) not in (False, {}, [], None)}
