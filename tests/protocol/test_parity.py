"""Our vocabulary is the official one: compared definition by definition with the schemas that the official SDK ships.

Every difference stands in `DIFFERENCES` with its reason; one that is no more fails the test as well.
"""

from __future__ import annotations

import copy
import functools
import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from agent_server.protocol.method import RequestMethod
from agent_server.protocol.schema import documents
from tests.protocol.comparison import Comparison, Document, Schema
from tests.protocol.official_values import Malformed, Values
from tests.protocol.test_v1_round_trips import ALL_EXAMPLES

pytestmark = pytest.mark.timeout(240)  # the first test may have to install the SDK

OURS = {"stable": documents.stable, "unstable": documents.unstable}
SIDES = {"protocol": "both"}


class Difference(NamedTuple):
    """One point in which we differ on purpose; ``only`` names the schema if it is not both."""

    what: str
    reason: str
    only: str | None = None


NOT_BUILT = "envelopes of JSON-RPC are read by the peer, which knows no methods"
META = "every object of ours may carry _meta"
LISTS = "clients leave these lists out, so we take that for an empty one; we always send them"
SYSTEM_PROMPT = "stable since release 1.30 of the schema; the SDK ships 1.29"
VERSION = "a client from far ahead is answered with our version rather than an error"
IDLE = "one model for all reasons to stop: error is only looked at where the reason is error"

DIFFERENCES = [
    Difference("CompactionCapabilities._meta: the field only here", META),
    Difference("NoticeCapabilities._meta: the field only here", META),
    Difference("ElicitationPropertySchema._meta: the field only here", META),
    Difference("MultiSelectItems._meta: the field only here", META),
    Difference("RequestPermissionOutcome._meta: the field only here", META),
    Difference("StateUpdate._meta: the field only here", META, "unstable"),
    Difference("McpError._meta: the field only here", META, "unstable"),
    Difference("McpServerHttp.headers: required only there", LISTS),
    Difference("McpServerSse.headers: required only there", LISTS),
    Difference("McpServerStdio.args: required only there", LISTS),
    Difference("McpServerStdio.env: required only there", LISTS),
    Difference(
        "McpServerStdio.type: the field only here",
        "the schema lets any other transport that has a command pass as stdio; we keep the word, so as not to run it",
    ),
    Difference(
        "OtherPermissionOutcome: an object with outcome only here",
        "an outcome of a later version is read as: not approved",
    ),
    Difference(
        "UnknownUpdate: an object with sessionUpdate only here", "a client goes on when it meets a later kind of update"
    ),
    *(
        Difference(f"Initialize{part}.protocolVersion: integer format=uint16 {bounds}", VERSION)
        for part in ("Request", "Response")
        for bounds in ("maximum=65535 minimum=0 only there", "minimum=0 only here")
    ),
    Difference("SessionCapabilities.systemPrompt: the field only here", SYSTEM_PROMPT, "stable"),
    Difference("NewSessionRequest.systemPrompt: the field only here", SYSTEM_PROMPT, "stable"),
    Difference("LoadSessionRequest.systemPrompt: the field only here", SYSTEM_PROMPT, "stable"),
    Difference("ResumeSessionRequest.systemPrompt: the field only here", SYSTEM_PROMPT, "stable"),
    Difference("SessionSystemPromptModeCapabilities: a definition only here", SYSTEM_PROMPT, "stable"),
    Difference(
        "McpCapabilities.acp: default False there, None here",
        "left out when it is not offered, so that stable clients never see it",
        "unstable",
    ),
    Difference("IdleStateUpdate: an object with state, stopReason only there", IDLE, "unstable"),
    Difference("IdleStateUpdate.error: the field only here", IDLE, "unstable"),
    Difference("IdleStateUpdate.stopReason: string only here", IDLE, "unstable"),
    Difference("IdleStateUpdate.stopReason: x-deserialize-default-on-error only here", IDLE, "unstable"),
    *(
        Difference(f"{side}{kind}: a definition only there", NOT_BUILT)
        for side in ("Agent", "Client")
        for kind in ("Request", "Response", "Notification")
    ),
    *(
        Difference(f"Proxy{kind}: a definition only there", NOT_BUILT, "unstable")
        for kind in ("Request", "Response", "Notification")
    ),
    *(
        Difference(f"Ext{kind}: a definition only there", "the params of methods that nobody here knows")
        for kind in ("Request", "Response", "Notification")
    ),
    Difference("Error: a definition only there", NOT_BUILT, "stable"),
    Difference("ErrorCode: a definition only there", NOT_BUILT, "stable"),
    Difference("ErrorCode: a definition only there", "any code is read", "unstable"),
]


def differences(theirs: Schema, ours: Schema) -> set[str]:
    """Return every point in which the two documents differ, methods included."""
    comparison = Comparison(Document(theirs["$defs"]), Document(ours["$defs"]))
    entries = {(e["side"], e["method"], e["kind"]): e for e in ours["x-methods"]}
    used = set()
    for name, definition in theirs["$defs"].items():
        if "x-method" not in definition:
            continue
        kind = "notification" if name.endswith("Notification") else "request"
        key = (SIDES.get(definition["x-side"], definition["x-side"]), definition["x-method"], kind)
        entry = entries.get(key, {}).get("result" if name.endswith("Response") else "params")
        if entry is None:
            comparison.differences.add(f"{name}: no method of ours")
            continue
        used.add(key)
        comparison.theirs.seen.add(name)
        comparison.compare(definition, entry, name)
    comparison.differences |= {f"{key}: a method only here" for key in entries.keys() - used}
    for document, side in ((comparison.theirs, "there"), (comparison.ours, "here")):
        unseen = document.definitions.keys() - document.seen
        comparison.differences |= {f"{name}: a definition only {side}" for name in unseen}
    return comparison.differences


def test_no_difference_is_listed_twice_or_without_a_reason() -> None:
    assert len({(d.what, d.only) for d in DIFFERENCES}) == len(DIFFERENCES)
    assert all(len(d.reason) > 10 and d.only in (None, "stable", "unstable") for d in DIFFERENCES)


@pytest.mark.parametrize("which", ["stable", "unstable"])
def test_we_differ_from_the_official_schema_in_nothing_but_what_is_listed(
    which: str, official: dict[str, Schema]
) -> None:
    found = differences(official[which], OURS[which]())
    listed = {difference.what for difference in DIFFERENCES if difference.only in (None, which)}
    assert sorted(found - listed) == []
    assert sorted(listed - found) == [], "listed, but no longer a difference"


def _without(schema: Schema, *path: str) -> Schema:
    changed = copy.deepcopy(schema)
    inner = functools.reduce(lambda at, key: at[key], path[:-1], changed["$defs"])
    if isinstance(inner, list):
        inner.remove(path[-1])
    else:
        del inner[path[-1]]
    return changed


@pytest.mark.parametrize(
    ("path", "difference"),
    [
        (("TextContent", "properties", "text"), "TextContent.text: the field only here"),
        (("TextContent", "required", "text"), "TextContent.text: required only here"),
        (
            ("ToolCall", "properties", "kind", "x-deserialize-default-on-error"),
            "ToolCall.kind: x-deserialize-default-on-error only here",
        ),
        (
            ("UsageUpdate", "properties", "used", "minimum"),
            "UsageUpdate.used: integer format=uint64 minimum=0 only here",
        ),
        (
            ("PromptCapabilities", "properties", "image", "default"),
            "PromptCapabilities.image: default None there, False here",
        ),
        (("LoadSessionRequest", "x-method"), "('agent', 'session/load', 'request'): "),
        (("NewSessionRequest", "properties", "mcpServers", "items"), "NewSessionRequest.mcpServers[]"),
    ],
    ids=lambda value: ".".join(value) if isinstance(value, tuple) else "",
)
def test_the_comparison_sees_what_is_missing_there(
    path: tuple[str, ...], difference: str, official: dict[str, Schema]
) -> None:
    before = differences(official["stable"], documents.stable())
    changed = differences(_without(official["stable"], *path), documents.stable())
    if path[-1] == "x-method":  # its result still names the method
        assert "LoadSessionRequest: a definition only there" in changed - before
    else:
        assert any(found.startswith(difference) for found in changed - before)


def test_the_comparison_sees_another_type_and_another_word(official: dict[str, Schema]) -> None:
    changed = copy.deepcopy(official["stable"])
    changed["$defs"]["TextContent"]["properties"]["text"]["type"] = ["string", "null"]
    changed["$defs"]["StopReason"]["oneOf"][0]["const"] = "done"
    changed["$defs"]["ContentBlock"]["oneOf"].pop()
    found = differences(changed, documents.stable()) - differences(official["stable"], documents.stable())
    assert found == {
        "TextContent.text: null only there",
        "PromptResponse.stopReason: string const=done only there",
        "PromptResponse.stopReason: string const=end_turn only here",
        "EmbeddedResource: an object with resource, type only here",
        "BlobResourceContents: a definition only there",
        "EmbeddedResource: a definition only there",
        "EmbeddedResourceResource: a definition only there",
        "TextResourceContents: a definition only there",
    }


def validator(schema: Schema, name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


OFFICIAL_NAMES = {
    "ListSessionsByArchiveRequest": "ListSessionsRequest",
}
NOT_OFFICIAL = {"deferred", "of_tomorrow"}
"""Words of examples that only a later version could know."""


def _is_official(example: dict[str, Any]) -> bool:
    words = {example.get("outcome", {}).get("outcome"), example.get("update", {}).get("sessionUpdate")}
    return not words & NOT_OFFICIAL


@pytest.mark.parametrize(
    ("reference", "example"),
    [row for row in ALL_EXAMPLES if _is_official(row[1])],
    ids=[row[0] for row in ALL_EXAMPLES if _is_official(row[1])],
)
def test_every_example_and_what_we_make_of_it_fits_the_official_schema(
    reference: str, example: dict[str, Any], official: dict[str, Schema]
) -> None:
    module, _, name = reference.partition(":")
    model = getattr(importlib.import_module(f"agent_server.protocol.v1.{module}"), name)
    check = validator(official["unstable"], OFFICIAL_NAMES.get(name, name))
    check.validate(example)
    check.validate(TypeAdapter(model).validate_python(example).to_wire())


def _types() -> Iterator[tuple[str, Any]]:
    for method in documents.every_method():
        yield method.params_name, method.params
        if isinstance(method, RequestMethod):
            yield method.result_name, method.result


TYPES = {name: type_ for name, type_ in _types() if name not in ("ProxySuccessorResponse", "ListSessionsRequest")}


SETUPS = ("NewSessionRequest", "LoadSessionRequest", "ResumeSessionRequest", "ForkSessionRequest")
MISSING_LISTS = [f".mcpServers[].{name} missing" for name in ("args", "env", "headers")]
"""Read all the same, for the reason above."""


@pytest.fixture(scope="module")
def values(official: dict[str, Schema]) -> Values:
    return Values(official["unstable"])


@settings(max_examples=20, suppress_health_check=list(HealthCheck), deadline=None)
@pytest.mark.parametrize("name", sorted(TYPES))
@given(data=st.data())
def test_whatever_fits_the_official_schema_is_read_and_sent_as_something_that_fits_it(
    name: str, official: dict[str, Schema], values: Values, data: st.DataObject
) -> None:
    theirs = OFFICIAL_NAMES.get(name, name)
    check = validator(official["unstable"], theirs)
    value = data.draw(values.of({"$ref": f"#/$defs/{theirs}"}))
    if check.is_valid(value):  # an open word may by chance be one that asks for more
        read = _adapter(name).validate_python(value, by_alias=True, by_name=False)
        check.validate(read.to_wire())


@pytest.fixture(scope="module")
def forgiven(official: dict[str, Schema]) -> Values:
    return Values(official["unstable"], forgiven=True)


@pytest.mark.promise("P11")
@settings(max_examples=30, suppress_health_check=list(HealthCheck), deadline=None)
@pytest.mark.parametrize("name", sorted(TYPES))
@given(data=st.data())
def test_whatever_the_official_schema_forgives_is_read_and_sent_as_something_that_fits_it(
    name: str, official: dict[str, Schema], forgiven: Values, data: st.DataObject
) -> None:
    theirs = OFFICIAL_NAMES.get(name, name)
    value = data.draw(forgiven.of({"$ref": f"#/$defs/{theirs}"}))
    read = _adapter(name).validate_python(value, by_alias=True, by_name=False)
    validator(official["unstable"], theirs).validate(read.to_wire())


@pytest.mark.promise("P11")
@pytest.mark.parametrize("name", sorted(TYPES))
def test_whatever_the_official_schema_does_not_forgive_is_refused(name: str, official: dict[str, Schema]) -> None:
    theirs = OFFICIAL_NAMES.get(name, name)
    check = validator(official["unstable"], theirs)
    read = {
        path
        for path, value in Malformed(official["unstable"]).of({"$ref": f"#/$defs/{theirs}"})
        if not check.is_valid(value) and _is_read(name, value)
    }
    assert sorted(read) == (MISSING_LISTS if name in SETUPS else [])


def _is_read(name: str, value: Any) -> bool:
    try:
        _adapter(name).validate_python(value, by_alias=True, by_name=False)
    except ValidationError:
        return False
    return True


@functools.cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(TYPES[name])
