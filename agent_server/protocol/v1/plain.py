"""The plainest shapes of the messages that every conversation begins with, read without the models.

Loading pydantic and building the models of these few messages costs more than everything else before the first answer,
and most clients send exactly these shapes. Each function gives an object with the attributes of the model, or None for
anything that is not perfectly plain, which then goes through the model. A property test holds the two readings equal.
The very first message, ``initialize``, is read in `agent_server.protocol.v1.opening`.
"""

from __future__ import annotations

from typing import Any, Final


class PlainNewSession:
    """Reads like a NewSessionRequest without MCP servers and further roots."""

    __slots__ = ("additional_directories", "cwd", "mcp_servers", "meta", "system_prompt")

    def __init__(self, cwd: str) -> None:
        self.cwd = cwd
        self.additional_directories: list[str] = []
        self.mcp_servers: list[Any] = []
        self.system_prompt = None
        self.meta = None


class PlainReopen:
    """Reads like a LoadSessionRequest or a ResumeSessionRequest without MCP servers and further roots."""

    __slots__ = ("additional_directories", "cwd", "mcp_servers", "meta", "session_id", "system_prompt")

    def __init__(self, session_id: str, cwd: str) -> None:
        self.session_id = session_id
        self.cwd = cwd
        self.additional_directories: list[str] = []
        self.mcp_servers: list[Any] = []
        self.system_prompt = None
        self.meta = None


class PlainText:
    """Reads like a TextContent."""

    __slots__ = ("text",)

    type: Final = "text"
    annotations: Final = None
    meta: Final = None

    def __init__(self, text: str) -> None:
        self.text = text


class PlainPrompt:
    """Reads like a PromptRequest that holds nothing but text."""

    __slots__ = ("prompt", "session_id")

    meta: Final = None

    def __init__(self, session_id: str, prompt: list[PlainText]) -> None:
        self.session_id = session_id
        self.prompt = prompt


class PlainCancel:
    """Reads like a CancelNotification."""

    __slots__ = ("session_id",)

    meta: Final = None

    def __init__(self, session_id: str) -> None:
        self.session_id = session_id


class PlainSelection:
    """Reads like a SelectedPermissionOutcome."""

    __slots__ = ("option_id",)

    outcome: Final = "selected"
    meta: Final = None

    def __init__(self, option_id: str) -> None:
        self.option_id = option_id


class PlainPermission:
    """Reads like a RequestPermissionResponse in which an option was selected."""

    __slots__ = ("outcome",)

    meta: Final = None

    def __init__(self, option_id: str) -> None:
        self.outcome = PlainSelection(option_id)


class PlainContent:
    """Reads like a ReadTextFileResponse."""

    __slots__ = ("content",)

    meta: Final = None

    def __init__(self, content: str) -> None:
        self.content = content


class PlainEmpty:
    """Reads like any result without fields."""

    __slots__ = ()

    meta: Final = None


_EMPTY: Final = PlainEmpty()


def plain_new_session(raw: dict[str, Any]) -> PlainNewSession | None:
    """A ``session/new`` with a directory and nothing else."""
    cwd = raw.get("cwd")
    if type(cwd) is not str or raw.get("mcpServers") != [] or raw.get("additionalDirectories", []) != []:
        return None
    if "_meta" in raw or "systemPrompt" in raw:
        return None
    return PlainNewSession(cwd)


def plain_load(raw: dict[str, Any]) -> PlainReopen | None:
    """A ``session/load`` with a directory and nothing else."""
    return plain_resume(raw) if raw.get("mcpServers") == [] else None


def plain_resume(raw: dict[str, Any]) -> PlainReopen | None:
    """A ``session/resume`` with a directory and nothing else."""
    session_id, plain = raw.get("sessionId"), plain_new_session({"mcpServers": [], **raw})
    return PlainReopen(session_id, plain.cwd) if type(session_id) is str and plain is not None else None


def plain_prompt(raw: dict[str, Any]) -> PlainPrompt | None:
    """A ``session/prompt`` of text blocks without annotations."""
    session_id, blocks = raw.get("sessionId"), raw.get("prompt")
    if type(session_id) is not str or type(blocks) is not list or "_meta" in raw:
        return None
    texts = []
    for block in blocks:
        if type(block) is not dict or block.get("type") != "text" or "annotations" in block or "_meta" in block:
            return None
        text = block.get("text")
        if type(text) is not str:
            return None
        texts.append(PlainText(text))
    return PlainPrompt(session_id, texts)


def plain_cancel(raw: dict[str, Any]) -> PlainCancel | None:
    """A ``session/cancel`` without ``_meta``."""
    session_id = raw.get("sessionId")
    return PlainCancel(session_id) if type(session_id) is str and "_meta" not in raw else None


def plain_permission(raw: dict[str, Any]) -> PlainPermission | None:
    """The result of ``session/request_permission`` when an option was selected."""
    outcome = raw.get("outcome")
    if type(outcome) is not dict or outcome.get("outcome") != "selected" or "_meta" in raw or "_meta" in outcome:
        return None
    option_id = outcome.get("optionId")
    return PlainPermission(option_id) if type(option_id) is str else None


def plain_read(raw: dict[str, Any]) -> PlainContent | None:
    """The result of ``fs/read_text_file``."""
    content = raw.get("content")
    return PlainContent(content) if type(content) is str and "_meta" not in raw else None


def plain_empty(raw: dict[str, Any]) -> PlainEmpty | None:
    """A result that says nothing but that it is one."""
    return None if raw else _EMPTY
