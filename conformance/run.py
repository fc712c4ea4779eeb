"""A run against one agent: every check side by side, then the rules over all that was heard."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conformance.agent_link import Errored, NoAnswer
from conformance.case import Case
from conformance.options import PROMPTS, Options
from conformance.profile import NoVersion, is_open, look_at
from conformance.registry import Rule, all_checks, all_rules
from conformance.requirements import Requirement
from conformance.shown import Shown
from conformance.transcript import Transcript
from conformance.verdicts import Blocked, Ended, NotApplicable, NotExercised, Result, Verdict

CHECK_S = 60.0
SHOWN_BREAKS = 3

OPENING = "init.same-version"
LAST = {"auth.logout"}
"""Checks that end what all others need."""


async def judge_agent(
    rows: Sequence[Requirement], options: Options, told: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """The verdict on each row, in their order. ``told`` hears of each as it falls.

    The rules read the conversations of all checks; where only rules are asked for, the checks are held all the same.
    """
    probe = Case("what the agent says of itself", options)
    try:
        profile = await look_at(probe)
    except Ended as ended:
        results = [Result(row, _without_profile(row, ended), str(ended), probe.transcripts) for row in rows]
        for result in results:
            told(result)
        return results
    checks = all_checks()
    rules = all_rules()
    wanted = [row for row in rows if row.id in checks]
    transcripts = list(probe.transcripts)
    found: dict[str, Result] = {}
    free = asyncio.Semaphore(options.jobs)
    shown = Shown(options, profile)

    async def hold(row: Requirement) -> None:
        async with free:
            case = Case(row.id, options, profile, shown=shown)
            result = await _held(row, case, checks[row.id])
        transcripts.extend(case.transcripts)
        found[row.id] = result
        told(result)

    await asyncio.gather(*(hold(row) for row in wanted if row.id not in LAST))
    ruled = [row for row in rows if row.id in rules]
    if ruled:
        transcripts.extend(await _more_to_read(options, shown, free))
    for row in wanted:
        if row.id in LAST:
            await hold(row)
    for row in ruled:
        found[row.id] = _ruled(row, rules[row.id], profile, transcripts)
        told(found[row.id])
    return [found[row.id] for row in rows if row.id in found]


def _without_profile(row: Requirement, ended: Ended) -> Verdict:
    """What can be said of a requirement where the connection could not even be opened."""
    spoke = isinstance(ended, NoVersion | NoAnswer | Errored)
    return Verdict.FAIL if spoke and row.id == OPENING else Verdict.NOT_EXERCISED


async def _held(row: Requirement, case: Case, check: Callable[[Case], Any]) -> Result:
    began = time.monotonic()
    try:
        _consider(row, case.profile)
        async with asyncio.timeout(CHECK_S):
            await check(case)
        verdict, why = Verdict.PASS, ""
    except Ended as ended:
        verdict, why = ended.verdict, str(ended)
    except TimeoutError:
        verdict, why = Verdict.NOT_EXERCISED, f"the check did not end within {CHECK_S:g} s"
    except Exception as error:  # noqa: BLE001  one check that stumbles over what an agent says must not end the run
        verdict, why = Verdict.NOT_EXERCISED, f"the check itself broke: {error!r}"
    return Result(row, verdict, why, case.transcripts, time.monotonic() - began)


def _consider(row: Requirement, profile: Mapping[str, Any]) -> None:
    """Raise the verdict that can be given without looking closer, if there is one."""
    if row.gate is None:
        return
    if row.gate.startswith("session.") and "session" not in profile:
        raise profile["session_refused"]
    if not is_open(profile, row.gate):
        raise NotApplicable(f"the agent does not offer {row.gate}")


async def _more_to_read(options: Options, shown: Shown, free: asyncio.Semaphore) -> list[Transcript]:
    """One conversation for each prompt of the command line, so that the rules have read all that the agent can do."""

    async def hold(name: str) -> Sequence[Transcript]:
        async with free:
            return await shown.at(name)

    held = await asyncio.gather(*(hold(name) for name in PROMPTS if options.prompts.get(name)))
    return [transcript for transcripts in held for transcript in transcripts]


def _ruled(row: Requirement, rule: Rule, profile: Mapping[str, Any], transcripts: Sequence[Transcript]) -> Result:
    try:
        _consider(row, profile)
    except Ended as ended:
        return Result(row, ended.verdict, str(ended))
    counted = 0
    broken: list[tuple[Transcript, str]] = []
    for transcript in transcripts:
        for seen in rule(transcript):
            counted += 1
            if seen.broken is not None:
                line = "" if seen.entry is None else f" ({seen.entry.shown().strip()[:300]})"
                broken.append((transcript, f"in “{transcript.title}”: {seen.broken}{line}"))
    if broken:
        texts = [text for _, text in broken[:SHOWN_BREAKS]]
        if len(broken) > SHOWN_BREAKS:
            texts.append(f"and {len(broken) - SHOWN_BREAKS} more")
        return Result(row, Verdict.FAIL, "; ".join(texts), _distinct(transcript for transcript, _ in broken))
    if counted:
        return Result(row, Verdict.PASS)
    refused = profile.get("session_refused")
    if isinstance(refused, Blocked):
        return Result(row, Verdict.BLOCKED, str(refused))
    return Result(row, Verdict.NOT_EXERCISED, str(_why_not_seen(row)))


def _why_not_seen(row: Requirement) -> NotExercised:
    text = "nothing that was said had to do with it"
    hint = f"; --{row.needs}-prompt names a prompt that {PROMPTS[row.needs][1]}" if row.needs else ""
    return NotExercised(text + hint)


def _distinct(transcripts: Any) -> list[Transcript]:
    return list(dict.fromkeys(transcripts))
