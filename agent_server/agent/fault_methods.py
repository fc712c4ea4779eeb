"""The methods by which tests break sessions and turn the clock; served only where ``enable_test_faults`` is set."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from agent_server.agent.agent_methods import AgentMethods
from agent_server.agent.session_handlers import AgentSession
from agent_server.connection.handlers import Deferred, answered, handles
from agent_server.connection.router import Router
from agent_server.protocol.extensions import EXTENSION_AGENT_METHODS
from agent_server.protocol.extensions.faults import FAULT_METHODS, TEST_CLOCK, TEST_CRASH, TEST_DELAY
from agent_server.protocol.v1.methods import AGENT_METHODS

if TYPE_CHECKING:
    from agent_server.protocol.extensions.fault_params import (
        AdvanceClockRequest,
        AdvanceClockResponse,
        CrashRequest,
        CrashResponse,
        DelayRequest,
        DelayResponse,
    )


class InjectedCrash(Exception):
    """A test wanted the session to break."""


class FaultMethods(AgentMethods):
    """As `AgentMethods`, and what only tests may do."""

    @handles(TEST_CRASH)
    def crash(self, params: CrashRequest) -> Deferred[CrashResponse]:
        """Break a session, right behind the answer."""
        session = self._named(params.session_id, None)
        crash = partial(self._service.supervisor.crash, session, InjectedCrash("a test wanted it"))
        return answered(TEST_CRASH.encoded({}), crash)

    @handles(TEST_DELAY)
    def delay(self, params: DelayRequest) -> DelayResponse:
        """Let openings or restarts take longer."""
        self._service.supervisor.delays_s[params.where] = params.seconds
        return TEST_DELAY.encoded({})

    @handles(TEST_CLOCK)
    def advance_clock(self, params: AdvanceClockRequest) -> AdvanceClockResponse:
        """Let time pass."""
        self._service.supervisor.clock.advance(params.advance_s)
        return TEST_CLOCK.encoded({})


def with_faults(*, unstable: bool) -> tuple[type[AgentMethods], Router]:
    """Who answers what in a test."""
    tables = [*AGENT_METHODS, *EXTENSION_AGENT_METHODS, *FAULT_METHODS]
    if not unstable:
        return FaultMethods, Router(tables, FaultMethods, AgentSession, plain=True)
    from agent_server.agent.unstable_methods import UnstableMethods
    from agent_server.protocol.v1.unstable.methods import ALL_AGENT_METHODS

    class UnstableFaultMethods(FaultMethods, UnstableMethods):
        """Both."""

    tables = [*ALL_AGENT_METHODS, *EXTENSION_AGENT_METHODS, *FAULT_METHODS]
    return UnstableFaultMethods, Router(tables, UnstableFaultMethods, AgentSession, plain=True)
