"""The checks: each provokes one behaviour of an agent, and judges that alone."""

from __future__ import annotations

from conformance.checks import opening

__all__ = ["opening"]
