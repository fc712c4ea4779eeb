"""Undoing the compression of an answer, a bounded piece at a time. Pure.

None is asked for, but some proxies pack all the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

PIECE_BYTES: Final = 64 * 1024

_GZIP_OR_ZLIB: Final = 32 + zlib.MAX_WBITS


class CannotUnpack(ValueError):
    """It is packed otherwise than it says, or in a way that is not known."""


class Unpacker:
    """Unpacks one answer. ``encoding`` is what its content-encoding says.

    Raises:
        CannotUnpack: the encoding is not known.
    """

    def __init__(self, encoding: str) -> None:
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise CannotUnpack
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._raw_deflate = encoding == "deflate"  # some servers leave out the head that zlib has
        self._ended = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What these bytes hold, in pieces of at most `PIECE_BYTES`, each made when it is asked for.

        Raises:
            CannotUnpack: they are damaged.
        """
        while data and not self._ended:
            try:
                piece = self._inflate.decompress(data, PIECE_BYTES)
            except zlib.error:
                if not self._raw_deflate:
                    raise CannotUnpack from None
                self._inflate, self._raw_deflate = zlib.decompressobj(-zlib.MAX_WBITS), False
                continue
            self._raw_deflate = False
            data = self._inflate.unconsumed_tail
            self._ended = self._inflate.eof
            if piece:
                yield piece
