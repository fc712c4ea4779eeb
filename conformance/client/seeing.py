"""How a judge sees what a client did."""

from __future__ import annotations

from conformance.client.play import Played
from conformance.client.registry import Runs
from conformance.transcript import Entry
from conformance.verdicts import Failure, NotExercised


def answer_of(run: Played, method: str) -> Entry | None:
    """The agent's last answer to a request of the client with this method."""
    answers = [entry.answer for entry in run.client_requests(method) if entry.answer is not None]
    return answers[-1] if answers else None


def asked(run: Played, label: str) -> Entry:
    """The request of the agent with this label.

    Raises:
        NotExercised: it did not come to that.
    """
    request = run.asked(label)
    if request is None:
        raise NotExercised(f"in the scene {run.scene} it did not come to that ({run.ending})")
    return request


def answer_to(run: Played, label: str) -> Entry:
    """The client's answer to the request of the agent with this label, where not to answer is the failure.

    Raises:
        Failure: it was not answered.
        NotExercised: it was not asked, or the client answered with ids that nobody used.
    """
    request = asked(run, label)
    if request.answer is None:
        if run.strays:
            raise NotExercised(f"{request.method} was answered with another id, if at all")
        raise Failure(f"{request.method} was not answered ({run.ending})")
    return request.answer


def granted(run: Played, label: str) -> Entry:
    """As `answer_to`, where an error is a failure too.

    Raises:
        Failure, NotExercised: as there.
    """
    answer = answer_to(run, label)
    if "error" in answer.message:
        error = answer.message["error"]
        said = error.get("message") if isinstance(error, dict) else error
        assert answer.asked is not None
        raise Failure(f"{answer.asked.method} was refused: {said}")
    return answer


def health(runs: Runs) -> None:
    """Make sure that nothing is wrong already in an ordinary conversation.

    Raises:
        NotExercised: the client does not end by itself there, or does not answer what it is asked.
    """
    question = runs.plain.asked("question")
    if question is None or question.answer is None:
        raise NotExercised(f"already in an ordinary conversation the client answered no question ({runs.plain.ending})")
    if runs.plain.status is None:
        raise NotExercised("already in an ordinary conversation the client did not end by itself")


def unharmed(runs: Runs, scene: str) -> None:
    """Fail unless the client answers the question of the scene and ends as it does in an ordinary conversation.

    Raises:
        Failure: it does not.
        NotExercised: it does not do that in an ordinary conversation either.
    """
    health(runs)
    run = runs[scene]
    question = run.asked("question")
    if question is None:
        raise Failure(f"the client did not come as far as in an ordinary conversation ({run.ending})")
    if question.answer is None:
        raise Failure(f"the client did not answer the question that it was asked then ({run.ending})")
    if run.status != runs.plain.status:
        raise Failure(f"{run.ending}; in an ordinary conversation, {runs.plain.ending}")
