"""Logging: JSON lines into a file, and to stderr only when asked; neither ever blocks the server."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import IO


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message and, for errors, where they came from."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        import orjson

        entry = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["error"] = self.formatException(record.exc_info)
        return orjson.dumps(entry, default=str).decode("utf-8", "replace")


class _LossyStderr(logging.StreamHandler[IO[str]]):
    """Drops what the far end of stderr does not take at once: some clients never read it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            os.write(2, (self.format(record) + "\n").encode("utf-8", "replace"))
        except OSError:
            pass


def start_logging(log_file: str | None, level: str, *, log_stderr: bool = False, warnings: Sequence[str] = ()) -> None:
    """Send the log where the settings say. The file is made with mode 0600."""
    logger = logging.getLogger("agent_server")
    logger.setLevel(level.upper())
    logger.propagate = False
    if log_file is not None:
        descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        to_file = logging.StreamHandler(os.fdopen(descriptor, "a", encoding="utf-8"))
        to_file.setFormatter(JsonLines())
        logger.addHandler(to_file)
    if log_stderr:
        _unblock_stderr()
        to_stderr = _LossyStderr(sys.stderr)
        to_stderr.setFormatter(JsonLines())
        logger.addHandler(to_stderr)
    for warning in warnings:
        logger.warning("%s", warning)


def _unblock_stderr() -> None:
    try:
        os.set_blocking(2, False)
    except OSError:
        pass
