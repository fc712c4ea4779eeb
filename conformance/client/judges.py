"""What a client does in each scene: messages, questions, logins, bad ends and cancelling."""

from __future__ import annotations

from conformance.client import service_judges
from conformance.client.play import Played
from conformance.client.registry import PLAIN, Runs, judge
from conformance.client.seeing import answer_of, answer_to, health, unharmed
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotApplicable, NotExercised

__all__ = ["service_judges"]

AUTH_REQUIRED, METHOD_NOT_FOUND = -32000, -32601
QUESTION = "session/request_permission"
MANY_TRIES = 3


# -- what it does not know


@judge("client.unknown-method", "unknown-request")
def refuses_unknown_methods(runs: Runs) -> None:
    error = answer_to(runs["unknown-request"], "unknown-method").message.get("error")
    if not isinstance(error, dict):
        raise Failure("a request with an unknown method was granted")
    if error.get("code") != METHOD_NOT_FOUND:
        raise Failure(f"a request with an unknown method was refused with {error.get('code')}")


@judge("client.custom-method", "custom-request")
def answers_custom_methods(runs: Runs) -> None:
    answer_to(runs["custom-request"], "custom-method")


@judge("client.unknown-notification", "unknown-notifications")
def ignores_unknown_notifications(runs: Runs) -> None:
    run = runs["unknown-notifications"]
    if len(run.strays) > len(runs.plain.strays):
        raise Failure(f"a notification was answered ({run.strays[0].shown().strip()[:300]})")
    unharmed(runs, "unknown-notifications")


@judge("client.unknown-update", "unknown-update")
def ignores_unknown_updates(runs: Runs) -> None:
    unharmed(runs, "unknown-update")


@judge("client.unknown-fields", "unknown-fields")
def ignores_unknown_keys(runs: Runs) -> None:
    unharmed(runs, "unknown-fields")


@judge("client.lenient-fields", "malformed-fields")
def forgives_malformed_fields(runs: Runs) -> None:
    unharmed(runs, "malformed-fields")


@judge("client.null-results", "everything", "null-results", "login", "null-login")
def takes_null_for_nothing(runs: Runs) -> None:
    """Judged where the client asks for something that has no result: when it ends a session, or logs in."""
    seen = False
    if _nulls(runs["null-results"]) and runs["everything"].status is not None:
        seen = True
        if runs["null-results"].status != runs["everything"].status:
            raise Failure(f"after a result of null, {runs['null-results'].ending}")
    if _nulls(runs["null-login"]) and runs["login"].client_requests("session/prompt"):
        seen = True
        if not runs["null-login"].client_requests("session/prompt"):
            raise Failure("it did not go on after a login that was answered with null")
    if not seen:
        raise NotExercised("the client asked for nothing whose result is empty, such as closing a session")


def _nulls(run: Played) -> list[Entry]:
    return [
        entry
        for transcript in run.transcripts
        for entry in transcript.sent_by("agent")
        if entry.is_response and entry.message.get("result", entry) is None
    ]


# -- how messages arrive


@judge("client.separators-in-text", "separators")
def takes_separators_for_text(runs: Runs) -> None:
    unharmed(runs, "separators")


@judge("client.long-lines", "long-line")
def reads_long_lines(runs: Runs) -> None:
    unharmed(runs, "long-line")


@judge("client.split-anywhere", "pieces")
def puts_pieces_together(runs: Runs) -> None:
    unharmed(runs, "pieces")


@judge("client.text-ids", "text-ids")
def answers_text_ids(runs: Runs) -> None:
    health(runs)
    answer_to(runs["text-ids"], "question")


# -- questions for permission


@judge("client.permission-answered", "strange-options")
def answers_with_an_option(runs: Runs) -> None:
    answer_to(runs.plain, "question")
    for scene in (PLAIN, "strange-options"):
        question = runs[scene].asked("question")
        if question is not None and question.answer is not None:
            _check_outcome(question, question.answer)


@judge("client.permission-by-kind", "strange-options")
def chooses_by_kind(runs: Runs) -> None:
    health(runs)
    usual = _chosen_kind(runs.plain.asked("question"))
    if usual is None:
        raise NotExercised("the client chose none of the options")
    chosen = _chosen_kind(runs["strange-options"].asked("question"))
    if chosen is None:
        raise NotExercised("the client chose none of the options where they stand in another order")
    if chosen != usual:
        raise Failure(f"where ids and order are strange it chose {chosen}, else {usual}")


@judge("client.permission-without-tool-call", "unannounced-call")
def answers_about_unannounced_calls(runs: Runs) -> None:
    health(runs)
    run = runs["unannounced-call"]
    answer = answer_to(run, "question")
    if "error" in answer.message:
        raise Failure("the question was answered with an error")


def _check_outcome(question: Entry, answer: Entry) -> None:
    outcome = answer.result.get("outcome")
    if not isinstance(outcome, dict):
        raise Failure(f"a question for permission was answered with {answer.line.decode('utf-8', 'replace')[:300]}")
    if outcome.get("outcome") == "cancelled":
        return
    ids = [option["optionId"] for option in question.params["options"]]
    if outcome.get("outcome") != "selected" or outcome.get("optionId") not in ids:
        raise Failure(f"the outcome is {outcome!r}; the options are {', '.join(ids)}")


def _chosen_kind(question: Entry | None) -> str | None:
    if question is None or question.answer is None:
        return None
    outcome = question.answer.result.get("outcome")
    chosen = outcome.get("optionId") if isinstance(outcome, dict) else None
    kinds = {option["optionId"]: str(option["kind"]) for option in question.params["options"]}
    return kinds.get(str(chosen))


# -- versions and logins


@judge("client.unsupported-version", "future-version")
def hangs_up_on_other_versions(runs: Runs) -> None:
    run = runs["future-version"]
    told = answer_of(run, "initialize")
    if told is None:
        raise NotExercised("the client did not initialize")
    sent = [entry for method in ("session/new", "session/prompt") for entry in run.client_requests(method)]
    later = [entry for entry in sent if entry.at > told.at]
    if later:
        raise Failure(f"it went on in a version that it does not speak ({later[0].shown().strip()[:300]})")
    if run.status is None:
        raise Failure("it did not hang up")


@judge("client.auth-required", "login")
def logs_in_or_gives_up(runs: Runs) -> None:
    run = runs["login"]
    logins = run.client_requests("authenticate")
    listed = _listed(run)
    for login in logins:
        if login.params.get("methodId") not in listed:
            raise Failure(f"it logged in with {login.params.get('methodId')!r}, which is not listed")
    if logins:
        return
    tries = run.client_requests("session/new")
    if not tries:
        raise NotExercised("the client made no session")
    if run.client_requests("session/prompt"):
        raise Failure("it sent a prompt though it was told to log in first")
    if len(tries) > MANY_TRIES:
        raise Failure(f"it asked for a session {len(tries)} times without logging in")
    if run.status is None:
        raise NotExercised("it neither logged in nor ended; it may have waited for its user")


@judge("client.terminal-login-not-called", "terminal-login")
def keeps_terminal_logins_to_the_terminal(runs: Runs) -> None:
    run = runs["terminal-login"]
    listed = _listed(run)
    for login in run.client_requests("authenticate"):
        if login.params.get("methodId") in listed:
            raise Failure("a login in a terminal was passed to authenticate")
    if not listed:
        raise NotApplicable("the client does not offer to show a terminal")
    if not run.client_requests("session/new") and not run.remarked("a login in a terminal"):
        raise NotExercised("the client made no session")


def _listed(run: Played) -> list[object]:
    answer = answer_of(run, "initialize")
    return [] if answer is None else [method.get("id") for method in answer.result.get("authMethods") or ()]


# -- ends


@judge("client.prompt-error", "prompt-error")
def ends_with_a_failed_prompt(runs: Runs) -> None:
    _ends(runs, "prompt-error", "its prompt was answered with an error")


@judge("client.agent-dies", "agent-dies")
def ends_with_its_agent(runs: Runs) -> None:
    _ends(runs, "agent-dies", "its agent died")


def _ends(runs: Runs, scene: str, what: str) -> None:
    if runs.plain.status is None:
        raise NotExercised("already in an ordinary conversation the client did not end by itself")
    if not runs[scene].client_requests("session/prompt"):
        raise NotExercised("the client sent no prompt")
    if runs[scene].status is None:
        raise Failure(f"it still waited, long after {what}")


@judge("client.hangs-up")
def leaves_no_agent(runs: Runs) -> None:
    if runs.plain.status is None:
        raise NotExercised("the client did not end by itself")
    if runs.plain.lingered:
        raise Failure("its agent still ran two seconds after it had ended")


# -- cancelling


@judge("client.cancel-is-a-notification", "cancel")
def cancels_with_a_notification(runs: Runs) -> None:
    cancel = _cancel(runs["cancel"])
    if "id" in cancel.message:
        raise Failure("session/cancel was sent as a request")
    made = answer_of(runs["cancel"], "session/new")
    if made is not None and cancel.session_id != made.result.get("sessionId"):
        raise Failure(f"the session that it names is {cancel.session_id!r}")


@judge("client.cancel-answers-questions", "cancel-asking")
def answers_open_questions_as_cancelled(runs: Runs) -> None:
    run = runs["cancel-asking"]
    cancel, question = _cancel(run), run.asked("question")
    if question is None or (question.answer is not None and question.answer.at < cancel.at):
        raise NotExercised("no question was open any more when the client cancelled: it answers them by itself")
    if question.answer is None:
        raise Failure("the question that was open was not answered")
    outcome = question.answer.result.get("outcome")
    if not isinstance(outcome, dict) or outcome.get("outcome") != "cancelled":
        raise Failure(f"the question that was open was answered with {outcome!r}")


@judge("client.takes-late-updates", "cancel", "cancel-late")
def takes_what_comes_late(runs: Runs) -> None:
    _cancel(runs["cancel"])
    _cancel(runs["cancel-late"])
    usual, late = runs["cancel"], runs["cancel-late"]
    if usual.status is None or usual.remarked("no answer"):
        raise NotExercised("the client did not end after it had cancelled")
    if late.status != usual.status:
        raise Failure(f"with updates after the cancel, {late.ending}; without them, {usual.ending}")
    if _heard_out(usual) and not _heard_out(late):
        raise Failure("it hung up before its prompt was answered, which it does not do without updates")


def _cancel(run: Played) -> Entry:
    """The client's ``session/cancel``.

    Raises:
        NotExercised: there is none.
    """
    sent = (entry for transcript in run.transcripts for entry in transcript.sent_by("client"))
    found = next((entry for entry in sent if entry.method == "session/cancel"), None)
    if found is None:
        raise NotExercised(f"the client sent no session/cancel ({run.ending})")
    return found


def _heard_out(run: Played) -> bool:
    """Whether the agent answered the prompt."""
    return answer_of(run, "session/prompt") is not None
