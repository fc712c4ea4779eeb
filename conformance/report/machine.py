"""The verdicts for programs: JSON (schemas/conformance.schema.json) and JUnit's XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from conformance.report.tally import tally
from conformance.verdicts import Result, Verdict


def as_json(results: Sequence[Result], program: str, side: str, started: str, seconds: float) -> dict[str, Any]:
    """The whole report. ``started``: ISO 8601. Transcripts stand only with failures."""
    return {
        "version": 1,
        "side": side,
        "program": program,
        "started": started,
        "seconds": round(seconds, 3),
        "counts": {
            level: {verdict.value: number for verdict, number in counts.items()}
            for level, counts in tally(results).items()
        },
        "results": [_row(result) for result in results],
    }


def _row(result: Result) -> dict[str, Any]:
    requirement = result.requirement
    row: dict[str, Any] = {
        "id": requirement.id,
        "level": requirement.level,
        "section": requirement.section,
        "text": requirement.text,
        "verdict": result.verdict.value,
        "seconds": round(result.seconds, 3),
    }
    if result.why:
        row["why"] = result.why
    if result.verdict is Verdict.FAIL:
        row["transcripts"] = [transcript.shown() for transcript in result.transcripts]
    return row


def as_junit(results: Sequence[Result], program: str, seconds: float) -> str:
    """JUnit's XML: a MUST that failed is a failure; what is neither that nor a pass is skipped, with its reason."""
    suites = ElementTree.Element("testsuites")
    failed = sum(_is_failure(result) for result in results)
    skipped = sum(result.verdict is not Verdict.PASS and not _is_failure(result) for result in results)
    suite = ElementTree.SubElement(
        suites, "testsuite", name=_printable(f"conformance: {program}"), tests=str(len(results)),
        failures=str(failed), skipped=str(skipped), time=f"{seconds:.3f}",
    )  # fmt: skip
    for result in results:
        requirement = result.requirement
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{requirement.level}.{requirement.section}", name=requirement.id,
            time=f"{result.seconds:.3f}",
        )  # fmt: skip
        if _is_failure(result):
            failure = ElementTree.SubElement(case, "failure", message=_printable(result.why))
            failure.text = _printable("\n\n".join(transcript.shown() for transcript in result.transcripts))
        elif result.verdict is not Verdict.PASS:
            ElementTree.SubElement(case, "skipped", message=_printable(f"{result.verdict.value}: {result.why}"))
    ElementTree.indent(suites)
    return ElementTree.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def _is_failure(result: Result) -> bool:
    return result.verdict is Verdict.FAIL and result.requirement.level == "MUST"


def _printable(text: str) -> str:
    """Without the control characters that XML cannot hold."""
    return "".join(character if character in "\n\t" or ord(character) >= 0x20 else "\ufffd" for character in text)
