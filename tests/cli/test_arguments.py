"""The arguments of the serving command: read without a parser where that gives what the parser would give."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.cli.main import argument_parser, plain_flags

FLAGS = st.sampled_from(["--model", "--drain-s", "--log-file", "--model=a", "--unstable", "--trace", "--mod", "-V"])
VALUES = st.sampled_from(["offline", "0.5", "-1", "", "a b", "=", "--", "-", "--model"])


@given(st.lists(st.tuples(FLAGS, VALUES), max_size=4), st.integers(0, 1))
def test_what_is_read_without_the_parser_is_what_the_parser_reads(pairs: list[tuple[str, str]], missing: int) -> None:
    words = [word for pair in pairs for word in pair]
    arguments = words[: len(words) - missing]
    plain = plain_flags(arguments)
    if plain is not None:
        parsed = vars(argument_parser().parse_args(arguments))
        assert plain == {name: value for name, value in parsed.items() if value is not None and value is not False}


@pytest.mark.parametrize(
    ("arguments", "flags"),
    [
        ([], {}),
        (["--model", "offline"], {"model": "offline"}),
        (["--drain-s", "2", "--model", "a", "--model", "b"], {"drain_s": "2", "model": "b"}),
    ],
)
def test_the_usual_command_lines_need_no_parser(arguments: list[str], flags: dict[str, str]) -> None:
    code = (
        "import sys; from agent_server.cli.main import plain_flags; "
        f"sys.exit(plain_flags({arguments!r}) != {flags!r} or 'argparse' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=20, check=False).returncode == 0
