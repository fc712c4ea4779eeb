"""The official Python SDK: the one of this environment, or that in the directory which ACP_SDK_ROOT names."""

from __future__ import annotations

import os
import sys
from importlib.metadata import version

if _root := os.environ.get("ACP_SDK_ROOT"):
    sys.path.insert(0, _root)

import acp
from acp import schema
from acp.connection import StreamDirection

VERSION = version("agent-client-protocol")

__all__ = ["VERSION", "StreamDirection", "acp", "schema"]
