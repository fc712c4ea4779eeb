"""What the environment says of proxies that nobody is to be told: a proxy may say it back."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from urllib.parse import unquote


def proxy_secrets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The passwords of proxies, as they stand there, as they are, and as they are sent."""
    found: dict[str, None] = {}
    for name, address in environment.items():
        if not name.lower().endswith("_proxy") or "@" not in address:
            continue
        who = address.partition("://")[2].rpartition("@")[0]
        user, _, password = who.partition(":")
        sent = f"{unquote(user)}:{unquote(password)}".encode("utf-8", "replace")
        found |= dict.fromkeys((password, unquote(password), base64.b64encode(sent).decode()))
    return tuple(filter(None, found))
