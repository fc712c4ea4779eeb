"""The tool that asks the user."""

from __future__ import annotations

import json
from typing import Any, Final

from agent_server.conversation.content import TextPart
from agent_server.conversation.questions import FormField, UserAnswer
from agent_server.conversation.tool_calls import ToolKind, ToolSpec
from agent_server.conversation.visible import visible
from agent_server.tools.arguments import Arguments, object_schema
from agent_server.tools.form_schema import fields_of
from agent_server.tools.ports import ToolContext
from agent_server.tools.titles import quoted
from agent_server.tools.tool import PreparedCall, ToolResult

NO_FORMS: Final = (
    "The user's client shows no forms, so nothing was asked. Ask in your answer instead, and end your turn with it."
)
_DECLINED: Final = "The user declined to answer. Go on without the answer; do not ask the same again."
_DISMISSED: Final = "The user closed the form without an answer."


class AskUser:
    """Puts a form to the user: texts, numbers, yes or no, choices. Never for secrets. Spec: elicitation."""

    spec = ToolSpec(
        name="ask_user",
        description=(
            "Ask the user with a short form, when the work cannot go on without a decision or a fact that only they "
            "know. Never ask for passwords, keys, tokens or other secrets."
        ),
        parameters=object_schema(
            {
                "message": {"type": "string", "description": "What you want to know, and why."},
                "fields": {
                    "type": "object",
                    "description": (
                        "What to enter, by name, each a JSON Schema with a type: string (with minLength, maxLength, "
                        "pattern, format email|uri|date|date-time, or enum for one of several), number or integer "
                        "(minimum, maximum), boolean, array (items: {enum: [...]} for any of several; minItems, "
                        "maxItems). All take title, description and default."
                    ),
                    "additionalProperties": {"type": "object"},
                    "minProperties": 1,
                },
                "required": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The names of the fields that must be filled in.",
                },
            },
            required=("message", "fields"),
        ),
        kind=ToolKind.OTHER,
    )

    async def prepare(self, arguments: dict[str, Any], context: ToolContext) -> PreparedCall:
        """Read the form; it is asked when the call runs.

        Raises:
            ToolError: the arguments describe no form.
        """
        message = Arguments(arguments, self.spec.parameters).filled_string("message")
        shown = "\n".join(visible(line) for line in message.splitlines())
        fields = fields_of(arguments.get("fields"), arguments.get("required"))
        return PreparedCall(title=f"Ask: {quoted(message)}", run=lambda: _ask(context, shown, fields))


async def _ask(context: ToolContext, message: str, fields: tuple[FormField, ...]) -> ToolResult:
    answer = await context.ask_user(message, fields)
    if answer is None:
        return ToolResult.text(NO_FORMS)
    if answer.action == "accept":
        return _accepted(answer)
    return ToolResult.text(_DECLINED if answer.action == "decline" else _DISMISSED)


def _accepted(answer: UserAnswer) -> ToolResult:
    """The model reads the answers; people are shown which there are, because what they are may be private."""
    content = answer.content or {}
    names = ", ".join(visible(name) for name in content) or "nothing"
    text = f"The user answered:\n{json.dumps(content, ensure_ascii=False, indent=2)}"
    return ToolResult((TextPart(text),), content=(TextPart(f"The user filled in {names}."),))
