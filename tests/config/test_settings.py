"""Which of several settings holds, and what people are told about the ones that cannot."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agent_server.config.files import MAX_FILE_BYTES, PROJECT_FILE, user_file_path
from agent_server.config.settings import (
    KINDS,
    MAX_WARNINGS_PER_FILE,
    TABLES,
    Resolved,
    Settings,
    SettingsError,
    resolve,
)
from agent_server.errors import AgentServerError

SECRET = "sk-live-0123456789"


class Place:
    """A project and a user's file, alone in the world."""

    def __init__(self, directory: Path) -> None:
        self.project_dir = directory / "project"
        self.project_dir.mkdir()
        self.project_file = self.project_dir / PROJECT_FILE
        self.user_file = directory / "config.toml"

    def project(self, content: str | bytes) -> Place:
        self.project_file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return self

    def user(self, content: str) -> Place:
        self.user_file.write_text(content, encoding="utf-8")
        return self

    def resolve(
        self, flags: Mapping[str, object] | None = None, environment: Mapping[str, str] | None = None
    ) -> Resolved:
        return resolve(flags, environment or {}, project_dir=str(self.project_dir), user_file=str(self.user_file))

    def warning(self) -> str:
        (warning,) = self.resolve().warnings
        return warning


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_without_any_source_the_defaults_hold(place: Place) -> None:
    resolved = place.resolve()
    assert (resolved.settings, resolved.warnings) == (Settings(), ())
    assert set(resolved.sources.values()) == {"default"}


def test_flags_beat_the_environment_beats_the_project_beats_the_user(place: Place) -> None:
    place.user('model = "of the user"').project('model = "of the project"')
    environment = {"AGENT_SERVER_MODEL": "of the environment"}
    steps: list[tuple[Callable[[], Resolved], str, str]] = [
        (lambda: place.resolve({"model": "of the flag"}, environment), "of the flag", "--model"),
        (lambda: place.resolve({"model": None}, environment), "of the environment", "AGENT_SERVER_MODEL"),
        (place.resolve, "of the project", str(place.project_file)),
    ]
    for ask, model, source in steps:
        assert (ask().settings.model, ask().sources["model"]) == (model, source)
    place.project_file.unlink()
    resolved = place.resolve()
    assert (resolved.settings.model, resolved.sources["model"]) == ("of the user", str(place.user_file))


def test_every_setting_can_be_given_in_each_of_the_ways_that_a_user_has(place: Place) -> None:
    wanted = Settings(
        model="m",
        thinking="high",
        rotation=("a:b", "c:d:low"),
        max_cost_usd=2.5,
        max_session_tokens=1000,
        local_models=False,
        keyring=True,
        first_byte_timeout_s=30,
        idle_stream_timeout_s=20,
        commands_in_editor=True,
        approval_timeout_s=1.5,
        max_frame_bytes=2048,
        drain_s=0,
        max_turn_requests=7,
        log_file="/l",
        log_level="debug",
        trace_file="/t",
        command_timeout_s=9,
        idle_timeout_s=5,
        enable_test_faults=True,
        unstable=True,
        store="memory",
        store_dir="/s",
        prune_after_days=30,
        tool_env_allow=("A", "B"),
    )
    texts = {name: _text_of(getattr(wanted, name)) for name in KINDS}
    assert place.resolve(texts).settings == wanted
    assert place.resolve({name: getattr(wanted, name) for name in KINDS}).settings == wanted
    assert place.resolve(environment={f"AGENT_SERVER_{n.upper()}": t for n, t in texts.items()}).settings == wanted
    place.user("\n".join(f"{name} = {_toml_of(getattr(wanted, name))}" for name in KINDS))
    assert (place.resolve().settings, place.resolve().warnings) == (wanted, ())
    assert all(getattr(wanted, name) != getattr(Settings(), name) for name in KINDS)


def _text_of(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _toml_of(value: object) -> str:
    if isinstance(value, tuple):
        return str(list(value))
    return str(value).lower() if isinstance(value, bool) else repr(value)


def test_each_setting_has_a_kind_and_a_default_of_that_kind() -> None:
    assert {*KINDS, *TABLES} == {setting.name for setting in fields(Settings)}
    for name, kind in KINDS.items():
        default = getattr(Settings(), name)
        assert default is None or kind.accept(default) == default


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().model = "other"  # type: ignore[misc]


def test_an_empty_variable_counts_as_not_set(place: Place) -> None:
    resolved = place.resolve(environment={"AGENT_SERVER_DRAIN_S": "", "AGENT_SERVER_MODEL": ""})
    assert resolved.settings == Settings()


def test_a_home_sign_in_a_path_is_resolved(place: Place) -> None:
    place.user('log_file = "~/agent.log"')
    assert place.resolve().settings.log_file == os.path.expanduser("~/agent.log")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("drain_s", "fast", "--drain-s: expected a number of seconds, 0 to 31622400, got some other text"),
        ("drain_s", "nan", "--drain-s: expected a number of seconds, 0 to 31622400, got a number outside of that"),
        ("drain_s", "-1", "--drain-s: expected a number of seconds, 0 to 31622400, got a number outside of that"),
        ("drain_s", True, "--drain-s: expected a number of seconds, 0 to 31622400, got a boolean"),
        ("max_turn_requests", "0", "--max-turn-requests: expected a whole number of requests, 1 to 2147483647, got a "
                                   "smaller number"),
        ("max_turn_requests", "9" * 5000, "--max-turn-requests: expected a whole number of requests, 1 to 2147483647, "
                                          "got some other text"),
        ("commands_in_editor", "maybe", "--commands-in-editor: expected true or false, got some other text"),
        ("log_level", "loud", "--log-level: expected one of debug, info, warning, error, got some other text"),
        ("model", "", "--model: expected a string, got an empty string"),
        ("modle", "x", "--modle: there is no such setting"),
    ],
)  # fmt: skip
def test_a_wrong_flag_is_an_error_that_says_what_was_expected(
    place: Place, name: str, value: object, told: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        place.resolve({name: value})
    assert str(refused.value) == told
    assert isinstance(refused.value, AgentServerError)


def test_a_wrong_variable_is_an_error_that_names_it(place: Place) -> None:
    with pytest.raises(SettingsError, match=r"^AGENT_SERVER_MAX_FRAME_BYTES: expected a whole number of bytes"):
        place.resolve(environment={"AGENT_SERVER_MAX_FRAME_BYTES": "64 MiB"})


def test_a_wrong_type_in_a_file_is_a_warning_that_says_what_was_given_and_what_was_expected(place: Place) -> None:
    for write, path in ((place.project, place.project_file), (place.user, place.user_file)):
        write('command_timeout_s = "long"\nmodel = "kept"')
        resolved = place.resolve()
        expected = "expected a number of seconds, 0.001 to 31622400, got a string"
        assert resolved.warnings == (f"{path}: command_timeout_s is ignored: {expected}",)
        assert (resolved.settings.command_timeout_s, resolved.settings.model) == (120, "kept")
        path.unlink()


@pytest.mark.parametrize(
    ("toml", "given"),
    [("1", "an integer"), ("1.5", "a float"), ("true", "a boolean"), ("[]", "an array"), ("{}", "a table"),
     ("2026-01-01", "a date or time"), ('""', "an empty string")],
)  # fmt: skip
def test_types_are_called_as_toml_calls_them(place: Place, toml: str, given: str) -> None:
    assert place.user(f"model = {toml}").warning().endswith(f"expected a string, got {given}")


def test_an_unknown_key_of_the_user_is_a_warning_that_names_it(place: Place) -> None:
    place.user("drian_s = 1")
    assert place.warning() == f"{place.user_file}: drian_s is ignored: there is no such setting"


def test_a_project_may_choose_the_model_and_lower_two_limits(place: Place) -> None:
    place.project('model = "small"\ncommand_timeout_s = 30\nmax_turn_requests = 5')
    resolved = place.resolve()
    assert resolved.settings == Settings(model="small", command_timeout_s=30, max_turn_requests=5)
    assert resolved.warnings == ()


@pytest.mark.parametrize("limit", ["command_timeout_s", "max_turn_requests"])
def test_a_project_cannot_raise_a_limit_above_the_default_or_the_users(place: Place, limit: str) -> None:
    default = getattr(Settings(), limit)
    place.project(f"{limit} = {default + 1}")
    assert getattr(place.resolve().settings, limit) == default
    assert f"{limit} is ignored: a project may lower it, not raise it above {default}" in place.warning()
    place.user(f"{limit} = 10").project(f"{limit} = 11")
    assert getattr(place.resolve().settings, limit) == 10
    place.user(f"{limit} = {default + 2}").project(f"{limit} = {default + 1}")
    assert getattr(place.resolve().settings, limit) == default + 1


WIDENING = sorted({setting.name for setting in fields(Settings)} - {"model", "command_timeout_s", "max_turn_requests"})


@pytest.mark.parametrize("name", WIDENING)
@pytest.mark.promise("P13")
def test_a_project_cannot_set_what_is_the_users_to_decide(place: Place, name: str) -> None:
    values: dict[str, Any] = {"tool_env_allow": ("HOME",), "log_level": "debug", "commands_in_editor": True}
    place.project(f"{name} = {_toml_of(values.get(name, 4096))}")
    assert place.resolve().settings == Settings()
    assert place.warning() == f"{place.project_file}: {name} is ignored: a project may not set it"


@pytest.mark.promise("P13")
def test_each_key_of_a_project_that_would_widen_trust_is_named_but_never_its_value(place: Place) -> None:
    place.project(f"""
        sandbox = "{SECRET}"
        hooks = [{{ event = "Stop", command = "{SECRET}" }}]
        [providers.anthropic]
        base_url = "https://{SECRET}.example"
        api_key = "{SECRET}"
        [servers]
    """)
    resolved = place.resolve()
    names = [warning.removeprefix(f"{place.project_file}: ").split(" is ignored")[0] for warning in resolved.warnings]
    assert names == ["sandbox", "hooks", "providers.anthropic.base_url", "providers.anthropic.api_key", "servers"]
    assert SECRET not in repr(resolved)


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    "name", sorted(set(KINDS) - {"model", "rotation", "log_file", "trace_file", "store_dir", "tool_env_allow"})
)
def test_a_secret_in_the_wrong_place_is_not_repeated(place: Place, name: str) -> None:
    variable = f"AGENT_SERVER_{name.upper()}"
    given: list[tuple[dict[str, object], dict[str, str]]] = [({name: SECRET}, {}), ({}, {variable: SECRET})]
    for flags, environment in given:
        with pytest.raises(SettingsError) as refused:
            place.resolve(flags, environment)
        assert SECRET not in str(refused.value)
        assert refused.value.__cause__ is None
    assert SECRET not in place.user(f'{name} = "{SECRET}"').warning()


@pytest.mark.promise("P13")
def test_no_setting_holds_a_secret(place: Place) -> None:
    words = ("key", "token", "secret", "password", "credential", "header")
    assert not [name for name in KINDS if any(word in name.split("_") for word in words)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"model = ", "it is not TOML (Invalid value"),
        (b"model = '\xff'", "it is not UTF-8"),
        (b"model = " + b"[" * 900, " is ignored: it is n"),
        (b"# " + b"\n# ".join([b"x" * 100] * (MAX_FILE_BYTES // 100)), "it is larger than 32768 bytes"),
        (b"a." * 600 + b"a = 1", "it has a line of more than 1024 bytes"),
    ],
)
def test_a_project_file_that_is_no_toml_is_only_a_warning(place: Place, content: bytes, told: str) -> None:
    place.project(content)
    assert place.resolve().settings == Settings()
    assert told in place.warning()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_in_the_place_of_a_project_file_blocks_nobody(place: Place) -> None:
    os.mkfifo(place.project_file)
    assert place.warning() == f"{place.project_file} is ignored: it cannot be read (it is not a regular file)"


def test_a_directory_in_the_place_of_a_settings_file_is_a_warning(place: Place) -> None:
    place.project_file.mkdir()
    assert place.warning().startswith(f"{place.project_file} is ignored: it cannot be read")


def test_a_project_file_with_very_many_keys_gives_few_warnings(place: Place) -> None:
    place.project("\n".join(f"k{number} = 1" for number in range(1000)))
    warnings = place.resolve().warnings
    assert len(warnings) == MAX_WARNINGS_PER_FILE + 1
    assert warnings[-1] == f"and {1000 - MAX_WARNINGS_PER_FILE} more of the kind"


def test_a_key_that_could_disturb_a_terminal_is_escaped(place: Place) -> None:
    place.project(f'"\\u001b[31m\\nred" = 1\n"{"x" * 500}" = 1')
    first, second = place.resolve().warnings
    assert "'\\x1b[31m\\nred' is ignored" in first
    assert "\n" not in first
    assert len(second) < 200 + len(str(place.project_file))


def test_the_slowest_project_file_that_is_accepted_is_read_quickly(place: Place) -> None:
    head, body = "c." * 500, "d." * 500
    place.project("\n".join(f"[{head}b{number}]\n{body}e = 1" for number in range(16)))
    start = time.perf_counter()
    resolved = place.resolve()
    assert time.perf_counter() - start < 5
    assert all(len(warning) < 400 + len(str(place.project_file)) for warning in resolved.warnings)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "ignore")))
def test_no_project_file_whatsoever_stops_the_server(place: Place, content: bytes) -> None:
    assert isinstance(place.project(content).resolve().settings, Settings)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from(sorted(KINDS)),
    value=st.integers() | st.floats() | st.booleans() | st.text(st.characters(codec="ascii", categories=["L"])),
)
def test_a_project_never_widens_anything(place: Place, name: str, value: Any) -> None:
    place.project(f"{name} = {_toml_of(value)}")
    settings, defaults = place.resolve().settings, Settings()
    assert settings.command_timeout_s <= defaults.command_timeout_s
    assert settings.max_turn_requests <= defaults.max_turn_requests
    assert all(getattr(settings, name) == getattr(defaults, name) for name in WIDENING)


@pytest.mark.parametrize(
    ("environment", "platform", "path"),
    [
        ({"HOME": "/h"}, "linux", "/h/.config/agent-server/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "/x"}, "linux", "/x/agent-server/config.toml"),
        ({"HOME": "/h", "XDG_CONFIG_HOME": "relative"}, "linux", "/h/.config/agent-server/config.toml"),
        ({"HOME": "/h"}, "darwin", "/h/Library/Application Support/agent-server/config.toml"),
        ({"HOME": "/h", "APPDATA": "/a"}, "win32", "/a/agent-server/config.toml"),
    ],
)
def test_the_users_file_is_where_the_platform_keeps_such_files(
    environment: dict[str, str], platform: str, path: str
) -> None:
    assert user_file_path(environment, platform).replace(os.sep, "/") == path


def test_the_users_file_is_found_without_being_named(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)}
    path = Path(user_file_path(environment))
    path.parent.mkdir(parents=True)
    path.write_text('model = "mine"')
    assert resolve(environment=environment).settings.model == "mine"


def test_settings_are_cheap_to_import_and_toml_is_loaded_only_for_a_file() -> None:
    code = (
        "import sys, agent_server.config.settings as s\n"
        "s.resolve({}, {'HOME': '/nowhere', 'APPDATA': '/nowhere'}, project_dir='/nowhere')\n"
        "sys.exit(', '.join({'pydantic', 'tomllib', 'asyncio', 'anyio', 'platformdirs'} & set(sys.modules)) or None)"
    )
    outcome = subprocess.run([sys.executable, "-c", code], timeout=30, check=False, capture_output=True, text=True)
    assert (outcome.returncode, outcome.stderr.strip()) == (0, "")
