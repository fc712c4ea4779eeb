"""Where keys come from, and how the file of keys is kept."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent_server.config.credentials import KEYRING_SERVICE, Credentials, CredentialsError
from agent_server.config.files import credentials_path
from agent_server.config.keys import KEY_VARIABLES, any_key, read_keys, usable_key

SECRET = "sk-canary-2c1b"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent-server" / "credentials.json"


def credentials(path: Path, environment: Mapping[str, str] | None = None, *, keyring: bool = False) -> Credentials:
    return Credentials(environment or {}, str(path), keyring=keyring)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_file_is_beside_the_users_settings() -> None:
    assert credentials_path({"XDG_CONFIG_HOME": "/x"}, "linux") == "/x/agent-server/credentials.json"
    mac = "/h/Library/Application Support/agent-server/credentials.json"
    assert credentials_path({"HOME": "/h"}, "darwin") == mac


@pytest.mark.promise("P13")
def test_a_stored_key_is_found_again_and_is_for_nobody_else_to_read(path: Path) -> None:
    credentials(path).store("openai", f"  {SECRET}\n")
    found = credentials(path).key("openai")
    assert found is not None
    assert (found.value, found.source, found.place) == (SECRET, "file", str(path))
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    assert SECRET not in repr(found)
    assert [entry.name for entry in path.parent.iterdir()] == ["credentials.json"]


def test_the_environment_wins_over_the_file_and_its_first_variable_over_the_others(path: Path) -> None:
    credentials(path).store("gemini", "of-the-file")
    environment = {"GEMINI_API_KEY": "second", "GOOGLE_API_KEY": "first"}
    told = []
    for variables in (environment, {"GEMINI_API_KEY": "second", "GOOGLE_API_KEY": " "}, {}):
        key = credentials(path, variables).key("gemini")
        assert key is not None
        told.append((key.value, key.source, key.place))
    assert told == [
        ("first", "environment", "GOOGLE_API_KEY"),
        ("second", "environment", "GEMINI_API_KEY"),
        ("of-the-file", "file", str(path)),
    ]


def test_a_key_is_forgotten_in_the_file_only_and_forgetting_twice_is_no_failure(path: Path) -> None:
    given = credentials(path, {"OPENAI_API_KEY": "of-the-environment"})
    for name in ("openai", "mistral"):
        given.store(name, SECRET)
    assert given.forget("openai") == ("openai",)
    assert given.forget("openai") == ()
    key = given.key("openai")
    assert key is not None
    assert key.source == "environment"
    assert given.stored() == ("mistral",)
    assert given.forget() == ("mistral",)
    assert given.stored() == ()
    assert credentials(path.parent / "nowhere" / "credentials.json").forget() == ()


@pytest.mark.promise("P13")
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_that_others_can_read_or_change_is_not_used_and_not_written_to(path: Path, mode: int) -> None:
    credentials(path).store("openai", SECRET)
    path.chmod(mode)
    given = credentials(path)
    assert given.key("openai") is None
    assert given.warning is not None
    assert "chmod 600" in given.warning
    for change in (lambda: given.store("mistral", "x"), lambda: given.forget("openai")):
        before = path.read_bytes()
        try:
            change()
        except CredentialsError as error:
            assert SECRET not in str(error)
        assert path.read_bytes() == before


@pytest.mark.promise("P13")
def test_a_link_is_neither_followed_nor_replaced(path: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.json"
    theirs.write_text(json.dumps({"version": 1, "keys": {"openai": SECRET}}))
    theirs.chmod(0o600)
    path.parent.mkdir()
    path.symlink_to(theirs)
    given = credentials(path)
    assert given.key("openai") is None
    assert given.warning == f"{path} is ignored: it is a link"
    with pytest.raises(CredentialsError):
        given.store("openai", "another")
    assert path.is_symlink()
    assert SECRET in theirs.read_text()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"keys": []}', b'{"keys": {"openai": 1}}', b"\xff", b"[" * 100_000, b'{"keys":{}}'],
)
def test_a_file_that_holds_something_else_holds_no_keys(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    path.chmod(0o600)
    assert credentials(path).stored() == ()


def test_what_is_no_file_at_all_blocks_nobody(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path, 0o600)
    assert read_keys(str(path)) == (None, f"{path} is ignored: it is not a regular file")
    path.unlink()
    path.mkdir()
    assert read_keys(str(path))[0] is None
    assert read_keys(str(path / "x" / "y")) == (None, None)


@pytest.mark.parametrize("text", ["", " ", "two words", "new\nline", "ünïcode", "x" * 9000, "nul\0", None, 7])
def test_what_cannot_travel_in_a_header_is_no_key(path: Path, text: object) -> None:
    assert usable_key(text) is None
    if isinstance(text, str):
        with pytest.raises(CredentialsError) as refused:
            credentials(path).store("openai", text)
        assert not text.strip() or text not in str(refused.value)
    assert not path.exists()


def test_a_directory_that_others_could_look_into_is_closed_when_a_key_is_stored(path: Path) -> None:
    path.parent.mkdir(mode=0o755)
    path.parent.chmod(0o755)
    credentials(path).store("openai", SECRET)
    assert mode_of(path.parent) == 0o700


def test_keys_that_are_stored_at_the_same_time_are_all_kept(path: Path) -> None:
    names = [f"server-{number}" for number in range(12)]
    threads = [threading.Thread(target=credentials(path).store, args=(name, f"key-{name}")) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(credentials(path).stored()) == sorted(names)


def test_a_place_that_cannot_be_written_is_an_error_without_the_key(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CredentialsError) as refused:
        credentials(tmp_path / "file" / "credentials.json").store("openai", SECRET)
    assert SECRET not in str(refused.value)


def test_a_key_that_was_written_meanwhile_is_seen_after_a_refresh(path: Path) -> None:
    given = credentials(path)
    assert given.key("openai") is None
    credentials(path).store("openai", SECRET)
    assert given.key("openai") is None
    given.refresh()
    assert given.key("openai") is not None


def test_whether_there_is_any_key_is_said_without_loading_anything() -> None:
    assert not any_key({}, {})
    assert not any_key({"OPENAI_API_KEY": "  ", "SOMETHING_API_KEY": "x"}, {"nobody": "x"})
    assert any_key({"MISTRAL_API_KEY": "x"}, {})
    assert any_key({}, {"anthropic": "x"})
    code = (
        "import sys; before = set(sys.modules); import agent_server.config.keys; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('agent_server')))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "['__future__']\n"


KEYRING = f"""
KEYS = {{"openai": "of-the-keyring", "mistral": "of-the-keyring", "groq": "two words"}}

def get_password(service, name):
    assert service == {KEYRING_SERVICE!r}
    if name == "deepseek":
        raise RuntimeError("locked")
    return KEYS.get(name)
"""


def test_the_keyring_is_asked_last_and_only_where_that_was_asked_for(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text(KEYRING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    closed = credentials(path)
    closed.ask_keyring()
    assert closed.key("mistral") is None
    assert "keyring" not in sys.modules
    given = credentials(path, keyring=True)
    given.store("openai", "of-the-file")
    assert given.key("mistral") is None
    given.ask_keyring()
    sources = {name: key.source for name in KEY_VARIABLES if (key := given.key(name)) is not None}
    assert sources == {"openai": "file", "mistral": "keyring"}
    monkeypatch.delitem(sys.modules, "keyring", raising=False)


def test_a_keyring_that_cannot_be_loaded_holds_no_keys_and_says_so(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keyring.py").write_text("raise OSError('no bus')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "keyring", raising=False)
    given = credentials(path, keyring=True)
    given.ask_keyring()
    assert given.key("openai") is None
    assert given.keyring_warning is not None
