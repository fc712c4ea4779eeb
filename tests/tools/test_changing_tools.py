from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.conversation.tool_calls import FileChange, Location
from agent_server.tools.delete_file import DeleteFile
from agent_server.tools.edit_file import EditFile
from agent_server.tools.exact_edit import apart, occurrences, replaced
from agent_server.tools.move_file import MoveFile
from agent_server.tools.ports import TextFile
from agent_server.tools.text_files import decode_text, encode_text
from agent_server.tools.tool import Tool
from agent_server.tools.write_file import WriteFile

from .tool_calls_on_disk import change_of, desk

CHANGING: list[tuple[Tool, dict[str, Any], str]] = [
    (WriteFile(), {"path": "a.txt", "content": "new"}, "write files"),
    (EditFile(), {"path": "a.txt", "old_text": "old", "new_text": "new"}, "edit files"),
    (DeleteFile(), {"path": "a.txt"}, "delete files"),
    (MoveFile(), {"source": "a.txt", "target": "b.txt"}, "move files"),
]


@pytest.mark.parametrize(("tool", "arguments", "label"), CHANGING)
def test_preparing_changes_nothing(tmp_path: Path, tool: Tool, arguments: dict[str, Any], label: str) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "old")
    prepared = here.prepare(tool, **arguments)
    assert here.snapshot() == {"a.txt": b"old"}
    assert (prepared.trust_key, prepared.trust_label) == (tool.spec.name, label)
    assert tool.spec.changes


@pytest.mark.parametrize(("tool", "arguments", "label"), CHANGING)
def test_a_file_that_changed_since_it_was_shown_is_left_alone(
    tmp_path: Path, tool: Tool, arguments: dict[str, Any], label: str
) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", "old")
    prepared = here.prepare(tool, **arguments)
    path.write_text("old, and changed by somebody else")
    assert here.refused_run(prepared) == "a.txt changed since it was read; read it again"
    path.unlink()
    assert here.refused_run(prepared) == "a.txt changed since it was read; read it again"
    assert here.snapshot() == {}


@pytest.mark.req("TL-06")
def test_writing_a_new_file_makes_it_and_its_directories(tmp_path: Path) -> None:
    here = desk(tmp_path)
    prepared = here.prepare(WriteFile(), path="src/new.py", content="a\nb\n")
    path = str(here.cwd / "src/new.py")
    assert prepared.title == "Create src/new.py"
    assert prepared.content == (FileChange("add", path, None, "a\nb\n"),)
    assert prepared.locations == (Location(path),)
    result = here.run(prepared)
    assert result.content == prepared.content
    assert here.snapshot() == {os.path.join("src", "new.py"): b"a\nb\n"}


@pytest.mark.req("AP-02")
def test_writing_over_a_file_shows_both_whole_texts(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "old\n")
    prepared = here.prepare(WriteFile(), path="a.txt", content="new\n")
    assert prepared.title == "Write a.txt"
    assert prepared.content == (FileChange("modify", str(here.cwd / "a.txt"), "old\n", "new\n"),)
    assert here.snapshot() == {"a.txt": b"old\n"}
    here.run(prepared)
    assert here.snapshot() == {"a.txt": b"new\n"}


def test_writing_the_same_text_says_so_and_is_no_change(tmp_path: Path) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", "same\r\n")
    inode = path.stat().st_ino
    prepared = here.prepare(WriteFile(), path="a.txt", content="same\n")
    assert prepared.content == ()
    result = here.run(prepared)
    assert result.content is None
    assert here.text(WriteFile(), path="a.txt", content="same\n").endswith("nothing was written")
    assert path.stat().st_ino == inode


def test_a_file_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    here = desk(tmp_path)
    prepared = here.prepare(WriteFile(), path="a.txt", content="mine")
    here.file("a.txt", "theirs")
    assert here.refused_run(prepared) == "a.txt changed since it was read; read it again"
    assert here.snapshot() == {"a.txt": b"theirs"}


@pytest.mark.parametrize(
    ("before", "content", "after"),
    [
        (b"a\r\nb\r\n", "x\ny\n", b"x\r\ny\r\n"),
        (b"a\r\nb\r\n", "x\r\ny\n", b"x\r\ny\n"),
        (b"a\nb\nc\r\n", "x\ny\n", b"x\ny\n"),
        (b"\xef\xbb\xbfa\n", "\u00e9\n", b"\xef\xbb\xbf\xc3\xa9\n"),
        (b"\xef\xbb\xbfa\n", "\ufeff\u00e9\n", b"\xef\xbb\xbf\xc3\xa9\n"),
        (b"\xff\xfea\x00\r\x00\n\x00", "b\n", b"\xff\xfeb\x00\r\x00\n\x00"),
        ("é\n".encode("latin-1"), "è\n", "è\n".encode("latin-1")),
        (b"a\r\n", "", b""),
    ],
)
def test_a_write_keeps_encoding_mark_and_line_endings(
    tmp_path: Path, before: bytes, content: str, after: bytes
) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", before)
    here.call(WriteFile(), path="a.txt", content=content)
    assert path.read_bytes() == after


def test_a_character_that_the_file_cannot_hold_is_refused_before_anybody_is_asked(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "é\n".encode("latin-1"))
    assert "U+2192 cannot be written" in here.refusal(WriteFile(), path="a.txt", content="→")


def test_binary_files_and_directories_are_not_written(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.bin", b"\x00")
    here.file("d/x")
    assert here.refusal(WriteFile(), path="a.bin", content="") == "a.bin is binary"
    assert here.refusal(WriteFile(), path="d", content="") == "d is a directory"
    assert here.refusal(EditFile(), path="d", old_text="x", new_text="") == "d is a directory"


@pytest.mark.req("TL-04")
def test_an_edit_replaces_the_one_occurrence(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("src/a.py", "one\ntwo\nthree\n")
    prepared = here.prepare(EditFile(), path="src/a.py", old_text="two\n", new_text="2\n")
    path = str(here.cwd / "src/a.py")
    assert prepared.title == "Edit src/a.py"
    assert prepared.content == (FileChange("modify", path, "one\ntwo\nthree\n", "one\n2\nthree\n"),)
    assert prepared.locations == (Location(path, 2),)
    result = here.run(prepared)
    assert result.content == prepared.content
    assert here.snapshot() == {os.path.join("src", "a.py"): b"one\n2\nthree\n"}


@pytest.mark.req("TL-04")
def test_an_ambiguous_edit_is_refused_with_the_lines(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "x\ny\nx\n" + "x\n" * 12)
    refusal = here.refusal(EditFile(), path="a.txt", old_text="x", new_text="z")
    assert refusal == (
        "old_text occurs 14 times in a.txt, at lines 1, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more; "
        "add lines around it to make it unique, or set replace_all"
    )
    here.file("b.txt", "aaa")
    assert "occurs 2 times in b.txt, at line 1;" in here.refusal(EditFile(), path="b.txt", old_text="aa", new_text="b")


@pytest.mark.req("TL-04")
def test_all_occurrences_are_replaced_on_demand(tmp_path: Path) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", "x y\nx\naaa\n")
    text = here.text(EditFile(), path="a.txt", old_text="x", new_text="xx", replace_all=True)
    assert text == "Edited a.txt: 2 replacements, the first at line 1"
    here.call(EditFile(), path="a.txt", old_text="aa", new_text="b", replace_all=True)
    assert path.read_text() == "xx y\nxx\nba\n"
    assert "does not occur" in here.refusal(EditFile(), path="a.txt", old_text="q", new_text="", replace_all=True)


@pytest.mark.req("TL-04")
def test_an_edit_of_nothing_or_to_the_same_is_refused(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "x")
    assert here.refusal(EditFile(), path="a.txt", old_text="", new_text="y").startswith("old_text is empty")
    assert here.refusal(EditFile(), path="a.txt", old_text="x", new_text="x") == "old_text and new_text are the same"
    assert "none.txt does not exist" in here.refusal(EditFile(), path="none.txt", old_text="x", new_text="y")


@pytest.mark.req("TL-04")
def test_a_text_that_is_not_there_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.py", "import os\n\n\ndef total(items):\n    return sum(items)\n\n\ndef other():\n    pass\n")
    refusal = here.refusal(
        EditFile(), path="a.py", old_text="def total(item):\n  return sum(item)\n", new_text="x"
    )
    assert refusal == (
        "old_text does not occur in a.py. The nearest text, 94% the same, is at lines 4-5:\n"
        "def total(items):\n    return sum(items)"
    )
    unlike = here.refusal(EditFile(), path="a.py", old_text="~~~ @@@ ~~~ @@@", new_text="x")
    assert unlike == "old_text does not occur in a.py, nor does anything like it; read the file again"


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"a\r\nb\r\nc\r\n", "a\nb\n", "x\ny\nz\n", b"x\r\ny\r\nz\r\nc\r\n"),
        (b"a\r\nb\r\n", "\nb", "", b"a\r\n"),
        (b"a\r\nb\r\n", "a\r\nb", "x\r\ny", b"x\r\ny\r\n"),
        (b"a\nb\n", "a\r\nb", "x\r\ny", b"x\ny\n"),
        (b"a\r\nb\nc\n", "a\nb", "x\ny", b"x\r\ny\nc\n"),
        (b"a\r\nb\r\nc\n", "c\n", "x\ny\n", b"a\r\nb\r\nx\ny\n"),
        (b"a\r\nb\r\nc\n", "c", "x\ny", b"a\r\nb\r\nx\r\ny\n"),
        (b"a\rb\r\n", "a", "x\n", b"x\r\n\rb\r\n"),
        (b"\xef\xbb\xbfa\r\n", "a", "\xe9", b"\xef\xbb\xbf\xc3\xa9\r\n"),
        ("\ufeffé→\r\n".encode("utf-16-le"), "é", "è\n", "\ufeffè\r\n→\r\n".encode("utf-16-le")),
        ("é ü\n".encode("latin-1"), "ü", "ß", "é ß\n".encode("latin-1")),
    ],
)
def test_an_edit_keeps_encoding_mark_and_line_endings(
    tmp_path: Path, before: bytes, old: str, new: str, after: bytes
) -> None:
    here = desk(tmp_path)
    path = here.file("a.txt", before)
    here.call(EditFile(), path="a.txt", old_text=old, new_text=new)
    assert path.read_bytes() == after


TEXT = st.text("ab\r\né", max_size=30)


@given(TEXT, st.text("ab\né", min_size=1, max_size=4), st.text("xy\n", max_size=5))
def test_an_edit_changes_only_the_matched_text(text: str, old: str, new: str) -> None:
    for span in occurrences(text, old):
        after = replaced(text, [span], new)
        assert text[span.start : span.end].replace("\r\n", "\n") == old
        assert after.startswith(text[: span.start])
        assert after.endswith(text[span.end :])
        inserted = after[span.start : len(after) - len(text) + span.end]
        assert inserted.replace("\r\n", "\n") == new
        assert text[: span.start].count("\n") == span.line - 1


@given(TEXT, st.text("ab\né", min_size=1, max_size=4))
def test_every_occurrence_is_found(text: str, old: str) -> None:
    plain = text.replace("\r\n", "\n")
    starts = [at for at in range(len(plain)) if plain.startswith(old, at)]
    assert len(occurrences(text, old)) == len(starts)
    assert len(apart(occurrences(text, old))) == plain.count(old)
    if "\r" not in plain:  # a lone one may come to stand before a line feed
        assert replaced(text, apart(occurrences(text, old)), "").replace("\r\n", "\n") == plain.replace(old, "")


@given(
    st.sampled_from([("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("latin-1", b"")]),
    TEXT, TEXT, st.sampled_from(["x", "x\ny"]),
)  # fmt: skip
def test_the_bytes_around_an_edit_stay_the_same(kind: tuple[str, bytes], head: str, tail: str, new: str) -> None:
    encoding, mark = kind
    before = encode_text(TextFile(f"é{head}OLD{tail}", encoding, mark))
    file = decode_text(before)
    assert file is not None
    after = encode_text(TextFile(replaced(file.text, occurrences(file.text, "OLD"), new), file.encoding, file.bom))
    assert after.startswith(mark + f"é{head}".encode(encoding))
    assert after.endswith(tail.encode(encoding))


@pytest.mark.req("TL-06")
def test_a_deletion_shows_what_is_lost(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "text")
    here.file("b.bin", b"\x00")
    prepared = here.prepare(DeleteFile(), path="a.txt")
    assert prepared.title == "Delete a.txt"
    assert change_of(prepared) == FileChange("delete", str(here.cwd / "a.txt"), "text", None)
    here.run(prepared)
    here.call(DeleteFile(), path="b.bin")
    assert here.snapshot() == {}


@pytest.mark.req("TL-06")
def test_directories_links_and_missing_files_are_not_deleted(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("d/x", "x")
    os.symlink("d/x", here.cwd / "link")
    assert here.refusal(DeleteFile(), path="d") == "d is a directory"
    assert here.refusal(DeleteFile(), path="none") == "none does not exist"
    assert here.refusal(DeleteFile(), path="link") == "link is a symbolic link"
    assert here.refusal(MoveFile(), source="link", target="y") == "link is a symbolic link"
    assert here.snapshot() == {os.path.join("d", "x"): b"x"}


def test_a_move_takes_the_file_along_and_shows_both_paths(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", b"t\r\n")
    prepared = here.prepare(MoveFile(), source="a.txt", target="new/b.txt")
    assert prepared.title == "Move a.txt to new/b.txt"
    source, target = str(here.cwd / "a.txt"), str(here.cwd / "new/b.txt")
    assert change_of(prepared) == FileChange("move", target, "t\r\n", "t\r\n", source)
    here.run(prepared)
    assert here.snapshot() == {os.path.join("new", "b.txt"): b"t\r\n"}


def test_a_move_never_replaces_anything(tmp_path: Path) -> None:
    here = desk(tmp_path)
    here.file("a.txt", "a")
    here.file("b.txt", "b")
    (here.cwd / "d").mkdir()
    assert here.refusal(MoveFile(), source="a.txt", target="b.txt") == "b.txt exists already"
    assert here.refusal(MoveFile(), source="a.txt", target="d") == "d is a directory"
    assert here.refusal(MoveFile(), source="d", target="e") == "d is a directory"
    prepared = here.prepare(MoveFile(), source="a.txt", target="c.txt")
    here.file("c.txt", "somebody else's")
    assert here.refused_run(prepared) == "c.txt exists already"
    assert here.snapshot() == {"a.txt": b"a", "b.txt": b"b", "c.txt": b"somebody else's"}
