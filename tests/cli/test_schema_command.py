"""``agent-server schema`` and the files in ``schemas/`` that it wrote."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS, EXTENSION_CLIENT_METHODS
from agent_server.protocol.method import Method, RequestMethod
from agent_server.protocol.schema.documents import EXPORT, EXTENSIONS, STABLE, UNSTABLE, documents, text_of
from agent_server.protocol.v1.methods import AGENT_METHODS, CLIENT_METHODS, SESSION_LIST
from agent_server.protocol.v1.unstable.methods import (
    ALL_AGENT_METHODS,
    ALL_CLIENT_METHODS,
    PROXY_METHODS,
    PROXY_SUCCESSOR_NOTIFICATION,
)
from tests.promises.agent_process import SERVER
from tests.protocol.test_v1_round_trips import ALL_EXAMPLES, EXAMPLES

PUBLISHED = Path(__file__).parents[2] / "schemas"
FILES = (STABLE, UNSTABLE, EXTENSIONS, EXPORT)

FITTING = [(STABLE, *row) for row in EXAMPLES]
FITTING += [(UNSTABLE, *row) for row in ALL_EXAMPLES if row[0] != "history:ListSessionsRequest"]
"""The unstable document has the longer form of that one only."""


def run(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*SERVER, "schema", *arguments], capture_output=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    return documents()


@pytest.mark.parametrize("name", FILES)
def test_the_published_schema_is_what_the_models_say(name: str, made: dict[str, Any]) -> None:
    assert (PUBLISHED / name).read_bytes() == text_of(made[name]), f"run: agent-server schema --write {PUBLISHED.name}"


def test_every_document_is_made_and_published(made: dict[str, Any]) -> None:
    assert set(made) == set(FILES)
    assert {path.name for path in PUBLISHED.iterdir()} >= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_document_is_a_schema_whose_references_all_lead_somewhere(name: str, made: dict[str, Any]) -> None:
    document = made[name]
    Draft202012Validator.check_schema(document)
    text = json.dumps(document)
    used = {part.partition('"')[0] for part in text.split('"$ref": "#/$defs/')[1:]}
    assert used <= set(document["$defs"])
    assert '"$ref": "#/$defs/' in text


@pytest.mark.parametrize(
    ("name", "methods"),
    [
        (STABLE, [*AGENT_METHODS, *CLIENT_METHODS]),
        (UNSTABLE, [*ALL_AGENT_METHODS, *ALL_CLIENT_METHODS, *PROXY_METHODS, PROXY_SUCCESSOR_NOTIFICATION]),
        (EXTENSIONS, [*EXTENSION_AGENT_METHODS, *EXTENSION_CLIENT_METHODS]),
    ],
)
def test_a_document_maps_every_method_to_its_schemas(name: str, methods: list[Method], made: dict[str, Any]) -> None:
    entries = made[name]["x-methods"]
    assert len(entries) == len(set(methods))
    for method, entry in zip(dict.fromkeys(methods), entries, strict=True):
        assert entry["method"] == method.name
        assert (entry["side"], entry["scope"]) == (method.side.value, method.scope.value)
        assert entry.get("capability") == method.capability
        assert entry["params"] == {"$ref": f"#/$defs/{method.params_name}"}
        assert ("result" in entry) == (entry["kind"] == "request") == isinstance(method, RequestMethod)


def test_the_stable_document_says_nothing_of_the_unstable(made: dict[str, Any]) -> None:
    stable, unstable = made[STABLE], made[UNSTABLE]
    assert "x-unstable" not in json.dumps(stable)
    for name, field in (("SessionInfo", "archived"), ("PromptResponse", "usage"), ("AgentCapabilities", "providers")):
        assert field not in stable["$defs"][name]["properties"]
        assert unstable["$defs"][name]["properties"][field]["x-unstable"] is True
    assert not {"McpServerAcp", "SubagentUpdate", "Usage"} & stable["$defs"].keys()
    assert "plan_update" not in stable["x-updates"]
    assert unstable["x-updates"]["plan_update"] == {
        "$ref": "#/$defs/PlanContentUpdate",
        "x-unstable": True,
        "capability": "plan",
    }
    marked = {entry["method"] for entry in unstable["x-methods"] if entry.get("x-unstable")}
    stable_names = {entry["method"] for entry in stable["x-methods"]}
    assert marked == {entry["method"] for entry in unstable["x-methods"]} - stable_names
    assert SESSION_LIST.name in stable_names


def test_updates_are_named_by_their_kind_and_gated(made: dict[str, Any]) -> None:
    updates = made[STABLE]["x-updates"]
    assert updates["agent_message_chunk"] == {"$ref": "#/$defs/AgentMessageChunk"}
    assert updates["notice"]["capability"] == "session.notices"
    assert len(updates) == 14


@pytest.mark.parametrize(
    ("file", "reference", "example"),
    FITTING,
    ids=[f"{file} {reference}" for file, reference, _ in FITTING],
)
def test_what_comes_back_unchanged_fits_the_published_schema(
    file: str, reference: str, example: dict[str, Any], made: dict[str, Any]
) -> None:
    schema = {"$ref": f"#/$defs/{reference.partition(':')[2]}", "$defs": made[file]["$defs"]}
    Draft202012Validator(schema).validate(example)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PromptRequest", {"sessionId": "s"}),
        ("PromptRequest", {"sessionId": "s", "prompt": [{"text": "no type"}]}),
        ("SessionNotification", {"sessionId": "s", "update": {"sessionUpdate": "agent_message_chunk"}}),
        ("SessionNotification", {"sessionId": "s", "update": {"sessionUpdate": "plan"}}),
        ("CreateElicitationRequest", {"mode": "url", "message": "m", "elicitationId": "e", "url": "u"}),
        ("CreateElicitationRequest", {"mode": "form", "message": "m", "sessionId": "s"}),
        ("SetSessionConfigOptionRequest", {"sessionId": "s", "configId": "c", "value": True}),
        ("NewSessionRequest", {"cwd": "/w", "mcpServers": [{"type": "http", "name": "n", "command": "/c"}]}),
    ],
)
def test_what_we_reject_does_not_fit_the_published_schema(name: str, value: Any, made: dict[str, Any]) -> None:
    schema = {"$ref": f"#/$defs/{name}", "$defs": made[STABLE]["$defs"]}
    assert not Draft202012Validator(schema).is_valid(value)


def test_descriptions_name_fields_as_they_are_on_the_wire(made: dict[str, Any]) -> None:
    text = made[STABLE]["$defs"]["SessionInfo"]["description"]
    assert "``additionalDirectories``" in text
    assert "additional_directories" not in text


def test_without_flags_every_document_goes_to_stdout(made: dict[str, Any]) -> None:
    done = run()
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout) == made


def test_written_documents_pass_the_check_until_one_is_changed(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "schemas"
    assert run("--check", str(directory)).returncode == 1
    written = run("--write", str(directory))
    assert (written.returncode, written.stdout, written.stderr) == (0, b"", b"")
    assert {path.name for path in directory.iterdir()} == set(FILES)
    assert run("--check", str(directory)).returncode == 0
    (directory / STABLE).write_bytes((directory / STABLE).read_bytes() + b"\n")
    checked = run("--check", str(directory))
    assert (checked.returncode, checked.stdout) == (1, b"")
    assert STABLE in checked.stderr.decode()
    assert UNSTABLE not in checked.stderr.decode()


@pytest.mark.parametrize("flags", [["--write"], ["--write", "a", "--check", "b"], ["--nonsense"]])
def test_wrong_arguments_are_a_usage_error(flags: list[str]) -> None:
    done = run(*flags)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"Traceback" not in done.stderr


def test_a_directory_that_cannot_be_made_is_one_line_on_stderr(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    done = run("--write", str(tmp_path / "file" / "inside"))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("arguments", [["-h"], ["--help"]])
def test_the_help_tells_the_exit_codes(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode == 0
    assert b"Exit codes" in done.stdout


def test_serving_loads_nothing_of_the_schema() -> None:
    code = (
        "import sys, json\nimport agent_server.cli.serve, agent_server.cli.main\nprint(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    loaded = set(json.loads(done.stdout))
    assert not {name for name in loaded if "protocol.schema" in name or "v1.unstable" in name or "jsonschema" in name}
