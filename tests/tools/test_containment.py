"""Nothing outside the session's directories is read or changed, whatever a path looks like (promise P14)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from agent_server.errors import ToolError
from agent_server.tools.delete_file import DeleteFile
from agent_server.tools.edit_file import EditFile
from agent_server.tools.find import Find
from agent_server.tools.grep import Grep
from agent_server.tools.list_directory import ListDirectory
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.move_file import MoveFile
from agent_server.tools.ports import ExitStatus, TextFile
from agent_server.tools.read_file import ReadFile
from agent_server.tools.tool import Tool
from agent_server.tools.write_file import WriteFile

from .tool_calls_on_disk import Desk, desk

pytestmark = [pytest.mark.promise("P14"), pytest.mark.req("TL-02")]

SECRET = "outside and secret"


def _escapes(tmp_path: Path) -> tuple[Desk, dict[str, str]]:
    """A workspace next to things that it must not reach, and paths that try."""
    here = desk(tmp_path)
    outside = tmp_path.resolve() / "outside"
    evil = tmp_path.resolve() / "ws-evil"
    for directory in (outside, evil):
        directory.mkdir()
        (directory / "secret.txt").write_text(SECRET)
    here.file("sub/inside.txt", "inside")
    os.symlink(outside / "secret.txt", here.cwd / "file_link")
    os.symlink(outside, here.cwd / "dir_link")
    os.symlink("file_link", here.cwd / "chain_2")
    os.symlink("chain_2", here.cwd / "chain_1")
    os.symlink(outside / "new.txt", here.cwd / "dangling")
    os.symlink("../../outside", here.cwd / "sub" / "relative_link")
    return here, {
        "parent": "../outside/secret.txt",
        "parent inside": "sub/../../outside/secret.txt",
        "parent through a missing directory": "no/such/../../../outside/secret.txt",
        "doubled slashes and dots": ".//.././/outside/./secret.txt",
        "absolute": str(outside / "secret.txt"),
        "sibling with the same prefix": str(evil / "secret.txt"),
        "sibling with the same prefix, relative": "../ws-evil/secret.txt",
        "link to a file": "file_link",
        "link to a directory": "dir_link/secret.txt",
        "relative link": "sub/relative_link/secret.txt",
        "chain of links": "chain_1",
        "link to what is not there yet": "dangling",
        "below a directory that is not there yet": "dir_link/new/deeper.txt",
    }


KINDS = (
    "parent", "parent inside", "parent through a missing directory", "doubled slashes and dots", "absolute",
    "sibling with the same prefix", "sibling with the same prefix, relative", "link to a file", "link to a directory",
    "relative link", "chain of links", "link to what is not there yet", "below a directory that is not there yet",
)  # fmt: skip

CALLS: dict[str, tuple[Tool, dict[str, Any], str]] = {
    "read": (ReadFile(), {}, "path"),
    "list": (ListDirectory(), {}, "path"),
    "find": (Find(), {"pattern": "*"}, "path"),
    "grep": (Grep(), {"pattern": "secret"}, "path"),
    "write": (WriteFile(), {"content": "owned"}, "path"),
    "edit": (EditFile(), {"old_text": "secret", "new_text": "owned"}, "path"),
    "delete": (DeleteFile(), {}, "path"),
    "move from": (MoveFile(), {"target": "stolen.txt"}, "source"),
    "move to": (MoveFile(), {"source": "sub/inside.txt"}, "target"),
}


@pytest.mark.spec("N-33")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("call", CALLS)
def test_no_tool_reaches_outside(tmp_path: Path, call: str, kind: str) -> None:
    here, paths = _escapes(tmp_path)
    tool, arguments, name = CALLS[call]
    before = _outside(tmp_path)
    refusal = here.refusal(tool, **arguments, **{name: paths[kind]})
    assert refusal == f"{paths[kind]} is outside the session's directories"
    assert _outside(tmp_path) == before
    assert not (here.cwd / "stolen.txt").exists()


def _outside(tmp_path: Path) -> dict[str, str]:
    places = (tmp_path / "outside", tmp_path / "ws-evil")
    return {str(path): path.read_text() for place in places for path in sorted(place.rglob("*"))}


@pytest.mark.parametrize("kind", KINDS)
def test_no_method_of_the_workspace_reaches_outside(tmp_path: Path, kind: str) -> None:
    here, paths = _escapes(tmp_path)
    workspace, path = here.workspace, paths[kind]
    before = _outside(tmp_path)
    attempts = (
        lambda: workspace.resolve(path),
        lambda: workspace.exists(path),
        lambda: workspace.is_directory(path),
        lambda: workspace.list_directory(path),
        lambda: asyncio.run(workspace.read_text(path)),
        lambda: asyncio.run(workspace.read_bytes(path)),
        lambda: asyncio.run(workspace.write_text(path, TextFile("owned"))),
        lambda: asyncio.run(workspace.delete(path)),
        lambda: asyncio.run(workspace.move(path, "stolen.txt")),
        lambda: asyncio.run(workspace.move("sub/inside.txt", path)),
    )
    for attempt in attempts:
        with pytest.raises(ToolError, match="outside the session's directories"):
            attempt()
    assert _outside(tmp_path) == before


@pytest.mark.parametrize("call", CALLS)
def test_a_nul_in_a_path_is_refused(tmp_path: Path, call: str) -> None:
    here, _ = _escapes(tmp_path)
    tool, arguments, name = CALLS[call]
    assert "is no path" in here.refusal(tool, **arguments, **{name: "sub/inside.txt\0.png"})


def test_the_process_root_of_a_magic_link_is_refused(tmp_path: Path) -> None:
    here = desk(tmp_path)
    os.symlink("/proc/self/root", here.cwd / "root")
    assert "outside" in here.refusal(ReadFile(), path="root/etc/hostname")


def test_a_tilde_is_a_name_like_any_other(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("~/notes.txt", "mine")
    assert here.text(ReadFile(), path="~/notes.txt") == "mine"


def test_links_that_run_in_a_circle_are_refused(tmp_path: Path) -> None:
    here = desk(tmp_path)
    os.symlink("b", here.cwd / "a")
    os.symlink("a", here.cwd / "b")
    for path in ("a", "a/below"):
        with pytest.raises(ToolError, match="too many symbolic links"):
            here.workspace.resolve(path)


def test_a_chain_of_links_longer_than_the_kernel_allows_is_refused(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("link_0", "the end")
    for number in range(60):
        os.symlink(f"link_{number}", here.cwd / f"link_{number + 1}")
    assert here.text(ReadFile(), path="link_20") == "the end"
    assert "too many symbolic links" in here.refusal(ReadFile(), path="link_60")


def test_links_that_stay_inside_are_followed(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("real/a.txt", "text")
    os.symlink("real", here.cwd / "alias")
    assert here.text(ReadFile(), path="alias/a.txt") == "text"
    here.call(WriteFile(), path="alias/a.txt", content="new")
    assert (here.cwd / "real/a.txt").read_text() == "new"
    assert (here.cwd / "alias").is_symlink()


@pytest.mark.spec("N-33", "N-32")
def test_every_root_is_inside(tmp_path: Path) -> None:
    second = tmp_path.resolve() / "second"
    second.mkdir()
    (second / "b.txt").write_text("b")
    cwd = tmp_path.resolve() / "ws"
    cwd.mkdir()
    here = Desk(cwd, second)
    assert here.text(ReadFile(), path=str(second / "b.txt")) == "b"
    assert here.prepare(ReadFile(), path="../second/b.txt").title == f"Read {second / 'b.txt'}"
    assert list(here.workspace.roots) == [str(cwd), str(second)]


def test_a_working_directory_that_is_a_link_works(tmp_path: Path) -> None:
    real = desk(tmp_path, name="real")
    real.file("a.txt", "text")
    os.symlink(real.cwd, tmp_path / "link")
    here = Desk(tmp_path / "link")
    assert here.text(ReadFile(), path=str(tmp_path / "link" / "a.txt")) == "text"
    assert here.prepare(ReadFile(), path="a.txt").title == "Read a.txt"
    assert here.workspace.resolve("a.txt") == str(real.cwd / "a.txt")


@pytest.mark.parametrize("call", ["read", "write", "edit", "delete", "move from"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "directory"])
def test_what_is_no_regular_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, call: str
) -> None:
    here = desk(tmp_path)
    special = here.cwd / "x"
    listener = socket.socket(socket.AF_UNIX)
    if kind == "fifo":
        os.mkfifo(special)
    elif kind == "socket":
        monkeypatch.chdir(here.cwd)  # the whole path may be longer than a socket's name can be
        listener.bind("x")
    else:
        special.mkdir()
    tool, arguments, name = CALLS[call]
    expected = "x is a directory" if kind == "directory" else "x is no regular file"
    assert here.refusal(tool, **arguments, **{name: "x"}) == expected
    assert special.exists()
    listener.close()


def test_a_device_is_refused() -> None:
    workspace = LocalWorkspace("/dev")
    with pytest.raises(ToolError, match="no regular file"):
        asyncio.run(workspace.read_bytes("zero"))


def test_a_link_that_appears_after_the_path_was_resolved_is_not_followed(tmp_path: Path) -> None:
    """The last name and a directory on the way are swapped between the check and the use."""
    here, _ = _escapes(tmp_path)
    here.file("sub/a.txt", "inside")

    class Swapped(LocalWorkspace):
        def resolve(self, path: str) -> str:
            return str(here.cwd / path)  # what was true before the swap

    workspace = Swapped(str(here.cwd))
    before = _outside(tmp_path)
    for path in ("file_link", "dir_link/secret.txt", "sub/relative_link/secret.txt"):
        for attempt in (
            lambda path=path: asyncio.run(workspace.read_bytes(path)),
            lambda path=path: asyncio.run(workspace.write_text(path, TextFile("owned"))),
            lambda path=path: asyncio.run(workspace.delete(path)),
            lambda path=path: asyncio.run(workspace.move(path, "stolen.txt")),
        ):
            with pytest.raises(ToolError):
                attempt()
    assert _outside(tmp_path) == before
    assert not (here.cwd / "stolen.txt").exists()


def test_no_write_escapes_while_a_directory_is_swapped_for_a_link(tmp_path: Path) -> None:
    here = desk(tmp_path)
    outside = tmp_path.resolve() / "outside"
    outside.mkdir()
    (here.cwd / "swap").mkdir()
    stop = threading.Event()
    swapper = threading.Thread(target=_swap, args=(here.cwd, stop))
    swapper.start()
    written = 0
    try:
        for number in range(1_500):
            try:
                asyncio.run(here.workspace.write_text("swap/a.txt", TextFile(str(number))))
                written += 1
            except ToolError:
                pass
    finally:
        stop.set()
        swapper.join(10)
    assert list(outside.iterdir()) == []
    assert written > 0


def _swap(cwd: Path, stop: threading.Event) -> None:
    """Turns ``swap`` from a directory into a link to the outside and back; the writer may make it meanwhile."""
    outside, swap = cwd.parent / "outside", cwd / "swap"
    for step in itertools.count():
        for change in (
            lambda step=step: swap.rename(cwd / f"kept{step}"),
            lambda: swap.symlink_to(outside),
            swap.unlink,
            swap.mkdir,
        ):
            with contextlib.suppress(OSError):
                change()
        if stop.is_set():
            return


def test_an_approved_write_is_refused_when_its_path_leads_elsewhere_by_then(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a/x.txt", "same")
    here.file("b/x.txt", "same")
    prepared = here.prepare(WriteFile(), path="a/x.txt", content="new")
    os.rename(here.cwd / "a", here.cwd / "c")
    os.symlink("b", here.cwd / "a")
    assert "changed since it was read" in here.refused_run(prepared)
    assert (here.cwd / "b/x.txt").read_text() == "same"


def test_search_results_never_come_from_behind_a_link(tmp_path: Path) -> None:
    here, _ = _escapes(tmp_path)
    assert here.text(Grep(), pattern="secret") == "no lines found"
    assert not any("secret.txt" in line for line in here.lines(Find(), pattern="**"))


def test_a_listing_does_not_tell_what_a_link_to_the_outside_is(tmp_path: Path) -> None:
    here, _ = _escapes(tmp_path)
    kinds = {entry.name: entry.kind for entry in here.workspace.list_directory(".")}
    assert kinds["dir_link"] == kinds["file_link"] == "other"
    assert kinds["sub"] == "directory"


def test_a_terminal_of_the_client_is_not_to_be_had_here(tmp_path: Path) -> None:
    class Deaf:
        def started(self, client_terminal_id: str | None) -> None: ...

        def output(self, data: bytes) -> None: ...

    async def run(in_editor: bool) -> ExitStatus:
        return await desk(tmp_path).workspace.run("pwd", timeout_s=10, observer=Deaf(), in_editor=in_editor)

    with pytest.raises(ToolError, match="offers no terminals"):
        asyncio.run(run(in_editor=True))
    assert asyncio.run(run(in_editor=False)).exit_code == 0
