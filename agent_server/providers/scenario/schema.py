"""What a scenario file may hold, as JSON Schema: the one description that files are checked against and that is
published for editors as ``schemas/scenario.schema.json``.
"""

from __future__ import annotations

from typing import Any

ERROR_KINDS = ("rejected_key", "auth_failed", "rate_limited", "overloaded", "unreachable", "context_overflow", "raw")
LAST_STEPS = ("wait_for_cancel", "error", "drop", "crash", "finish")
"""The steps that end a response: none may follow them."""

Schema = dict[str, Any]


def scenario_schema() -> Schema:
    """The schema, newly made: the caller may keep or change it."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "agent-server scenario",
        "description": "A scripted model, played with the provider scenario:FILE.json.",
        **_object(
            {
                "$schema": _text("Where this schema is, for editors."),
                "name": _text("What messages call the scenario. Default: the name of the file."),
                "models": _list(_object(_MODEL, "id"), "The models to choose from; the first is the default.", 1),
                "commands": _list(_object(_COMMAND, "name", "description"), "The slash commands to announce."),
                "window_tokens": _whole("The context size of every model.", 1),
                "turns": _list(_turn(), "The responses. A turn with a match is played for the first request that "
                                        "matches; the others are played in order.", 1),
            },
            "turns",
        ),
    }  # fmt: skip


def schema_text() -> str:
    """The schema as it is published: indented JSON with a final newline."""
    import json

    return json.dumps(scenario_schema(), indent=2, ensure_ascii=False) + "\n"


def _turn() -> Schema:
    return _object(
        {
            "match": _match(),
            "repeat": _flag("Whether the turn may be played any number of times."),
            "steps": _list({"anyOf": _steps()}, "What the model does, in order."),
        },
        "steps",
    )


def _match() -> Schema:
    result = {
        "name": _text("The exact name of the tool."),
        "text": _text("A regular expression (Python's), searched for in the text of the result."),
        "error": _flag("Whether the call failed."),
    }
    newest = {"description": "One of the newest results is so.", **_object(result)}
    prompt = _text("A regular expression (Python's), searched for in the text of the newest prompt.")
    return {
        "description": "Which request the turn answers.",
        "anyOf": [
            _object({"prompt": prompt}, "prompt"),
            _object({"system": _text("A regular expression, searched for in the client's system prompt.")}, "system"),
            _object({"tool_result": newest}, "tool_result"),
        ],
    }


def _steps() -> list[Schema]:
    chunk = _whole("Stream the text in pieces of so many characters. Default: in one piece.", 1)
    return [
        _object({"text": _text("The answer goes on."), "chunk_chars": chunk}, "text"),
        _object({"thought": _text("The reasoning goes on."), "chunk_chars": chunk}, "thought"),
        _object({"image": _object(_IMAGE, "data", "mime_type")}, "image"),
        _object(_TOOL, "tool"),
        _object({"plan": _list(_object(_PLAN_ENTRY, "content"), "The whole plan, replacing the former one.")}, "plan"),
        _object({"usage": _object(_USAGE)}, "usage"),
        _object({"notice": _object(_NOTICE, "title")}, "notice"),
        _object({"compaction": _object(_COMPACTION)}, "compaction"),
        _object({"delay_ms": _number("Wait.")}, "delay_ms"),
        _object({"wait_for_cancel": _true("Wait until the response is cancelled.")}, "wait_for_cancel"),
        _object({"error": _object(_ERROR, "kind")}, "error"),
        _object({"drop": _true("The stream breaks off: unreachable, may be retried.")}, "drop"),
        _object({"crash": _text("The provider fails with a RuntimeError of this message.")}, "crash"),
        _object({"finish": _choice("Why the response ends. Default: tool_use after a tool step, else end_turn.",
                                   "end_turn", "tool_use", "max_tokens", "refusal")}, "finish"),
    ]  # fmt: skip


def _object(properties: Schema, *required: str) -> Schema:
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _list(items: Schema, description: str, at_least: int = 0) -> Schema:
    schema = {"type": "array", "description": description, "items": items}
    return {**schema, "minItems": at_least} if at_least else schema


def _text(description: str) -> Schema:
    return {"type": "string", "description": description}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _true(description: str) -> Schema:
    return {"const": True, "description": description}


def _whole(description: str, minimum: int = 0) -> Schema:
    return {"type": "integer", "minimum": minimum, "description": description}


def _number(description: str) -> Schema:
    return {"type": "number", "minimum": 0, "description": description}


def _choice(description: str, *words: str) -> Schema:
    return {"enum": list(words), "description": description}


_MODEL = {
    "id": _text("What selects the model."),
    "name": _text("What people see. Default: the id."),
    "images": _flag("Whether the model can take images. Default: true."),
    "audio": _flag("Whether the model can take sounds. Default: true."),
}
_COMMAND = {
    "name": _text("Without the slash."),
    "description": _text("What it does."),
    "hint": _text("What to type after it."),
}
_IMAGE = {
    "data": _text("The image, in base64."),
    "mime_type": _text("For example image/png."),
    "uri": _text("Where the image is."),
}
_TOOL = {
    "tool": _text("The name of the tool to call."),
    "arguments": {"type": "object", "description": "What to call it with. Default: nothing."},
    "id": _text("The model's own id of the call. Default: one that is unique in the conversation."),
}
_PLAN_ENTRY = {
    "content": _text("What is to be done."),
    "priority": _choice("Default: medium.", "high", "medium", "low"),
    "status": _choice("Default: pending.", "pending", "in_progress", "completed"),
}
_USAGE = {
    "input_tokens": _whole("Default: 0."),
    "output_tokens": _whole("Default: 0."),
    "cached_read_tokens": _whole("Default: 0."),
    "cached_write_tokens": _whole("Default: 0."),
    "thought_tokens": _whole("Default: 0."),
    "cost_usd": _number("What the call cost. Default: unknown."),
}
_NOTICE = {
    "severity": _choice("Default: info.", "info", "warning", "error"),
    "title": _text("The one line that stands alone."),
    "description": _text("What else there is to say."),
}
_COMPACTION = {
    "summary": _list(_text("The summary goes on."), "The pieces of the summary. Default: none."),
    "status": _choice("How it ends. Default: completed.", "completed", "failed", "cancelled"),
    "error": _text("Why it failed."),
}
_ERROR = {
    "kind": _choice("Why the model cannot answer.", *ERROR_KINDS),
    "details": _text("The sentence for the user."),
    "retryable": _flag("Default: true for rate_limited, overloaded and unreachable."),
    "http_status": _whole("The status that a server would have sent.", 100),
    "retry_after_s": _number("How long a server would have asked to wait."),
}
