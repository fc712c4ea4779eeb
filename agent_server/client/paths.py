"""Which paths of an agent lie inside a session's directories: symlinks resolved, compared by components."""

from __future__ import annotations

import os
from collections.abc import Sequence

from agent_server.errors import RpcError
from agent_server.protocol.errors import ErrorCode


def contained_path(path: str, roots: Sequence[str]) -> str:
    """The real path of ``path``, which must be absolute and lie in one of the roots or be one.

    Raises:
        RpcError: -32602; it is not absolute, holds a NUL, or lies outside.
    """
    if "\0" in path or not os.path.isabs(path):
        raise invalid(f"{path!r} is not an absolute path")
    real = os.path.realpath(path)
    if not any(_is_within(real, os.path.realpath(root)) for root in roots):
        raise invalid(f"{path!r} lies outside the session's directories")
    return real


def _is_within(real: str, root: str) -> bool:
    try:
        return os.path.commonpath((real, root)) == root
    except ValueError:  # different drives
        return False


def invalid(details: str) -> RpcError:
    """The error for a request that names the wrong thing."""
    return RpcError(ErrorCode.INVALID_PARAMS, "Invalid params", {"details": details})


def not_found(details: str) -> RpcError:
    """The error for something that does not exist. Spec: error."""
    return RpcError(ErrorCode.RESOURCE_NOT_FOUND, "Resource not found", {"details": details})
