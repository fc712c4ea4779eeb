"""The form of ``/test form``: a field of every kind, to see how a client shows them. Spec: elicitation."""

from __future__ import annotations

from typing import Final

from agent_server.conversation.questions import (
    Choice,
    ChoicesField,
    FlagField,
    FormField,
    IntegerField,
    NumberField,
    TextField,
)

FIELDS: Final[tuple[FormField, ...]] = (
    TextField(name="name", title="Name", description="Up to 20 characters", required=True, max_length=20),
    TextField(name="email", title="E-mail", format="email"),
    TextField(name="homepage", title="Homepage", format="uri", default="https://example.com/"),
    TextField(name="day", title="Day", format="date"),
    TextField(name="moment", title="Moment", format="date-time"),
    TextField(name="version", title="Version", pattern=r"^\d+\.\d+$", default="1.0"),
    TextField(name="plain", title="One of three", choices=(Choice("red"), Choice("green"), Choice("blue"))),
    TextField(
        name="size",
        title="One of two, with titles",
        default="s",
        choices=(Choice("s", "Small", "It fits everywhere"), Choice("l", "Large")),
    ),
    NumberField(name="ratio", title="A number from 0 to 1", minimum=0.0, maximum=1.0, default=0.5),
    IntegerField(name="count", title="A whole number from 1 to 10", minimum=1, maximum=10),
    FlagField(name="agreed", title="Yes or no", default=False),
    ChoicesField(name="any", title="At most one of two", max_items=1, choices=(Choice("left"), Choice("right"))),
    ChoicesField(name="parts", title="Any, with titles", choices=(Choice("a", "Part A"), Choice("b", "Part B"))),
)
