"""Drafting: a model writes a space of networks as TOML, line by line, each with its reason.

Code checks what was written and says what is wrong with it; the model is asked again, a few times.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from llm_nas.agents.budget.governor import Governor, MeteredTransport
from llm_nas.agents.budget.prices import role_prices
from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.line import open_line
from llm_nas.agents.chat.options import ModelOptions, model_label
from llm_nas.agents.chat.transport import Caller, ChatRequest, ChatTransport
from llm_nas.agents.model.ask import FormatError, ask
from llm_nas.agents.model.facts import plain_lines
from llm_nas.agents.model.prompts import TOKEN_LIMITS, Section, load_prompt
from llm_nas.domain import Cost
from llm_nas.errors import RequestError

SENT_BACK = 3
"""Times a draft is sent back with what was wrong."""
ROLE = "drafter"
MOST_LINES = 200
_LONGEST_LINE, _LONGEST_REASON, _LONGEST_FACT = 400, 160, 9_000
_SCHEMA = {
    "type": "object",
    "properties": {
        "plan": {"type": "string", "maxLength": 1_000},
        "lines": {
            "type": "array",
            "minItems": 3,
            "maxItems": MOST_LINES,
            "items": {
                "type": "object",
                "properties": {
                    "toml": {"type": "string", "maxLength": _LONGEST_LINE},
                    "reason": {"type": "string", "maxLength": _LONGEST_REASON},
                },
                "required": ["toml", "reason"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["plan", "lines"],
    "additionalProperties": False,
}
_HINT = (
    'Answer with one JSON object {"plan": "...", "lines": [{"toml": "name = \\"mine\\"", '
    '"reason": ""}, {"toml": "[[stages]]", "reason": ""}, {"toml": "depth = [1, 2]", '
    '"reason": "at most 20 words"}, ...]} and nothing else.'
)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A file that passed the check, how often it was sent back, and what that cost."""

    text: str
    plan: str
    sent_back: int
    problems: tuple[str, ...]
    cost: Cost


def draft(
    model: str,
    facts: Sequence[tuple[str, str]],
    check: Callable[[str], None],
    *,
    options: ModelOptions | None = None,
    transport: ChatTransport | None = None,
    note: Callable[[str], None] = lambda line: None,
) -> Drafted:
    """Ask a model for a space until `check` accepts it.

    Args:
        model: As `--model` names it.
        facts: (heading, text) pairs the model is shown: the form, the task, the device, limits.
        check: Raises `RequestError` that says what is wrong with the text of a file.
        options: Caps, record or replay.
        transport: Replaces the providers (scripted models).
        note: Told of requests that wait for a person.

    Raises:
        RequestError: The last draft was no better, or the model does not answer.
    """
    options = options or ModelOptions()
    governor = Governor(options, role_prices({ROLE: model}, options.base_url), None)
    line = open_line(
        {ROLE: model},
        options,
        transport=transport,
        meter=lambda inner: MeteredTransport(inner, governor),
        note=note,
    )
    problems: list[str] = []

    def parse(answer: dict[str, Any]) -> tuple[str, str]:
        text = composed(answer)
        try:
            check(text)
        except RequestError as error:
            problems.append(str(error))
            raise FormatError(str(error)) from error
        return text, str(answer.get("plan", ""))

    try:
        found = ask(line, _request(model, facts, options), parse, repairs=SENT_BACK)
    except CallFailed as error:
        raise RequestError(f"--model {model_label(model)}: no usable draft: {error}") from error
    text, plan = found.value
    return Drafted(text, plan, found.repairs, tuple(problems), governor.cost(0.0))


def composed(answer: dict[str, Any]) -> str:
    """The file that the lines of an answer make, reasons as comments; `FormatError` for none."""
    listed = answer.get("lines")
    if not isinstance(listed, list) or not listed:
        raise FormatError("there are no lines")
    made: list[str] = []
    for entry in cast("list[object]", listed)[:MOST_LINES]:
        fields = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
        toml = fields.get("toml")
        if not isinstance(toml, str):
            raise FormatError('every line is an object {"toml": "...", "reason": "..."}')
        made.append(_line(toml, str(fields.get("reason", ""))))
    return "\n".join(made) + "\n"


def _line(toml: str, reason: str) -> str:
    """One line of a file; a reason cannot end its comment."""
    words = " ".join("".join(c if c.isprintable() else " " for c in reason).split())
    code = toml.strip()
    header = f"\n{code}" if code.startswith("[") else code
    return f"{header}  # {words[:_LONGEST_REASON]}" if words else header


def _request(model: str, facts: Sequence[tuple[str, str]], options: ModelOptions) -> ChatRequest:
    prompt = load_prompt(ROLE)
    sections = [Section(h, lines, len(lines)) for h, lines in map(_plain, facts) if lines]
    return ChatRequest(
        caller=Caller(ROLE),
        model=model_label(model),
        messages=prompt.fill_within(TOKEN_LIMITS[ROLE], sections),
        name="space",
        schema=_SCHEMA,
        format_hint=_HINT,
        prompt=prompt.label,
        temperature=options.temperature,
        max_reply_tokens=options.max_reply_tokens,
    )


def _plain(fact: tuple[str, str]) -> tuple[str, tuple[str, ...]]:
    return fact[0], tuple(plain_lines(fact[1], _LONGEST_FACT))
