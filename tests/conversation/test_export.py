from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from agent_server.conversation.content import ImagePart, TextPart
from agent_server.conversation.events import (
    Event,
    MessageInserted,
    SystemNote,
    TerminalExited,
    TerminalOutput,
    TerminalStarted,
    TextRun,
    TitleChanged,
    ToolCallUpserted,
    ToolResultRecorded,
)
from agent_server.conversation.export import FORMATS, EmptySession, Format, exported
from agent_server.conversation.tool_calls import FileChange
from agent_server.conversation.transcript import Transcript

from .stories import PIXEL, beginning, eventful, turn

SCHEMA = json.loads((Path(__file__).parents[2] / "schemas/session-export.json").read_text("utf-8"))


def export(format_: Format, events: list[Event]) -> str:
    transcript = Transcript("session_1", "2026-11-20T11:00:00.000Z")
    transcript.apply(events)
    return exported(transcript, format_)


class Page(HTMLParser):
    """The tags and the texts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.mark.req("PE-10")
@pytest.mark.parametrize("format_", FORMATS)
def test_a_session_in_which_nobody_said_anything_is_not_exported(format_: Format) -> None:
    with pytest.raises(EmptySession):
        export(format_, beginning())


@pytest.mark.req("PE-10")
@pytest.mark.parametrize("format_", FORMATS)
def test_an_export_holds_the_prompt_and_the_answer_and_ends_its_last_line(format_: Format) -> None:
    text = export(format_, [*beginning(), *turn(1, "What is it?", "It is this.", 2)])
    assert "What is it?" in text and "It is this." in text
    assert text.endswith("\n")


@pytest.mark.req("PE-10")
def test_markdown_folds_what_tools_did_and_what_was_thought() -> None:
    text = export("markdown", eventful())
    assert text.startswith("# I will fix \\*\\*it\\*\\*.\n\n- Session: `session_1`\n- Directory: `/work`\n")
    assert "\n## User\n\nFix it\n\n`[link: a.py, file:///project/a.py]`\n" in text
    assert "\n## Agent\n\nI will fix **it**.\n" in text
    assert "<details>\n<summary>Thought</summary>\n\nI wonder. Hm.\n\n</details>" in text
    assert "<summary>Edit a.py (done)</summary>" in text
    assert "```diff\n--- /project/a.py\n+++ /project/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+TWO\n```" in text
    assert "```console\n$ make test\n1 passed €\n[exit code 2]\n```" in text
    assert "<p>List /work (denied)</p>" in text
    assert "- [x] Read\n- [~] Write" in text
    assert "3,000 input tokens, 110 output tokens, 15 cached tokens, 7 tokens of thought, $0.7500" in text
    assert "> **The turn failed: the model is busy**" in text
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.req("PE-10")
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("<details>\n<summary>gotcha</summary>", "&lt;details>\n&lt;summary>gotcha&lt;/summary>"),
        ("</details>", "&lt;/details>"),
        ("<!-- the rest", "&lt;!-- the rest"),
        ("a < b and `List<str>`", "a < b and `List<str>`"),
        ("```\n<b>\n```\n<b>", "```\n<b>\n```\n&lt;b>"),
        ("- ~~~\n  <b>\n  ~~~\n<b>", "- ~~~\n  <b>\n  ~~~\n&lt;b>"),
        ("````sh\n```\nnever closed", "````sh\n```\nnever closed\n````"),
        ("\u202eevil\x1b[2J", "\\u202eevil\\x1b[2J"),
    ],
)
def test_what_is_said_swallows_nothing_that_follows(said: str, shown: str) -> None:
    text = export("markdown", [*beginning(), *turn(1, said, "next", 2)])
    assert f"## User\n\n{shown}\n\n## Agent\n\nnext\n" in text


def test_code_in_markdown_is_fenced_so_that_it_cannot_end_the_fence() -> None:
    events: list[Event] = [
        *beginning(),
        *turn(1, "hi", "ho", 2),
        ToolCallUpserted("call_1", "</summary>`x`", content=(TextPart("```\n````\nfree"),)),
    ]
    text = export("markdown", events)
    assert "<summary>&lt;/summary&gt;`x` (not run)</summary>" in text
    assert "`````\n```\n````\nfree\n`````" in text


@pytest.mark.req("PE-10")
def test_a_page_needs_nothing_else_and_may_do_nothing() -> None:
    text = export("html", eventful())
    page = Page(text)
    assert page.open == []
    assert set(page.tags).isdisjoint({"script", "link", "iframe", "a", "form", "object", "svg"})
    addresses = [value for name, value in page.attributes if name in ("src", "href", "srcset", "action")]
    assert addresses == [f"data:image/png;base64,{PIXEL}"]
    assert not any(name.startswith("on") or name == "style" for name, _ in page.attributes)
    (policy,) = [value for name, value in page.attributes if name == "content" and "default-src" in (value or "")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
    assert "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_policy_allows_the_page_its_own_style() -> None:
    import base64
    import hashlib

    text = export("html", eventful())
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in text


def test_a_page_tells_what_happened() -> None:
    said = Page(export("html", eventful())).text
    for expected in (
        "I will fix **it**.", "Fix it", "[link: a.py, file:///project/a.py]", "I wonder. Hm.", "Edit a.py (done)",
        "-two", "+TWO", "$ make test\n1 passed €\n[exit code 2]", "☑ Read", "◐ Write", "List /work (denied)",
        "The context was shortened here.", "We fixed it.", "The turn failed: the model is busy", "telepathy",
    ):  # fmt: skip
        assert expected in said


def hostile(text: str) -> list[Event]:
    """This text wherever somebody else's text can be."""
    change = FileChange("modify", text, "", text)
    return [
        *beginning(text or "/"),
        SystemNote(9, "error", text),
        *turn(1, text, text, 2),
        MessageInserted(4, "user", (ImagePart("AAAA", text), ImagePart(text, "image/png"))),
        TextRun(5, "thought", (text,), 1),
        ToolCallUpserted("call_1", text, text, raw_input={text: [text]}, content=(change,)),
        TerminalStarted("term_1", "call_1", text, text),
        TerminalOutput("term_1", text.encode("utf-8", "replace")),
        TerminalExited("term_1", None, text),
        ToolCallUpserted("call_2", text, content=(TextPart(text),)),
        ToolResultRecorded("call_2", "c", text, (TextPart(text),), True),
        TitleChanged(text, "user"),
    ]


TEXTS = st.text(st.one_of(st.sampled_from("<>&\"'`/! \n-\x00\x1b\u202e\u200b\ud800"), st.characters()), max_size=40)


@given(TEXTS)
def test_no_text_becomes_a_part_of_the_page(text: str) -> None:
    page = Page(export("html", hostile(text)))
    assert page.open == []
    plain = Page(export("html", hostile("x" if text.strip() else text)))
    assert set(page.tags) <= set(plain.tags) | {"img", "span"}
    assert {name for name, _ in page.attributes} <= {name for name, _ in plain.attributes} | {"src", "alt"}


@given(TEXTS)
def test_nothing_in_an_export_is_hidden(text: str) -> None:
    for format_ in FORMATS:
        written = export(format_, hostile(text))
        written.encode()
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]", written)


@given(TEXTS)
def test_every_record_is_as_its_schema_says_and_loses_nothing(text: str) -> None:
    document = json.loads(export("json", hostile(text)))
    Draft202012Validator(SCHEMA).validate(document)
    messages = [entry for entry in document["entries"] if entry["type"] == "message"]
    assert messages[0]["content"] == [{"type": "text", "text": text}]


@pytest.mark.req("PE-10")
def test_a_record_tells_programs_what_happened() -> None:
    document = json.loads(export("json", eventful()))
    Draft202012Validator(SCHEMA).validate(document)
    assert document["format"] == "agent-server-session"
    assert document["session"] == {
        "sessionId": "session_1",
        "title": "I will fix **it**.",
        "cwd": "/work",
        "additionalDirectories": ["/more"],
        "createdAt": "2026-11-20T10:00:00.000Z",
        "updatedAt": "2026-11-20T11:00:00.000Z",
        "model": "offline",
        "archived": False,
        "turnCount": 2,
    }
    assert document["usage"]["costUsd"] == 0.75
    kinds = [entry["type"] for entry in document["entries"]]
    assert kinds[:6] == ["note", "message", "message", "message", "plan", "toolCall"]
    edit, command, denied = [entry for entry in document["entries"] if entry["type"] == "toolCall"]
    assert edit["content"] == [
        {
            "type": "change",
            "operation": "modify",
            "path": "/project/a.py",
            "oldText": "one\ntwo\n",
            "newText": "one\nTWO\n",
        }
    ]
    assert command["commands"] == [
        {"command": "make test", "cwd": "/work", "output": "1 passed €\n", "omittedBytes": 0, "exitCode": 2}
    ]
    assert (denied["status"], "result" in denied) == ("denied", False)
    assert document["entries"][-1] == {
        "type": "turnEnd",
        "turn": 2,
        "error": {"kind": "overloaded", "details": "the model is busy"},
    }
