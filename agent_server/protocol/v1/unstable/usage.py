"""Tokens of a turn. Spec (unstable): end-turn-token-usage."""

from __future__ import annotations

from agent_server.protocol.model import Lenient, Model
from agent_server.protocol.v1.numbers import Uint64


class Usage(Model):
    """Tokens that a turn has cost; ``total_tokens`` is the sum of all kinds."""

    total_tokens: Uint64
    input_tokens: Uint64
    output_tokens: Uint64
    thought_tokens: Lenient[Uint64] = None
    cached_read_tokens: Lenient[Uint64] = None
    cached_write_tokens: Lenient[Uint64] = None
