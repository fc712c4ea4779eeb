"""What the agent shows at each prompt of the command line to a client that offers everything."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from conformance.case import Case
from conformance.options import Options
from conformance.transcript import Transcript
from conformance.verdicts import Ended

SHOWN_S = 60.0


class Shown:
    """Sends each prompt once, however many ask for it: to an agent of its own, which is listened to a little longer."""

    def __init__(self, options: Options, profile: Mapping[str, Any]) -> None:
        self._options = options
        self._profile = profile
        self._held: dict[str, asyncio.Task[Sequence[Transcript]]] = {}

    async def at(self, name: str) -> Sequence[Transcript]:
        """The conversation in which the prompt of that name is sent, as far as it got."""
        if name not in self._held:
            self._held[name] = asyncio.create_task(self._hold(name))
        return await asyncio.shield(self._held[name])

    async def _hold(self, name: str) -> Sequence[Transcript]:
        case = Case(f"the {name} prompt", self._options, self._profile)
        try:
            async with asyncio.timeout(SHOWN_S), case.session() as session:
                asked = await session.start(case.text(name))
                if name == "busy":
                    await session.link.quiet(self._options.quiet_s)
                    await session.cancel()
                await asked.answer()
                await session.link.quiet(self._options.quiet_s)
        except (Ended, TimeoutError):
            pass  # what was heard until then counts
        return case.transcripts
