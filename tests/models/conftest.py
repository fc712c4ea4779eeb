"""What every test here starts from: aimock, and our server with a home of its own that knows it in four formats."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from conformance.installing import NotInstalled

from .aimock import Aimock, running


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aimock]:
    """One for all tests of a module; each says which answers it gives."""
    try:
        with running(tmp_path_factory.mktemp("aimock")) as mock:
            yield mock
    except NotInstalled as missing:
        pytest.skip(str(missing))
