"""Other people's programs are pinned, and installed once per machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from conformance import installing, npm

CONFORMANCE = Path(npm.__file__).parent


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_a_directory_is_filled_once() -> None:
    filled: list[Path] = []

    def fill(directory: Path) -> None:
        filled.append(directory)
        (directory / "content").touch()

    first = installing.once("name", fill)
    assert installing.once("name", fill) == first
    assert (first / "content").is_file()
    assert len(filled) == 1


def test_an_installation_that_fails_leaves_nothing_and_is_tried_again(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        installing.run("the installer", [sys.executable, "-c", "exit('no such package')"], directory)

    for _ in range(2):
        with pytest.raises(installing.NotInstalled, match="the installer failed: no such package"):
            installing.once("name", fail)
        assert list((tmp_path / "agent-server-tests").iterdir()) == []


def test_who_comes_second_takes_what_the_first_one_installed() -> None:
    def first(directory: Path) -> None:
        (directory / "first").touch()

    def second(directory: Path) -> None:
        (directory / "second").touch()
        installing.once("name", first)

    cached = installing.once("name", second)
    assert [entry.name for entry in cached.iterdir()] == ["first"]
    assert list(cached.parent.iterdir()) == [cached]


def test_a_package_that_is_not_pinned_is_not_installed() -> None:
    with pytest.raises(KeyError):
        npm.installed("left-pad")


def test_the_lock_file_pins_every_package_and_names_no_registry() -> None:
    wanted = json.loads((CONFORMANCE / "package.json").read_bytes())["dependencies"]
    lock_text = npm.LOCK_FILE.read_text(encoding="utf-8")
    locked = json.loads(lock_text)["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert "resolved" not in lock_text
    assert "registry" not in lock_text
