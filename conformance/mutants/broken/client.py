"""Broken in what is asked of the client: files, terminals, forms, pages, and notices."""

from __future__ import annotations

from typing import Any

from conformance.mutants.mutant import mutant
from conformance.mutants.service import Agent
from conformance.mutants.turns import Ask, Turn
from conformance.mutants.wire import Json


class Pushy(Agent):
    """Uses what the client does not offer."""

    wanted: tuple[str, ...] = ()

    def offers(self, *path: str) -> bool:
        return path == self.wanted or super().offers(*path)


@mutant("reads-unasked", "fs.only-when-offered", "Reads files through a client that does not offer it.")
class ReadsUnasked(Pushy):
    wanted = ("fs", "readTextFile")


@mutant("writes-unasked", "fs.only-when-offered", "Writes files through a client that does not offer it.")
class WritesUnasked(Pushy):
    wanted = ("fs", "writeTextFile")


@mutant("terminals-unasked", "terminal.only-when-offered", "Uses terminals of a client that does not offer them.")
class TerminalsUnasked(Pushy):
    wanted = ("terminal",)


@mutant("forms-unasked", "form.only-when-offered", "Shows forms to a client that does not offer them.")
class FormsUnasked(Pushy):
    wanted = ("elicitation", "form")


@mutant("pages-unasked", "page.only-when-offered", "Sends the user of a client to pages that does not offer it.")
class PagesUnasked(Pushy):
    wanted = ("elicitation", "url")


@mutant("pages-are-forms", "form.only-when-offered", "Takes a client that offers pages for one that offers forms.")
class PagesAreForms(Agent):
    def offers(self, *path: str) -> bool:
        return super().offers(*(path[:1] if path == ("elicitation", "form") else path))


@mutant("notices-unasked", "notice.only-when-offered", "Sends notices to a client that does not offer to show them.")
class NoticesUnasked(Pushy):
    wanted = ("session", "notices")


@mutant("compactions-unasked", "compaction.only-when-offered", "Tells of compactions where they are not offered.")
class CompactionsUnasked(Pushy):
    wanted = ("session", "compaction")


@mutant("booleans-unasked", "option.boolean-only-when-offered", "Sends options that are on or off to everybody.")
class BooleansUnasked(Pushy):
    wanted = ("session", "configOptions", "boolean")


@mutant("hangs-at-a-failed-file", "fs.error", "Waits for ever when a file cannot be read.")
class HangsAtAFailedFile(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        def unless_error(message: Json) -> None:
            if "error" not in message:
                answered(message)

        return super().ask(method, params, unless_error if method.startswith("fs/") else answered)


@mutant("hangs-at-a-failed-terminal", "terminal.error", "Waits for ever when a terminal cannot be made.")
class HangsAtAFailedTerminal(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        def unless_error(message: Json) -> None:
            if "error" not in message:
                answered(message)

        return super().ask(method, params, unless_error if method == "terminal/create" else answered)


@mutant("terminal-kept", "terminal.released", "Does not release a terminal whose command has ended.")
class TerminalKept(Agent):
    def release(self, turn: Turn, terminal_id: Any) -> None:
        if turn.cancelled:
            super().release(turn, terminal_id)


@mutant("cancelled-terminal-kept", "terminal.released-when-cancelled", "Keeps the terminal of a cancelled turn.")
class CancelledTerminalKept(Agent):
    def release(self, turn: Turn, terminal_id: Any) -> None:
        if not turn.cancelled:
            super().release(turn, terminal_id)


@mutant("hangs-at-a-declined-form", "form.declined", "Waits for ever when the user declines a form.")
class HangsAtADeclinedForm(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        def unless_declined(message: Json) -> None:
            if message.get("result", {}).get("action") != "decline":
                answered(message)

        return super().ask(method, params, unless_declined if params.get("mode") == "form" else answered)


@mutant("hangs-at-a-failed-form", "form.declined", "Waits for ever when a form fails.")
class HangsAtAFailedForm(Agent):
    def ask(self, method: str, params: Json, answered: Any) -> Any:
        def unless_error(message: Json) -> None:
            if "error" not in message:
                answered(message)

        return super().ask(method, params, unless_error if params.get("mode") == "form" else answered)


@mutant("token-in-the-address", "page.no-credentials", "Sends the user to an address with a password in it.")
class TokenInTheAddress(Agent):
    def open_page(self, turn: Turn, page_id: str) -> Ask:
        ask = super().open_page(turn, page_id)
        ask.params["url"] = "https://user:secret@example.com/consent"
        return ask


@mutant("plain-http", "page.https", "Sends the user to an address without https.")
class PlainHttp(Agent):
    def open_page(self, turn: Turn, page_id: str) -> Ask:
        ask = super().open_page(turn, page_id)
        ask.params["url"] = "http://example.com/consent"
        return ask


@mutant("pages-share-an-id", "page.unique-ids", "Opens two pages with the same id.")
class PagesShareAnId(Agent):
    def fresh(self, kind: str) -> str:
        return "page" if kind == "page" else super().fresh(kind)


@mutant("unopened-page-complete", "page.complete", "Reports a page as complete that it never opened.")
class UnopenedPageComplete(Agent):
    def page(self, turn: Turn, text: str) -> Any:
        if self.offers("elicitation", "url"):
            self.notify("elicitation/complete", {"elicitationId": "page-of-nobody"})
        yield from super().page(turn, text)
