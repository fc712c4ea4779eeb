"""The checks: each provokes one behaviour of an agent, and judges that alone."""

from __future__ import annotations

from conformance.checks import ending, framing, history, listing, login, messages, opening, sessions

__all__ = ["ending", "framing", "history", "listing", "login", "messages", "opening", "sessions"]
