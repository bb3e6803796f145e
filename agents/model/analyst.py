"""The Analyst on a language model: measured networks in, typed claims and votes out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from llm_nas.agents.chat.transport import Caller, ChatRequest
from llm_nas.agents.model.ask import Asker, Form, FormatError
from llm_nas.agents.model.blind import Lexicon
from llm_nas.agents.model.claims import SCOPES, ClaimReader
from llm_nas.agents.model.facts import (
    heuristics_sections,
    metric_words,
    network_line,
    niche_words,
    setting_section,
    space_section,
)
from llm_nas.agents.model.prompts import TOKEN_LIMITS, Section, load_prompt
from llm_nas.agents.model.schema import claims_schema
from llm_nas.agents.offline.analyst import is_shown
from llm_nas.agents.offline.effects import telling_quantities
from llm_nas.claims import Claim, Heuristic
from llm_nas.domain import Measurement
from llm_nas.ports import Analysis, NicheView

MOST_CLAIMS = 3
FEWEST_NETWORKS = 4
"""Networks to look at below which no question is worth its money."""
_MOST_NETWORKS = 40


class ModelAnalyst:
    """Implements `llm_nas.ports.Analyst`; safe to call from several threads."""

    def __init__(self, asker: Asker, about: str = "") -> None:
        """Ask this model; `about` tells of the task and the device."""
        self.source = asker.model
        self._asker = asker
        self._lexicon = asker.lexicon
        self._about = about
        self._reader = ClaimReader(asker.lexicon, asker.model)

    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis:
        """Claims and votes; empty, without a call, where there is nothing new to look at.

        One half of the measured networks is shown, so that the other half can test the claims.
        Raises `ModelReplyError` when the model gives no usable answer.
        """
        shown = _shown(view)
        last = view.generation - 1
        if len(shown) < FEWEST_NETWORKS or not any(
            m.niche == view.niche.id and m.generation == last for m in view.measured
        ):
            return Analysis()
        request = self.request(view, heuristics)
        return self._asker.ask(request, partial(self._analysis, view, heuristics))

    def request(self, view: NicheView, heuristics: Sequence[Heuristic]) -> ChatRequest:
        """The rendered request."""
        lexicon, where = self._lexicon, view.context
        labels = [f"H{i}" for i in range(1, len(heuristics) + 1)]
        votes = "No votes are needed: no rule is known yet."
        if heuristics:
            votes = (
                'Then vote on the known rules by their labels: "keep" for those the networks '
                'support, "retire" for those they contradict; leave the others out.'
            )
        best = {m.arch for m in view.archive}
        lines = [
            network_line(lexicon, m, view, "* " if m.arch in best else "  ") for m in _shown(view)
        ]
        sections = (
            space_section(lexicon),
            setting_section(lexicon, where.task, where.device, self._about, view.limits),
            Section("Measured networks, newest first (* on the niche's front)", tuple(lines)),
            *heuristics_sections(lexicon, heuristics),
        )
        prompt = load_prompt("analyst")
        messages = prompt.fill_within(
            TOKEN_LIMITS["analyst"],
            sections,
            generation=str(view.generation),
            niche=f"{niche_words(lexicon, view.niche)} ({metric_words(view.metric)} is good)",
            votes=votes,
        )
        schema = claims_schema(lexicon, SCOPES, labels, MOST_CLAIMS)
        form = Form("analysis", schema, _hint(lexicon, labels))
        caller = Caller("analyst", view.niche.id, view.generation)
        return self._asker.request(caller, prompt, messages, form)

    def _analysis(
        self, view: NicheView, heuristics: Sequence[Heuristic], answer: dict[str, Any]
    ) -> Analysis:
        """Read an answer; single broken claims are dropped, an answer of only those is refused."""
        listed = answer.get("claims")
        if not isinstance(listed, list):
            raise FormatError('it needs a key "claims" with a list')
        shown = tuple(m.arch for m in _shown(view))
        claims: list[Claim] = []
        problems: list[str] = []
        for item in cast(list[object], listed)[:MOST_CLAIMS]:
            try:
                claims.append(self._reader.read(view, item, shown))
            except FormatError as error:
                problems.append(str(error))
        if problems and not claims:
            raise FormatError(f"no claim can be used: {problems[0]}")
        by_label = {f"H{i}": h.id for i, h in enumerate(heuristics, start=1)}
        keep = _votes(by_label, answer.get("keep"))
        retire = tuple(v for v in _votes(by_label, answer.get("retire")) if v not in keep)
        note = " ".join(str(answer.get("note") or "").split())[:400]
        return Analysis(claims=tuple(claims), keep=keep, retire=retire, note=note)


def _shown(view: NicheView) -> list[Measurement]:
    """The half that Analysts may look at, this niche's first, newest first."""
    seen = [m for m in reversed(view.measured) if is_shown(m.arch)]
    return sorted(seen, key=lambda m: m.niche != view.niche.id)[:_MOST_NETWORKS]


def _votes(by_label: Mapping[str, str], labels: object) -> tuple[str, ...]:
    """Ids of the labels voted for, once each; unknown labels are ignored."""
    if not isinstance(labels, list):
        return ()
    known = [by_label.get(str(label)) for label in cast(list[object], labels)]
    return tuple(dict.fromkeys(i for i in known if i is not None))


def _hint(lexicon: Lexicon, labels: Sequence[str]) -> str:
    """The form of an answer in words."""
    first = lexicon.choices[0]
    key, value = lexicon.key(first), lexicon.tokens(first)[0]
    group = next(iter(lexicon.space.groups), "")
    kinds = [f'{{"kind": "is", "choice": "{key}", "value": "{value}"}}']
    kinds.append('{"kind": "bound", "choice": "...", "relation": "ge", "value": 3}')
    if group:
        kinds.append(
            f'{{"kind": "count", "group": "{lexicon.name(group)}", "value": "...", '
            '"relation": "ge", "count": 2}'
        )
    for quantity in telling_quantities(lexicon.space)[:1]:
        name = lexicon.name(quantity)
        kinds.append(f'{{"kind": "quantity", "name": "{name}", "relation": "lt", "value": 1.5}}')
    votes = ', "keep": ["H1"], "retire": []' if labels else ""
    return (
        'Answer with one JSON object of the form {"claims": [{"because": "...", "all_of": '
        '[CONDITION], "objective": "latency", "direction": "raises", "size": 0.1, "scope": '
        f'"this niche"}}]{votes}, "note": "..."}} and nothing else. A CONDITION is one of '
        f"{', '.join(kinds)}. objective: accuracy or latency; direction: raises or lowers; "
        f"relation: eq, ge or le; scope: {', '.join(SCOPES)}."
    )
