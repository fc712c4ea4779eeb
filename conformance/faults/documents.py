"""A corpus of small JSON documents at the edges of the grammar: legal, illegal, and such as leave readers room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Grammar = Literal["legal", "illegal", "either"]


@dataclass(frozen=True, slots=True)
class Document:
    """One document; no newline is in it. ``grammar``: what RFC 8259 says of it, "either" where it leaves room."""

    text: bytes
    grammar: Grammar


_LEGAL_VALUES = [
    # numbers
    b"0", b"-0", b"1", b"-1", b"10", b"123456789", b"0.0", b"-0.0", b"0.1", b"1.0", b"0e0", b"0E0", b"0e+0", b"0e-0",
    b"1e1", b"1E1", b"1e+1", b"1E-1", b"1.5e3", b"-1.5E-3", b"0.000001", b"1e-400", b"9007199254740993",
    b"9223372036854775807", b"-9223372036854775808", b"18446744073709551615",
    b"3.141592653589793238462643383279502884197", b"1e308", b"-1e308",
    # texts
    b'""', b'" "', b'"a"', b'"\\""', b'"\\\\"', b'"\\/"', b'"/"', b'"\\b\\f\\n\\r\\t"', b'"\\u0000"', b'"\\u001f"',
    b'"\\u0041"', b'"\\u00e9"', b'"\\uFFFF"', b'"\\uffFE"', b'"\\ud83d\\ude00"', b'"\\uDBFF\\uDFFF"',
    b'"\\u2028\\u2029"', b'"\\u0085"', '"é"'.encode(), '"日本語"'.encode(), '"😀"'.encode(), '"\u2028"'.encode(),
    '"\u2029"'.encode(), '"\u0085"'.encode(), '"\ufeff"'.encode(), '"\u200b\u202e"'.encode(), '"\U0010ffff"'.encode(),
    b'"\x7f"', b'"//"', b'"/* */"', b'"{}"', b'"["', b'"\\\\u0041"', b'"a\\u0300"', b'"\\"\\\\\\/"', b'"null"',
    b'"' + b"x" * 70_000 + b'"',
    # arrays
    b"[]", b"[ ]", b"[[]]", b"[[],[]]", b"[1]", b"[1,2]", b"[1 ,2]", b"[ 1,\t2 ]", b"[null]", b"[true,false]",
    b'["",0,{},[]]', b"[" + b",".join([b"0"] * 5_000) + b"]", b"[[[[[[[[[[]]]]]]]]]]",
    # objects
    b"{}", b"{ }", b'{"":0}', b'{"a":1}', b'{"a":1,"b":2}', b'{"a":{}}', b'{"a":[]}', b'{"a":null}', b'{"a" : 1}',
    b'{ "a":1 }', b'{"\\u0000":1}', b'{"\\u0061":1}', b'{"a":1,"\\u0061":2}', b'{"a":1,"a":2}', b'{"a":1,"a":1}',
    b'{"__proto__":{}}', b'{"constructor":1}', b'{"__class__":1}', '{"é":1}'.encode(), b'{"0":0,"1":1}', b'{" ":1}',
    b'{"a\\"b":1}', b'{"' + b"k" * 70_000 + b'":1}', b'{"a":{"a":{"a":{"a":{"a":{}}}}}}',
    # words
    b"true", b"false", b"null",
]  # fmt: skip

_ILLEGAL = [
    # numbers
    b"+1", b"01", b"-01", b"00", b"1.", b".1", b"-.1", b"-", b"--1", b"1e", b"1e+", b"1E-", b"1.e1", b"1e1.5",
    b"0x10", b"0b1", b"0o7", b"1_000", b"1,000", b"1 000", b"Infinity", b"-Infinity", b"NaN", b"-NaN", b"nan", b"inf",
    b"1f", b"1L", b"1a", b"-a", b"1.2.3", b"0.1.2", b"1-1", b"1+2", b"++1", b"0e", b"1eE2", "\uff11".encode(),
    "-\u0661".encode(), b"1.0e", b"2.e3", b"2.e-3",
    # texts
    b'"', b'"a', b'a"', b"'a'", b"`a`", b'"\\', b'"\\"', b'"\\x41"', b'"\\a"', b'"\\0"', b'"\\v"', b'"\\u"',
    b'"\\u0"', b'"\\u00"', b'"\\u004"', b'"\\u00g0"', b'"\\U0041"', b'"\\ u0041"', b'"\x00"', b'"\x01"', b'"\x1f"',
    b'"\t"', b'"a\rb"', b'"a" "b"', b'"a""b"', b'"\\u{41}"', b'"\\\xc3\xa9"', b'"\\\'"', "\u201ca\u201d".encode(),
    # bytes that are no UTF-8
    b'"\xff"', b'"\xfe\xff"', b'"\xc0\xaf"', b'"\xe0\x80\xaf"', b'"\xed\xa0\x80"', b'"\xed\xbf\xbf"',
    b'"\xf4\x90\x80\x80"', b'"\xf8\x88\x80\x80\x80"', b'"\xc3"', b'"\xe2\x82"', b'"\xf0\x9f\x98"', b'"\x80"',
    b'"\xbf\xbf"', b"\xff", b"\x80", b'{"\xff":1}', b'["\xe9"]', b"\xc3\xa9",
    # arrays
    b"[", b"]", b"[1", b"[1,", b"[,", b"[,1]", b"[1,]", b"[1,,2]", b"[1 2]", b"[1:2]", b"[1;2]", b"[[]", b"[]]",
    b"[}", b"[1}", b"(1)", b"[1)", b"[\"a\"", b"[\"a", b"[a]", b"[\x0c]", b"[1\x0b]", "[\u00a0]".encode(),
    "[\u2028]".encode(), b"[undefined]", b"[1,...]", b"[*]", b"[-]", b"[[[[[[[[[[", b"[true,fals]", b"[\"\",",
    b"[1,\x002]",
    # objects
    b"{", b"}", b'{"a"', b'{"a":', b'{"a":1', b'{"a":1,', b'{"a":1,}', b'{,"a":1}', b'{"a":1,,"b":2}',
    b'{"a":1 "b":2}', b'{"a" 1}', b'{"a",1}', b'{"a"::1}', b'{:1}', b"{a:1}", b"{'a':1}", b"{1:1}", b"{null:1}",
    b"{[]:1}", b'{"a":}', b'{"a":1}}', b'{{}}', b'{"a":1]', b"{\"a\":1}#", b'{"a"=1}', b'{"a"=>1}', b"{\"a\":'b'}",
    b'{"a":b}', b'{"a":/*c*/1}', b'{"a":1}//', b'{"a":1}/**/', b'#{"a":1}', b'{"a":1};', b'{"a":\x0c1}', b"{'a':'b'}",
    b"{\"a\":undefined}", b'{"a":True}', b"{\"a\":None}", b"{[", b"{}[]", b'{"a":1}{"b":2}', b"{\"a\":01}",
    # words and leftovers
    b"True", b"TRUE", b"False", b"None", b"nul", b"nulll", b"tru", b"truee", b"fals", b"NULL", b"undefined", b"null,",
    b",null", b"true false", b"1 2", b":", b",", b"\\", b"\\u0041", b"//", b"/* */", b"# x", b"<a/>", b"---", b"- a",
    b"a: 1", b"a=1", b"\x00", b"\x00\x00", b"\x1e{}", b"\x7f", b"$", b"@", b"!", b"~", b"*", b"&", b"%7B%7D",
    b"\\x7b\\x7d", b"{}\x00", b"\x00{}", b"[]\x1a", b"\xe2\x80\xa8{}", b"{}\xc2\xa0",
]  # fmt: skip

_EITHER = [
    b'"\\ud800"', b'"\\udc00"', b'"\\ud800\\ud800"', b'"\\ude00\\ud83d"', b'"\\ud83dx"', b'["\\uDADA"]',
    b'{"\\ud800":1}', b"1e400", b"-1e400", b"[1e9999]", b"123456789012345678901234567890",
    b"-123456789012345678901234567890", b"18446744073709551616", b"-9223372036854775809", b"0." + b"1" * 2_000,
    b"1" * 2_000, b"1e" + b"9" * 400, b"\xef\xbb\xbf{}", b"\xef\xbb\xbf1", b"[" * 500 + b"]" * 500,
    b"[" * 2_000 + b"]" * 2_000, b'{"a":' * 600 + b"1" + b"}" * 600,
]  # fmt: skip

DOCUMENTS: list[Document] = [
    *(Document(text, "legal") for text in _LEGAL_VALUES),
    *(Document(b" " + text + b"\t", "legal") for text in (b"1", b'"a"', b"[]", b"{}", b"null")),
    *(Document(text, "illegal") for text in _ILLEGAL),
    *(Document(text, "either") for text in _EITHER),
]


def as_params(document: Document, request_id: int) -> bytes:
    """The document inside a request."""
    return b'{"jsonrpc":"2.0","id":%d,"method":"_conformance/echo","params":{"value":%b}}' % (request_id, document.text)
