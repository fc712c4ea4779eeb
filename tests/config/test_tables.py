"""What the user's file may say of servers of models, and of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_server.config.levels import without_level
from agent_server.config.settings import Resolved, resolve
from agent_server.config.tables import ModelTable, ProviderTable

SECRET = "sk-canary-77aa"


def of_the_user(tmp_path: Path, toml: str) -> Resolved:
    path = tmp_path / "config.toml"
    path.write_text(toml, encoding="utf-8")
    return resolve({}, {}, user_file=str(path))


def test_servers_and_models_are_read_as_they_are_described(tmp_path: Path) -> None:
    resolved = of_the_user(
        tmp_path,
        """
        [providers.work]
        base_url = "https://llm.example.com/v1/"
        format = "openai-chat"
        key_env = ["WORK_KEY", "OTHER_KEY"]
        headers = { X-Team = "a b" }
        models = ["big"]
        quirks = ["no-stream-options"]
        [providers.ollama]
        key_env = "OLLAMA_KEY"
        [models."work:big"]
        window_tokens = 200_000
        efforts = ["low", "high"]
        input_usd = 2
        output_usd = 10.5
        """,
    )
    assert resolved.warnings == ()
    assert resolved.settings.providers == {
        "work": ProviderTable(
            "https://llm.example.com/v1", "openai-chat", ("WORK_KEY", "OTHER_KEY"), {"X-Team": "a b"}, ("big",),
            ("no-stream-options",),
        ),
        "ollama": ProviderTable(key_env=("OLLAMA_KEY",)),
    }  # fmt: skip
    assert resolved.settings.models == {
        "work:big": ModelTable(window_tokens=200_000, efforts=("low", "high"), input_usd=2.0, output_usd=10.5)
    }


@pytest.mark.promise("P13")
@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("providers = 1", "providers is ignored: expected tables, got an integer"),
        ("models = []", "models is ignored: expected tables, got an array"),
        ("[providers]\nx = 1", "providers.x is ignored: expected a table, got an integer"),
        ("[providers.offline]\nbase_url = 'http://a'", "providers.offline is ignored: that cannot be its name"),
        ("[providers.'A b']\nbase_url = 'http://a'", "that cannot be its name"),
        ("[providers.x]\nkey_env = 'A'", "providers.x is ignored: a server that is not known here needs a base_url"),
        (f"[providers.openai]\nkey_env = '{SECRET}'", "providers.openai.key_env is ignored: expected a name of a var"),
        (f"[providers.openai]\nkey = '{SECRET}'", "providers.openai.key is ignored: there is no such entry"),
        (f"[providers.openai]\nbase_url = 'https://u:{SECRET}@h/'", "base_url is ignored: expected a URL of http"),
        (f"[providers.openai]\nbase_url = 'https://h/?k={SECRET}'", "base_url is ignored: expected a URL of http"),
        ("[providers.openai]\nbase_url = 'file:///etc'", "base_url is ignored: expected a URL of http"),
        ("[providers.openai]\nbase_url = 'https://h:x/'", "base_url is ignored: expected a URL of http"),
        ("[providers.openai]\nformat = 'soap'", "format is ignored: expected one of anthropic, openai-chat"),
        (f'[providers.openai]\nheaders = {{ a = "{SECRET}\\n" }}', "headers is ignored: expected a table of headers"),
        ('[models."a:b"]\nwindow_tokens = 0', 'models."a:b".window_tokens is ignored: expected a whole number'),
        ('[models."a:b"]\nefforts = ["huge"]', "efforts is ignored: expected a list of some of minimal, low"),
        ('[models."a:b"]\ninput_usd = -1', "input_usd is ignored: expected dollars for a million tokens"),
        ("[models.b]\nname = 'x'", "models.b is ignored: that cannot be its name"),
    ],
)
def test_what_is_wrong_is_ignored_with_a_warning_that_holds_no_value(tmp_path: Path, toml: str, told: str) -> None:
    resolved = of_the_user(tmp_path, f"drain_s = 3\n{toml}" if toml.startswith("[") else f"{toml}\ndrain_s = 3")
    assert sum(told in warning for warning in resolved.warnings) == 1
    assert SECRET not in repr(resolved)
    assert "canary" not in "".join(resolved.warnings)
    assert resolved.settings.drain_s == 3


@pytest.mark.promise("P13")
def test_headers_and_what_stands_in_them_are_not_shown(tmp_path: Path) -> None:
    toml = f'[providers.x]\nbase_url = "http://h"\nheaders = {{ Authorization = "{SECRET}" }}'
    settings = of_the_user(tmp_path, toml).settings
    assert settings.providers["x"].headers == {"Authorization": SECRET}
    assert SECRET not in repr(settings)


@pytest.mark.parametrize(
    ("entry", "name", "level"),
    [
        ("a:b", "a:b", None),
        ("a:b:high", "a:b", "high"),
        ("ollama:qwen3:8b", "ollama:qwen3:8b", None),
        ("ollama:qwen3:8b:off", "ollama:qwen3:8b", "off"),
        ("a:high", "a:high", None),
    ],
)
def test_a_level_is_told_from_a_part_of_a_name(entry: str, name: str, level: str | None) -> None:
    assert without_level(entry) == (name, level)
