"""Values made from a schema: some that fit it, some that it forgives, and some that fit it nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.protocol.comparison import Document, Schema, Shape

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


class Values:
    """Strategies for values that fit a schema; with anything at all where the schema forgives that, if so wanted."""

    def __init__(self, schema: Schema, *, forgiven: bool = False) -> None:
        self._forgiven = forgiven
        self._document = Document(schema["$defs"])
        self._known: dict[str, st.SearchStrategy[Any]] = {}

    def of(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Return the strategy for a schema; one for each, as building them is slow."""
        key = repr(schema)
        if key not in self._known:
            self._known[key] = st.one_of([self._of_shape(shape) for shape in self._document.shapes(schema)])
        return self._known[key]

    def _of_shape(self, shape: Shape) -> st.SearchStrategy[Any]:
        facts = dict(shape.facts)
        if "const" in facts:
            return st.just(facts["const"])
        if shape.kind == "object":
            return self._of_object(shape)
        if shape.kind == "array":
            return st.lists(self.of(shape.items or {}), max_size=2)
        simple: dict[str, st.SearchStrategy[Any]] = {
            "null": st.none(),
            "boolean": st.booleans(),
            "integer": st.integers(facts.get("minimum", -(2**31)), facts.get("maximum", 2**31 - 1)),
            "number": st.floats(-1e9, 1e9) | st.integers(-9, 9),
            "string": st.text(min_size=facts.get("minLength", 0), max_size=4),
        }
        return simple.get(shape.kind, JSON)

    def _of_object(self, shape: Shape) -> st.SearchStrategy[Any]:
        if not shape.properties:
            return st.dictionaries(st.text(max_size=3), self.of(shape.values) if shape.values else JSON, max_size=2)
        fields = {name: self._of_field(schema) for name, schema in shape.properties.items()}
        return st.fixed_dictionaries(
            {name: fields[name] for name in fields if name in shape.required},
            optional={**{name: fields[name] for name in fields if name not in shape.required}, "ofTomorrow": JSON},
        )

    def _of_field(self, schema: Schema) -> st.SearchStrategy[Any]:
        fitting = self.of(schema)
        if self._forgiven and schema.get("x-deserialize-skip-invalid-items"):
            fitting = fitting | st.lists(self.of(schema["items"]) | JSON, max_size=3)
        if self._forgiven and schema.get("x-deserialize-default-on-null"):
            fitting = fitting | st.none()
        return fitting | JSON if self._forgiven and schema.get("x-deserialize-default-on-error") else fitting


JUNK: tuple[Any, ...] = (None, 7, 1.5, True, "x", [], [None], {}, {"a": 7})
_KINDS = {
    type(None): "null",
    int: "integer",
    float: "number",
    bool: "boolean",
    str: "string",
    list: "array",
    dict: "object",
}


class Malformed:
    """Small values with one wrong field each, where the schema forgives nothing."""

    def __init__(self, schema: Schema) -> None:
        self._document = Document(schema["$defs"])

    def of(self, schema: Schema) -> Iterator[tuple[str, Any]]:
        """Yield where the wrong field is, and the whole value."""
        for shape in self._document.shapes(schema):
            if shape.kind == "array":
                yield from ((f"[]{path}", [value]) for path, value in self.of(shape.items or {}))
            elif shape.kind == "object":
                yield from self._of_object(shape)

    def _of_object(self, shape: Shape) -> Iterator[tuple[str, Any]]:
        smallest = self._smallest(shape)
        for name in shape.required:
            yield f".{name} missing", {key: value for key, value in smallest.items() if key != name}
        for name, field in shape.properties.items():
            if not field.get("x-deserialize-default-on-error"):
                for path, value in [*self._wrong(field), *self.of(field)]:
                    yield f".{name}{path}", {**smallest, name: value}

    def _wrong(self, field: Schema) -> Iterator[tuple[str, Any]]:
        kinds = {shape.kind for shape in self._document.shapes(field)}
        if "any" in kinds:
            return
        kinds |= {"integer"} if "number" in kinds else set()
        kinds |= {"null"} if field.get("x-deserialize-default-on-null") else set()
        for junk in JUNK:
            if _KINDS[type(junk)] not in kinds:
                yield f" {_KINDS[type(junk)]}", junk

    def _smallest(self, shape: Shape) -> Any:
        facts = dict(shape.facts)
        if "const" in facts:
            return facts["const"]
        if shape.kind == "object":
            return {
                name: self._smallest(self._document.shapes(shape.properties[name])[0])
                for name in shape.properties
                if name in shape.required
            }
        return {"array": [], "string": "word", "integer": 0, "number": 0.5, "boolean": True}.get(shape.kind)
