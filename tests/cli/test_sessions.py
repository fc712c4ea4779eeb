"""``agent-server sessions`` on stores in files."""

from __future__ import annotations

import argparse
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from agent_server.cli import sessions_command
from agent_server.cli.sessions_command import SessionsCommand
from agent_server.cli.sessions_list import age_of
from agent_server.sessions.timestamps import now_ms, rfc3339
from agent_server.store.catalogue import MemoryCatalogue
from agent_server.store.files import FileStore
from agent_server.store.store import UnknownSession
from tests.conversation.stories import beginning, eventful, turn
from tests.store.stocked import put, session_id

Run = Callable[..., tuple[int, str, str]]


def ago(days: float) -> str:
    return rfc3339(now_ms() - round(days * 86_400_000))


class Shop:
    """A store in files with its catalogue, and a way to run commands on it."""

    def __init__(self, directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.directory = directory
        self.store = FileStore(str(directory))
        self.catalogue = MemoryCatalogue()
        self._capsys = capsys

    def run(self, *arguments: str, store: FileStore | None = None) -> tuple[int, str, str]:
        parser = argparse.ArgumentParser()
        sessions_command.add_arguments(parser)
        self._capsys.readouterr()
        code = SessionsCommand(store or self.store, self.catalogue).run(parser.parse_args(list(arguments)))
        return code, *self._capsys.readouterr()

    def ids(self) -> list[str]:
        return [json.loads(line)["sessionId"] for line in self.run("list", "--json")[1].splitlines()]

    def others(self) -> FileStore:
        """The same files, as another server sees them."""
        return FileStore(str(self.directory))


@pytest.fixture
def shop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shop:
    """Three sessions, of which the third is the newest, and an archived one that is newer still."""
    shop = Shop(tmp_path / "store", capsys)
    put(shop.store, shop.catalogue, 1, ago(40), cwd="/one")
    put(shop.store, shop.catalogue, 2, ago(2), cwd="/two")
    put(shop.store, shop.catalogue, 3, ago(0.5), title=None)
    put(shop.store, shop.catalogue, 4, ago(0.1), archived=True)
    return shop


# list


def test_the_list_is_newest_first_with_number_id_age_turns_title_and_directory(shop: Shop) -> None:
    code, out, err = shop.run("list")
    assert (code, err) == (0, "")
    head, *rows = [line.split() for line in out.splitlines()]
    assert head == ["#", "ID", "AGE", "TURNS", "TITLE", "DIRECTORY"]
    assert rows == [
        ["2", "03ababab", "12h", "1", "ask", "3", "/work"],
        ["3", "02ababab", "2d", "1", "Title", "2", "/two"],
        ["4", "01ababab", "40d", "1", "Title", "1", "/one"],
    ]


@pytest.mark.parametrize(
    ("arguments", "numbers"),
    [
        ([], [3, 2, 1]),
        (["--limit", "2"], [3, 2]),
        (["--cwd", "/two"], [2]),
        (["--search", "TITLE"], [2, 1]),
        (["--search", "ask 3"], [3]),
        (["--search", "nothing"], []),
        (["--archived"], [4]),
    ],
)
def test_a_list_can_be_of_some_of_them(shop: Shop, arguments: list[str], numbers: list[int]) -> None:
    code, out, _ = shop.run("list", "--json", *arguments)
    listed = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [row["sessionId"] for row in listed] == [session_id(number) for number in numbers]
    assert all(row["number"] == 5 - number for row, number in zip(listed, numbers, strict=True))


def test_a_list_of_nothing_says_so_beside_the_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Shop(tmp_path, capsys).run("list") == (0, "", "no sessions\n")
    assert not (tmp_path / "store").exists()


def test_many_sessions_are_listed_in_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = Shop(tmp_path, capsys)
    made = [put(shop.store, shop.catalogue, number, ago(200 - number / 10)) for number in range(250)]
    out = shop.run("list", "--json", "--limit", "1000")[1]
    assert [json.loads(line)["sessionId"] for line in out.splitlines()] == made[::-1]


def test_what_others_wrote_steers_no_terminal(shop: Shop) -> None:
    put(shop.store, shop.catalogue, 5, ago(0), title="\x1b[2Jx\u202e", cwd="/a\u200b\nb")
    out = shop.run("list")[1]
    assert "\\x1b[2Jx\\u202e" in out and "/a\\u200b b" in out


@pytest.mark.parametrize(
    ("ms", "age"), [(0, "0s"), (-5, "0s"), (59_999, "59s"), (60_000, "1m"), (7_200_000, "2h"), (864e5 * 400, "400d")]
)
def test_an_age_is_one_number_and_a_letter(ms: int, age: str) -> None:
    assert age_of(int(ms)) == age


# Names


@pytest.mark.parametrize("name", [session_id(2), "session_02", "02", "02ab", "02ababab", "3"])
def test_a_session_is_named_by_its_id_the_beginning_of_it_or_its_number(shop: Shop, name: str) -> None:
    code, out, _ = shop.run("show", name)
    assert code == 0
    assert session_id(2) in out


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("0", "is the beginning of 4 ids: session_04"),
        ("99", "there is no session '99'"),
        ("", "there is no session ''"),
        ("../../etc/passwd", "there is no session"),
        ("\x1b[2J", "'\\\\x1b[2J'"),
    ],
)
def test_a_name_of_no_session_or_of_many_is_a_failure(shop: Shop, name: str, why: str) -> None:
    for command in ("show", "export"):
        code, out, err = shop.run(command, name)
        assert (code, out) == (1, "")
        assert why in err and err.count("\n") == 1


# show


def test_show_tells_what_happened_with_diffs_commands_and_usage(shop: Shop) -> None:
    put(shop.store, shop.catalogue, 9, ago(0), eventful())
    code, out, err = shop.run("show", "1")
    assert (code, err) == (0, "")
    assert out.startswith("I will fix **it**.\nSession: session_09")
    for expected in (
        "\nuser:\nFix it\n[link: a.py, file:///project/a.py]\n[image, image/png, ",
        "\nthought: I wonder. Hm.\n",
        "\nagent:\nI will fix **it**.\n",
        "\n+ Edit a.py (done)\n--- /project/a.py\n+++ /project/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n",
        "\n! make test (failed)\n  $ make test\n  1 passed €\n  [exit code 2]\n",
        "\n! List /work (denied)\n",
        "\nplan:\n  [x] Read\n  [~] Write\n",
        "\nThe turn failed: the model is busy\n",
        "3,000 input tokens",
    ):
        assert expected in out


def test_thoughts_are_one_line_unless_they_are_asked_for(shop: Shop) -> None:
    from agent_server.conversation.events import TextRun

    put(shop.store, shop.catalogue, 9, ago(0), [*beginning(), TextRun(2, "thought", ("one\n" * 50 + "last\x1b",), 1)])
    folded = shop.run("show", "1")[1]
    assert "last" not in folded and "thought: one one one" in folded
    whole = shop.run("show", "1", "--thoughts")[1]
    assert "\none\none\nlast\\x1b\n" in whole


def test_of_long_outputs_the_end_is_shown(shop: Shop) -> None:
    from agent_server.conversation.events import TerminalOutput, TerminalStarted

    lines = "".join(f"line {number}\n" for number in range(100))
    events = [
        *beginning(),
        *turn(1, "hi", "ho", 2),
        TerminalStarted("term_1", "call_1", "count", "/"),
        TerminalOutput("term_1", lines.encode()),
    ]
    put(shop.store, shop.catalogue, 9, ago(0), events)
    out = shop.run("show", "1")[1]
    assert "  $ count\n  … " in out and "  line 99\n" in out and "line 50\n" not in out


def test_reading_takes_no_session_over_from_a_server_that_runs(shop: Shop) -> None:
    epoch = shop.store.acquire(session_id(3))
    for command in ("show", "export"):
        code, out, _ = shop.run(command, session_id(3), store=shop.others())
        assert code == 0
        assert "answer 3" in out
    shop.store.append(session_id(3), epoch, turn(2, "and?", "still mine", 4))
    assert "still mine" in shop.run("show", session_id(3), store=shop.others())[1]


def test_a_damaged_log_is_shown_as_far_as_it_goes_and_the_damage_is_said(shop: Shop) -> None:
    name = put(shop.store, shop.catalogue, 9, ago(0), eventful())
    shop.store.append(name, shop.store.acquire(name), turn(3, "more", "words that are lost", 20))
    shop.store.close()
    (path,) = [path for path in shop.directory.rglob("*.log") if b"words that are lost" in path.read_bytes()]
    path.write_bytes(path.read_bytes().replace(b"that are lost", b"that WERE lost"))
    code, out, _ = shop.run("show", name, store=shop.others())
    assert code == 0
    assert "agent:\nI will fix **it**." in out
    assert "lost" not in out
    assert "this session's log was torn off" in out.splitlines()[-1]


# export


@pytest.mark.req("PE-10")
@pytest.mark.parametrize(
    ("arguments", "beginning_"),
    [
        ([], "# Title 2\n"),
        (["--format", "md"], "# Title 2\n"),
        (["--format", "html"], "<!doctype html>"),
        (["--format", "json"], '{\n  "format": "agent-server-session"'),
    ],
)
def test_an_export_is_printed(shop: Shop, arguments: list[str], beginning_: str) -> None:
    from agent_server.conversation.events import TitleChanged

    put(shop.store, shop.catalogue, 9, ago(0), [*beginning(), *turn(1, "q", "a", 2), TitleChanged("Title 2", "user")])
    code, out, err = shop.run("export", "1", *arguments)
    assert (code, err) == (0, "")
    assert out.startswith(beginning_)


@pytest.mark.req("PE-10")
def test_a_file_is_private_new_and_replaced_only_by_force(shop: Shop, tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    before = os.umask(0)
    try:
        assert shop.run("export", "2", "-o", str(target)) == (0, "", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert target.read_text().startswith("<!doctype html>")
    target.write_text("mine")
    code, _, err = shop.run("export", "2", "-o", str(target))
    assert code == 1 and "File exists" in err
    assert target.read_text() == "mine"
    target.chmod(0o644)
    assert shop.run("export", "2", "-o", str(target), "--force", "--format", "md")[0] == 0
    assert target.read_text().startswith("# ")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.html"]


def test_a_link_is_not_followed_to_another_file(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    assert shop.run("export", "2", "-o", str(tmp_path / "link"))[0] == 1
    assert shop.run("export", "2", "-o", str(tmp_path / "link"), "--force")[0] == 0
    assert not (tmp_path / "elsewhere").exists()
    assert shop.run("export", "2", "-o", str(tmp_path / "missing" / "x"))[0] == 1


@pytest.mark.req("PE-10")
def test_an_empty_session_is_not_exported(shop: Shop, tmp_path: Path) -> None:
    put(shop.store, shop.catalogue, 9, ago(0), beginning())
    code, out, err = shop.run("export", "1", "-o", str(tmp_path / "x.md"))
    assert (code, out) == (1, "")
    assert "nobody has said anything" in err
    assert not (tmp_path / "x.md").exists()


# delete and prune


def test_deleted_sessions_are_gone_for_good(shop: Shop) -> None:
    code, out, _ = shop.run("delete", "--yes", session_id(2), "2", session_id(3))
    assert code == 0
    assert out == f"deleted {session_id(2)}\ndeleted {session_id(3)}\n"
    assert shop.ids() == [session_id(1)]
    for store in (shop.store, shop.others()):
        with pytest.raises(UnknownSession):
            store.visible(session_id(2))
    assert shop.run("delete", "--yes", session_id(2))[0] == 1


def test_nothing_is_deleted_where_one_name_is_wrong_or_nobody_can_be_asked(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop.run("delete", "--yes", session_id(2), "nobody")[0] == 1
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        code, _, err = shop.run("delete", session_id(2))
    assert code == 2 and "--yes" in err
    assert len(shop.ids()) == 3


def test_a_session_of_another_server_is_not_deleted_and_its_process_is_named(shop: Shop) -> None:
    shop.store.acquire(session_id(2))
    code, out, err = shop.run("delete", "--yes", session_id(2), session_id(3), store=shop.others())
    assert code == 1
    assert f"process {os.getpid()}" in err
    assert out == f"deleted {session_id(3)}\n"
    assert shop.ids() == [session_id(2), session_id(1)]


def test_pruning_removes_what_is_old_neither_archived_nor_in_use(shop: Shop) -> None:
    put(shop.store, shop.catalogue, 5, ago(50), archived=True)
    put(shop.store, shop.catalogue, 6, ago(60))
    shop.store.acquire(session_id(6))
    other = shop.others()
    assert shop.run("prune", "--older-than", "30", "--dry-run", store=other)[1] == (
        f"would delete {session_id(1)}\nwould delete {session_id(6)}\n"
    )
    assert len(shop.ids()) == 4
    code, out, err = shop.run("prune", "--older-than", "30", store=other)
    assert (code, out) == (0, f"deleted {session_id(1)}\n")
    assert "in use" in err
    assert shop.ids() == [session_id(3), session_id(2), session_id(6)]
    assert shop.run("prune", "--older-than", "30", store=other)[1] == ""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nothing"],
        ["list", "--limit", "0"],
        ["show"],
        ["export", "1", "--format", "pdf"],
        ["delete"],
        ["prune"],
        ["prune", "--older-than", "-1"],
        ["prune", "--older-than", "nan"],
    ],
)
def test_a_wrong_command_line_is_2(shop: Shop, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        shop.run(*arguments)
    assert exit_.value.code == 2
