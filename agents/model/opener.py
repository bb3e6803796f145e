"""The opening: before anything is trained, networks that a model believes lie on the front."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from llm_nas.agents.chat.errors import CallFailed
from llm_nas.agents.chat.transport import Caller, ChatRequest
from llm_nas.agents.model.ask import Asker, FormatError
from llm_nas.agents.model.facts import (
    metric_words,
    niche_words,
    setting_section,
    space_section,
    suggestions_section,
)
from llm_nas.agents.model.networks import (
    most_networks,
    networks_form,
    read_networks,
    why_outside,
)
from llm_nas.agents.model.prompts import TOKEN_LIMITS, Section, load_prompt
from llm_nas.conditions import Anything, Condition, matches
from llm_nas.domain import Arch, Candidate, Failure, Limits, Metric, Niche, Timing
from llm_nas.ports import Partition

Timer: TypeAlias = Callable[[Sequence[Arch]], Sequence[Timing | Failure]]
"""Measures latencies, as `Device.measure` does."""


class ModelOpener:
    """Asks for the first networks of a run, or of one niche."""

    def __init__(
        self,
        asker: Asker,
        partition: Partition,
        *,
        metric: Metric,
        limits: Limits,
        task: str,
        device: str,
        about: str = "",
    ) -> None:
        """Ask this model; `about` tells of the task and the device."""
        self.source = asker.model
        self._asker = asker
        self._lexicon = asker.lexicon
        self._partition = partition
        self._metric = metric
        self._setting = setting_section(asker.lexicon, task, device, about, limits)

    def open(
        self,
        size: int,
        *,
        niche: str | None = None,
        seen: Sequence[Candidate] = (),
        timed: Timer | None = None,
        turn: int = 0,
    ) -> tuple[Candidate, ...]:
        """Up to `size` new networks, each in the niche it belongs to; legal, without repeats.

        Args:
            size: Networks wanted; a large number is asked for in several requests.
            niche: Ask for networks of this niche alone; None: of all niches.
            seen: What other openers would train (the zero-cost front), shown to the model.
            timed: Free timings: where given, the model sees the latency of what others would
                train and of each network it considers, and may change its mind, once a request.
            turn: Tells repeated askings of the same question apart.

        Raises:
            ModelReplyError: The model gave no network at all.
        """
        if timed is not None and seen:
            seen = _with_latencies(seen, timed)
        found: list[Candidate] = []
        most = most_networks(self._lexicon, self._asker.options.max_reply_tokens)
        while len(found) < size:
            count = min(size - len(found), most)
            fresh = self._ask(count, niche, seen, found, turn)
            if timed is not None:
                fresh = self._ask(count, niche, seen, found, turn, fresh, timed)
            if not fresh:
                break
            found += fresh[:count]
        return tuple(found)

    def _candidate(self, arch: Arch, reason: str) -> Candidate:
        return Candidate(
            arch=arch,
            niche=self._partition.niche_of(arch),
            origin=self.source,
            operator="opening",
            reason=reason,
        )

    def _ask(
        self,
        count: int,
        niche: str | None,
        seen: Sequence[Candidate],
        found: Sequence[Candidate],
        turn: int,
        considered: Sequence[Candidate] = (),
        timed: Timer | None = None,
    ) -> list[Candidate]:
        """New networks of one answer; the best one counts where none is complete."""
        best = list(considered)
        notes = self._timings(considered, timed) if timed is not None else ()
        request = self.request(count, niche, seen, found, notes, turn)
        try:
            return self._asker.ask(request, partial(self._networks, count, niche, found, best))
        except CallFailed:
            if not best and not found:
                raise
            return best

    def request(
        self,
        count: int,
        niche: str | None = None,
        seen: Sequence[Candidate] = (),
        found: Sequence[Candidate] = (),
        notes: tuple[str, ...] = (),
        turn: int = 0,
    ) -> ChatRequest:
        """The rendered request for `count` networks beside those already `found`."""
        lexicon = self._lexicon
        niches = [n for n in self._partition.niches if niche in (None, n.id)]
        already = tuple(f"[{lexicon.network(w.arch)}]" for w in found)
        sections = (
            space_section(lexicon),
            self._setting,
            _niches_section([niche_words(lexicon, n) for n in niches]),
            suggestions_section(lexicon, seen, "scores of untrained networks (assumptions)"),
            Section("Networks you considered, with their measured latency", notes, len(notes)),
            Section("Networks you chose before, not to be repeated", already),
        )
        prompt = load_prompt("opener")
        messages = prompt.fill_within(
            TOKEN_LIMITS["opener"],
            sections,
            good=metric_words(self._metric),
            count=str(count),
            wish=_wish(count, niches, turn),
        )
        form = networks_form(lexicon, self._condition(niche), count)
        return self._asker.request(Caller("opener", niche or "", turn), prompt, messages, form)

    def _condition(self, niche: str | None) -> Condition:
        return Anything() if niche is None else self._partition.constraint(niche)

    def _networks(
        self,
        count: int,
        niche: str | None,
        found: Sequence[Candidate],
        best: list[Candidate],
        answer: dict[str, Any],
    ) -> list[Candidate]:
        """The legal, new ones of an answer; refused, with the reason, while some are missing."""
        space, condition = self._lexicon.space, self._condition(niche)
        taken = {space.twin(w.arch) for w in found}
        kept: list[Candidate] = []
        problem = "there are too few networks"
        for written in read_networks(self._lexicon, answer):
            if written.arch is None:
                problem = written.problem
            elif not matches(condition, facts := space.facts(written.arch)):
                problem = why_outside(self._lexicon, condition, facts)
            elif (twin := space.twin(written.arch)) in taken:
                problem = "a network is there twice, or was chosen before"
            else:
                taken.add(twin)
                kept.append(self._candidate(written.arch, written.reason))
        if len(kept) > len(best):
            best[:] = kept
        if len(kept) < count:
            raise FormatError(f"only {len(kept)} of {count} networks can be used: {problem}")
        return kept[:count]

    def _timings(self, networks: Sequence[Candidate], timed: Timer) -> tuple[str, ...]:
        lines: list[str] = []
        for answer in timed([w.arch for w in networks]):
            told = "does not run" if isinstance(answer, Failure) else f"{answer.median_ms:.4g} ms"
            lines.append(f"[{self._lexicon.network(answer.arch)}] {told}")
        return tuple(lines)


def _with_latencies(candidates: Sequence[Candidate], timed: Timer) -> list[Candidate]:
    """The candidates that run, their latency before the reason."""
    answers = timed([c.arch for c in candidates])
    return [
        c.model_copy(update={"reason": f"{answer.median_ms:.4g} ms; {c.reason}"})
        for c, answer in zip(candidates, answers, strict=True)
        if not isinstance(answer, Failure)
    ]


def _niches_section(words: Sequence[str]) -> Section:
    return Section("Niches of the space", tuple(words), keep=len(words))


def _wish(count: int, niches: Sequence[Niche], turn: int) -> str:
    if len(niches) == 1:
        wish = "Every network must satisfy the niche above."
    else:
        each = "at least one" if count >= len(niches) else "at most one"
        wish = f"{each.capitalize()} network of every niche above."
    return f"{wish}\n(Batch {turn + 1}.)" if turn else wish
