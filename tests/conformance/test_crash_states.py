"""Every state that a crash can leave: the kit makes them of what an agent was seen to write, and sees what is lost."""

from __future__ import annotations

import random
import shutil
import sys
from pathlib import Path

import pytest

from conformance.faults.crash_states import IMPOSSIBLE, main, run
from conformance.faults.disk import SECTOR_BYTES, Disk, lay_out
from conformance.faults.strace import Change, Kind, Watched
from conformance.faults.subject import Subject

AGENT = str(Path(__file__).with_name("agent_with_log.py"))
PROMPTS = ("write", "short", "read")
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")


def logging_agent(broken: str = "") -> Subject:
    return Subject([sys.executable, "-I", "-S", AGENT, "--broken", broken])


def change(kind: Kind, number: int = 1, path: str = "a", data: bytes = b"", offset: int = 0, old: str = "") -> Change:
    return Change(kind, 0.0, number, path, data, offset, old)


def disk(*changes: Change) -> Disk:
    made = Disk()
    for one in changes:
        made.take(one)
    return made


def losing(made: Disk, *, names: bool = False) -> set[tuple[tuple[str, bytes], ...]]:
    """All that a loss of power may leave, as far as many tries show it."""
    return {tuple(sorted(made.without_power(random.Random(seed), names=names).items())) for seed in range(300)}


def test_a_kill_leaves_what_was_written_and_half_of_what_was_being_written() -> None:
    made = disk(change("create"), change("write", data=b"one "), change("write", data=b"two", offset=4))
    assert made.killed() == {"a": b"one two"}
    made.take(change("write", data=b" three", offset=7), cut=3)
    assert made.killed() == {"a": b"one two th"}


def test_a_loss_of_power_leaves_what_was_synced_and_any_sectors_of_the_rest() -> None:
    first, second = b"a" * SECTOR_BYTES, b"b" * SECTOR_BYTES
    made = disk(
        change("create"),
        change("write", data=b"safe"),
        change("sync begins"),
        change("write", data=first + second, offset=SECTOR_BYTES),
        change("sync ends"),
    )
    left = [dict(one)["a"] for one in losing(made)]
    assert all(content.startswith(b"safe") for content in left)
    assert {content.rstrip(b"\0") for content in left} >= {b"safe", b"safe".ljust(512, b"\0") + first + second}
    assert any(first not in content and second in content for content in left)
    assert any(first in content and second not in content for content in left)
    assert any(content.count(b"a") % SECTOR_BYTES for content in left)


def test_names_that_were_not_synced_are_lost_the_last_first_and_only_if_asked_for() -> None:
    made = disk(
        change("create", path="a"),
        change("sync names", 0, ""),
        change("create", 2, "b"),
        change("rename", 2, "a", old="b"),
    )
    assert {tuple(name for name, _ in one) for one in losing(made)} == {("a",)}
    named = {tuple(name for name, _ in one) for one in losing(made, names=True)}
    assert named == {("a",), ("a", "b")}


def test_a_directory_is_laid_out_private_and_without_shared_memory(tmp_path: Path) -> None:
    lay_out({"x/a": b"one", "b-shm": b"two"}, {"y"}, tmp_path / "made")
    assert sorted(str(path.relative_to(tmp_path / "made")) for path in (tmp_path / "made").rglob("*")) == [
        "x",
        "x/a",
        "y",
    ]
    assert (tmp_path / "made" / "x" / "a").stat().st_mode & 0o777 == 0o600


TRACE = r"""7 10.0 openat(AT_FDCWD</w>, "{s}/one", O_WRONLY|O_CREAT|O_APPEND, 0600) = 5<{s}/one>
7 10.1 write(5<{s}/one>, "{abc}", 3) = 3
8 10.2 fdatasync(5<{s}/one> <unfinished ...>
7 10.3 write(5<{s}/one>, "{abc}", 3) = 2
8 10.4 <... fdatasync resumed>) = 0
7 10.5 write(1<pipe:[99]>, "{abc}", 3) = 3
7 10.6 rename("{s}/one", "{s}/two") = 0
7 10.7 pwrite64(5<{s}/two>, "{abc}", 3, 1) = 3
7 10.8 ftruncate(5<{s}/two>, 4) = 0
7 10.9 openat(AT_FDCWD</w>, "{s}", O_RDONLY|O_CLOEXEC) = 6<{s}>
7 11.0 fsync(6<{s}>) = 0
7 11.1 unlinkat(6<{s}>, "two", 0) = 0
7 11.2 write(5<{s}/two>(deleted), "{abc}", 3) = -1 ENOSPC (No space left on device)
"""


def escaped(text: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in text.encode())


def test_a_trace_is_read_with_what_two_threads_did_at_once(tmp_path: Path) -> None:
    trace = TRACE.replace("{abc}", escaped("abc"))
    for path in ("{s}/one", "{s}/two", "{s}"):
        for before, behind in (('"', '"'), ("<", ">")):
            trace = trace.replace(before + path + behind, before + escaped(path.replace("{s}", "/store")) + behind)
    trace = trace.replace('"two"', f'"{escaped("two")}"').replace("</w>", f"<{escaped('/w')}>")
    log = tmp_path / "trace"
    log.write_text(trace)
    seen = [str(one) for one in Watched("/store").read(log, 99)]
    assert seen == [
        "create file 1 one",
        "write file 1 one of 3 bytes at 0",
        "sync begins file 1 one",
        "write file 1 one of 2 bytes at 3",
        "sync ends file 1 one",
        "told",
        "rename file 1 two",
        "write file 1 two of 3 bytes at 1",
        "truncate file 1 two",
        "sync names",
        "unlink file 1 two",
    ]


@needs_strace
def test_an_agent_that_writes_and_syncs_as_it_should_loses_nothing() -> None:
    recording, did, lost = run(logging_agent(), 30, 1, PROMPTS)
    assert lost == []
    assert did == {
        "states killed": 30,
        "states killed with losses": 0,
        "states power": 15,
        "states power with losses": 0,
    }
    assert {one.kind for one in recording.changes} >= {"create", "write", "sync begins", "sync ends", "told"}


@needs_strace
@pytest.mark.parametrize(
    ("broken", "model"),
    [("sends first", "killed"), ("dies of torn lines", "killed"), ("never syncs", "power"), ("no crc", "power")],
)
def test_an_agent_that_can_lose_something_is_found_out(broken: str, model: str) -> None:
    _, _, lost = run(logging_agent(broken), 30, 1, PROMPTS)
    assert any(loss.startswith(model) for loss in lost)


def test_without_strace_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["--agent", f"{sys.executable} {AGENT}", "--states", "1"]) == IMPOSSIBLE
    assert "strace is not installed" in capsys.readouterr().err
