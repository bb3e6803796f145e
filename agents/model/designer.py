"""The Designer on a language model: front, gaps and heuristics in, networks out."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.transport import Caller, ChatRequest
from llm_nas.agents.model.ask import Asker, FormatError
from llm_nas.agents.model.facts import (
    archive_section,
    effects_section,
    failures_section,
    front_section,
    gaps_section,
    heuristics_sections,
    measured_section,
    metric_words,
    niche_words,
    setting_section,
    space_section,
    suggestions_section,
)
from llm_nas.agents.model.networks import (
    Written,
    most_networks,
    networks_form,
    read_networks,
    why_outside,
)
from llm_nas.agents.model.prompts import TOKEN_LIMITS, load_prompt
from llm_nas.claims import Heuristic
from llm_nas.conditions import matches
from llm_nas.domain import Candidate
from llm_nas.ports import NicheView


class ModelDesigner:
    """Implements `llm_nas.ports.Designer`; safe to call from several threads."""

    def __init__(self, asker: Asker, about: str = "") -> None:
        """Ask this model; `about` tells of the task and the device."""
        self.source = asker.model
        self._asker = asker
        self._lexicon = asker.lexicon
        self._about = about

    def propose(
        self, view: NicheView, heuristics: Sequence[Heuristic], rng: np.random.Generator
    ) -> tuple[Candidate, ...]:
        """Networks, most promising first; raises `ModelReplyError` when the model gives none.

        What cannot be read as a network is proposed as it was written, cut short: the Validator
        puts it right or rejects it, and counts it.
        """
        del rng
        outside: list[Written] = []
        try:
            request = self.request(view, heuristics)
            answer = self._asker.ask(request, partial(self._networks, view, outside))
        except CallFailed:
            if not outside:
                raise
            answer = outside  # the Validator may bring them into the niche
        shown = tuple(h.id for h in heuristics)
        return tuple(
            Candidate(
                arch=written.text,
                niche=view.niche.id,
                origin=self.source,
                operator="model",
                reason=written.reason,
                claims=shown,
            )
            for written in answer
        )

    def request(self, view: NicheView, heuristics: Sequence[Heuristic]) -> ChatRequest:
        """The rendered request: some networks more than the niche's slots, as some repeat."""
        lexicon, where = self._lexicon, view.context
        fitting = most_networks(lexicon, self._asker.options.max_reply_tokens)
        count = min(view.slots + 1 + view.slots // 2, fitting)
        sections = (
            space_section(lexicon),
            setting_section(lexicon, where.task, where.device, self._about, view.limits),
            archive_section(lexicon, view),
            front_section(lexicon, view),
            gaps_section(view),
            suggestions_section(lexicon, view.suggestions, "a statistical model"),
            *heuristics_sections(lexicon, heuristics),
            effects_section(lexicon, view),
            failures_section(lexicon, view.failures, view.broken),
            measured_section(lexicon, view),
        )
        prompt = load_prompt("designer")
        messages = prompt.fill_within(
            TOKEN_LIMITS["designer"],
            sections,
            good=metric_words(view.metric),
            generation=str(view.generation),
            niche=niche_words(lexicon, view.niche),
            count=str(count),
        )
        form = networks_form(lexicon, view.niche.condition, count)
        caller = Caller("designer", view.niche.id, view.generation)
        return self._asker.request(caller, prompt, messages, form)

    def _networks(
        self, view: NicheView, outside: list[Written], answer: dict[str, Any]
    ) -> list[Written]:
        """What an answer lists; refused, but kept, when nothing in it is of the niche."""
        written = read_networks(self._lexicon, answer)
        condition, space = view.niche.condition, self._lexicon.space
        legal = [space.facts(w.arch) for w in written if w.arch is not None]
        if not any(matches(condition, facts) for facts in legal):
            outside[:] = written
            why = why_outside(self._lexicon, condition, legal[0])
            raise FormatError(f"no network is in the niche; of the first: {why}")
        return written
