"""What URLs and headers may look like, and what of a URL may be told. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from agent_server.http_client.failures import BadRequest

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?|")
_USUAL_PORTS: Final = {"https": 443, "http": 80}


def host_of(url: str) -> str:
    """Whom a URL means, with an unusual port; never a name, a password, a path or a query that stand in it.

    Raises:
        BadRequest: it is no URL of HTTP.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadRequest("url") from None
    if parts.scheme not in _USUAL_PORTS or not host or not host.isprintable():
        raise BadRequest("url")
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None or port == _USUAL_PORTS[parts.scheme] else f"{shown}:{port}"


def is_loopback(url: str) -> bool:
    """Whether a URL means this machine."""
    try:
        host = urlsplit(url).hostname or ""
        if host == "localhost" or host.endswith(".localhost"):
            return True
        address = ipaddress.ip_address(host)
        return address.is_loopback or address.is_unspecified
    except ValueError:
        return False


def check_headers(headers: Mapping[str, str], host: str) -> None:
    """Raise if a header could become two, or cannot be written.

    Raises:
        BadRequest: it names the header, and not its value.
    """
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise BadRequest("of that name", host=host)
        if not _VALUE.fullmatch(value):
            raise BadRequest(name, host=host)
