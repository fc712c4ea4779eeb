"""The boundary of a turn: whatever a model or a bug does in it becomes its outcome, and ends nothing else."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from agent_server.conversation.events import StopReason, TurnFailure
from agent_server.errors import ProviderError, RpcError
from agent_server.sessions.turn import Turn
from agent_server.sessions.turn_scope import TurnCancelled, TurnScope

logger = logging.getLogger(__name__)

_INTERNAL: Final = "the turn failed inside the server; its log says why"


async def guarded(turn: Turn, scope: TurnScope) -> tuple[StopReason | None, TurnFailure | None]:
    """Run the turn: its stop reason, or why it failed (promise P5).

    Raises:
        TurnCancelled: it was cancelled.
    """
    try:
        return await turn.run(scope), None
    except TurnCancelled:
        raise
    except ProviderError as error:
        return None, _provider_failure(error)
    except RpcError as error:
        details = f"the client answered a request of the turn with an error: {error.message}"
        return None, TurnFailure("internal", details)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling() > 0:
            raise
        logger.exception("a turn raised CancelledError without being cancelled")
        return None, TurnFailure("internal", _INTERNAL)
    except BaseException as error:
        logger.error("a turn failed", exc_info=error)
        return None, TurnFailure("internal", _INTERNAL)


def _provider_failure(error: ProviderError) -> TurnFailure:
    if error.raw and logger.isEnabledFor(logging.WARNING):
        from agent_server.conversation.redaction import redacted_text

        logger.warning("%s could not answer (%s): %s", error.provider, error.kind, redacted_text(error.raw))
    return TurnFailure(
        error.kind,
        error.details,
        error.retryable,
        error.provider,
        error.http_status,
        error.request_id,
        error.retry_after_s,
        error.reason,
    )
