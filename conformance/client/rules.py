"""What every message of a client has to be, whatever the scene: each rule reads whole conversations."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from conformance import schema
from conformance.client.record import Conversation
from conformance.client.registry import rule
from conformance.profile import is_open
from conformance.registry import KEPT, Seen
from conformance.transcript import UNREADABLE, Entry

VERSION = 1
ABSOLUTE = re.compile(r"/|[A-Za-z]:[\\/]|\\\\")

OPTIONAL_METHODS: Mapping[str, str] = {
    "logout": "auth.logout",
    "session/load": "loadSession",
    "auth/status": "auth.status",
    "providers/list": "providers",
    "providers/set": "providers",
    "providers/disable": "providers",
    "session/unarchive": "sessionCapabilities.archive",
    "session/set_title": "sessionCapabilities.title",
    **{f"session/{name}": f"sessionCapabilities.{name}" for name in ("list", "delete", "resume", "close")},
    **{f"session/{name}": f"sessionCapabilities.{name}" for name in ("fork", "archive", "status")},
}
"""Method of an agent -> where it is advertised, under agentCapabilities."""

CONTENT: Mapping[str, str] = {"image": "image", "audio": "audio", "resource": "embeddedContext"}
SETUPS = ("session/new", "session/load", "session/resume", "session/fork")


# -- lines and envelopes


@rule("client.stdin-is-pure")
def stdin_is_pure(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.transcript.sent_by("client"):
        pure = entry.value is not UNREADABLE and isinstance(entry.value, dict)
        yield KEPT if pure else Seen("a line is no message", entry)


@rule("client.envelope")
def envelope(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.transcript.sent_by("client"):
        if isinstance(entry.value, dict):
            wrong = _wrong_envelope(entry.value)
            yield Seen(wrong, entry) if wrong else KEPT


def _wrong_envelope(message: Mapping[str, Any]) -> str | None:
    if message.get("jsonrpc") != "2.0":
        return "jsonrpc is not 2.0"
    if "method" in message:
        if not isinstance(message["method"], str):
            return "the method is no text"
        if not isinstance(message.get("params", {}), dict | list | None):
            return "the params are neither an object nor a list"
        return "a request has a result or an error" if "result" in message or "error" in message else None
    if "id" not in message:
        return "a message is neither a request, a notification nor a response"
    if ("result" in message) == ("error" in message):
        return "a response has both a result and an error, or none"
    error = message.get("error", {"code": 0, "message": ""})
    if not isinstance(error, dict):
        return "an error is no object"
    if not isinstance(error.get("code"), int) or not isinstance(error.get("message"), str):
        return "an error has no integer code, or no text as its message"
    return None


@rule("client.unique-request-ids")
def open_requests_have_ids_of_their_own(conversation: Conversation) -> Iterator[Seen]:
    still_open: dict[tuple[type, object], bool] = {}
    for entry in conversation.transcript.entries:
        key = _key(entry.message.get("id"))
        if entry.sender == "client" and entry.is_request:
            yield Seen("an id is used again while it is open", entry) if still_open.get(key) else KEPT
            still_open[key] = True
        elif entry.sender == "agent" and entry.is_response:
            still_open[key] = False


@rule("client.plain-request-ids")
def request_ids_are_plain(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.transcript.sent_by("client"):
        if entry.is_request:
            request_id = entry.message["id"]
            plain = isinstance(request_id, str | int) and not isinstance(request_id, bool)
            whole = isinstance(request_id, float) and request_id.is_integer()
            yield KEPT if plain or whole else Seen("the id of a request is no text and no whole number", entry)


def _key(request_id: object) -> tuple[type, object]:
    return type(request_id), request_id if isinstance(request_id, str | int | float) else repr(request_id)


@rule("client.answers-with-the-id")
def answers_have_the_id(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.transcript.sent_by("client"):
        if not entry.is_response:
            continue
        if entry.message.get("id", "") is None and "error" in entry.message:
            continue  # that answers no request
        if entry.asked is None:
            yield Seen("an answer whose id is that of no request", entry)
        else:
            yield Seen("a request was answered twice", entry) if entry.repeated else KEPT


# -- shapes


@rule("client.schema")
def messages_have_their_shape(conversation: Conversation) -> Iterator[Seen]:
    shapes = conversation.transcript.schema
    for entry, method, part in _judged_by_schema(conversation):
        if shapes is None or not shapes.knows(method):
            continue
        complaints = shapes.complaints(method, part, entry.message.get(part))
        yield Seen(f"{method}: {complaints[0]}", entry) if complaints else KEPT


@rule("client.no-foreign-keys")
def objects_have_known_keys(conversation: Conversation) -> Iterator[Seen]:
    shapes = conversation.transcript.schema
    for entry, method, part in _judged_by_schema(conversation):
        if shapes is None or not shapes.knows(method):
            continue
        value = entry.message.get(part)
        # What the protocol has as a draft is no key of the client's own.
        foreign = set(shapes.foreign(method, part, value)) & set(_draft().foreign(method, part, value))
        yield Seen(f"{method} has {', '.join(sorted(foreign))}", entry) if foreign else KEPT


@functools.cache
def _draft() -> schema.Schema:
    return schema.load(None, unstable=True)


def _judged_by_schema(conversation: Conversation) -> Iterator[tuple[Entry, str, schema.Part]]:
    """What the client says in version 1: the message, the method that it is about, and its part with a shape.

    How it answers what it does not offer is a matter of its own.
    """
    unoffered = {entry for label, entry in conversation.labels.items() if label.startswith("unoffered-")}
    for entry in conversation.transcript.sent_by("client"):
        if entry.method == "initialize" and entry.params.get("protocolVersion") != VERSION:
            continue  # it may speak of what only a newer version knows
        if entry.method is not None:
            yield entry, entry.method, "params"
        elif entry.asked is None or entry.repeated or entry.asked in unoffered:
            continue
        elif "result" in entry.message:
            yield entry, str(entry.asked.method), "result"


# -- the opening


@rule("client.initialize-first")
def initialize_comes_first(conversation: Conversation) -> Iterator[Seen]:
    agreed = first = False
    for entry in conversation.transcript.entries:
        if entry.sender == "agent":
            asked = entry.asked if entry.is_response else None
            agreed = agreed or (asked is not None and asked.method == "initialize")
        elif entry.method is not None:
            if not first and entry.method != "initialize":
                yield Seen("something else comes before initialize", entry)
            elif not agreed and entry.method.startswith("session/"):
                yield Seen("a session is spoken of before initialize was answered", entry)
            else:
                yield KEPT
            first = True


@rule("client.newest-version")
def names_a_version(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.client_requests("initialize"):
        version = entry.params.get("protocolVersion")
        fits = isinstance(version, int) and not isinstance(version, bool) and VERSION <= version <= 65535
        yield KEPT if fits else Seen(f"the version is {version!r}", entry)


@rule("client.info")
def says_who_it_is(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.client_requests("initialize"):
        info = entry.params.get("clientInfo")
        named = isinstance(info, dict) and info.get("name") and info.get("version")
        newer = isinstance(entry.params.get("info"), dict)  # where version 2 has it
        yield KEPT if named or newer else Seen(f"clientInfo is {info!r}", entry)


# -- paths, and what is advertised


@rule("client.absolute-paths")
def paths_are_absolute(conversation: Conversation) -> Iterator[Seen]:
    for entry in conversation.transcript.sent_by("client"):
        if entry.method not in (*SETUPS, "session/list"):
            continue
        directories = entry.params.get("additionalDirectories")
        paths = [entry.params.get("cwd"), *(directories if isinstance(directories, list) else ())]
        for path in paths:
            if isinstance(path, str):
                yield KEPT if ABSOLUTE.match(path) else Seen(f"the path {path!r} is not absolute", entry)


@rule("client.gated-methods")
def optional_methods_are_advertised(conversation: Conversation) -> Iterator[Seen]:
    for entry, capabilities in _after_initialize(conversation):
        gate = OPTIONAL_METHODS.get(entry.method or "")
        if gate is not None:
            yield KEPT if is_open(capabilities, gate) else Seen(f"{entry.method} is not advertised", entry)


@rule("client.gated-content")
def content_is_advertised(conversation: Conversation) -> Iterator[Seen]:
    for entry, capabilities in _after_initialize(conversation):
        for block in _objects(entry.params.get("prompt")) if entry.method == "session/prompt" else ():
            gate = CONTENT.get(str(block.get("type")))
            if gate is not None:
                fits = is_open(capabilities, f"promptCapabilities.{gate}")
                yield KEPT if fits else Seen(f"content of the type {block['type']} is not advertised", entry)


@rule("client.gated-fields")
def optional_fields_are_advertised(conversation: Conversation) -> Iterator[Seen]:
    for entry, capabilities in _after_initialize(conversation):
        if entry.method not in SETUPS:
            continue
        if entry.params.get("additionalDirectories"):
            fits = is_open(capabilities, "sessionCapabilities.additionalDirectories")
            yield KEPT if fits else Seen("additional directories are not advertised", entry)
        system_prompt = entry.params.get("systemPrompt")
        if isinstance(system_prompt, dict):
            gate = "sessionCapabilities.systemPrompt"
            gate += ".mode.override" if system_prompt.get("mode") == "override" else ""
            yield KEPT if is_open(capabilities, gate) else Seen("that system prompt is not advertised", entry)


@rule("client.gated-mcp")
def transports_of_mcp_servers_are_advertised(conversation: Conversation) -> Iterator[Seen]:
    for entry, capabilities in _after_initialize(conversation):
        for server in _objects(entry.params.get("mcpServers")) if entry.method in SETUPS else ():
            kind = server.get("type")
            if kind in ("http", "sse", "acp"):
                fits = is_open(capabilities, f"mcpCapabilities.{kind}")
                yield KEPT if fits else Seen(f"MCP servers over {kind} are not advertised", entry)


def _after_initialize(conversation: Conversation) -> Iterator[tuple[Entry, Mapping[str, Any]]]:
    """The client's requests, each with what the agent had advertised by then."""
    capabilities: Mapping[str, Any] = {}
    for entry in conversation.transcript.entries:
        if entry.sender == "agent" and entry.asked is not None and entry.asked.method == "initialize":
            answered = entry.result.get("agentCapabilities")
            capabilities = answered if isinstance(answered, dict) else {}
        elif entry.sender == "client" and entry.is_request:
            yield entry, capabilities


def _objects(value: object) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
