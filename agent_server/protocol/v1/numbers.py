"""The numbers that ACP names by width. The schema bounds them below only, and so do we.

The one exception there is the version, which ends at 65535: whatever a client asks for beyond, an agent answers with a
version of its own.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

Uint16: TypeAlias = Annotated[int, Field(ge=0, json_schema_extra={"format": "uint16"})]
Uint32: TypeAlias = Annotated[int, Field(ge=0, json_schema_extra={"format": "uint32"})]
Uint64: TypeAlias = Annotated[int, Field(ge=0, json_schema_extra={"format": "uint64"})]
Double: TypeAlias = Annotated[float, Field(json_schema_extra={"format": "double"})]
Int32: TypeAlias = Annotated[int, Field(json_schema_extra={"format": "int32"})]
Int64: TypeAlias = Annotated[int, Field(json_schema_extra={"format": "int64"})]
