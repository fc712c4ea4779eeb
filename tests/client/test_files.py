from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from agent_server.client.files import LocalFiles
from agent_server.errors import RpcError
from agent_server.protocol.v1.client_services import ReadTextFileRequest, WriteTextFileRequest

pytestmark = pytest.mark.req("JR-03")


def read(root: Path, path: Path | str, line: int | None = None, limit: int | None = None) -> str:
    request = ReadTextFileRequest(session_id="s", path=str(path), line=line, limit=limit)
    return asyncio.run(LocalFiles().read(request, [str(root)])).content


def write(root: Path, path: Path, text: str) -> None:
    request = WriteTextFileRequest(session_id="s", path=str(path), content=text)
    asyncio.run(LocalFiles().write(request, [str(root)]))


@pytest.mark.spec("N-11")
@pytest.mark.parametrize(
    ("line", "limit", "expected"),
    [
        (None, None, "1\n2\r\n3"),
        (1, None, "1\n2\r\n3"),
        (2, 1, "2\r\n"),
        (2, None, "2\r\n3"),
        (None, 2, "1\n2\r\n"),
        (3, 9, "3"),
        (4, 1, ""),
        (1, 0, ""),
    ],
)
def test_lines_are_counted_from_one_and_limited(
    tmp_path: Path, line: int | None, limit: int | None, expected: str
) -> None:
    (tmp_path / "a").write_bytes(b"1\n2\r\n3")
    assert read(tmp_path, tmp_path / "a", line, limit) == expected


def test_a_missing_file_is_resource_not_found(tmp_path: Path) -> None:
    with pytest.raises(RpcError) as caught:
        read(tmp_path, tmp_path / "missing")
    assert caught.value.code == -32002
    assert "missing" in caught.value.data["details"]


def test_what_lies_outside_is_refused_by_name_link_and_prefix(tmp_path: Path) -> None:
    root, sibling = tmp_path / "root", tmp_path / "root-2"
    root.mkdir()
    sibling.mkdir()
    (sibling / "secret").write_text("secret")
    (root / "link").symlink_to(sibling / "secret")
    (root / "dir").symlink_to(sibling)
    for path in (sibling / "secret", root / "link", root / "dir" / "secret", root / ".." / "root-2" / "secret"):
        with pytest.raises(RpcError) as caught:
            read(root, path)
        assert caught.value.code == -32602
        with pytest.raises(RpcError):
            write(root, path, "overwritten")
    assert (sibling / "secret").read_text() == "secret"


def test_a_link_inside_the_root_and_a_root_that_is_a_link_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("a")
    (tmp_path / "real" / "b").symlink_to("a")
    (tmp_path / "alias").symlink_to("real")
    assert read(tmp_path / "alias", tmp_path / "alias" / "b") == "a"


@pytest.mark.spec("N-10")
@pytest.mark.parametrize("path", ["relative", "/etc/\0passwd"])
def test_a_path_that_is_none_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(RpcError) as caught:
        read(tmp_path, path)
    assert caught.value.code == -32602


def test_a_fifo_a_directory_and_binary_data_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("fifo", ".", "binary"):
        with pytest.raises(RpcError) as caught:
            read(tmp_path, tmp_path / name)
        assert caught.value.code == -32602, name


@pytest.mark.spec("N-65")
def test_writing_makes_directories_and_replaces_the_whole_text(tmp_path: Path) -> None:
    path = tmp_path / "x" / "y" / "file"
    write(tmp_path, path, "long text\r\n")
    write(tmp_path, path, "kürzer\n")
    assert path.read_bytes() == "kürzer\n".encode()


def test_writing_keeps_mode_and_inode(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("x")
    path.chmod(0o750)
    before = path.stat()
    write(tmp_path, path, "y")
    assert (path.stat().st_mode, path.stat().st_ino) == (before.st_mode, before.st_ino)
