"""What the agents that are killed and starved are asked to do, and how agent-server is made to do it.

The prompts are plain words. A scenario for agent-server (``--model scenario:{scenario}``) answers them with numbered
texts, so that a gap anywhere shows; other agents may be given other prompts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

STREAM: Final = "stream"
LONG: Final = "long"
WRITE: Final = "write"
RUN: Final = "run"
READ: Final = "read"
SHORT: Final = "short"
PROMPTS: Final = (STREAM, LONG, WRITE, RUN, READ, SHORT)
"""What prompts begin with; a number behind it makes each unlike every other."""

CHUNK_CHARS: Final = 6
PAUSE_MS: Final = 1


def words(first: int, last: int) -> str:
    """Numbered words of `CHUNK_CHARS` characters each."""
    return "".join(f"{number:05d} " for number in range(first, last))


def _paused(runs: int, words_each: int) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = []
    for run in range(runs):
        text = words(run * words_each, (run + 1) * words_each)
        steps += [{"text": text, "chunk_chars": CHUNK_CHARS}, {"delay_ms": PAUSE_MS}]
    return steps


def _plan(done: int) -> dict[str, Any]:
    names = ("Think", "Write", "Say so")
    return {
        "plan": [{"content": name, "status": "completed" if i < done else "pending"} for i, name in enumerate(names)]
    }


def _write(name: str, content: str) -> dict[str, Any]:
    return {"tool": "write_file", "arguments": {"path": name, "content": content}}


def scenario() -> dict[str, Any]:
    """The scenario, as agent-server reads it."""
    turns: list[dict[str, Any]] = [
        {"match": {"tool_result": {"name": "write_file"}}, "steps": [_plan(2), {"text": words(900, 930)}, _plan(3)]},
        {"match": {"tool_result": {}}, "steps": [{"text": words(800, 900), "chunk_chars": CHUNK_CHARS}]},
        {"match": {"prompt": f"^{STREAM}"}, "steps": _paused(20, 20)},
        {"match": {"prompt": f"^{LONG}"}, "steps": [{"text": words(0, 4000), "chunk_chars": CHUNK_CHARS}]},
        {
            "match": {"prompt": f"^{WRITE}"},
            "steps": [
                {"thought": words(0, 50), "chunk_chars": CHUNK_CHARS},
                _plan(1),
                {"text": words(50, 100), "chunk_chars": CHUNK_CHARS},
                _write("a.txt", words(0, 200)),
                _write("b.txt", words(200, 400)),
            ],
        },
        {
            "match": {"prompt": f"^{RUN}"},
            "steps": [
                {"text": words(0, 10), "chunk_chars": CHUNK_CHARS},
                {"tool": "run_command", "arguments": {"command": "for i in 1 2 3 4 5; do echo line $i; done"}},
            ],
        },
        {
            "match": {"prompt": f"^{READ}"},
            "steps": [{"tool": "read_file", "arguments": {"path": f"{name}.txt"}} for name in "abcd"],
        },
        {"match": {"prompt": ""}, "steps": [{"text": words(0, 3)}]},
    ]
    return {"name": "story", "turns": [{**turn, "repeat": True} for turn in turns]}


def write_scenario(directory: Path) -> Path:
    """Write the scenario into a directory; its path."""
    path = directory / "story.json"
    path.write_text(json.dumps(scenario()), encoding="utf-8")
    return path
