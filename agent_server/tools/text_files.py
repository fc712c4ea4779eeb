"""Text as files hold it: which encoding, which mark at the start, which line endings. Nothing here touches a disk.

`decode_text` and `encode_text` are inverses, byte for byte, so that an edit changes nothing that it does not mean to.
"""

from __future__ import annotations

import codecs
import re

from agent_server.errors import ToolError
from agent_server.tools.ports import TextFile

MAX_TEXT_BYTES = 10 * 1024 * 1024
"""Files above this are not read whole."""

# UTF-32 first: its little-endian mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = re.compile(rb"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def decode_text(data: bytes) -> TextFile | None:
    """The bytes of a file as text; None where they are binary.

    A byte order mark decides; else it is UTF-8; else Latin-1 if no control byte speaks against text. NUL is binary.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            text = _decoded(data[len(mark) :], encoding)
            if text is not None:
                return TextFile(text, encoding, mark)
    text = _decoded(data, "utf-8")
    if text is not None:
        return TextFile(text)
    return None if _CONTROLS.search(data) else TextFile(data.decode("latin-1"), "latin-1")


def _decoded(data: bytes, encoding: str) -> str | None:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text


def encode_text(file: TextFile) -> bytes:
    """The bytes of a text file, the inverse of `decode_text`.

    Raises:
        ToolError: a character does not exist in the file's encoding.
    """
    try:
        return file.bom + file.text.encode(file.encoding)
    except UnicodeEncodeError as error:
        code = ord(file.text[error.start])
        reason = f"the file's encoding, {file.encoding}, has no such character"
        raise ToolError(f"the character U+{code:04X} cannot be written: {reason}") from None


def line_ending(text: str) -> str:
    """The line ending that most lines have, ``\\r\\n`` or ``\\n``; ``\\n`` where there is none."""
    crlf = text.count("\r\n")
    return "\r\n" if crlf > text.count("\n") - crlf else "\n"


def with_line_ending(text: str, ending: str) -> str:
    """The text with this line ending. Text that brings ``\\r\\n`` along is meant so and stays as it is."""
    return text if ending == "\n" or "\r\n" in text else text.replace("\n", ending)


def split_lines(text: str) -> list[str]:
    """The lines of a text without their endings; an ending at the end of the text begins no further line."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
