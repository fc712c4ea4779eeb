"""The shape of every message, from a JSON Schema: what is wrong with it, and which keys are foreign in it."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import orjson

SCHEMAS = Path(__file__).resolve().parents[1] / "schemas"
Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """The shapes of one method's params and result, None where any will do."""

    params: Shape | None
    result: Shape | None


class Schema:
    """A schema file: ours lists its methods in ``x-methods``, in the official one the definitions name them."""

    def __init__(self, path: Path) -> None:
        document = orjson.loads(path.read_bytes())
        self._definitions: Mapping[str, Any] = document["$defs"]
        self._methods = dict(_our_methods(document) if "x-methods" in document else _official_methods(document))
        self._updates = document.get("x-updates") or _official_updates(document)

    def knows(self, method: str) -> bool:
        return method in self._methods

    def complaints(self, method: str, part: str, value: object) -> list[str]:
        """What is wrong with the ``params`` or the ``result`` of a method, a line each; nothing if it is unknown."""
        shape = self._shape(method, part)
        found = [] if shape is None else self._against(shape, value)
        update = value.get("update") if method == "session/update" and isinstance(value, dict) else None
        if isinstance(update, dict):
            own = self._update_shape(update)
            unknown = ["update: its sessionUpdate is none that the protocol knows"]
            found += unknown if own is None else self._against(own, update)
        return found

    def foreign(self, method: str, part: str, value: object) -> list[str]:
        """The paths of keys that the protocol does not know."""
        shape = self._shape(method, part)
        if shape is None:
            return []
        found = list(self._foreign(shape, value, part))
        update = value.get("update") if method == "session/update" and isinstance(value, dict) else None
        own = self._update_shape(update) if isinstance(update, dict) else None
        if own is not None:
            found = [path for path in found if not path.startswith("params.update")]
            found += self._foreign(own, update, "params.update", frozenset({"sessionUpdate"}))
        return found

    def _shape(self, method: str, part: str) -> Shape | None:
        known = self._methods.get(method)
        return None if known is None else known.params if part == "params" else known.result

    def _update_shape(self, update: Mapping[str, Any]) -> Shape | None:
        kind = update.get("sessionUpdate")
        return self._updates.get(kind) if isinstance(kind, str) else None

    def _against(self, shape: Shape, value: object) -> list[str]:
        validator = self._validator(orjson.dumps(shape, option=orjson.OPT_SORT_KEYS))
        found = []
        for error in validator.iter_errors(value):
            deepest = jsonschema.exceptions.best_match([error])
            where = ".".join(map(str, deepest.absolute_path)) or "the whole"
            found.append(f"{where}: {deepest.validator} is not {_brief(deepest.validator_value)}")
        return found

    @functools.cache  # noqa: B019  a run has one or two of these
    def _validator(self, shape: bytes) -> Any:
        return jsonschema.Draft202012Validator({**orjson.loads(shape), "$defs": self._definitions})

    def _foreign(self, shape: Shape, value: object, path: str, more: frozenset[str] = frozenset()) -> Iterator[str]:
        if isinstance(value, list):
            for number, item in enumerate(value):
                for branch in self._branches(shape, value):
                    if isinstance(branch.get("items"), dict):
                        yield from self._foreign(branch["items"], item, f"{path}.{number}")
        if not isinstance(value, dict):
            return
        branches = list(self._branches(shape, value))
        known: dict[str, list[Shape]] = {}
        for branch in branches:
            for key, below in branch.get("properties", {}).items():
                known.setdefault(key, []).append(below)
        if not known or any(branch.get("additionalProperties") for branch in branches):
            return  # a free object, such as _meta or a tool's raw input
        for key, below in value.items():
            if key not in known and key not in more and key != "_meta":
                yield f"{path}.{key}"
            elif key in known and key != "_meta":
                found = [list(self._foreign(shape, below, f"{path}.{key}")) for shape in known[key]]
                yield from min(found, key=len)

    def _branches(self, shape: Shape, value: object) -> Iterator[Shape]:
        """The parts of a shape that this value has to do with: references followed, alternatives that fit."""
        if "$ref" in shape:
            yield from self._branches(self._definitions[str(shape["$ref"]).rpartition("/")[2]], value)
        yield shape
        for part in shape.get("allOf", ()):
            yield from self._branches(part, value)
        for alternatives in (shape.get("anyOf", ()), shape.get("oneOf", ())):
            for part in alternatives:
                if not self._against(part, value):
                    yield from self._branches(part, value)


def load(path: Path | None, *, unstable: bool) -> Schema:
    """The schema of version 1, or the one in the file."""
    return Schema(path or SCHEMAS / ("v1.unstable.json" if unstable else "v1.json"))


def _our_methods(document: Mapping[str, Any]) -> Iterator[tuple[str, Method]]:
    for row in document["x-methods"]:
        yield row["method"], Method(row.get("params"), row.get("result"))


def _official_methods(document: Mapping[str, Any]) -> Iterator[tuple[str, Method]]:
    shapes: dict[str, dict[str, Shape]] = {}
    for name, definition in document["$defs"].items():
        if "x-method" in definition:
            part = "result" if name.endswith("Response") else "params"
            shapes.setdefault(definition["x-method"], {})[part] = {"$ref": f"#/$defs/{name}"}
    return ((method, Method(parts.get("params"), parts.get("result"))) for method, parts in shapes.items())


def _official_updates(document: Mapping[str, Any]) -> Mapping[str, Shape]:
    alternatives: Sequence[Any] = document["$defs"]["SessionUpdate"]["oneOf"]
    return {row["properties"]["sessionUpdate"]["const"]: row for row in alternatives}


def _brief(value: object) -> str:
    text = orjson.dumps(value, default=str).decode()
    return text if len(text) < 80 else f"{text[:77]}..."
