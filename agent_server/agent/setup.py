"""What the requests that set up a session have in common: checks that no model can make, and our part of ``_meta``.

Spec: session-setup.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Literal

from agent_server.errors import RpcError

if TYPE_CHECKING:
    from agent_server.agent.features import Features
    from agent_server.conversation.system_prompt import SystemPrompt
    from agent_server.protocol.v1.history import LoadSessionRequest, ResumeSessionRequest
    from agent_server.protocol.v1.session import NewSessionRequest
    from agent_server.protocol.v1.unstable.fork import ForkSessionRequest

    Setup = NewSessionRequest | LoadSessionRequest | ResumeSessionRequest | ForkSessionRequest

INVALID_PARAMS: Final = -32602

_PROMPT_MODES: Final[dict[str, Literal["append", "override"]]] = {"append": "append", "override": "override"}
_OBJECTS: Final = ("metadata", "llmConfig", "config")
_STRINGS: Final = ("model", "mode", "thoughtLevel")
_CONFIG: Final[dict[str, tuple[type, ...]]] = {"maxTurnRequests": (int,), "approvalTimeoutS": (int, float)}


def check_setup(params: Setup, features: Features) -> None:
    """Paths, MCP transports and a system prompt that we can take.

    Raises:
        RpcError: -32602; nothing was created.
    """
    check_directory("params.cwd", params.cwd)
    for index, path in enumerate(params.additional_directories):
        check_directory(f"params.additionalDirectories[{index}]", path)
    for index, server in enumerate(params.mcp_servers):
        if not getattr(server, "is_stdio", False):
            raise invalid(f"params.mcpServers[{index}].type names a transport that was not advertised")
    if params.system_prompt is not None and not features.system_prompt:
        raise invalid("params.systemPrompt is not supported, as the capabilities say")


def check_directory(field: str, path: str) -> None:
    """An absolute path of a directory that is there.

    Raises:
        RpcError: -32602; it names the field.
    """
    if not os.path.isabs(path) or "\0" in path:
        raise invalid(f"{field} must be an absolute path")
    try:
        there = os.path.isdir(path)
    except ValueError:  # half of a surrogate pair
        there = False
    if not there:
        raise invalid(f"{field} names no directory")


def system_prompt_of(params: Setup) -> SystemPrompt | None:
    """The client's instructions, or None. Spec: client system prompt.

    Raises:
        RpcError: -32602; they are empty, not text, or of a mode that we do not know.
    """
    prompt = params.system_prompt
    if prompt is None:
        return None
    from agent_server.conversation.system_prompt import SystemPrompt

    mode = _PROMPT_MODES.get(prompt.mode)
    if mode is None:
        raise invalid('params.systemPrompt.mode must be "append" or "override"')
    texts: list[str] = []
    for index, block in enumerate(prompt.content):
        if block.type != "text":
            raise invalid(f'params.systemPrompt.content[{index}].type must be "text"')
        texts.append(block.text)
    text = "\n\n".join(texts)
    if not text.strip():
        raise invalid("params.systemPrompt.content must hold some text")
    return SystemPrompt(mode, text)


def extras_of(meta: dict[str, Any] | None) -> dict[str, Any]:
    """Our own part of a request's ``_meta``: unknown keys are ignored, wrong types are not (Req: ST-17, SM-35).

    Raises:
        RpcError: -32602; it names the field.
    """
    extras = (meta or {}).get("agent_server")
    if extras is None:
        return {}
    if type(extras) is not dict:
        raise invalid("params._meta.agent_server must be an object")
    for key in _OBJECTS:
        if extras.get(key) is not None and type(extras[key]) is not dict:
            raise invalid(f"params._meta.agent_server.{key} must be an object")
    for key in _STRINGS:
        if extras.get(key) is not None and type(extras[key]) is not str:
            raise invalid(f"params._meta.agent_server.{key} must be a string")
    if type(extras.get("persist", True)) is not bool:
        raise invalid("params._meta.agent_server.persist must be true or false")
    _check_config(extras.get("config") or {})
    return extras


def message_id_of(meta: dict[str, Any] | None) -> int | None:
    """Which message of the session is meant, or None.

    Raises:
        RpcError: -32602; it is no id of a message.
    """
    given = ((meta or {}).get("agent_server") or {}).get("messageId")
    if given is None:
        return None
    if type(given) is not str or not (given.isascii() and given.isdecimal() and len(given) < 19):
        raise invalid("params._meta.agent_server.messageId must be the id of a message of the session")
    return int(given)


def _check_config(config: dict[str, Any]) -> None:
    for key, value in config.items():
        kinds = _CONFIG.get(key)
        if kinds is None:
            raise invalid(f"params._meta.agent_server.config may hold {' and '.join(_CONFIG)}, and nothing else")
        if type(value) not in kinds or value <= 0:
            what = "an integer" if kinds == (int,) else "a number"
            raise invalid(f"params._meta.agent_server.config.{key} must be {what} above 0")


def invalid(details: str) -> RpcError:
    """The error for params that fit their model and are wrong all the same."""
    return RpcError(INVALID_PARAMS, "Invalid params", {"details": details})
