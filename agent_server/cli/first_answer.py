"""The answer to a plain ``initialize``, given before anything heavy is loaded: the client need not wait for that.

What is answered here is what `AgentConnection` would answer, to the byte: who we are comes from the same `features`,
what was asked is read by the same `plain_initialize`, and a property test holds the two answers equal. Whatever is not
perfectly plain (a setting, a second line behind the first, an escape in a string, a number with a point) is left alone,
and what was read of it is handed on. Importing this loads nothing but what the interpreter has at its start.
"""

from __future__ import annotations

import os

from agent_server.agent.features import Features, initialize_result
from agent_server.config.files import credentials_path, user_file_path
from agent_server.config.keys import any_key, keys_of, read_keys
from agent_server.protocol.v1.opening import plain_initialize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

    from agent_server.protocol.v1.opening import PlainInitialize

READ_BYTES: Final = 64 * 1024
MAX_BRACKETS: Final = 100
MAX_INTEGER_CHARS: Final = 18
MAX_ID_CHARS: Final = 256

_OFFLINE: Final = ["--model", "offline"]
_PLAIN_ARGUMENTS: Final[Sequence[list[str]]] = ([], _OFFLINE)
_UNSEEN: Final = {"AGENT_SERVER_LOCAL_MODELS": ("", "0", "1", "true", "false")}
"""Settings that change nothing in the answer, and what they may hold for sure."""
_MEANWHILE: Final = (
    "inspect",
    "logging",
    "asyncio",
    "orjson",
    "agent_server.cli.serve",
    "agent_server.providers.catalog",
)
"""What is loaded, piece by piece, while the client has not said anything yet."""


class Opening:
    """What happened on the wire before the event loop ran.

    Attributes:
        read_ahead: what was read and is still to be handled; empty: the end of the input; None: nothing was read.
        initialized: the params of the ``initialize`` that has been answered; None: none has.
    """

    __slots__ = ("initialized", "read_ahead")

    def __init__(self, read_ahead: bytes | None = None, initialized: PlainInitialize | None = None) -> None:
        self.read_ahead = read_ahead
        self.initialized = initialized


def answer_first(arguments: Sequence[str], wire: tuple[int, int]) -> Opening:
    """Answer the first line if it can be done at once; what became of it. Blocks for nobody."""
    if not _nothing_was_chosen(arguments, os.environ):
        return Opening()
    system_prompts = takes_system_prompts(arguments, os.environ)
    data = None if system_prompts is None else _first_read(wire[0])
    if data is None:
        return Opening()
    answer = plain_answer(data, system_prompts=system_prompts is True)
    if answer is None or not _write(wire[1], answer[0]):
        return Opening(data)
    return Opening(initialized=answer[1])


def takes_system_prompts(arguments: Sequence[str], environment: Mapping[str, str]) -> bool | None:
    """Whether the models of a server without settings take system prompts, as those do for which there is a key.

    None: it cannot be said without loading more.
    """
    if list(arguments) == _OFFLINE:
        return False
    content, _problem = read_keys(credentials_path(environment))
    if content is None:
        return any_key(environment, {})
    try:
        return any_key(environment, keys_of(_parsed(content.decode().strip())))
    except (ImportError, StopIteration, TypeError, ValueError):
        return None


def plain_answer(data: bytes, *, system_prompts: bool = False) -> tuple[bytes, PlainInitialize] | None:
    """The line to answer with and the params that it answers, if that is all of a plain ``initialize`` request.

    ``system_prompts``: whether the models take them.
    """
    if data.find(b"\n") != len(data) - 1 or not data.startswith(b"{") or b"\\" in data:
        return None
    if data.count(b"{") + data.count(b"[") > MAX_BRACKETS:
        return None
    try:
        message = _parsed(data[:-1].decode())
    except (ImportError, StopIteration, TypeError, ValueError):
        return None
    if message.get("jsonrpc") != "2.0" or message.get("method") != "initialize":
        return None
    request_id, params = _encoded_id(message.get("id")), message.get("params")
    initialize = plain_initialize(params) if type(params) is dict else None
    if request_id is None or initialize is None:
        return None
    features = Features(system_prompt=system_prompts)
    result = _encoded(initialize_result(features, initialize.client_capabilities.to_wire()))
    return f'{{"jsonrpc":"2.0","id":{request_id},"result":{result}}}\n'.encode(), initialize


def _nothing_was_chosen(arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether every setting has its default, as far as anybody could see it in the answer."""
    ours = [name for name in environment if name.startswith("AGENT_SERVER_")]
    seen = [name for name in ours if environment[name] not in _UNSEEN.get(name, ())]
    if list(arguments) not in _PLAIN_ARGUMENTS or seen:
        return False
    try:
        os.stat(user_file_path(environment))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):  # something is there, or nobody can say
        return False
    return False


def _first_read(descriptor: int) -> bytes | None:
    """What the client has said; None if it says nothing for so long that everything is loaded meanwhile."""
    try:
        from select import POLLIN, poll

        ready = poll()
        ready.register(descriptor, POLLIN)
        for name in _MEANWHILE:
            if ready.poll(0):
                return os.read(descriptor, READ_BYTES)
            __import__(name)
    except (ImportError, OSError):
        pass  # whoever reads next meets the same
    return None


def _write(descriptor: int, answer: bytes) -> bool:
    """Say it. From now on a signal ends the process as it does when everything is loaded: nothing is owed."""
    import select
    import signal

    try:
        ready = select.poll()
        ready.register(descriptor, select.POLLOUT)
        if not os.get_blocking(descriptor) or not ready.poll(0):
            return False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda _number, _frame: os._exit(0))
        written = os.write(descriptor, answer)
    except (OSError, ValueError):  # nobody reads, or this is not the main thread
        return False
    try:
        while written < len(answer):  # a pipe takes so little in one piece; other things need not
            written += os.write(descriptor, answer[written:])
    except OSError:
        pass  # whoever writes next meets the same
    return True


def _parsed(text: str) -> dict[str, Any]:
    """A JSON object by the parser inside the standard library's; json itself would take longer than all of this.

    Raises:
        ImportError: this Python has no such parser.
        StopIteration, TypeError, ValueError: it is no object, or none that every parser would read alike.
    """
    from _json import make_scanner

    value, end = make_scanner(_Strict())(text, 0)  # type: ignore[arg-type]
    if end != len(text):
        raise ValueError(end)
    if type(value) is not dict:
        raise TypeError("no object")
    return value


class _Strict:
    """How to parse: nothing but what every JSON parser reads alike."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    memo: Final[dict[str, str]] = {}

    @staticmethod
    def parse_int(text: str) -> int:
        """An integer that is no stranger to anybody."""
        if len(text) > MAX_INTEGER_CHARS or text == "-0":
            raise ValueError(text)
        return int(text)

    @staticmethod
    def parse_float(text: str) -> float:
        """None is needed."""
        raise ValueError(text)

    parse_constant = parse_float


def _encoded_id(request_id: Any) -> str | None:
    if type(request_id) is int:
        return str(request_id)
    if type(request_id) is not str or len(request_id) > MAX_ID_CHARS:
        return None
    return f'"{request_id}"' if request_id.isascii() and request_id.isprintable() else None


def _encoded(value: Any) -> str:
    """Compact JSON of what `features` says: dictionaries, sequences, booleans, whole numbers and plain words."""
    if isinstance(value, dict):
        return "{" + ",".join([f"{_encoded(name)}:{_encoded(inner)}" for name, inner in value.items()]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_encoded(inner) for inner in value]) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower()
