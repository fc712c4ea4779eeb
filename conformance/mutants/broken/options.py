"""Broken in modes, config options and commands."""

from __future__ import annotations

from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.state import Session
from conformance.mutants.wire import INTERNAL_ERROR, Json, Refused


@mutant("mode-not-available", "mode.current-is-available", "Leaves the current mode out of those that are available.")
class ModeNotAvailable(Agent):
    def setup(self, session: Session) -> Json:
        setup = super().setup(session)
        modes = setup["modes"]
        modes["availableModes"] = [row for row in modes["availableModes"] if row["id"] != modes["currentModeId"]]
        return setup


@mutant("mode-cannot-be-set", "mode.set", "Lists a mode that cannot be set.")
class ModeCannotBeSet(Agent):
    def session_set_mode(self, params: Json, request_id: Any) -> Any:
        if params.get("modeId") == "code":
            raise Refused(INTERNAL_ERROR, "not today")
        return super().session_set_mode(params, request_id)


@mutant("any-mode", "mode.unknown", "Accepts modes that do not exist.")
class AnyMode(Agent):
    def session_set_mode(self, params: Json, request_id: Any) -> Any:
        try:
            return super().session_set_mode(params, request_id)
        except Refused:
            return {}


@mutant("same-option-ids", "option.unique-ids", "Has two options with the same id.")
class SameOptionIds(Agent):
    def options(self, session: Session) -> list[Json]:
        rows = super().options(session)
        twin = {**next(row for row in rows if row["id"] == "drafts"), "name": "Drafts again"}
        return [*rows, twin]


@mutant("default-not-listed", "option.default", "Has an option whose current value is none of those that it lists.")
class DefaultNotListed(Agent):
    def setup(self, session: Session) -> Json:
        setup = super().setup(session)
        setup["configOptions"][2]["currentValue"] = "default"
        return setup


@mutant("answers-one-option", "option.set-answers-all", "Answers with the option that was set, and no other.")
class AnswersOneOption(Agent):
    def session_set_config_option(self, params: Json, request_id: Any) -> Any:
        answer = super().session_set_config_option(params, request_id)
        return {"configOptions": [row for row in answer["configOptions"] if row["id"] == params["configId"]]}


@mutant("option-without-effect", "option.set-takes-effect", "Answers with the value that an option had before.")
class OptionWithoutEffect(Agent):
    def session_set_config_option(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        before = session.values.get(str(params.get("configId")))
        answer = super().session_set_config_option(params, request_id)
        if params.get("configId") == "drafts":
            session.values["drafts"] = before
            answer["configOptions"] = self.options(session)
        return answer


@mutant("any-option", "option.unknown-id", "Accepts options that do not exist.")
class AnyOption(Agent):
    def session_set_config_option(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        if not any(row["id"] == params.get("configId") for row in self.options(session)):
            return {"configOptions": self.options(session)}
        return super().session_set_config_option(params, request_id)


@mutant("unknown-option-is-internal", "option.unknown-id", "Calls an option that does not exist an internal error.")
class UnknownOptionIsInternal(Agent):
    def session_set_config_option(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        if not any(row["id"] == params.get("configId") for row in self.options(session)):
            raise Refused(INTERNAL_ERROR, "KeyError")
        return super().session_set_config_option(params, request_id)


@mutant("any-value", "option.unknown-value", "Accepts values that are not listed.")
class AnyValue(Agent):
    def set_option(self, session: Session, option: Json, value: Any) -> None:
        try:
            super().set_option(session, option, value)
        except Refused:
            return


@mutant("mode-out-of-step", "option.mode-in-step", "Leaves the option of the mode behind when the mode is set.")
class ModeOutOfStep(Agent):
    def session_set_mode(self, params: Json, request_id: Any) -> Any:
        session = self.live(params)
        before = session.values["mode"]
        answer = super().session_set_mode(params, request_id)
        session.values["mode"] = before
        return answer

    def update(self, session: Session, kind: str, /, **fields: Any) -> None:
        if kind != "config_option_update":
            super().update(session, kind, **fields)


@mutant("slash-in-commands", "command.names", "Lists commands with their slashes.")
class SlashInCommands(Agent):
    def tell_commands(self, session: Session) -> None:
        row = {"name": "/read", "description": "Read a file"}
        self.update(session, "available_commands_update", availableCommands=[row])


@mutant("command-twice", "command.names", "Lists a command twice.")
class CommandTwice(Agent):
    def tell_commands(self, session: Session) -> None:
        row = {"name": "read", "description": "Read a file"}
        self.update(session, "available_commands_update", availableCommands=[row, row])
