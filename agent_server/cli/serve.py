"""Serving one client over two descriptors, until it has gone or a signal comes."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_server.agent.connection_handlers import AgentConnection
from agent_server.agent.features import Features
from agent_server.cli.compose import Sessions, is_catalog, login_for, make_provider, make_service, make_sessions
from agent_server.cli.event_loop import new_event_loop
from agent_server.cli.first_answer import Opening
from agent_server.config.settings import Settings, SettingsError
from agent_server.transport.fds import FdTransport

if TYPE_CHECKING:
    from agent_server.agent.login import Login
    from agent_server.agent.service import AgentService
    from agent_server.providers.provider import Provider
    from agent_server.transport.port import Transport

END_S = 0.25
"""How long sessions may take to end when the client has been answered and has gone; one that is deaf is left."""

STOP_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP")


def serve_stdio(
    settings: Settings,
    wire: tuple[int, int],
    *,
    opening: Opening | None = None,
    provider: Provider | None = None,
    login: Login | None = None,
    warnings: Sequence[str] = (),
    log_stderr: bool = False,
    model_is_fixed: bool = False,
) -> int:
    """Serve until the client has gone; the exit code. Everything is flushed on return.

    ``opening``: what has happened on the wire so far. ``provider``: who answers, instead of the one that the settings
    name. ``login``: how to log in, where one must. ``model_is_fixed``: no project may choose another model.
    """
    logging.lastResort = logging.NullHandler()  # stderr is silent unless it was asked for: some clients never read it
    try:
        if settings.log_file is not None or log_stderr:
            from agent_server.cli.logs import start_logging

            start_logging(settings.log_file, settings.log_level, log_stderr=log_stderr, warnings=warnings)
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(_serve(settings, wire, opening or Opening(), provider, login, model_is_fixed))
    except (SettingsError, OSError) as error:  # a file that cannot be opened, say
        import sys

        print(f"agent-server: {error}", file=sys.stderr)
        return 2
    finally:
        if settings.log_file is not None or log_stderr:
            logging.shutdown()
    return 0


async def _serve(
    settings: Settings,
    wire: tuple[int, int],
    opening: Opening,
    given: Provider | None,
    login: Login | None,
    model_is_fixed: bool,
) -> None:
    provider = given or make_provider(settings)
    transport: Transport = FdTransport(*wire, limit_bytes=settings.max_frame_bytes, read_ahead=opening.read_ahead)
    if settings.trace_file is not None:
        from agent_server.cli.trace import traced

        transport = traced(transport, settings.trace_file)
    loaded: asyncio.Future[Sessions] = asyncio.get_running_loop().create_future()

    def load_service() -> AgentService:
        import anyio._backends._asyncio  # noqa: F401 - now, and not behind the first prompt

        from agent_server.processes import withholding

        withholding.begin()

        sessions = make_sessions(settings)
        supervisor = sessions.supervisor
        loaded.set_result(sessions)
        _settle_garbage_collector()
        return make_service(settings, supervisor, provider, model_is_fixed=model_is_fixed)

    agent = AgentConnection(transport, load_service, _features(settings, provider, login))
    _end_on_signals(agent)
    if opening.initialized is not None:
        agent.resume_initialized(opening.initialized)
    serving = asyncio.create_task(agent.run(drain_s=settings.drain_s))
    limit = threading.Timer(END_S, os._exit, (0,))  # a thread: it works even where the loop does not turn any more
    limit.daemon = True
    serving.add_done_callback(lambda _serving: limit.start())
    try:
        await asyncio.wait((serving, loaded), return_when=asyncio.FIRST_COMPLETED)
        if loaded.done():
            async with loaded.result():
                await serving
        else:
            await serving
    finally:
        if is_catalog(provider):
            await provider.aclose()
        limit.cancel()


def _features(settings: Settings, provider: Provider, login: Login | None) -> Features:
    return Features(
        system_prompt=provider.system_prompts,
        unstable=settings.unstable,
        login=login or login_for(provider, settings),
        login_gates=login is not None,
        test_faults=settings.enable_test_faults,
    )


def _end_on_signals(agent: AgentConnection) -> None:
    """The first signal ends the input; the work in progress gets the same grace as at the end of the input."""
    loop = asyncio.get_running_loop()
    for name in STOP_SIGNALS:
        number = getattr(signal, name, None)
        if number is None:
            continue
        try:
            loop.add_signal_handler(number, agent.connection.end)
        except (NotImplementedError, RuntimeError):  # no signal handlers on this platform or in this thread
            return


def _settle_garbage_collector() -> None:
    """What start-up made lives as long as the process: no collection need ever look at it."""
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 20, 20)
