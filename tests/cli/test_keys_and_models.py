"""Logging in and out, the doctor and the list of models: real programs, real files, servers on the loopback."""

from __future__ import annotations

import json
import os
import pty
import select
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.promises.agent_process import LIMIT_S, NO_LOCAL_MODELS, AgentProcess, agent_process
from tests.providers.model_servers import ModelServer, ollama, qwen, saying, speaking_openai

PROGRAM = [sys.executable, "-m", "agent_server"]
KEY = "sk-canary-5d1e"
RUN_S = 30


class Home:
    """A user with a private configuration, and what they see when they run the program."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.keys = directory / "agent-server" / "credentials.json"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
            "XDG_STATE_HOME": str(directory / "state"),
            **NO_LOCAL_MODELS,
        }

    def run(self, *arguments: str, said: str = "", **more: str) -> tuple[int, str, str]:
        """The exit code, stdout and stderr; no key is ever on either."""
        done = subprocess.run(
            [*PROGRAM, *arguments], input=said, capture_output=True, text=True, timeout=RUN_S, check=False,
            cwd=self.directory, env={**self.environment, **more},
        )  # fmt: skip
        assert "canary" not in done.stdout + done.stderr
        return done.returncode, done.stdout, done.stderr

    def stored(self) -> dict[str, str]:
        keys: dict[str, str] = json.loads(self.keys.read_text())["keys"] if self.keys.exists() else {}
        return keys

    def settings(self, toml: str) -> None:
        self.keys.parent.mkdir(exist_ok=True)
        (self.keys.parent / "config.toml").write_text(toml)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def openai() -> Iterator[ModelServer]:
    with speaking_openai(KEY, [{"id": "gpt-5"}, {"id": "of-tomorrow", "context_length": 5000}]).running() as server:
        server.routes["POST /v1/chat/completions"] = saying("hello from the model")
        yield server


def at(server: ModelServer) -> dict[str, str]:
    return {"OPENAI_BASE_URL": f"{server.url}/v1"}


# login and logout


@pytest.mark.promise("P13")
def test_a_key_that_the_provider_takes_is_kept_for_the_user_alone(home: Home, openai: ModelServer) -> None:
    code, out, err = home.run("login", "openai", said=f"{KEY}\n", **at(openai))
    assert (code, err) == (0, "")
    assert str(home.keys) in out
    assert home.stored() == {"openai": KEY}
    assert stat.S_IMODE(home.keys.stat().st_mode) == 0o600
    assert openai.paths() == ["GET /v1/models"]


@pytest.mark.promise("P13")
def test_a_key_that_the_provider_rejects_is_not_kept(home: Home, openai: ModelServer) -> None:
    code, out, err = home.run("login", "openai", said="sk-canary-wrong\n", **at(openai))
    assert (code, out) == (1, "")
    assert "OpenAI rejected the key" in err
    assert home.stored() == {}


def test_a_key_that_cannot_be_checked_is_kept_only_if_that_is_wanted(home: Home) -> None:
    nobody = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    code, _, err = home.run("login", "openai", said=KEY, **nobody)
    assert code == 1
    assert "--no-check" in err
    assert home.stored() == {}
    assert home.run("login", "openai", "--no-check", said=KEY, **nobody)[0] == 0
    assert home.stored() == {"openai": KEY}


@pytest.mark.parametrize("said", ["", "\n", "two words\n"])
def test_what_is_no_key_is_not_kept(home: Home, said: str) -> None:
    code, _, err = home.run("login", "openai", "--no-check", said=said)
    assert (code, home.stored()) == (1, {})
    assert "that is no key" in err


def test_a_provider_that_there_is_not_is_a_wrong_command_line_and_no_provider_is_asked_for(home: Home) -> None:
    code, _, err = home.run("login", "nobody", said=KEY)
    assert code == 2
    assert "expected one of anthropic, openai" in err
    code, out, _ = home.run("login", "--no-check", said=f"2\n{KEY}\n")
    assert (code, home.stored()) == (0, {"openai": KEY})
    assert "anthropic" in out


def test_a_login_says_that_a_variable_wins_over_what_it_kept(home: Home) -> None:
    _, out, _ = home.run("login", "openai", "--no-check", said=KEY, OPENAI_API_KEY="sk-canary-other")
    assert "OPENAI_API_KEY is set too, and wins over it." in out


def test_a_logout_forgets_one_key_or_all_and_says_what_it_does_not_touch(home: Home) -> None:
    for name in ("openai", "mistral", "groq"):
        home.run("login", name, "--no-check", said=KEY)
    code, out, _ = home.run("logout", "openai", OPENAI_API_KEY="sk-canary-other")
    assert (code, sorted(home.stored())) == (0, ["groq", "mistral"])
    assert "The key in OPENAI_API_KEY is still there" in out
    assert home.run("logout")[:2] == (0, "Forgotten: mistral, groq.\n")
    assert home.run("logout")[:2] == (0, "There was no such key in the file.\n")


def test_a_file_of_keys_that_others_can_read_is_neither_used_nor_changed(home: Home) -> None:
    home.run("login", "openai", "--no-check", said=KEY)
    home.keys.chmod(0o644)
    for command in (("login", "mistral", "--no-check"), ("logout",)):
        code, _, err = home.run(*command, said=KEY)
        assert command[0] == "logout" or (code == 1 and "chmod 600" in err)
    assert home.stored() == {"openai": KEY}
    code, out, _ = home.run("doctor")
    assert code == 1
    assert "chmod 600" in out


@pytest.mark.promise("P13")
def test_at_a_terminal_the_key_is_not_echoed(home: Home) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*PROGRAM, "login", "openai", "--no-check"], home.environment)
    seen = read_until(terminal, b"not shown): ")
    os.write(terminal, f"{KEY}\n".encode())
    seen += read_until(terminal, b"is kept in")
    while chunk := read_some(terminal):
        seen += chunk
    os.close(terminal)
    assert os.waitpid(child, 0)[1] == 0
    assert b"canary" not in seen
    assert home.stored() == {"openai": KEY}


def read_until(terminal: int, mark: bytes) -> bytes:
    seen = b""
    deadline_s = time.monotonic() + RUN_S
    while mark not in seen:
        assert time.monotonic() < deadline_s, seen
        seen += read_some(terminal)
    return seen


def read_some(terminal: int) -> bytes:
    ready, _, _ = select.select([terminal], [], [], RUN_S)
    try:
        return os.read(terminal, 4096) if ready else b""
    except OSError:  # the other end is gone
        return b""


@pytest.mark.parametrize("arguments", [("--model", "openai", "--login"), ("--login", "openai")])
def test_the_login_that_a_client_has_a_terminal_run_is_the_same(
    home: Home, openai: ModelServer, arguments: tuple[str, ...]
) -> None:
    assert home.run(*arguments, said=f"{KEY}\n", **at(openai))[0] == 0
    assert home.stored() == {"openai": KEY}


# doctor and models


def test_a_doctor_finds_a_new_installation_well_and_changes_nothing(home: Home) -> None:
    code, out, err = home.run("doctor")
    assert (code, err) == (0, "")
    assert "model to begin with: offline" in out
    assert out.endswith("All is well.\n")
    assert list(home.directory.iterdir()) == []


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("toml", "variables", "told"),
    [
        ("drian_s = 1", {}, "drian_s is ignored"),
        ('model = "anthropic"', {}, "the chosen model has no key: set ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN"),
        (f'model = "{KEY}"', {}, "expected offline, scenario:FILE.json, PROVIDER:MODEL"),
        ("", {"AGENT_SERVER_DRAIN_S": KEY}, "AGENT_SERVER_DRAIN_S: expected a number of seconds"),
        ('store_dir = "/dev/null/x"', {}, "cannot be written"),
        ("", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"http://u:{KEY}@h"}, "OPENAI_BASE_URL holds more than"),
        ('model = "openai:of-tomorrow"\nmax_cost_usd = 1', {"OPENAI_API_KEY": KEY}, "max_cost_usd cannot be kept"),
        ('model = "ollama"', {"OLLAMA_HOST": "127.0.0.1:9"}, "Ollama was chosen and has no models just now"),
        ('rotation = ["anthropic"]', {}, "rotation: 1 of its models cannot be asked now"),
    ],
)
def test_a_doctor_says_what_is_wrong(home: Home, toml: str, variables: Mapping[str, str], told: str) -> None:
    home.settings(toml)
    code, out, _ = home.run("doctor", **variables)
    assert code == 1
    assert any(line.startswith("!! ") and told in line for line in out.splitlines()), out


@pytest.mark.promise("P13")
def test_a_doctor_says_where_keys_come_from_and_asks_nobody_unless_it_may(home: Home, openai: ModelServer) -> None:
    home.run("login", "mistral", "--no-check", said=KEY)
    code, out, _ = home.run("doctor", OPENAI_API_KEY=KEY, **at(openai))
    assert (code, openai.asked) == (0, [])
    assert "  OpenAI: environment\n" in out
    assert "  Mistral: file\n" in out
    home.run("logout")
    code, out, _ = home.run("doctor", "--online", OPENAI_API_KEY=KEY, **at(openai))
    assert (code, len(openai.asked)) == (0, 1)
    assert "OpenAI: environment; lists 2 models" in out
    code, out, _ = home.run("doctor", "--online", OPENAI_API_KEY="sk-canary-wrong", **at(openai))
    assert code == 1
    assert "!!   OpenAI: environment; OpenAI rejected the key." in out


def test_the_models_are_listed_the_first_one_marked(home: Home, openai: ModelServer) -> None:
    assert home.run("models")[:2] == (0, "* offline                                  100000 tokens\n")
    code, out, _ = home.run("models", "--online", "--json", OPENAI_API_KEY=KEY, **at(openai))
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [(row["id"], row["default"]) for row in rows] == [
        ("openai:gpt-5", True), ("openai:of-tomorrow", False), ("offline", False),
    ]  # fmt: skip
    assert rows[1]["windowTokens"] == 5000
    _, out, _ = home.run("models", ANTHROPIC_API_KEY=KEY)
    assert out.startswith("* anthropic:claude")
    assert "$2 in, $10 out per million" in out


def test_models_of_this_machine_are_listed(home: Home) -> None:
    with ollama(qwen3_8b=qwen("tools")).running() as server:
        _, out, _ = home.run("models", OLLAMA_HOST=server.place, AGENT_SERVER_LOCAL_MODELS="true")
    assert out.splitlines()[0].split()[:2] == ["*", "ollama:qwen3:8b"]


# On the wire


def initialize(agent: AgentProcess, *, terminal: bool = False) -> list[dict[str, object]]:
    answer = agent.call("initialize", protocolVersion=1, clientCapabilities={"auth": {"terminal": terminal}})
    methods: list[dict[str, object]] = answer["authMethods"]
    return methods


@pytest.mark.req("CR-01")
@pytest.mark.promise("P13")
def test_a_chosen_model_without_a_key_asks_for_it_and_works_when_the_key_is_there_without_a_restart(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    with agent_process(tmp_path, "--model", "openai:gpt-5", environment={**home.environment, **at(openai)}) as agent:
        methods = initialize(agent, terminal=True)
        assert [method["id"] for method in methods] == ["terminal", "recheck"]
        assert methods[0]["args"] == ["--login", "openai"]
        session_id = agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["sessionId"]
        refused = agent.answer(agent.prompt(session_id, "hi"))["error"]
        assert refused["code"] == -32000
        assert openai.asked == []
        assert "error" in agent.answer(agent.send("authenticate", methodId="recheck"))
        home.run("login", "openai", "--no-check", said=KEY)
        assert agent.call("authenticate", methodId="recheck") == {}
        assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"
        assert agent.said("hello from the model")()
        assert agent.call("logout") == {}
        assert home.stored() == {}
        assert agent.answer(agent.prompt(session_id, "hi"))["error"]["code"] == -32000
        agent.end_of_input()
        assert agent.exit_code(within_s=LIMIT_S) == 0
        assert agent.popen.stderr is not None
        assert b"canary" not in bytes(agent.raw) + agent.popen.stderr.read()


def test_a_key_that_a_login_in_a_terminal_kept_is_used_by_the_next_prompt(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    with agent_process(tmp_path, "--model", "openai:gpt-5", environment={**home.environment, **at(openai)}) as agent:
        session_id = agent.new_session(tmp_path)
        assert agent.answer(agent.prompt(session_id, "hi"))["error"]["code"] == -32000
        home.run("login", "openai", "--no-check", said=KEY)
        assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"


def test_the_state_of_the_login_is_whether_the_chosen_model_has_its_key(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    environment = {**home.environment, **at(openai)}
    with agent_process(tmp_path, "--model", "openai:gpt-5", "--unstable", environment=environment) as agent:
        initialize(agent)
        assert agent.call("auth/status")["state"] == "unauthenticated"
        home.run("login", "openai", "--no-check", said=KEY)
        agent.call("authenticate", methodId="recheck")
        assert agent.call("auth/status")["state"] == "authenticated"


def test_a_server_whose_model_has_its_key_or_needs_none_offers_no_login(home: Home, tmp_path: Path) -> None:
    for arguments, variables in (((), {}), (("--model", "ollama:x"), {}), ((), {"OPENAI_API_KEY": KEY}),
                                 (("--model", "openai"), {"OPENAI_API_KEY": KEY})):  # fmt: skip
        with agent_process(tmp_path, *arguments, environment={**home.environment, **variables}) as agent:
            assert initialize(agent, terminal=True) == []


def test_a_project_chooses_among_what_is_offered_unless_the_user_did(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    environment = {**home.environment, **at(openai), "OPENAI_API_KEY": KEY}
    told = []
    for project, arguments in (
        ("gpt-5-mini", ()), ("anthropic:claude-opus-5-5", ()), ("gpt-5-mini", ("--model", "openai:gpt-5")),
    ):  # fmt: skip
        (tmp_path / "agent-server.toml").write_text(f'model = "{project}"\n[providers.x]\nbase_url = "http://127.0.0.1"')
        with agent_process(tmp_path, *arguments, environment=environment) as agent:
            initialize(agent)
            options = agent.call("session/new", cwd=str(tmp_path), mcpServers=[])["configOptions"]
            told.append(next(option["currentValue"] for option in options if option["id"] == "model"))
    assert told == ["openai:gpt-5-mini", "openai:gpt-6.1-sol", "openai:gpt-5"]


def key_state(agent: AgentProcess, provider: str) -> tuple[bool, str | None]:
    told = agent.call("_agent_server/auth/status")["providers"]
    state = next(state for state in told if state["id"] == provider)
    return state["configured"], state.get("source")


@pytest.mark.req("CR-02", "CR-03")
@pytest.mark.promise("P13")
def test_a_key_that_is_written_while_the_server_runs_is_found_by_a_refresh_and_told_by_its_source(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    with agent_process(tmp_path, environment={**home.environment, **at(openai)}) as agent:
        session_id = agent.new_session(tmp_path)
        assert agent.call("_agent_server/auth/refresh")["configured"] is False
        assert key_state(agent, "openai") == (False, None)
        home.run("login", "openai", "--no-check", said=KEY)
        assert agent.call("_agent_server/auth/refresh")["configured"] is True
        assert key_state(agent, "openai") == (True, "file")
        assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"
        assert agent.said("hello from the model")()
        agent.end_of_input()
        assert agent.exit_code(within_s=LIMIT_S) == 0
        assert b"canary" not in bytes(agent.raw)


@pytest.mark.req("CR-03")
@pytest.mark.promise("P13")
def test_where_there_are_two_keys_that_of_the_environment_counts_and_stays_after_a_logout(
    home: Home, openai: ModelServer, tmp_path: Path
) -> None:
    home.run("login", "openai", "--no-check", said="sk-canary-of-the-file")
    environment = {**home.environment, **at(openai), "OPENAI_API_KEY": KEY}
    talkative = ("--log-stderr", "--log-level", "debug")
    with agent_process(tmp_path, "--model", "openai:gpt-5", *talkative, environment=environment) as agent:
        session_id = agent.new_session(tmp_path)
        assert key_state(agent, "openai") == (True, "environment")
        assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"
        assert agent.call("logout") == {}
        assert home.stored() == {}
        assert key_state(agent, "openai") == (True, "environment")
        agent.end_of_input()
        assert agent.exit_code(within_s=LIMIT_S) == 0
        assert agent.popen.stderr is not None
        assert b"canary" not in bytes(agent.raw) + agent.popen.stderr.read()
        sent = {asked.headers["authorization"] for asked in openai.asked}
        assert sent == {f"Bearer {KEY}"}


@pytest.mark.req("MO-01")
def test_a_model_of_this_machine_answers_where_nothing_else_is_configured(home: Home, tmp_path: Path) -> None:
    with ollama(qwen3_8b=qwen("tools")).running() as server:
        server.routes["POST /v1/chat/completions"] = saying("hello from this machine")
        environment = {**home.environment, "OLLAMA_HOST": server.place, "AGENT_SERVER_LOCAL_MODELS": "true"}
        with agent_process(tmp_path, environment=environment) as agent:
            session_id = agent.new_session(tmp_path)
            assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"
            assert agent.said("hello from this machine")()
            listed = agent.call("_agent_server/models/list", sessionId=session_id)["models"]
            assert [(model["id"], model["provider"], model["current"]) for model in listed] == [
                ("ollama:qwen3:8b", "ollama", True), ("offline", "offline", False),
            ]  # fmt: skip
            assert listed[0]["windowTokens"] == 40960
        (asked,) = [asked for asked in server.asked if asked.path == "/v1/chat/completions"]
        assert asked.body["model"] == "qwen3:8b"
        assert "authorization" not in asked.headers


def test_a_server_of_this_machine_that_starts_late_is_found_by_a_refresh_and_one_that_dies_takes_no_session_with_it(
    home: Home, tmp_path: Path
) -> None:
    with ollama(qwen3_8b=qwen("tools")).running() as server:
        kept, server.routes = server.routes, {}
        environment = {**home.environment, "OLLAMA_HOST": server.place, "AGENT_SERVER_LOCAL_MODELS": "true"}
        with agent_process(tmp_path, environment=environment) as agent:
            session_id = agent.new_session(tmp_path)
            assert agent.call("_agent_server/auth/refresh")["configured"] is False
            server.routes = {**kept, "POST /v1/chat/completions": saying("here I am")}
            assert agent.call("_agent_server/auth/refresh")["configured"] is True
            assert agent.answer(agent.prompt(session_id, "hi"))["result"]["stopReason"] == "end_turn"
            assert agent.said("here I am")()
            server.routes = {}
            assert agent.answer(agent.prompt(session_id, "and?"))["error"]["data"]["errorKind"] == "raw"
            server.routes = {**kept, "POST /v1/chat/completions": saying("back again")}
            assert agent.answer(agent.prompt(session_id, "now?"))["result"]["stopReason"] == "end_turn"
            assert agent.said("back again")()
