"""A transcript as one page of HTML that needs nothing else: no script, no font, no request."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from html import escape
from typing import Any, Final

from agent_server.conversation.content import ImagePart, Part, TextPart
from agent_server.conversation.diffs import diff_lines
from agent_server.conversation.export import wording
from agent_server.conversation.transcript import Compaction, Message, Note, Plan, ToolCall, Transcript, TurnEnd
from agent_server.conversation.visible import readable, visible

_STYLE: Final = """
:root { color-scheme: light dark; --line: #d0d0d8; --quiet: #62626e; --back: #f4f4f7; --user: #e8eefc;
  --add: #1a6b32; --cut: #a3212d; --warn: #8a4b00; }
@media (prefers-color-scheme: dark) { :root { --line: #40404a; --quiet: #a0a0ac; --back: #202027; --user: #232c42;
  --add: #6fd08c; --cut: #ff8f98; --warn: #f0b35a; } }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0 1rem; color: var(--quiet); font-size: .875rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.said, pre { white-space: pre-wrap; overflow-wrap: anywhere; }
pre { margin: .5rem 0; padding: .5rem .75rem; border-radius: .4rem; background: var(--back); font-size: .8125rem; }
section { margin: 1rem 0; padding: .25rem .75rem; border-left: .25rem solid var(--line); }
section.user { background: var(--user); border-radius: .4rem; }
h2 { margin: .25rem 0; font-size: .8125rem; color: var(--quiet); }
details { margin: .5rem 0; padding: .25rem .75rem; border: 1px solid var(--line); border-radius: .4rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
.quiet { color: var(--quiet); font-size: .875rem; }
.failed, .denied, .error { color: var(--cut); }
.cancelled, .stopped { color: var(--warn); }
.add { color: var(--add); } .cut { color: var(--cut); } .at { color: var(--quiet); }
img { max-width: 100%; }
"""
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_BOXES: Final = {"pending": "☐", "in_progress": "◐", "completed": "☑"}


def html(transcript: Transcript) -> str:
    """The whole page."""
    title = escape(visible(transcript.heading))
    facts = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in wording.facts(transcript))
    blocks = [block for entry in transcript.entries for block in _BLOCKS[type(entry)](entry)]
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            f"<h1>{title}</h1>",
            f"<dl>{facts}</dl>",
            "<main>",
            *blocks,
            "</main>",
            "</body>",
            "</html>",
            "",
        )
    )


def _message(message: Message) -> Iterator[str]:
    body = "".join(_part(part) for part in message.parts)
    if message.role == "thought":
        yield _folded("Thought", body, "quiet")
    elif body:
        yield f'<section class="{message.role}"><h2>{wording.SPEAKERS[message.role]}</h2>{body}</section>'


def _part(part: Part) -> str:
    if isinstance(part, TextPart):
        return f'<div class="said" dir="auto">{escape(readable(part.text))}</div>' if part.text.strip() else ""
    line = escape(wording.part_line(part))
    if isinstance(part, ImagePart) and part.mime_type in _IMAGES and _BASE64.fullmatch(part.data):
        return f'<img alt="{line}" src="data:{part.mime_type};base64,{part.data}">'
    text = wording.part_text(part)
    return f'<p class="quiet">{line}</p>' + (_pre(text) if text is not None else "")


def _call(call: ToolCall) -> Iterator[str]:
    blocks = []
    given = wording.input_text(call)
    if given:
        blocks.append(_pre(given))
    blocks += ["<pre>" + "\n".join(map(_diff_line, diff_lines(change))) + "</pre>" for change in call.changes]
    blocks += [_pre(wording.command_text(command)) for command in call.commands]
    blocks += [_part(item) for item in call.content if isinstance(item, ImagePart)]
    said = wording.result_text(call)
    if said:
        blocks.append(_pre(said))
    yield _folded(wording.call_line(call), "".join(blocks), call.status.value)


def _diff_line(line: str) -> str:
    kind = {"+": "add", "-": "cut", "@": "at"}.get(line[:1])
    return f'<span class="{kind}">{escape(line)}</span>' if kind else escape(line)


def _note(note: Note) -> Iterator[str]:
    yield f'<p class="quiet {note.level}">{escape(visible(note.text))}</p>'


def _plan(plan: Plan) -> Iterator[str]:
    lines = "".join(f"<div>{_BOXES[entry.status]} {escape(visible(entry.content))}</div>" for entry in plan.entries)
    yield f'<section class="plan"><h2>Plan</h2>{lines}</section>'


def _compaction(compaction: Compaction) -> Iterator[str]:
    yield _folded(wording.compacted(compaction), _part(TextPart(compaction.summary)), "quiet")


def _turn_end(end: TurnEnd) -> Iterator[str]:
    text = wording.stopped(end)
    if text:
        kind = "error" if end.failure is not None else "stopped"
        yield f'<p class="{kind}">{escape(text)}</p>'


_BLOCKS: Final[dict[type, Callable[[Any], Iterator[str]]]] = {
    Message: _message,
    ToolCall: _call,
    Note: _note,
    Plan: _plan,
    Compaction: _compaction,
    TurnEnd: _turn_end,
}


def _pre(text: str) -> str:
    # The parser drops one line end behind the tag.
    return f"<pre>\n{escape(text)}</pre>"


def _folded(summary: str, body: str, kind: str) -> str:
    line = escape(summary)
    if not body:
        return f'<p class="{kind}">{line}</p>'
    return f'<details><summary class="{kind}">{line}</summary>{body}</details>'
