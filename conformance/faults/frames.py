"""Single hostile lines, and how many answers each may get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Wants = Literal["its id", "null", "nothing", "its id or null", "null or nothing"]


@dataclass(frozen=True, slots=True)
class HostileFrame:
    """A line without its newline. ``wants``: exactly one answer with ``id``, one error with the id null, or none.

    ``lenient``: JSON-RPC or the protocol leave room here; only the loss of the connection counts.
    """

    name: str
    line: bytes
    wants: Wants
    id: Any = None
    lenient: bool = False


MIB = 1024 * 1024


def _request(rest: bytes) -> bytes:
    return b'{"jsonrpc":"2.0",%b}' % rest


def _with_id(name: str, request_id: Any, rest: bytes, *, lenient: bool = False) -> HostileFrame:
    return HostileFrame(name, _request(rest), "its id", request_id, lenient)


def deep(levels: int, opening: bytes = b"[", closing: bytes = b"]", inner: bytes = b"") -> bytes:
    """A document nested so deep."""
    return opening * levels + inner + closing * levels


ANSWERED = [
    _with_id("unknown method", 1, b'"id":1,"method":"nope/nope"'),
    _with_id("empty method", 2, b'"id":2,"method":""'),
    _with_id("params are an array", 3, b'"id":3,"method":"_x/y","params":[1]'),
    _with_id("a notification's method as a request", 4, b'"id":4,"method":"session/cancel","params":{"sessionId":"s"}'),
    _with_id("the method is a number", 5, b'"id":5,"method":5', lenient=True),
    _with_id("an id and nothing else", 6, b'"id":6', lenient=True),
    HostileFrame("no jsonrpc", b'{"id":7,"method":"session/new"}', "its id", 7, True),
    HostileFrame("jsonrpc 1.0", b'{"jsonrpc":"1.0","id":8,"method":"session/new"}', "its id", 8, True),
    HostileFrame("jsonrpc as a number", b'{"jsonrpc":2.0,"id":9,"method":"session/new"}', "its id", 9, True),
    _with_id("params are an empty array", 10, b'"id":10,"method":"session/new","params":[]'),
    _with_id("params are a text", 11, b'"id":11,"method":"session/new","params":"text"'),
    _with_id("params are a number", 12, b'"id":12,"method":"session/new","params":7'),
    _with_id("no params", 13, b'"id":13,"method":"session/new"'),
    _with_id("params are null", 14, b'"id":14,"method":"session/new","params":null'),
    _with_id("params are false", 15, b'"id":15,"method":"session/new","params":false'),
    _with_id("cwd is a number", 16, b'"id":16,"method":"session/new","params":{"cwd":5,"mcpServers":[]}'),
    _with_id("cwd holds NUL", 17, b'"id":17,"method":"session/new","params":{"cwd":"/\\u0000","mcpServers":[]}'),
    _with_id("servers are an object", 18, b'"id":18,"method":"session/new","params":{"cwd":"/","mcpServers":{}}'),
    _with_id("a server is a number", 19, b'"id":19,"method":"session/new","params":{"cwd":"/","mcpServers":[4]}'),
    _with_id("the session is an array", 20, b'"id":20,"method":"session/prompt","params":{"sessionId":[],"prompt":[]}'),
    _with_id("unknown session", 21, b'"id":21,"method":"session/prompt","params":{"sessionId":"no","prompt":[]}'),
    _with_id(
        "a session that names a path",
        22,
        b'"id":22,"method":"session/prompt","params":{"sessionId":"../../x","prompt":[]}',
    ),
    _with_id("the prompt is a text", 23, b'"id":23,"method":"session/prompt","params":{"sessionId":"no","prompt":"x"}'),
    _with_id("_meta is a number", 24, b'"id":24,"method":"_x/y","params":{"_meta":5}'),
    _with_id("a method of NULs", 25, b'"id":25,"method":"\\u0000\\u0000"'),
    _with_id("a method of line separators", 26, b'"id":26,"method":"\\u2028\\u0085"'),
    _with_id("a method that is a dunder", 27, b'"id":27,"method":"__class__","params":{}'),
    _with_id("a method of 100,000 letters", 28, b'"id":28,"method":"%b"' % (b"m" * 100_000)),
    _with_id(
        "params with 100,000 keys",
        29,
        b'"id":29,"method":"_x/y","params":{%b}' % b",".join(b'"k%d":0' % n for n in range(100_000)),
    ),
    _with_id("a key of one mebibyte", 30, b'"id":30,"method":"_x/y","params":{"%b":1}' % (b"k" * MIB)),
    _with_id("a text of eight mebibytes", 31, b'"id":31,"method":"_x/y","params":{"text":"%b"}' % (b"x" * 8 * MIB)),
    _with_id("a million escapes", 32, b'"id":32,"method":"_x/y","params":{"text":"%b"}' % (b"\\u0041" * 1_000_000)),
    _with_id("a text id of controls", "\0\n", b'"id":"\\u0000\\n","method":"nope"'),
    _with_id("an empty text id", "", b'"id":"","method":"nope"'),
    _with_id("a negative id", -5, b'"id":-5,"method":"nope"'),
    _with_id("the id zero", 0, b'"id":0,"method":"nope"'),
    _with_id("the largest id of 64 bits", 2**63 - 1, b'"id":9223372036854775807,"method":"nope"', lenient=True),
    _with_id("an id of emoji", "😀", b'"id":"\xf0\x9f\x98\x80","method":"nope"'),
    _with_id("the key id twice", 40, b'"id":39,"id":40,"method":"nope"', lenient=True),
    _with_id("the key method twice", 41, b'"id":41,"method":"initialize","method":"nope"'),
    _with_id("result and method", 42, b'"id":42,"method":"nope","result":{}', lenient=True),
    _with_id("error and method", 43, b'"id":43,"method":"nope","error":{}', lenient=True),
    _with_id("spaces around", 44, b'"id":44 , "method" : "nope"   '),
    _with_id("nested 100 levels deep", 45, b'"id":45,"method":"_x/y","params":{"x":%b}' % deep(100)),
    _with_id("nested 300 levels deep", 46, b'"id":46,"method":"_x/y","params":{"x":%b}' % deep(300), lenient=True),
    _with_id("half of a surrogate pair", 47, b'"id":47,"method":"_x/y","params":{"x":"\\ud800"}', lenient=True),
    _with_id("a number beyond 64 bits", 48, b'"id":48,"method":"_x/y","params":{"x":123456789012345678901234567890}'),
    _with_id("a number beyond a float", 49, b'"id":49,"method":"_x/y","params":{"x":1e400}', lenient=True),
    _with_id("-0 and 1E+2", 50, b'"id":50,"method":"_x/y","params":{"x":[-0,-0.0,1E+2]}'),
    _with_id(
        "a second initialize with nonsense", 51, b'"id":51,"method":"initialize","params":{"protocolVersion":"one"}'
    ),
    _with_id("a deep object", 52, b'"id":52,"method":"_x/y","params":%b' % deep(90, b'{"a":', b"}", b"1")),
]

REFUSED = [
    HostileFrame("no JSON", b"nope", "null"),
    HostileFrame("a log line", b"2026-01-01 12:00:00 INFO starting", "null"),
    HostileFrame("invalid UTF-8", b"\xff\xfe\x00", "null"),
    HostileFrame("invalid UTF-8 in a text", _request(b'"method":"\xff"'), "null"),
    HostileFrame("UTF-16", '{"jsonrpc":"2.0"}'.encode("utf-16"), "null"),
    HostileFrame("a cut object", _request(b'"id":65,"method":"nope"')[:-1], "null"),
    HostileFrame("a cut text", b'{"jsonrpc":"2.0","id":66,"method":"no', "null"),
    HostileFrame("two objects on a line", b"{}{}", "null"),
    HostileFrame("a trailing comma", _request(b'"id":68,"method":"nope",'), "null"),
    HostileFrame("single quotes", b"{'jsonrpc':'2.0'}", "null"),
    HostileFrame("a comment", b"{} // nothing", "null"),
    HostileFrame("NaN", _request(b'"id":71,"method":"_x/y","params":{"x":NaN}'), "its id or null", 71),
    HostileFrame("a control character in a text", b'{"jsonrpc":"2.0","method":"a\x01b"}', "null"),
    HostileFrame("an HTTP request", b"POST / HTTP/1.1", "null"),
    HostileFrame("a Content-Length header", b"Content-Length: 52", "null"),
    HostileFrame("NULs", b"\0" * 1000, "null"),
    HostileFrame("an empty array", b"[]", "null"),
    HostileFrame("a batch", b'[{"jsonrpc":"2.0","id":77,"method":"nope"}]', "null"),
    HostileFrame("a batch of nonsense", b"[1,2,3]", "null"),
    HostileFrame("a number", b"42", "null"),
    HostileFrame("a text", b'"text"', "null"),
    HostileFrame("null", b"null", "null"),
    HostileFrame("true", b"true", "null"),
    HostileFrame("an empty object", b"{}", "null"),
    HostileFrame("an id of 2^64", _request(b'"id":18446744073709551616,"method":"nope"'), "null", lenient=True),
    HostileFrame("a boolean id", _request(b'"id":true,"method":"nope"'), "null", lenient=True),
    HostileFrame("a fractional id", _request(b'"id":1.5,"method":"nope"'), "null", lenient=True),
    HostileFrame("an id that is an object", _request(b'"id":{},"method":"nope"'), "null", lenient=True),
    HostileFrame("an id that is an array", _request(b'"id":[1],"method":"nope"'), "null", lenient=True),
    HostileFrame("the id null", _request(b'"id":null,"method":"nope"'), "its id", None, lenient=True),
    HostileFrame("100,000 brackets", b"[" * 100_000, "null"),
    HostileFrame("100,000 levels", deep(100_000), "null"),
    HostileFrame(
        "a byte order mark", b"\xef\xbb\xbf" + _request(b'"id":91,"method":"nope"'), "its id or null", 91, True
    ),
]

UNANSWERED = [
    HostileFrame("an empty line", b"", "nothing"),
    HostileFrame("spaces", b"  \t ", "nothing"),
    HostileFrame("a carriage return", b"\r", "nothing"),
    HostileFrame("an unknown notification", _request(b'"method":"nope"'), "nothing"),
    HostileFrame("an unknown $/ notification", _request(b'"method":"$/nope","params":{}'), "nothing"),
    HostileFrame("a cancel without params", _request(b'"method":"session/cancel"'), "nothing"),
    HostileFrame("a cancel of nothing", _request(b'"method":"session/cancel","params":{"sessionId":"no"}'), "nothing"),
    HostileFrame("a cancel of a number", _request(b'"method":"session/cancel","params":{"sessionId":5}'), "nothing"),
    HostileFrame(
        "a withdrawal of nothing", _request(b'"method":"$/cancel_request","params":{"requestId":{}}'), "nothing"
    ),
    HostileFrame("a request as a notification", _request(b'"method":"session/new","params":{}'), "nothing"),
    HostileFrame("a late answer", _request(b'"id":33,"result":{"late":true}'), "nothing"),
    HostileFrame("a malformed error", _request(b'"id":34,"error":"what"'), "nothing"),
    HostileFrame("an answer to null", _request(b'"id":null,"result":{}'), "nothing"),
    HostileFrame("result and error", _request(b'"id":35,"result":{},"error":{"code":1,"message":"x"}'), "nothing"),
    HostileFrame("an answer with an id that is an object", _request(b'"id":{},"result":{}'), "nothing", lenient=True),
]

FRAMES = [*ANSWERED, *REFUSED, *UNANSWERED]
