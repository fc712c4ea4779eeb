from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.tool_calls import Location
from agent_server.tools.list_directory import ListDirectory
from agent_server.tools.local_workspace import LocalWorkspace
from agent_server.tools.ports import TextFile
from agent_server.tools.read_file import MAX_IMAGE_BYTES, ReadFile

from .tool_calls_on_disk import RecordingContext, desk

TEN_LINES = "".join(f"line {number}\n" for number in range(1, 11))
IMAGES = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00",
    "image/gif": b"GIF89a\x01\x00",
    "image/webp": b"RIFF\x10\x00\x00\x00WEBPVP8 ",
}


@pytest.mark.req("TL-03")
def test_a_whole_file_comes_back_as_it_is_without_a_header(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", TEN_LINES)
    prepared = here.prepare(ReadFile(), path="a.txt")
    assert prepared.title == "Read a.txt"
    assert prepared.locations == (Location(str(here.cwd / "a.txt"), 1),)
    assert here.run(prepared).parts == (TextPart(TEN_LINES),)


@pytest.mark.spec("N-11")
@pytest.mark.req("TL-03")
@pytest.mark.parametrize(
    ("arguments", "title", "text"),
    [
        ({"offset": 3, "limit": 2}, "lines 3-4", "lines 3-4 of 10\nline 3\nline 4"),
        ({"offset": 9}, "from line 9", "lines 9-10 of 10\nline 9\nline 10"),
        ({"limit": 1}, "line 1", "lines 1-1 of 10\nline 1"),
        ({"offset": 9, "limit": 50}, "lines 9-58", "lines 9-10 of 10\nline 9\nline 10"),
        ({"offset": 2.0, "limit": 1}, "line 2", "lines 2-2 of 10\nline 2"),
    ],
)
def test_a_range_of_lines_has_a_header(tmp_path: Path, arguments: dict[str, Any], title: str, text: str) -> None:
    here = desk(tmp_path)
    here.file("a.txt", TEN_LINES)
    prepared = here.prepare(ReadFile(), path="a.txt", **arguments)
    assert prepared.title == f"Read a.txt ({title})"
    assert prepared.locations[0].line == arguments.get("offset", 1)
    assert here.run(prepared).parts == (TextPart(text),)


@pytest.mark.req("TL-03")
def test_a_large_file_is_cut_between_lines_and_says_how_to_go_on(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("big.txt", ("é" * 511 + "x\n") * 1_000)  # 1,024 bytes a line
    lines = here.lines(ReadFile(), path="big.txt")
    assert lines[0] == "lines 1-256 of 1000"
    assert len(lines) == 258
    assert lines[-1] == "[cut at 256 KB; go on with offset 257]"
    assert here.lines(ReadFile(), path="big.txt", offset=257)[0] == "lines 257-512 of 1000"
    assert here.lines(ReadFile(), path="big.txt", offset=900)[0] == "lines 900-1000 of 1000"


def test_one_line_that_is_too_long_is_cut_between_characters(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("long.txt", "→" * 200_000 + "\nnext")
    header, text, mark = here.lines(ReadFile(), path="long.txt")
    assert header == "lines 1-1 of 2"
    assert text == "→" * (256 * 1024 // 3)
    assert mark == "[line 1 cut at 256 KB; read the rest of it with a command, or go on with offset 2]"


def test_windows_line_endings_are_read_as_plain_ones(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", b"one\r\ntwo\r\n")
    assert here.text(ReadFile(), path="a.txt") == "one\ntwo\n"


@pytest.mark.req("TL-03")
def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("ten.txt", TEN_LINES)
    here.file("a.bin", b"\x00\x01")
    here.file("d/x", b"")
    read = ReadFile()
    assert here.refusal(read, path="ten.txt", offset=11) == "offset 11 is past the end: the file has 10 lines"
    assert here.refusal(read, path="d") == "d is a directory"
    assert here.refusal(read, path="a.bin").endswith("a.bin is binary")
    assert here.refusal(read, path="none.txt").endswith("none.txt does not exist")
    assert here.text(read, path="d/x") == "(the file is empty)"


@pytest.mark.parametrize("mime_type", IMAGES)
def test_an_image_comes_back_as_an_image_whatever_its_name(tmp_path: Path, mime_type: str) -> None:
    here = desk(tmp_path)
    here.file("picture.dat", IMAGES[mime_type])
    (part,) = here.call(ReadFile(), path="picture.dat").parts
    assert part == ImagePart(base64.b64encode(IMAGES[mime_type]).decode(), mime_type)


def test_an_image_over_the_cap_is_refused(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("big.png", IMAGES["image/png"].ljust(MAX_IMAGE_BYTES, b"\0"))
    here.file("huge.png", IMAGES["image/png"].ljust(MAX_IMAGE_BYTES + 1, b"\0"))
    assert isinstance(here.call(ReadFile(), path="big.png").parts[0], ImagePart)
    assert here.refusal(ReadFile(), path="huge.png") == "huge.png is an image of 5.0 MiB; the limit is 5 MiB"


@pytest.mark.req("TL-03")
def test_the_text_comes_through_the_workspace_so_that_unsaved_changes_are_seen(tmp_path: Path) -> None:
    class WithOpenBuffer(LocalWorkspace):
        async def read_text(self, path: str) -> TextFile:
            return TextFile("unsaved")

    here = desk(tmp_path)
    here.file("a.txt", "saved")
    here.context = RecordingContext(WithOpenBuffer(str(here.cwd)))
    assert here.text(ReadFile(), path="a.txt") == "unsaved"
    assert here.text(ReadFile(), path="only_in_the_editor.txt") == "unsaved"


@pytest.mark.req("TL-06")
def test_a_listing_shows_directories_first_with_a_slash(tmp_path: Path) -> None:
    here = desk(tmp_path)
    for path in ("zoo/x", "a.txt", "B.txt", ".hidden", "lib/y"):
        here.file(path)
    assert here.lines(ListDirectory()) == ["lib/", "zoo/", ".hidden", "B.txt", "a.txt"]
    assert here.lines(ListDirectory(), path="zoo") == ["x"]
    assert here.prepare(ListDirectory(), path="zoo").title == "List zoo"
    assert here.prepare(ListDirectory()).title == "List ."


def test_a_long_listing_is_cut_and_says_so(tmp_path: Path) -> None:
    here = desk(tmp_path)
    for number in range(1_001):
        (here.cwd / f"{number:04}").touch()
    lines = here.lines(ListDirectory())
    assert lines[999:] == ["0999", "[1,000 of 1,001 entries shown]"]


def test_what_is_no_directory_is_not_listed(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt")
    assert here.refusal(ListDirectory(), path="a.txt") == "a.txt is no directory"
    assert here.refusal(ListDirectory(), path="none") == "none does not exist"
    (here.cwd / "empty").mkdir()
    assert here.text(ListDirectory(), path="empty") == "(the directory is empty)"


def test_names_that_are_no_text_or_hide_something_are_shown_escaped(tmp_path: Path) -> None:
    here = desk(tmp_path)
    (here.cwd / "a\nb\u202etxt").touch()
    (here.cwd / "c\udcff").touch()
    assert here.lines(ListDirectory()) == ["a\\nb\\u202etxt", "c\\udcff"]
    assert asyncio.run(ReadFile().prepare({"path": "a\nb\u202etxt"}, here.context)).title == "Read a\\nb\\u202etxt"
