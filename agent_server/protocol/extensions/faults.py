"""What tests of a whole server need: sessions that break, slow openings, and a clock that can be turned.

Only an agent that was started with ``--enable-test-faults`` knows these methods. Importing this loads no model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent_server.protocol.extensions import OPT_IN
from agent_server.protocol.method import MethodTable, RequestMethod, Scope, Side

if TYPE_CHECKING:
    from agent_server.protocol.extensions.fault_params import (
        AdvanceClockRequest,
        AdvanceClockResponse,
        CrashRequest,
        CrashResponse,
        DelayRequest,
        DelayResponse,
    )

_MODELS = "agent_server.protocol.extensions.fault_params"

TEST_CRASH: Final[RequestMethod[CrashRequest, CrashResponse]] = RequestMethod(
    "_agent_server/test/crash",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:CrashRequest",
    f"{_MODELS}:CrashResponse",
    OPT_IN,
)
TEST_DELAY: Final[RequestMethod[DelayRequest, DelayResponse]] = RequestMethod(
    "_agent_server/test/delay",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:DelayRequest",
    f"{_MODELS}:DelayResponse",
    OPT_IN,
)
TEST_CLOCK: Final[RequestMethod[AdvanceClockRequest, AdvanceClockResponse]] = RequestMethod(
    "_agent_server/test/clock",
    Side.AGENT,
    Scope.CONNECTION,
    f"{_MODELS}:AdvanceClockRequest",
    f"{_MODELS}:AdvanceClockResponse",
    OPT_IN,
)

FAULT_METHODS: Final = MethodTable(TEST_CRASH, TEST_DELAY, TEST_CLOCK)
"""What an agent under test answers besides everything else."""
