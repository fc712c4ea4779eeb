"""The tables of version 1, and what importing them costs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agent_server.protocol.method import Method, MethodTable, NotificationMethod, RequestMethod, Scope, Side
from agent_server.protocol.v1 import methods

FACTS: list[tuple[Method, str, Side, Scope, str | None]] = [
    (methods.INITIALIZE, "initialize", Side.AGENT, Scope.CONNECTION, None),
    (methods.AUTHENTICATE, "authenticate", Side.AGENT, Scope.CONNECTION, None),
    (methods.SESSION_NEW, "session/new", Side.AGENT, Scope.CONNECTION, None),
    (methods.SESSION_PROMPT, "session/prompt", Side.AGENT, Scope.SESSION, None),
    (methods.SESSION_CANCEL, "session/cancel", Side.AGENT, Scope.SESSION, None),
    (methods.SESSION_CLOSE, "session/close", Side.AGENT, Scope.NAMED, "sessionCapabilities.close"),
    (methods.SESSION_SET_MODE, "session/set_mode", Side.AGENT, Scope.SESSION, None),
    (methods.SESSION_SET_CONFIG_OPTION, "session/set_config_option", Side.AGENT, Scope.SESSION, None),
    (methods.LOGOUT, "logout", Side.AGENT, Scope.CONNECTION, "auth.logout"),
    (methods.SESSION_LOAD, "session/load", Side.AGENT, Scope.NAMED, "loadSession"),
    (methods.SESSION_RESUME, "session/resume", Side.AGENT, Scope.NAMED, "sessionCapabilities.resume"),
    (methods.SESSION_LIST, "session/list", Side.AGENT, Scope.CONNECTION, "sessionCapabilities.list"),
    (methods.SESSION_DELETE, "session/delete", Side.AGENT, Scope.NAMED, "sessionCapabilities.delete"),
    (methods.CANCEL_REQUEST, "$/cancel_request", Side.BOTH, Scope.CONNECTION, None),
    (methods.SESSION_UPDATE, "session/update", Side.CLIENT, Scope.SESSION, None),
    (methods.SESSION_REQUEST_PERMISSION, "session/request_permission", Side.CLIENT, Scope.SESSION, None),
    (methods.FS_READ_TEXT_FILE, "fs/read_text_file", Side.CLIENT, Scope.SESSION, "fs.readTextFile"),
    (methods.FS_WRITE_TEXT_FILE, "fs/write_text_file", Side.CLIENT, Scope.SESSION, "fs.writeTextFile"),
    (methods.TERMINAL_CREATE, "terminal/create", Side.CLIENT, Scope.SESSION, "terminal"),
    (methods.TERMINAL_OUTPUT, "terminal/output", Side.CLIENT, Scope.SESSION, "terminal"),
    (methods.TERMINAL_WAIT_FOR_EXIT, "terminal/wait_for_exit", Side.CLIENT, Scope.SESSION, "terminal"),
    (methods.TERMINAL_KILL, "terminal/kill", Side.CLIENT, Scope.SESSION, "terminal"),
    (methods.TERMINAL_RELEASE, "terminal/release", Side.CLIENT, Scope.SESSION, "terminal"),
    (methods.ELICITATION_CREATE, "elicitation/create", Side.CLIENT, Scope.CONNECTION, None),
    (methods.ELICITATION_COMPLETE, "elicitation/complete", Side.CLIENT, Scope.CONNECTION, "elicitation.url"),
]


@pytest.mark.parametrize(("method", "name", "side", "scope", "capability"), FACTS, ids=[row[1] for row in FACTS])
def test_a_constant_states_who_answers_and_what_it_takes(
    method: Method, name: str, side: Side, scope: Scope, capability: str | None
) -> None:
    assert (method.name, method.side, method.scope, method.capability) == (name, side, scope, capability)


def test_the_tables_hold_every_constant_on_its_side() -> None:
    constants = {value for value in vars(methods).values() if isinstance(value, RequestMethod | NotificationMethod)}
    assert constants == {row[0] for row in FACTS}
    assert set(methods.AGENT_METHODS) == {method for method in constants if method.side is not Side.CLIENT}
    assert set(methods.CLIENT_METHODS) == {method for method in constants if method.side is not Side.AGENT}
    assert methods.AGENT_METHODS.get("session/prompt") is methods.SESSION_PROMPT
    assert methods.AGENT_METHODS.get("session/update") is None


def test_params_and_results_are_named_after_their_methods() -> None:
    assert methods.SESSION_PROMPT.params.__name__ == "PromptRequest"
    assert methods.TERMINAL_WAIT_FOR_EXIT.result.__name__ == "WaitForTerminalExitResponse"
    for method in (*methods.AGENT_METHODS, *methods.CLIENT_METHODS):
        if isinstance(method, RequestMethod):
            assert method.params_name == method.result_name.removesuffix("Response") + "Request"
        else:
            assert method.params_name.endswith("Notification")


def test_a_table_refuses_a_name_twice() -> None:
    with pytest.raises(ValueError, match="session/prompt is declared twice"):
        MethodTable(methods.SESSION_PROMPT, methods.SESSION_PROMPT)


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    return set(json.loads(done.stdout))


def test_importing_the_methods_loads_no_pydantic() -> None:
    loaded = modules_after("import agent_server.protocol.v1.methods, agent_server.protocol.errors")
    assert "agent_server.protocol.v1.methods" in loaded
    assert not {name for name in loaded if name.partition(".")[0] in ("pydantic", "pydantic_core")}


def test_initialize_loads_none_of_the_other_models() -> None:
    loaded = modules_after(
        "from agent_server.protocol.v1.methods import INITIALIZE\nINITIALIZE.params; INITIALIZE.result"
    )
    version_1 = {name.rpartition(".")[2] for name in loaded if name.startswith("agent_server.protocol.v1.")}
    assert version_1 == {"methods", "initialize", "needs", "numbers", "opening", "plain"}
