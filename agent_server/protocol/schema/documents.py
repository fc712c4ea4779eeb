"""The published documents: every method and update with its schema. Nothing here is imported while serving."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

import orjson

from agent_server.protocol import v1
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS, EXTENSION_CLIENT_METHODS
from agent_server.protocol.extensions.exported import SessionExport
from agent_server.protocol.method import Method, RequestMethod
from agent_server.protocol.schema.generator import REF, Schema, definitions, without_unstable
from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS
from agent_server.protocol.v1.needs import UPDATE_CAPABILITIES
from agent_server.protocol.v1.unstable.methods import (
    ALL_AGENT_METHODS,
    ALL_CLIENT_METHODS,
    PROXY_METHODS,
    PROXY_SUCCESSOR_NOTIFICATION,
    UNSTABLE_AGENT_METHODS,
    UNSTABLE_CLIENT_METHODS,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

STABLE: Final = "v1.json"
UNSTABLE: Final = "v1.unstable.json"
EXTENSIONS: Final = "extensions.json"
EXPORT: Final = "session-export.json"

_PROXY: Final = (*PROXY_METHODS, PROXY_SUCCESSOR_NOTIFICATION)


def documents() -> dict[str, Schema]:
    """Every document by the name of its file."""
    return {STABLE: stable(), UNSTABLE: unstable(), EXTENSIONS: extensions(), EXPORT: export()}


def text_of(document: Schema) -> bytes:
    """A document as it stands in its file."""
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def stable() -> Schema:
    """Version 1 of the protocol."""
    methods = [*AGENT_METHODS, *CLIENT_METHODS]
    found = without_unstable(_definitions(methods), _names(methods))
    return _document("ACP version 1", "Every stable method and update of the Agent Client Protocol.", methods, found)


def every_method() -> list[Method]:
    """Every method of version 1, the unstable ones included."""
    return list(dict.fromkeys([*ALL_AGENT_METHODS, *ALL_CLIENT_METHODS, *_PROXY]))


def unstable() -> Schema:
    """Version 1 with all that the protocol is trying out."""
    methods = every_method()
    text = "Every method and update of the Agent Client Protocol, with the unstable ones, which may change at any time."
    document = _document("ACP version 1, unstable", text, methods, _definitions(methods))
    for method in (*UNSTABLE_AGENT_METHODS, *UNSTABLE_CLIENT_METHODS, *_PROXY):
        if method.name != "session/list":  # a stable method with an unstable parameter
            for entry in _entries(document, method):
                entry["x-unstable"] = True
    return document


def extensions() -> Schema:
    """Our own methods beside the protocol's."""
    methods = [*EXTENSION_AGENT_METHODS, *EXTENSION_CLIENT_METHODS]
    text = "The methods that agent-server adds to the Agent Client Protocol, for both sides that opt in."
    return _document("agent-server extensions", text, methods, _definitions(methods))


def export() -> Schema:
    """The document that sessions are exported to."""
    document: Schema = {"$schema": DIALECT, "title": "agent-server session", "$ref": f"{REF}SessionExport"}
    document["$defs"] = definitions({"SessionExport": SessionExport}, dict(_unions()))
    return document


def _entries(document: Schema, method: Method) -> Iterator[Schema]:
    for entry in document["x-methods"]:
        if entry["method"] == method.name and entry["params"]["$ref"] == REF + method.params_name:
            yield entry


def _document(title: str, description: str, methods: Iterable[Method], found: dict[str, Schema]) -> Schema:
    document: Schema = {"$schema": DIALECT, "title": title, "description": description}
    document["x-methods"] = [_entry(method) for method in dict.fromkeys(methods)]
    if "SessionUpdate" in found:
        document["x-updates"] = dict(_updates(found))
    document["$defs"] = found
    return document


def _entry(method: Method) -> Schema:
    request = isinstance(method, RequestMethod)
    entry: Schema = {
        "method": method.name,
        "kind": "request" if request else "notification",
        "side": method.side.value,
        "scope": method.scope.value,
    }
    if method.capability is not None:
        entry["capability"] = method.capability
    entry["params"] = {"$ref": REF + method.params_name}
    if isinstance(method, RequestMethod):
        entry["result"] = {"$ref": REF + method.result_name}
    return entry


def _updates(found: Mapping[str, Schema]) -> Iterator[tuple[str, Schema]]:
    for member in found["KnownUpdate"]["oneOf"]:
        definition = found[member["$ref"].removeprefix(REF)]
        kind = definition["properties"]["sessionUpdate"]["const"]
        capability = UPDATE_CAPABILITIES.get(kind)
        yield kind, {**member, **({"capability": capability} if capability else {})}


def _names(methods: Iterable[Method]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for method in methods:
        named[method.params_name] = method.params
        if isinstance(method, RequestMethod):
            named[method.result_name] = method.result
    return named


def _definitions(methods: Iterable[Method]) -> dict[str, Schema]:
    return definitions(_names(methods), dict(_unions()))


def _unions() -> Iterator[tuple[str, Any]]:
    """Every union that has a name in the protocol's modules."""
    for module in _modules(v1):
        for name, value in vars(module).items():
            inner = get_args(value)[0] if get_origin(value) is Annotated else None
            is_union = get_origin(inner) in (Union, UnionType) and not value.__parameters__
            if is_union and not name.startswith("_"):
                yield name, value


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(info.name)
