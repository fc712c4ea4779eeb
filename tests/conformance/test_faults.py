"""Hostile input: our agent loses nothing, and the kit sees it when an agent does."""

from __future__ import annotations

import itertools
import json
import shlex
import sys
from pathlib import Path

import pytest

from conformance.faults.__main__ import STREAM_PROMPT, documents, frames, main
from conformance.faults.attacks import ATTACKS, carried_out
from conformance.faults.documents import DOCUMENTS
from conformance.faults.frames import FRAMES
from conformance.faults.fuzz import damaged
from conformance.faults.single import Lines

OURS = [sys.executable, "-m", "agent_server"]
FUZZED_LINES = 3_000

FRAGILE = """
import json, sys
BREAKS = sys.argv[1]
for line in sys.stdin.buffer:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        message = None
    if BREAKS == "dies of arrays" and isinstance(message, list):
        sys.exit(1)
    if not isinstance(message, dict):
        if line.strip() and BREAKS != "ignores garbage":
            print('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"?"}}', flush=True)
        continue
    if "id" not in message:
        if BREAKS == "answers notifications" and "method" in message:
            print('{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"?"}}', flush=True)
        continue
    if "method" in message:
        answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "?"}})
        for _ in range(2 if BREAKS == "answers twice" and message["method"] == "nope" else 1):
            print(answer, flush=True)
"""


def test_the_kit_has_as_many_hostile_frames_and_documents_as_it_claims() -> None:
    assert len(FRAMES) >= 90
    assert len({frame.name for frame in FRAMES}) == len(FRAMES)
    assert len({document.text for document in DOCUMENTS}) == len(DOCUMENTS) >= 330
    assert not any(b"\n" in text for text in [frame.line for frame in FRAMES] + [one.text for one in DOCUMENTS])


def test_python_reads_every_document_as_the_corpus_says() -> None:
    def refuse(constant: str) -> None:
        raise ValueError(constant)

    misread = []
    for document in DOCUMENTS:
        try:
            json.loads(document.text.decode("utf-8"), parse_constant=refuse)
            legal = True
        except (ValueError, RecursionError):
            legal = False
        if document.grammar != "either" and legal is not (document.grammar == "legal"):
            misread.append(document.text)
    assert misread == []


@pytest.mark.promise("P7")
def test_our_agent_answers_every_hostile_frame_as_it_must() -> None:
    found = list(frames(OURS))
    assert len(found) == len(FRAMES)
    assert [result for result in found if result.finding != "ok"] == []


@pytest.mark.promise("P7")
def test_our_agent_answers_every_edge_document_once() -> None:
    found = list(documents(OURS))
    assert len(found) == 2 * len(DOCUMENTS)
    assert [result for result in found if result.finding != "ok"] == []


@pytest.mark.promise("P6")
@pytest.mark.promise("P7")
@pytest.mark.promise("P9")
@pytest.mark.parametrize("name", ATTACKS)
def test_our_agent_survives(name: str) -> None:
    result = carried_out(name, OURS, STREAM_PROMPT)
    assert (result.defect, result.lost) == (None, False)


@pytest.mark.promise("P7")
def test_our_agent_survives_randomly_damaged_lines() -> None:
    with Lines(OURS) as lines:
        lost = [(line, how) for line in itertools.islice(damaged(1), FUZZED_LINES) if (how := lines.survives(line))]
    assert lost == []


def test_the_same_seed_makes_the_same_lines() -> None:
    assert list(itertools.islice(damaged(3), 50)) == list(itertools.islice(damaged(3), 50))
    assert list(itertools.islice(damaged(3), 50)) != list(itertools.islice(damaged(4), 50))


@pytest.mark.parametrize(
    ("breaks", "finding", "names"),
    [
        ("nothing", "", set()),
        ("dies of arrays", "lost", {"an empty array", "a batch", "a batch of nonsense"}),
        ("answers twice", "too many answers", {"spaces around", "an empty text id", "the id zero"}),
        ("ignores garbage", "unanswered", {"no JSON", "a number", "a batch"}),
        ("answers notifications", "wrong answer", {"an unknown notification", "a cancel of nothing"}),
    ],
)
def test_a_fragile_agent_is_found_out(breaks: str, finding: str, names: set[str], tmp_path: Path) -> None:
    program = tmp_path / "fragile.py"
    program.write_text(FRAGILE, encoding="utf-8")
    agent = [sys.executable, "-I", "-S", str(program)]
    sound = {result.name for result in frames([*agent, "nothing"]) if not result.is_defect}
    found = {result.name: result.finding for result in frames([*agent, breaks]) if result.is_defect}
    assert names <= sound
    assert {name for name in found if found[name] == finding} >= names
    assert {found[name] for name in found if name in sound} <= {finding}


def test_the_command_line_tells_every_defect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "fragile.py"
    program.write_text(FRAGILE, encoding="utf-8")
    agent = shlex.join([sys.executable, "-I", "-S", str(program), "dies of arrays"])
    assert main(["--agent", agent, "--sections", "frames", "--only", "a batch"]) == 1
    assert "1 hostile frames: 1 losses" in capsys.readouterr().out
    assert main(["--agent", agent, "--sections", "frames", "--only", "no JSON"]) == 0


def test_an_agent_that_outlives_its_input_is_found_out(tmp_path: Path) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(FRAGILE + "\nimport time\ntime.sleep(60)\n", encoding="utf-8")
    agent = [sys.executable, "-I", "-S", str(program), "nothing"]
    result = carried_out("the input ends in the middle of a line", agent, STREAM_PROMPT)
    assert result.defect is not None
    assert "still runs" in result.defect


SLOW = """
import json, sys
late = []
for line in sys.stdin:
    message = json.loads(line)
    answer = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": {}})
    if message["method"] == "slow":
        late.append(answer)
    elif message["method"] == "last":
        print(answer, *late, sep="\\n", flush=True)
    else:
        print(*[answer] * (2 if message["method"] == "twice" else 1), sep="\\n", flush=True)
"""


def test_an_answer_that_takes_its_time_is_not_laid_at_the_door_of_another_line(tmp_path: Path) -> None:
    program = tmp_path / "slow.py"
    program.write_text(SLOW, encoding="utf-8")
    with Lines([sys.executable, "-I", "-S", str(program)]) as lines:
        sent = [(b"slow", 4), (b"slow", 4), (b"once", 5), (b"last", 6), (b"twice", 7)]
        said = [lines.survives(b'{"jsonrpc":"2.0","id":%d,"method":"%b"}' % (number, name)) for name, number in sent]
    assert said == [None, None, None, None, "2 answers"]
