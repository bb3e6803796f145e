"""The Analyst on a language model: measured cells in, typed claims and votes out."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.chat import Caller, ChatRequest, Message
from llm_nas.agents.model_claims import ClaimReader
from llm_nas.agents.model_seat import Form, Seat
from llm_nas.agents.prompt_facts import (
    cell_line,
    common_values,
    device_section,
    heuristics_sections,
    niche_rule,
    task_values,
)
from llm_nas.agents.prompts import TOKEN_LIMITS, Prompt, Section, load_prompt
from llm_nas.agents.reply import FormatError
from llm_nas.agents.schema import claims_schema
from llm_nas.claims import Claim, Heuristic
from llm_nas.ports import Analysis, NicheView, Partition

SCOPES = ("this niche", "this device", "everywhere")
MOST_CLAIMS = 3
_MOST_CELLS = 30


class ModelAnalyst:
    """Implements `llm_nas.ports.Analyst`; safe to call from several threads."""

    def __init__(self, seat: Seat, partition: Partition) -> None:
        """Take the model's seat and the niches it is asked about."""
        self.source = seat.model
        self._seat = seat
        self._lexicon = seat.lexicon
        self._partition = partition
        self._reader = ClaimReader(seat.lexicon, seat.model)

    def study(self, view: NicheView, heuristics: Sequence[Heuristic]) -> Analysis:
        """Claims and votes; empty, without a call, while nothing of the niche is measured.

        Raises `ModelReplyError` when the model gives no usable answer.
        """
        if not any(m.niche == view.niche.id for m in view.measured):
            return Analysis()
        request = self.request(view, heuristics)
        return self._seat.ask(request, partial(self._analysis, view, heuristics))

    def request(self, view: NicheView, heuristics: Sequence[Heuristic]) -> ChatRequest:
        """The rendered request."""
        lexicon = self._lexicon
        labels = [f"H{i}" for i in range(1, len(heuristics) + 1)]
        form = Form(
            "analysis", claims_schema(lexicon, SCOPES, labels), _format_hint(lexicon, labels)
        )
        prompt = load_prompt("analyst")
        caller = Caller("analyst", view.niche.id, view.generation)
        return self._seat.request(caller, prompt, self._messages(prompt, view, heuristics), form)

    def _messages(
        self, prompt: Prompt, view: NicheView, heuristics: Sequence[Heuristic]
    ) -> tuple[Message, ...]:
        lexicon = self._lexicon
        rule = niche_rule(lexicon, view, self._partition.members(view.niche.id))
        votes = "No votes are needed: no rule is known yet."
        if heuristics:
            votes = (
                'Then vote on the known rules by their labels: "keep" for those the cells '
                'support, "retire" for those they contradict; leave the others out.'
            )
        values = common_values(lexicon) | task_values(lexicon, view, rule) | {"votes": votes}
        sections = (
            self._cells(view),
            device_section(lexicon, view),
            *heuristics_sections(lexicon, heuristics),
        )
        return prompt.fill_within(TOKEN_LIMITS["analyst"], sections, **values)

    def _cells(self, view: NicheView) -> Section:
        """The niche's measured cells, last generation's first, marked where on its front."""
        best = {m.arch for m in view.archive}
        inside = [m for m in reversed(view.measured) if m.niche == view.niche.id]
        lines = [
            cell_line(self._lexicon, m, "* " if m.arch in best else "  ")
            for m in inside[:_MOST_CELLS]
        ]
        return Section("Measured cells of this niche (* on its front), newest first", tuple(lines))

    def _analysis(
        self, view: NicheView, heuristics: Sequence[Heuristic], answer: dict[str, Any]
    ) -> Analysis:
        """Read an answer; single broken claims are dropped, an answer of only those is refused."""
        listed = answer.get("claims")
        if not isinstance(listed, list):
            raise FormatError('it needs a key "claims" with a list')
        claims: list[Claim] = []
        problems: list[str] = []
        for item in cast(list[object], listed)[:MOST_CLAIMS]:
            try:
                claims.append(self._reader.read(view, item))
            except FormatError as error:
                problems.append(str(error))
        if problems and not claims:
            raise FormatError(f"no claim can be used: {problems[0]}")
        by_label = {f"H{i}": h.id for i, h in enumerate(heuristics, start=1)}
        keep = _votes(by_label, answer.get("keep"))
        retire = tuple(v for v in _votes(by_label, answer.get("retire")) if v not in keep)
        note = " ".join(str(answer.get("note") or "").split())[:400]
        return Analysis(claims=tuple(claims), keep=keep, retire=retire, note=note)


def _votes(by_label: Mapping[str, str], labels: object) -> tuple[str, ...]:
    """Ids of the labels voted for, once each; unknown labels are ignored."""
    if not isinstance(labels, list):
        return ()
    known = [by_label.get(str(label)) for label in cast(list[object], labels)]
    return tuple(dict.fromkeys(i for i in known if i is not None))


def _format_hint(lexicon: Lexicon, labels: Sequence[str]) -> str:
    op, edge = lexicon.op_names()[0], lexicon.edge_keys()[0]
    votes = ', "keep": ["H1"], "retire": []' if labels else ""
    return (
        'Answer with one JSON object of the form {"claims": [{"all_of": [CONDITION], "objective": '
        '"latency", "direction": "raises", "size": 0.1, "scope": "this device", "because": "..."}]'
        f'{votes}, "note": "..."}} and nothing else. A CONDITION is one of '
        f'{{"kind": "op_count", "op": "{op}", "relation": "ge", "count": 2}}, '
        f'{{"kind": "op_at", "op": "{op}", "edges": ["{edge}"]}}, '
        f'{{"kind": "op_on_path", "op": "{op}"}}, '
        '{"kind": "dead_edges", "relation": "ge", "count": 1}. objective: accuracy or latency; '
        f"direction: raises or lowers; relation: eq, ge or le; scope: {', '.join(SCOPES)}."
    )
