"""Tools and a prompt that ask their caller: for what a person fills in, for what a model says, for roots."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from tests.conformance.everything.box import NOTHING, Box, Context, Json, arguments, said, takes
from tests.conformance.everything.talk import Asks, capabilities, elicit, hold, needs, roots, sample

ASKING = Box()
TEXT: Json = {"type": "string"}
NAME = takes("name", name=TEXT)
COLOR = takes("color", color=TEXT)
OK = takes("ok", ok={"type": "boolean"})
CONTEXT = takes("context", context=TEXT)

DEFAULTS: Json = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
ENUMS: Json = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {
            "type": "string",
            "oneOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}],
        },
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2"], "enumNames": ["Option One", "Option Two"]},
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {
            "type": "array",
            "items": {"anyOf": [{"const": "value1", "title": "First"}, {"const": "value2", "title": "Second"}]},
        },
    },
}

Step = Callable[[Context, Json], Asks | Json]
"""Like a talk, of the one call it is in."""


def _asking(name: str, schema: Json = NOTHING) -> Callable[[Step], Step]:
    """Put a tool in that holds a talk; its docstring is the description."""

    def put(step: Step) -> Step:
        ASKING.add(name, (step.__doc__ or "").strip(), holding(step), schema)
        return step

    return put


def holding(step: Step) -> Callable[[Context], Awaitable[Json]]:
    """What answers a call by such a talk."""

    async def run(ctx: Context) -> Json:
        async def talk(known: Json) -> Asks | Json:
            return step(ctx, known)

        return await hold(ctx, talk)

    return run


def _told(answer: Json) -> str:
    return f"action={answer.get('action')}, content={json.dumps(answer.get('content') or {})}"


@_asking("test_sampling", takes("prompt", prompt=TEXT))
def sampling(ctx: Context, known: Json) -> Asks | Json:
    """Asks a model for what its caller wants to know."""
    if "answer" not in known:
        return Asks({"answer": sample(str(arguments(ctx).get("prompt")))})
    return said(f"LLM response: {known['answer'].get('content', {}).get('text')}")


@_asking("test_elicitation", takes("message", message=TEXT))
def elicitation(ctx: Context, known: Json) -> Asks | Json:
    """Asks a person for a response."""
    if "answer" not in known:
        return Asks({"answer": elicit(str(arguments(ctx).get("message")), takes("response", response=TEXT))})
    return said(f"User response: {_told(known['answer'])}")


@_asking("test_streaming_elicitation")
def streaming_elicitation(_ctx: Context, known: Json) -> Asks | Json:
    """Asks a person for a name."""
    return said("Thank you") if "user_name" in known else Asks({"user_name": elicit("What is your name?", NAME)})


@_asking("test_elicitation_sep1034_defaults")
def defaults(_ctx: Context, known: Json) -> Asks | Json:
    """Asks with a default for each primitive type."""
    if "answer" not in known:
        return Asks({"answer": elicit("Please provide user information", DEFAULTS)})
    return said(f"Elicitation completed: {_told(known['answer'])}")


@_asking("test_elicitation_sep1330_enums")
def enums(_ctx: Context, known: Json) -> Asks | Json:
    """Asks with each form of choices."""
    if "answer" not in known:
        return Asks({"answer": elicit("Please select", ENUMS)})
    return said(f"Elicitation completed: {_told(known['answer'])}")


@_asking("test_input_required_result_elicitation")
def one_elicitation(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for a name, and greets it."""
    if "user_name" not in known:
        return Asks({"user_name": elicit("What is your name?", NAME)})
    return said(f"Hello, {(known['user_name'].get('content') or {}).get('name', 'stranger')}!")


@_asking("test_input_required_result_sampling")
def one_sampling(_ctx: Context, known: Json) -> Asks | Json:
    """Asks a model for a capital."""
    if "capital_question" not in known:
        return Asks({"capital_question": sample("What is the capital of France?")})
    return said(f"Model said: {known['capital_question'].get('content', {}).get('text')}")


@_asking("test_input_required_result_list_roots")
def one_roots(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for the client's roots."""
    if "client_roots" not in known:
        return Asks({"client_roots": roots()})
    return said("Roots: " + ", ".join(root["uri"] for root in known["client_roots"].get("roots", [])))


@_asking("test_input_required_result_request_state")
def with_state(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for a confirmation, with a state to bring back."""
    return said("state-ok") if "confirm" in known else Asks({"confirm": elicit("Please confirm", OK)}, remembers=True)


@_asking("test_input_required_result_tampered_state")
def with_sealed_state(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for a confirmation, with a state that nobody can change."""
    return said("state-ok") if "confirm" in known else Asks({"confirm": elicit("Please confirm", OK)}, remembers=True)


@_asking("test_input_required_result_multiple_inputs")
def many_at_once(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for a name, a greeting and the roots, all at once."""
    wanted = {
        "user_name": elicit("What is your name?", NAME),
        "greeting": sample("Generate a greeting", 50),
        "client_roots": roots(),
    }
    lacking = {key: request for key, request in wanted.items() if key not in known}
    return Asks(lacking, remembers=True) if lacking else said("All inputs received.")


@_asking("test_input_required_result_multi_round")
def many_rounds(_ctx: Context, known: Json) -> Asks | Json:
    """Asks for a name, then for a color."""
    if "step1" not in known:
        return Asks({"step1": elicit("Step 1: What is your name?", NAME)}, remembers=True)
    if "step2" not in known:
        return Asks({"step2": elicit("Step 2: What is your favorite color?", COLOR)})
    name, color = ((known[key].get("content") or {}) for key in ("step1", "step2"))
    return said(f"{name.get('name')} likes {color.get('color')}.")


@_asking("test_input_required_result_capabilities")
def only_what_is_declared(ctx: Context, known: Json) -> Asks | Json:
    """Asks for no more than the client says it can do."""
    wanted = {"sample": sample("Say hello", 50), "ask": elicit("What is your name?", NAME)}
    declared = capabilities(ctx)
    lacking = {key: asked for key, asked in wanted.items() if needs(asked) in declared and key not in known}
    return Asks(lacking, remembers=True) if lacking else said("Asked for all that can be asked for.")


def asking_prompt(_ctx: Context, known: Json) -> Asks | Json:
    """A prompt that asks for its context first."""
    if "user_context" not in known:
        return Asks({"user_context": elicit("What context should the prompt use?", CONTEXT)})
    text = f"Use the following context: {(known['user_context'].get('content') or {}).get('context')}"
    return {"messages": [{"role": "user", "content": {"type": "text", "text": text}}]}
