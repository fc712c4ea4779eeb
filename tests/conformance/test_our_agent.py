"""The kit's verdicts on our own agent: everything that applies is met, and nothing is left unseen."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from conformance import schema
from conformance.options import Options
from conformance.requirements import requirements, selected
from conformance.run import judge_agent
from conformance.verdicts import Result, Verdict

OURS = (sys.executable, "-m", "agent_server")
WITH_LOGIN = (sys.executable, str(Path(__file__).with_name("agent_with_login.py")))

NOT_YET = {"session.stdio-mcp-connected": "MCP servers are accepted, told apart and checked, but not started yet"}
"""What our agent does not do, and why. A row that is met after all fails the test, so that this list stays true."""

NOT_OURS = {
    "auth.terminal-only-when-offered": "nothing needs a login",
    "auth.unique-ids": "nothing needs a login",
    "auth.unknown-method": "nothing needs a login",
    "auth.logout": "nothing needs a login",
    "session.system-prompt": "the offline provider takes none",
    "session.system-prompt-unknown-mode": "the offline provider takes none",
    "option.boolean-only-when-offered": "there is no option that is on or off",
}
"""What does not concern our agent as it comes; all but the last are judged on agents made with it."""


def judged(
    *command: str,
    only: tuple[str, ...] = (),
    unstable: bool = False,
    login: str | None = None,
    official: Path | None = None,
) -> dict[str, Result]:
    held_against = schema.load(official, unstable=unstable)
    options = Options(command, unstable=unstable, login=login, schema=held_against, timeout_s=20, jobs=6)
    rows = selected(requirements("agent"), only, unstable=unstable)
    return {result.requirement.id: result for result in asyncio.run(judge_agent(rows, options))}


def reasons(results: dict[str, Result], verdict: Verdict) -> dict[str, str]:
    return {row: result.why for row, result in results.items() if result.verdict is verdict}


@pytest.mark.parametrize("unstable", [False, True], ids=["stable", "unstable"])
@pytest.mark.timeout(180)
def test_our_agent_meets_all_that_applies_and_nothing_is_left_unseen(unstable: bool) -> None:
    flags = ("--unstable",) if unstable else ()
    results = judged(*OURS, *flags, unstable=unstable)
    assert reasons(results, Verdict.NOT_EXERCISED) == {}
    assert reasons(results, Verdict.BLOCKED) == {}
    assert set(reasons(results, Verdict.NOT_APPLICABLE)) == set(NOT_OURS)
    failed = reasons(results, Verdict.FAIL)
    assert set(failed) == set(NOT_YET), failed


@pytest.mark.timeout(120)
def test_our_agent_with_a_login_meets_what_is_said_of_logins_and_system_prompts() -> None:
    rows = tuple(row for row in NOT_OURS if row.startswith(("auth.", "session.")))
    results = judged(*WITH_LOGIN, only=rows, login="account")
    assert {row: (result.verdict, result.why) for row, result in results.items()} == dict.fromkeys(
        rows, (Verdict.PASS, "")
    )


@pytest.mark.timeout(120)
def test_who_has_not_logged_in_is_told_that_this_is_what_blocks() -> None:
    results = judged(*WITH_LOGIN, only=("prompt.again", "cancel.idle", "mode.set"))
    assert {result.verdict for result in results.values()} == {Verdict.BLOCKED}


@pytest.mark.timeout(120)
def test_the_official_schema_finds_nothing_either(sdk_root: Path) -> None:
    official = sdk_root / "node_modules/@agentclientprotocol/sdk/schema/v1/schema.json"
    results = judged(*OURS, only=("frame.schema", "frame.no-foreign-keys"), official=official)
    assert {row: (result.verdict, result.why) for row, result in results.items()} == dict.fromkeys(
        ("frame.schema", "frame.no-foreign-keys"), (Verdict.PASS, "")
    )
