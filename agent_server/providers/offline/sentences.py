"""Plain English sentences: which words mean which work.

Politeness is taken off, quoted texts are masked, and the first word then selects the few rules whose patterns are
tried on the rest. Patterns are compiled when they are first tried. What no rule matches is not understood; nothing
is guessed. In particular a text to write must be quoted wherever a description of it could stand in the same place.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent_server.providers.offline.quotes import Masked
from agent_server.providers.offline.rules import RULES
from agent_server.providers.offline.steps import Flow, Step
from agent_server.providers.offline.words import UnclearError, Words

MAX_CHARS = 65_536
MAX_MASKED_CHARS = 500

_POLITE_START = (
    r"\A(?:(?:please|pls|kindly|hey|hi|hello|ok(?:ay)?|now|then|so|well|just|can you|could you|would you|will you"
    r"|i(?:'d| would) like (?:you )?to|i want (?:you )?to|i need (?:you )?to|let's|go ahead and|help me)"
    r"[\s,:!]+)+"
)
_POLITE_END = r"(?:(?:[\s,]+(?:please|pls|thanks|thank you|for me))|(?<=\S)[.!?]+)+\s*$"


def interpret(text: str, attached: Sequence[str] = ()) -> Flow | Step | None:
    """Return the work that a sentence asks for, or None if it is not understood.

    ``attached`` are the paths that "this file" may mean.
    """
    if len(text) > MAX_CHARS:
        return None
    masked = Masked(text)
    if len(masked.text) > MAX_MASKED_CHARS:
        return None
    return _dispatch(_plain(masked.text), masked, attached)


def _plain(text: str) -> str:
    text = re.sub(_POLITE_START, "", text.strip(), flags=re.IGNORECASE)
    # A dot that stands alone is a directory, and two dots are its parent.
    if re.search(r"(?:^|[\s/])\.\.?$", text):
        return text
    return re.sub(_POLITE_END, "", text, flags=re.IGNORECASE).strip()


def _dispatch(sentence: str, masked: Masked, attached: Sequence[str]) -> Flow | Step | None:
    first = re.match(r"[A-Za-z]+", sentence)
    if first is None:
        return None
    rest = sentence[first.end() :].strip()
    for pattern, build in RULES.get(first[0].lower(), ()):
        match = re.fullmatch(pattern, rest, re.IGNORECASE | re.DOTALL)
        if match is None:
            continue
        try:
            work = build(Words(match, masked, attached))
        except UnclearError as unclear:
            return Step(str(unclear))
        if work is not None:
            return work
    aside = re.fullmatch(r"(?:me )?((?:where|what|which|who)\b.+)", rest, re.IGNORECASE | re.DOTALL)
    return _dispatch(aside[1], masked, attached) if aside else None
