"""What OpenRouter accepts: the body of a streaming chat completion, as far as this project uses it.

A field that is not named here is refused: to send another one is a change that belongs here too.
"""

from collections.abc import Iterator
from typing import Any, Literal

import msgspec


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    """A JSON object without fields of other names."""


class Function(Strict):
    """What a tool call asks for; `arguments` is JSON text."""

    name: str
    arguments: str


class ToolCall(Strict):
    """A call as the assistant made it."""

    id: str
    type: Literal["function"]
    function: Function


class Text(Strict):
    """A part of a message; the others, such as images, are not sent."""

    type: Literal["text"]
    text: str


class System(Strict, tag_field="role", tag="system"):
    """Instructions."""

    content: list[Text]


class User(Strict, tag_field="role", tag="user"):
    """A prompt."""

    content: str


class Assistant(Strict, tag_field="role", tag="assistant"):
    """What the model said, or which tools it called."""

    content: str | None = None
    tool_calls: list[ToolCall] = []


class ToolResult(Strict, tag_field="role", tag="tool"):
    """What a tool answered."""

    content: str
    tool_call_id: str
    name: str


class FunctionSpec(Strict):
    """A tool as it is offered; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: dict[str, Any]


class ToolSpec(Strict):
    """An offered tool."""

    type: Literal["function"]
    function: FunctionSpec


Message = System | User | Assistant | ToolResult


class Body(Strict):
    """The body of a chat completion request, as far as this project uses it."""

    model: str
    messages: list[Message]
    stream: Literal[True]
    tools: list[ToolSpec] = []
    tool_choice: Literal["auto", "none"] | None = None


def problems_of(body: Body) -> Iterator[str]:
    """Yield what the schema cannot express: messages and tools that do not fit together."""
    yield from order_problems(body.messages)
    yield from call_problems(body.messages)
    if body.tool_choice is not None and not body.tools:
        yield "tool_choice without tools"
    for tool in body.tools:
        if tool.function.parameters.get("type") != "object":
            yield f"tool {tool.function.name}: parameters are not an object schema"


def order_problems(messages: list[Message]) -> Iterator[str]:
    """Yield messages that are not allowed where they are, or not at all."""
    if not messages or not isinstance(messages[-1], User | ToolResult):
        yield "the last message is neither a user's nor a tool's"
    for index, message in enumerate(messages):
        if isinstance(message, System) and index > 0:
            yield f"message {index}: instructions come first"
        if isinstance(message, Assistant) and not message.content and not message.tool_calls:
            yield f"message {index}: the assistant said nothing"
        # Some of the models behind it refuse a text without anything to read in it.
        if isinstance(message, User | Assistant | ToolResult) and message.content and not message.content.strip():
            yield f"message {index}: a blank text"


def call_problems(messages: list[Message]) -> Iterator[str]:
    """Yield tool calls without a result right after them, and results without a call."""
    waiting: list[str] = []
    for index, message in enumerate(messages):
        if isinstance(message, ToolResult):
            if message.tool_call_id not in waiting:
                yield f"message {index}: a result without its call {message.tool_call_id}"
                continue
            waiting.remove(message.tool_call_id)
            continue
        if waiting:
            yield f"message {index}: calls without a result: {waiting}"
        waiting = [call.id for call in message.tool_calls] if isinstance(message, Assistant) else []
