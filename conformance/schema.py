"""The shape of every message, from a JSON Schema: what is wrong with it, and which keys are foreign in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jsonschema
import orjson

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
SHOWN_CHARACTERS = 160
Shape = Mapping[str, Any]
Part = Literal["params", "result"]


@dataclass(frozen=True, slots=True)
class Method:
    """The shapes of one method's params and result, None where any will do.

    ``side``: who serves it, ``agent``, ``client`` or another word for both. ``notification``: it is never answered.
    """

    params: Shape | None
    result: Shape | None
    side: str
    notification: bool


class Schema:
    """A schema file: ours lists its methods in ``x-methods``, in the official one the definitions name them."""

    def __init__(self, path: Path) -> None:
        document = orjson.loads(path.read_bytes())
        self._definitions: Mapping[str, Any] = document["$defs"]
        methods = _our_methods(document) if "x-methods" in document else _official_methods(document)
        self.methods: Mapping[str, Method] = dict(methods)
        self._updates: Mapping[str, Shape] = document.get("x-updates") or _official_updates(document)
        around: Shape = self._resolved(self.methods["session/update"].params or {})
        self._around_update = {**around, "properties": {**around["properties"], "update": {"type": "object"}}}
        # By the identity of a shape: each lives as long as this object, which holds the document.
        self._validators: dict[int, Any] = {}
        self._consts: dict[int, Mapping[str, object]] = {}
        # What was found in values that are said again and again, such as the answers to initialize.
        self._found: dict[tuple[str, int, str], list[str]] = {}

    def knows(self, method: str) -> bool:
        return method in self.methods

    def complaints(self, method: str, part: Part, value: object) -> list[str]:
        """What is wrong with the ``params`` or the ``result`` of a method, a line each; nothing if it is unknown.

        None counts as an empty object: the specification's own examples answer with null where nothing is to be said.
        """
        shape = self._shape(method, part)
        if shape is None:
            return []
        value = {} if value is None else value
        if method != "session/update" or not isinstance(value, dict):
            return self._remembered(self._against, shape, value, part)
        found = list(self._against(self._around_update, value, part))
        update = value.get("update")
        if isinstance(update, dict):
            own = self._update_shape(update)
            unknown = [f"params.update: the protocol knows no update {_brief(repr(update.get('sessionUpdate')))}"]
            found += unknown if own is None else self._remembered(self._against, own, update, "params.update")
        return found

    def foreign(self, method: str, part: Part, value: object) -> list[str]:
        """The paths of keys that the protocol does not know. What is malformed is `complaints`' business alone."""
        shape = self._shape(method, part)
        if shape is None:
            return []
        if method != "session/update" or not isinstance(value, dict):
            return self._remembered(self._foreign_to, shape, value, part)
        found = list(self._foreign_to(self._around_update, value, part))
        update = value.get("update")
        own = self._update_shape(update) if isinstance(update, dict) else None
        return found if own is None else found + self._remembered(self._foreign_to, own, update, "params.update")

    def _remembered(
        self, look: Callable[[Shape, object, str], Iterator[str]], shape: Shape, value: object, path: str
    ) -> list[str]:
        key = look.__name__, id(shape), repr(value)
        if key not in self._found:
            self._found[key] = list(look(shape, value, path))
        return list(self._found[key])

    def _shape(self, method: str, part: Part) -> Shape | None:
        known = self.methods.get(method)
        return None if known is None else known.params if part == "params" else known.result

    def _update_shape(self, update: Mapping[str, Any]) -> Shape | None:
        kind = update.get("sessionUpdate")
        return self._updates.get(kind) if isinstance(kind, str) else None

    def _against(self, shape: Shape, value: object, path: str) -> Iterator[str]:
        validator = self._validator(shape)
        if validator.is_valid(value):
            return
        for error in validator.iter_errors(value):
            deepest = jsonschema.exceptions.best_match([error])
            yield f"{'.'.join(map(str, [path, *deepest.absolute_path]))}: {_brief(deepest.message)}"

    def _validator(self, shape: Shape) -> Any:
        if id(shape) not in self._validators:
            whole = {**shape, "$defs": self._definitions}
            self._validators[id(shape)] = jsonschema.Draft202012Validator(whole)
        return self._validators[id(shape)]

    def _foreign(self, shapes: Sequence[Shape], value: object, path: str) -> Iterator[str]:
        """The foreign keys by the shape that knows most of them: several shapes may give one key."""
        found = [list(self._foreign_to(shape, value, path)) for shape in shapes]
        yield from min(found, key=len, default=[])

    def _foreign_to(self, shape: Shape, value: object, path: str) -> Iterator[str]:
        if isinstance(value, list):
            items = [branch["items"] for branch in self._branches(shape, value) if "items" in branch]
            for number, item in enumerate(value):
                yield from self._foreign(items, item, f"{path}.{number}")
        if not isinstance(value, dict):
            return
        branches = list(self._branches(shape, value))
        known: dict[str, list[Shape]] = {}
        for branch in branches:
            for key, below in branch.get("properties", {}).items():
                known.setdefault(key, []).append(below)
        others = [branch[word] for branch in branches for word in _WORDS_FOR_OTHERS if branch.get(word)]
        named = [other for other in others if isinstance(other, dict)]
        for key, below in value.items():
            if key == "_meta":
                continue
            if key in known or named:
                yield from self._foreign(known.get(key, named), below, f"{path}.{key}")
            elif known and not others:  # where no key is known, all are free: a tool's raw input
                yield f"{path}.{key}"

    def _branches(self, shape: Shape, value: object) -> Iterator[Shape]:
        """The parts of a shape that this value has to do with: references followed, alternatives that fit."""
        if "$ref" in shape:
            yield from self._branches(self._resolved(shape), value)
        yield shape
        for part in shape.get("allOf", ()):
            yield from self._branches(part, value)
        for word in ("anyOf", "oneOf"):
            if word in shape:
                yield from self._fitting(shape[word], value)

    def _fitting(self, alternatives: Sequence[Shape], value: object) -> Iterator[Shape]:
        """The alternatives that fit; where none does, those that its constants point at."""
        named = [part for part in alternatives if self._may_be(part, value)]
        fitting = [part for part in named if len(named) == 1 or self._validator(part).is_valid(value)]
        for part in fitting or named:
            yield from self._branches(part, value)
        if not named:
            yield {"additionalProperties": True}  # it is none of them, and no key can be said to be foreign
        # What tells alternatives apart may also be said of the one that needs no telling.
        tells = {key for part in alternatives for key in self._constants(part)}
        if isinstance(value, dict) and tells:
            yield {"properties": {key: {} for key in tells}}

    def _may_be(self, shape: Shape, value: object) -> bool:
        if not isinstance(value, dict):
            return True
        if shape.get("type", "object") != "object" and "object" not in shape["type"]:
            return False
        return all(value.get(key) == constant for key, constant in self._constants(shape).items())

    def _constants(self, shape: Shape) -> Mapping[str, object]:
        """Key -> the one value that it has in every object of this shape."""
        if id(shape) not in self._consts:
            found: dict[str, object] = {}
            for part in [*shape.get("allOf", ()), *([self._resolved(shape)] if "$ref" in shape else ())]:
                found |= self._constants(part)
            for key, below in shape.get("properties", {}).items():
                if "const" in below:
                    found[key] = below["const"]
            self._consts[id(shape)] = found
        return self._consts[id(shape)]

    def _resolved(self, shape: Shape) -> Shape:
        while "$ref" in shape:
            shape = self._definitions[str(shape["$ref"]).rpartition("/")[2]]
        return shape


_WORDS_FOR_OTHERS = ("additionalProperties", "unevaluatedProperties")


def load(path: Path | None, *, unstable: bool) -> Schema:
    """The schema of version 1, or the one in the file."""
    return Schema(path or SCHEMAS / ("v1.unstable.json" if unstable else "v1.json"))


def _our_methods(document: Mapping[str, Any]) -> Iterator[tuple[str, Method]]:
    for row in document["x-methods"]:
        notification = row["kind"] == "notification"
        yield row["method"], Method(row.get("params"), row.get("result"), row["side"], notification)


def _official_methods(document: Mapping[str, Any]) -> Iterator[tuple[str, Method]]:
    shapes: dict[str, dict[str, Shape]] = {}
    sides: dict[str, str] = {}
    notifications: set[str] = set()
    for name, definition in document["$defs"].items():
        method = definition.get("x-method")
        if method is None:
            continue
        shapes.setdefault(method, {})["result" if name.endswith("Response") else "params"] = {"$ref": f"#/$defs/{name}"}
        sides[method] = definition["x-side"]
        if name.endswith("Notification"):
            notifications.add(method)
    for method, parts in shapes.items():
        yield method, Method(parts.get("params"), parts.get("result"), sides[method], method in notifications)


def _official_updates(document: Mapping[str, Any]) -> Mapping[str, Shape]:
    alternatives: Sequence[Any] = document["$defs"]["SessionUpdate"]["oneOf"]
    return {row["properties"]["sessionUpdate"]["const"]: row for row in alternatives}


def _brief(text: str) -> str:
    return text if len(text) < SHOWN_CHARACTERS else f"{text[: SHOWN_CHARACTERS - 3]}..."
