from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.errors import ToolError
from agent_server.tools.ports import DirectoryEntry, TextFile
from agent_server.tools.text_files import MAX_TEXT_BYTES, decode_text, encode_text, line_ending, split_lines

from .tool_calls_on_disk import desk


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o755, 0o664])
def test_a_write_keeps_the_mode_of_the_file(tmp_path: Path, mode: int) -> None:
    here = desk(tmp_path)
    path = here.file("run.sh", "old")
    path.chmod(mode)
    asyncio.run(here.workspace.write_text("run.sh", TextFile("new")))
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_write_makes_the_directories_on_the_way_and_leaves_no_other_file(tmp_path: Path) -> None:
    here = desk(tmp_path)
    asyncio.run(here.workspace.write_text("a/b/c.txt", TextFile("text")))
    assert here.snapshot() == {os.path.join("a", "b", "c.txt"): b"text"}


def test_a_write_replaces_the_file_so_that_hard_links_to_it_keep_their_text(tmp_path: Path) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", "old")
    os.link(path, tmp_path / "outside.txt")
    asyncio.run(here.workspace.write_text("a.txt", TextFile("new")))
    assert (tmp_path / "outside.txt").read_text() == "old"


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "old").chmod(0o444)
    with pytest.raises(ToolError, match=r"a\.txt is marked read-only"):
        asyncio.run(here.workspace.write_text("a.txt", TextFile("new")))
    assert here.snapshot() == {"a.txt": b"old"}


def test_a_failed_write_leaves_the_old_text_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "old")

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(ToolError, match=r"a\.txt cannot be written: the disk is full"):
        asyncio.run(here.workspace.write_text("a.txt", TextFile("new")))
    assert here.snapshot() == {"a.txt": b"old"}


def test_a_file_over_the_cap_is_refused_and_one_at_the_cap_is_read(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("big.txt", b"x" * (MAX_TEXT_BYTES + 1))
    here.file("fits.txt", b"x" * MAX_TEXT_BYTES)
    with pytest.raises(ToolError, match=r"big\.txt is too large: 10\.0 MiB, and the limit is 10 MiB"):
        asyncio.run(here.workspace.read_text("big.txt"))
    assert len(asyncio.run(here.workspace.read_text("fits.txt")).text) == MAX_TEXT_BYTES


def test_binary_files_are_no_text_but_can_be_read_as_bytes(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.bin", b"\x00\x01\xff")
    with pytest.raises(ToolError, match=r"a\.bin is binary"):
        asyncio.run(here.workspace.read_text("a.bin"))
    assert asyncio.run(here.workspace.read_bytes("a.bin")) == b"\x00\x01\xff"


def test_a_listing_names_kinds_and_sizes(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("b.txt", "12345")
    here.file("a/x.txt")
    os.mkfifo(here.cwd / "c")
    os.symlink("a", here.cwd / "d")
    os.symlink("nowhere", here.cwd / "e")
    entries = [(entry.name, entry.kind) for entry in here.workspace.list_directory(".")]
    assert entries == [("a", "directory"), ("b.txt", "file"), ("c", "other"), ("d", "directory"), ("e", "other")]
    assert DirectoryEntry("b.txt", "file", 5) in here.workspace.list_directory(".")


def test_errors_name_the_path_as_it_was_given(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt")
    for path, reason in (("sub/../no.txt", "does not exist"), ("a.txt/x", "leads through something")):
        with pytest.raises(ToolError) as caught:
            asyncio.run(here.workspace.read_text(path))
        assert str(caught.value).startswith(f"{path} {reason}")


def test_a_move_never_replaces_a_file(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "a")
    here.file("b.txt", "b")
    with pytest.raises(ToolError, match=r"b\.txt exists already"):
        asyncio.run(here.workspace.move("a.txt", "b.txt"))
    assert here.snapshot() == {"a.txt": b"a", "b.txt": b"b"}


ENCODED = {
    "utf-8": "naïve → \U0001f600\r\n".encode(),
    "utf-8 with a mark": b"\xef\xbb\xbf" + "é\n".encode(),
    "utf-16 little": b"\xff\xfe" + "é→\U0001f600\r\n".encode("utf-16-le"),
    "utf-16 big": b"\xfe\xff" + "é→\n".encode("utf-16-be"),
    "utf-32 little": b"\xff\xfe\x00\x00" + "é→".encode("utf-32-le"),
    "utf-32 big": b"\x00\x00\xfe\xff" + "é→".encode("utf-32-be"),
    "latin-1": "façade\n".encode("latin-1"),
}


@pytest.mark.parametrize("kind", ENCODED)
def test_text_survives_decoding_and_encoding_byte_for_byte(kind: str) -> None:
    file = decode_text(ENCODED[kind])
    assert file is not None
    assert encode_text(file) == ENCODED[kind]
    assert not file.text.startswith("\ufeff")


@given(st.binary(max_size=60) | st.tuples(st.sampled_from(sorted(ENCODED.values())), st.binary()).map(b"".join))
def test_whatever_counts_as_text_encodes_to_the_same_bytes(data: bytes) -> None:
    file = decode_text(data)
    if file is not None:
        assert encode_text(file) == data
        assert "\0" not in file.text


@pytest.mark.parametrize(
    "data", [b"\x00", b"text\x00text", b"caf\xe9\x01", b"\xe9\x1b[0m", b"\x89PNG\r\n\x1a\n", b"\xff\xfea\x00b"]
)
def test_control_bytes_make_a_file_binary_unless_it_is_utf_8(data: bytes) -> None:
    assert decode_text(data) is None
    assert decode_text(b"\x1b[31mred\x1b[0m") == TextFile("\x1b[31mred\x1b[0m")


def test_a_character_that_the_encoding_lacks_is_named() -> None:
    with pytest.raises(ToolError, match=r"U\+2192 cannot be written: the file's encoding, latin-1"):
        encode_text(TextFile("a → b", "latin-1"))
    with pytest.raises(ToolError, match=r"U\+D800"):
        encode_text(TextFile("\ud800"))


def test_the_line_ending_of_most_lines_counts() -> None:
    assert line_ending("a\r\nb\r\nc\n") == "\r\n"
    assert line_ending("a\r\nb\nc\n") == "\n"
    assert line_ending("one line") == line_ending("a\r\nb\n") == "\n"


def test_a_final_line_ending_begins_no_line() -> None:
    assert split_lines("a\r\nb\n") == ["a", "b"]
    assert split_lines("a\n\nb") == ["a", "", "b"]
    assert split_lines("") == []
    assert split_lines("a\u2028b\x0cc") == ["a\u2028b\x0cc"]
