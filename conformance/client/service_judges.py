"""What a client does for its agent: files, terminals, forms and pages."""

from __future__ import annotations

from conformance.client.registry import Runs, judge
from conformance.client.seeing import answer_to, asked, granted
from conformance.client.service_scenes import EXIT_CODE, FILE_TEXT, LIMIT_BYTES, LONG_TEXT
from conformance.verdicts import Failure, NotApplicable, NotExercised

INVALID_PARAMS, METHOD_NOT_FOUND = -32602, -32601
UNOFFERED_SERVICES = ("unoffered-read", "unoffered-write", "unoffered-terminal")


@judge("client.fs-read", "files")
def reads_files(runs: Runs) -> None:
    lines = FILE_TEXT.splitlines()
    for label, expected in (("read", FILE_TEXT), ("read-lines", lines[1])):
        content = granted(runs["files"], label).result.get("content")
        if not isinstance(content, str) or content.rstrip("\n") != expected.rstrip("\n"):
            raise Failure(f"it read {content!r}, not {expected!r}")


@judge("client.fs-missing-file", "files")
def refuses_missing_files(runs: Runs) -> None:
    if "error" not in answer_to(runs["files"], "read-missing").message:
        raise Failure("a file that does not exist was read")


@judge("client.fs-write-creates", "files")
def creates_files(runs: Runs) -> None:
    run = runs["files"]
    existing = answer_to(run, "write")
    if "error" in existing.message:
        raise NotExercised("the client does not write to a file that exists either")
    granted(run, "write-new")
    if not run.remarked("write-new: the file holds the text"):
        raise Failure("the file does not hold the text that was written")


@judge("client.terminal-runs", "terminal-runs")
def runs_commands(runs: Runs) -> None:
    run = runs["terminal-runs"]
    granted(run, "create")
    status = granted(run, "wait").result
    if status.get("exitCode") != EXIT_CODE:
        raise Failure(f"the command exited with {EXIT_CODE}; it was told {dict(status)!r}")
    output = granted(run, "output").result.get("output")
    if not isinstance(output, str) or "hello, terminal" not in output:
        raise Failure(f"the output is {output!r}")


@judge("client.terminal-truncates-the-start", "terminal-truncates")
def cuts_off_the_start(runs: Runs) -> None:
    run = runs["terminal-truncates"]
    _can_be_made(runs, "terminal-truncates")
    result = granted(run, "output").result
    output = result.get("output")
    if not isinstance(output, str):
        raise Failure(f"the output is {output!r}")
    size = len(output.encode("utf-8", "surrogatepass"))
    if size > LIMIT_BYTES:
        raise Failure(f"{size} bytes are left of a limit of {LIMIT_BYTES}")
    if not output.strip() or not LONG_TEXT.endswith(output.rstrip("\r\n")):
        raise Failure(f"what is left is not the end of the output: {output!r}")
    if result.get("truncated") is not True:
        raise Failure("it does not say that the output is truncated")


@judge("client.terminal-kill", "terminal-kill")
def keeps_killed_terminals(runs: Runs) -> None:
    run = runs["terminal-kill"]
    _can_be_made(runs, "terminal-kill")
    if "error" in answer_to(run, "before").message or run.asked("kill") is None:
        raise NotExercised("the client did not tell the output of a command that runs")
    granted(run, "kill")
    granted(run, "wait")
    output = granted(run, "output").result.get("output")
    if not isinstance(output, str) or "started" not in output:
        raise Failure(f"the output of the killed command is {output!r}")


def _can_be_made(runs: Runs, scene: str) -> None:
    if "result" not in answer_to(runs[scene], "create").message:
        raise NotExercised("the client runs no commands")


@judge("client.terminal-not-offered", "unoffered-services")
def refuses_unoffered_services(runs: Runs) -> None:
    run = runs["unoffered-services"]
    if run.asked("question") is not None and not any(run.asked(label) for label in UNOFFERED_SERVICES):
        raise NotApplicable("the client offers files and terminals")
    labels = [label for label in UNOFFERED_SERVICES if run.asked(label) is not None]
    for label in labels:
        if "error" not in answer_to(run, label).message:
            raise Failure(f"{asked(run, label).method} was granted, though it is not offered")
    if not labels:
        raise NotExercised(f"it did not come to a prompt ({run.ending})")


@judge("client.unadvertised-form", "unoffered-forms")
def refuses_unoffered_forms(runs: Runs) -> None:
    run = runs["unoffered-forms"]
    labels = [label for label in ("unoffered-form", "unoffered-url") if run.asked(label) is not None]
    if not labels and run.asked("question") is not None:
        raise NotApplicable("the client offers both forms and pages")
    if not labels:
        raise NotExercised(f"it did not come to a prompt ({run.ending})")
    # Who offers neither need not know the method.
    codes = (INVALID_PARAMS, METHOD_NOT_FOUND) if len(labels) == 2 else (INVALID_PARAMS,)
    for label in labels:
        error = answer_to(run, label).message.get("error")
        if not isinstance(error, dict):
            raise Failure("it was shown, or turned away by the user, though it is not offered")
        if error.get("code") not in codes:
            raise Failure(f"it was refused with {error.get('code')}, not with {' or '.join(map(str, codes))}")
