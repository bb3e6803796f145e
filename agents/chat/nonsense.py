"""A control: a model that knows nothing and answers valid nonsense, by seed.

It samples its answers from the response schema alone. A search that loses much with it
trusts its model too much; a model that gains nothing over it adds nothing but its form.
"""

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from llm_nas.agents.chat.transport import ChatReply, ChatRequest, JsonSchema, estimate_tokens

NONSENSE_MODEL = "control:nonsense"


class NonsenseTransport:
    """Answers every request with a random instance of its schema.

    The draw depends on the seed and the request alone, never on the order of calls.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed

    def send(self, request: ChatRequest) -> ChatReply:
        """A valid answer without meaning."""
        rng = random.Random(f"{self._seed} {request.fingerprint}")
        text = json.dumps(random_instance(request.schema, rng))
        return ChatReply(
            text=text,
            tokens_in=request.prompt_tokens,
            tokens_out=estimate_tokens(text),
            model=NONSENSE_MODEL,
            method="json_schema",
            finish="stop",
        )


def random_instance(schema: JsonSchema, rng: random.Random) -> object:
    """A random value that a schema of the kind made in `llm_nas.agents.model.schema` admits."""
    if "anyOf" in schema:
        return random_instance(rng.choice(schema["anyOf"]), rng)
    if "enum" in schema:
        return rng.choice(schema["enum"])
    return _BY_TYPE[_one_type(schema["type"], rng)](schema, rng)


def _one_type(kind: str | list[str], rng: random.Random) -> str:
    return kind if isinstance(kind, str) else rng.choice(kind)


def _object(schema: JsonSchema, rng: random.Random) -> dict[str, object]:
    properties: Mapping[str, JsonSchema] = schema.get("properties", {})
    return {name: random_instance(part, rng) for name, part in properties.items()}


def _array(schema: JsonSchema, rng: random.Random) -> list[object]:
    least = int(schema.get("minItems", 0))
    length = rng.randint(least, int(schema.get("maxItems", least + 3)))
    return [random_instance(schema["items"], rng) for _ in range(length)]


def _integer(schema: JsonSchema, rng: random.Random) -> int:
    return rng.randint(int(schema.get("minimum", 0)), int(schema.get("maximum", 100)))


_BY_TYPE: dict[str, Callable[[Mapping[str, Any], random.Random], object]] = {
    "object": _object,
    "array": _array,
    "string": lambda _, rng: f"nonsense {rng.randint(0, 9999)}",
    "number": lambda _, rng: round(rng.uniform(0, 10), 3),
    "integer": _integer,
    "boolean": lambda _, rng: rng.random() < 0.5,
    "null": lambda _, rng: None,
}
