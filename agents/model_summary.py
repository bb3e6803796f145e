"""A model's summary of an answer: sentences that cite facts of it, all others dropped by code.

A sentence is kept when it names facts that were shown, no id that was not, and no number that
is missing from the facts it names. What it means cannot be checked; the answer itself, which
needs no model, always stands beside it.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, cast

from llm_nas.agents.chat import Caller, ChatRequest, ChatTransport
from llm_nas.agents.chat_options import ModelOptions
from llm_nas.agents.prompts import load_prompt
from llm_nas.agents.reply import FormatError, ask
from llm_nas.agents.schema import summary_schema
from llm_nas.domain import Frozen

MOST_SENTENCES = 6
LONGEST_SENTENCE = 300
_ID = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,16}\b")
_NUMBER = re.compile(r"(?<![\w.>])\d+(?:\.\d+)?(?![\w>]|\.\d)")


class Sentence(Frozen):
    """One kept sentence and the ids it rests on."""

    text: str
    claims: tuple[str, ...]


class Summary(Frozen):
    """What is left of a model's summary, and how many of its sentences were dropped."""

    model: str
    sentences: tuple[Sentence, ...]
    dropped: int


def summarise(
    transport: ChatTransport,
    model: str,
    understood: str,
    facts: Mapping[str, str],
    options: ModelOptions,
) -> Summary:
    """Ask a model for a summary of facts, by claim id, one line each.

    Raises:
        ModelReplyError: It gave no usable answer.
    """
    prompt = load_prompt("answer")
    lines = [f"[{key}] {plain_line(fact, 1_000)}" for key, fact in facts.items()]
    request = ChatRequest(
        caller=Caller("answer"),
        model=model,
        messages=prompt.fill(
            understood=plain_line(understood, 500),
            facts="\n".join(lines),
            most=str(MOST_SENTENCES),
        ),
        name="summary",
        schema=summary_schema(list(facts), MOST_SENTENCES, LONGEST_SENTENCE),
        format_hint='Answer with JSON: {"sentences": [{"text": "...", "claims": ["id"]}]}.',
        prompt=prompt.label,
        temperature=options.temperature,
        max_reply_tokens=options.max_reply_tokens,
    )
    answer = ask(transport, request, _sentences, repairs=options.repairs)
    kept = [
        sentence
        for raw in answer.value[:MOST_SENTENCES]
        if (sentence := checked(raw, facts)) is not None
    ]
    dropped = len(answer.value) - len(kept)
    return Summary(model=answer.model, sentences=tuple(kept), dropped=dropped)


def _sentences(answer: dict[str, Any]) -> list[object]:
    listed = answer.get("sentences")
    if not isinstance(listed, list):
        raise FormatError('it needs a key "sentences" with a list')
    return cast(list[object], listed)


def checked(raw: object, facts: Mapping[str, str]) -> Sentence | None:
    """A sentence that keeps to the facts it cites; None for any other value."""
    if not isinstance(raw, dict):
        return None
    fields = cast(dict[str, object], raw)
    text, cited = fields.get("text"), fields.get("claims")
    if not isinstance(text, str) or not isinstance(cited, list):
        return None
    keys = [key for key in cast(list[object], cited) if isinstance(key, str)]
    words = plain_line(text, LONGEST_SENTENCE + 1)
    if not words or len(words) > LONGEST_SENTENCE or not keys or not set(keys) <= set(facts):
        return None
    if not set(_ID.findall(words)) <= set(facts):
        return None
    told = {float(n) for key in keys for n in _NUMBER.findall(facts[key])}
    said = {float(n) for n in _NUMBER.findall(_ID.sub("", words))}
    return Sentence(text=words, claims=tuple(dict.fromkeys(keys))) if said <= told else None


def plain_line(text: str, most: int) -> str:
    """One line of at most `most` printable characters: none that control, format or hide."""
    kept = (c if unicodedata.category(c)[0] not in "CZ" else " " for c in text[: 4 * most])
    return " ".join("".join(kept).split())[:most]
