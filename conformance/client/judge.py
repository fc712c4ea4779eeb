"""A run against one client: the scenes side by side, then what was seen in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from conformance.client import judges, rules, scenes
from conformance.client.play import Played, play
from conformance.client.registry import JUDGES, PLAIN, RULES, Judged, Rule, Runs
from conformance.client.scene import SCENES
from conformance.options import Options
from conformance.profile import is_open
from conformance.requirements import Requirement
from conformance.transcript import Transcript
from conformance.verdicts import Ended, NotApplicable, NotExercised, Result, Verdict

__all__ = ["judge_client", "judges", "rules", "scenes"]

SHOWN_BREAKS = 3


async def judge_client(
    rows: Sequence[Requirement], options: Options, told: Callable[[Result], None] = lambda result: None
) -> list[Result]:
    """The verdict on each row, in their order. ``told`` hears of each as it falls.

    Only the scenes that the rows need are played; the rules read all that were.
    """
    free = asyncio.Semaphore(options.jobs)

    async def hold(scene: str) -> Played:
        async with free:
            return await play(scene, options.cancel_command if SCENES[scene].cancels else options.command, options)

    wanted = [scene for scene in _needed(rows) if options.cancel_command or not SCENES[scene].cancels]
    played = dict(zip(wanted, await asyncio.gather(*map(hold, wanted)), strict=True))
    results = []
    for row in rows:
        results.append(_result(row, played, options))
        told(results[-1])
    return results


def _needed(rows: Sequence[Requirement]) -> list[str]:
    """The scenes to play: all of them if there is a rule among the rows, for it reads whatever is said."""
    if any(row.id in RULES for row in rows):
        return list(SCENES)
    needed = {scene for row in rows for scene in JUDGES[row.id].scenes}
    return [scene for scene in SCENES if scene in needed or scene == PLAIN]


def _result(row: Requirement, played: Mapping[str, Played], options: Options) -> Result:
    seen: list[Transcript] = []
    try:
        if row.needs == "cancel" and not options.cancel_command:
            raise NotExercised("no client was named that cancels its prompt (--cancel-client)")
        runs = Runs(played)
        _consider(row, runs)
        if row.id in RULES:
            return _ruled(row, RULES[row.id], played)
        seen = _transcripts(JUDGES[row.id], played)
        JUDGES[row.id].judge(runs)
        return Result(row, Verdict.PASS)
    except Ended as ended:
        return Result(row, ended.verdict, str(ended), seen)


def _consider(row: Requirement, runs: Runs) -> None:
    """Raise the verdict that can be given without looking closer, if there is one."""
    conversations = runs.plain.conversations
    if row.gate is None:
        return
    first = next((found for found in conversations if found.initialize is not None), None)
    if first is None:
        raise NotExercised("the client did not initialize")
    if not is_open({"clientCapabilities": first.offered}, row.gate):
        raise NotApplicable(f"the client does not offer {row.gate}")


def _transcripts(judged: Judged, played: Mapping[str, Played]) -> list[Transcript]:
    """What its verdict rests on, the scenes of its own first."""
    scenes = [*judged.scenes[1:], PLAIN]
    return [transcript for scene in scenes if scene in played for transcript in played[scene].transcripts]


def _ruled(row: Requirement, rule: Rule, played: Mapping[str, Played]) -> Result:
    counted = 0
    broken: list[tuple[Transcript, str]] = []
    for run in played.values():
        for conversation in run.conversations:
            for seen in rule(conversation):
                counted += 1
                if seen.broken is not None:
                    line = "" if seen.entry is None else f" ({seen.entry.shown().strip()[:300]})"
                    broken.append((conversation.transcript, f"in the scene {run.scene}: {seen.broken}{line}"))
    if broken:
        texts = [text for _, text in broken[:SHOWN_BREAKS]]
        if len(broken) > SHOWN_BREAKS:
            texts.append(f"and {len(broken) - SHOWN_BREAKS} more")
        transcripts = list(dict.fromkeys(transcript for transcript, _ in broken))
        return Result(row, Verdict.FAIL, "; ".join(texts), transcripts)
    if counted:
        return Result(row, Verdict.PASS)
    raise NotExercised("nothing that the client said had to do with it")
