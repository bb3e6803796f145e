"""A niche view as the lines of a prompt: space, networks, gaps, effects, heuristics, failures.

Free wording of claims never reaches a prompt: heuristics are rendered from their typed part. Text
that people write (cards of tasks and devices, descriptions of spaces) is cut to a length and to
printable lines.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from llm_nas.agents.model.blind import Lexicon, Row
from llm_nas.agents.model.prompts import Section
from llm_nas.agents.offline.effects import apparent_effects
from llm_nas.choices import Choice
from llm_nas.claims import Claim, Heuristic
from llm_nas.conditions import AllOf, AnyOf, Condition, Quantity, in_words, leaves
from llm_nas.domain import Candidate, Failure, Limits, Measurement, Metric, Niche, Verdict
from llm_nas.errors import RequestError
from llm_nas.ports import NicheView

LONGEST_DESCRIPTION = 2_400
LONGEST_CARD = 1_200
_WORD = re.compile(r"\w+")
_MOST_FAILURES = 6
_MOST_SUGGESTIONS = 6
_MOST_EFFECTS = 8
_MOST_OF_A_FRONT = 12
_CLEAR = 2.0
_FEWEST_NETWORKS = 12
"""Measured networks from which effects are told."""
_LIMIT_WORDS = {
    "max_latency_ms": "latency at most {:g} ms",
    "max_params_m": "at most {:g} million parameters",
    "max_macs_m": "at most {:g} million multiply-adds",
    "max_file_mb": "a file of at most {:g} MB",
}


def plain_lines(text: str, most: int) -> tuple[str, ...]:
    """Lines of at most `most` printable characters together: none that control or hide."""
    lines: list[str] = []
    for line in text[: 4 * most].splitlines():
        kept = (c if unicodedata.category(c)[0] not in "CZ" else " " for c in line)
        plain = "".join(kept).rstrip().lstrip("#")
        if plain and sum(map(len, lines)) + len(plain) <= most:
            lines.append(plain)
    return tuple(lines)


def space_section(lexicon: Lexicon) -> Section:
    """What the space is, its choices where the description leaves any out, how to write."""
    told = () if lexicon.blind else plain_lines(lexicon.space.describe(), LONGEST_DESCRIPTION)
    named = set(_WORD.findall("\n".join(told)))
    if {lexicon.key(choice) for choice in lexicon.choices} <= named:
        rows = [
            f"- {row.label} = {' '.join(lexicon.key(c) for c in row.choices)}"
            for row in lexicon.rows
            if len(row.choices) > 1
        ]
    else:
        rows = ["Choices:", *(_row_line(lexicon, row) for row in lexicon.rows)]
    order = "; ".join(f"{row.label} ..." for row in lexicon.rows)
    how = f"Networks are written as values in this order, - for what is left out: {order}"
    lines = (*told, *rows, how)
    return Section("Space", lines, keep=len(lines))


def _row_line(lexicon: Lexicon, row: Row) -> str:
    words = "" if lexicon.blind else row.choices[0].words
    if len(row.choices) == 1:
        (choice,) = row.choices
        about = f" ({words})" if words else ""
        return f"- {row.label}{about}: {_values_words(lexicon, choice)}"
    by_values: dict[str, list[str]] = {}
    for choice in row.choices:
        by_values.setdefault(_values_words(lexicon, choice), []).append(lexicon.key(choice))
    parts = [f"{', '.join(keys)}: {values}" for values, keys in by_values.items()]
    about = f" ({lexicon.key(row.choices[0])}: {words})" if words else ""
    return f"- {row.label} = {'; '.join(parts)}{about}"


def _values_words(lexicon: Lexicon, choice: Choice) -> str:
    tokens = [str(token) for token in lexicon.tokens(choice)]
    listed = ", ".join(tokens) if len(tokens) <= 20 else f"{tokens[0]} ... {tokens[-1]}"
    order = " in order" if choice.ordered and lexicon.blind else ""
    if choice.active_when is None:
        return f"{listed}{order}"
    return f"{listed}{order}, only for networks with {words_of(lexicon, choice.active_when)}"


def words_of(lexicon: Lexicon, condition: Condition) -> str:
    """A condition in the model's words."""
    phrase = in_words(lexicon.condition(condition))
    return phrase[1:-1] if isinstance(condition, AllOf | AnyOf) else phrase


def setting_section(
    lexicon: Lexicon, task: str, device: str, about: str, limits: Limits
) -> Section:
    """Task and device with their cards, and hard limits."""
    lines = [f"Task {lexicon.place(task)} on device {lexicon.place(device)}."]
    if not lexicon.blind:
        lines += plain_lines(about, LONGEST_CARD)
    bounds = limits.model_dump(exclude_none=True)
    told = [_LIMIT_WORDS[name].format(value) for name, value in bounds.items()]
    if told:
        lines.append(f"Hard limits: {', '.join(told)}.")
    return Section("Task and device", tuple(lines), keep=len(lines))


def niche_words(lexicon: Lexicon, niche: Niche) -> str:
    """A niche's name, rule and condition; no rule behind a blind lexicon."""
    condition = words_of(lexicon, niche.condition)
    rule = "" if lexicon.blind or niche.rule == condition else f"{niche.rule}; "
    return f"{lexicon.name(niche.id)}: {rule}networks with {condition}"


def network_line(lexicon: Lexicon, network: Measurement, view: NicheView, label: str = "") -> str:
    """One measured network: its values, the task's metric, its latency, what the niche limits."""
    metric = view.metric
    value = f"{metric.name.removesuffix('_pct')} {network.value:.4g} {metric.unit}".rstrip()
    line = f"{label}[{lexicon.network(network.arch)}] {value}, {network.latency_ms:.4g} ms"
    asked = [part.name for part, _ in leaves(view.niche.condition) if isinstance(part, Quantity)]
    if not asked:
        return line
    known = lexicon.space.facts(network.arch).quantities
    told = [f", {lexicon.name(n)} {known[n]:.4g}" for n in dict.fromkeys(asked) if n in known]
    return line + "".join(told)


def metric_words(metric: Metric) -> str:
    """Which way is better, in words."""
    name = metric.name.removesuffix("_pct")
    return f"{'high' if metric.higher_is_better else 'low'} {name}"


def archive_section(lexicon: Lexicon, view: NicheView) -> Section:
    """The niche's front, by latency."""
    lines = [network_line(lexicon, m, view, f"P{i} ") for i, m in enumerate(view.archive, 1)]
    return Section("Front of this niche, by latency", tuple(lines[:_MOST_OF_A_FRONT]), keep=3)


def front_section(lexicon: Lexicon, view: NicheView) -> Section:
    """The run's front outside this niche: what a network of any niche has to beat."""
    mine = {m.arch for m in view.archive}
    lines = [
        network_line(lexicon, m, view)
        for m in front(view.measured, view.metric)
        if m.arch not in mine
    ]
    return Section("The rest of the run's front, by latency", tuple(lines[:_MOST_OF_A_FRONT]))


def front(measured: Sequence[Measurement], metric: Metric) -> list[Measurement]:
    """Networks that no other beats in both error and latency, by latency."""
    best: list[Measurement] = []
    for m in sorted(measured, key=lambda m: (m.latency_ms, metric.error(m.value))):
        if not best or metric.error(m.value) < metric.error(best[-1].value):
            best.append(m)
    return best


def gaps_section(view: NicheView) -> Section:
    """Latency ranges the niche's archive leaves empty, widest first."""
    gaps = [*view.aims_ms, *(g for g in view.gaps_ms if g not in view.aims_ms)]
    lines = [f"No network between {low:.4g} and {high:.4g} ms." for low, high in gaps[:4]]
    return Section("Gaps of the front", tuple(lines))


def measured_section(lexicon: Lexicon, view: NicheView, most: int = 24) -> Section:
    """The niche's other measured networks, newest first: not to be proposed again."""
    shown = {m.arch for m in view.archive}
    others = [
        m for m in reversed(view.measured) if m.niche == view.niche.id and m.arch not in shown
    ]
    lines = [network_line(lexicon, m, view) for m in others[:most]]
    return Section("Other measured networks of this niche, newest first", tuple(lines))


def effects_section(lexicon: Lexicon, view: NicheView) -> Section:
    """How measured networks of the whole run differ with simple conditions, clearest first."""
    lines: list[str] = []
    if len(view.measured) >= _FEWEST_NETWORKS:
        facts = lru_cache(maxsize=None)(lexicon.space.facts)
        effects = apparent_effects(lexicon.space, view.measured, view.metric, facts)
        lines = [
            f"{words_of(lexicon, e.condition)}: {e.objective} {e.size:+.3g} "
            f"{'ms' if e.objective == 'latency' else view.metric.unit}".rstrip()
            for e in effects[:_MOST_EFFECTS]
            if e.clarity >= _CLEAR
        ]
    return Section("Differences of means over all measured networks (not causes)", tuple(lines))


def suggestions_section(lexicon: Lexicon, candidates: Sequence[Candidate], who: str) -> Section:
    """Unmeasured networks that somebody expects to improve the front, best first."""
    lines: list[str] = []
    for candidate in candidates:
        gain = "" if candidate.gain is None else f" expected gain {candidate.gain:.3g}"
        reason = "" if lexicon.blind or not candidate.reason else f" ({candidate.reason[:80]})"
        lines.append(f"[{lexicon.network(candidate.arch)}]{gain}{reason}")
    heading = f"Candidates of {who}, not measured (use, change or ignore them)"
    return Section(heading, tuple(lines[:_MOST_SUGGESTIONS]))


def heuristics_sections(lexicon: Lexicon, heuristics: Sequence[Heuristic]) -> tuple[Section, ...]:
    """What evidence supports, apart from what it does not."""
    known: list[str] = []
    unsure: list[str] = []
    for number, h in enumerate(heuristics, start=1):
        told = f"H{number}: {claim_words(lexicon, h.claim)} [{h.status}{_evidence(h)}]"
        (known if h.status in ("supported", "trusted") else unsure).append(told)
    return (
        Section("Known rules, with their evidence", tuple(known), keep=len(known)),
        Section("Guesses that no evidence supports: not facts", tuple(unsure), keep=len(unsure)),
    )


def claim_words(lexicon: Lexicon, claim: Claim) -> str:
    """A claim in one sentence, from its typed part alone."""
    effect = claim.effect
    size = "" if effect.size is None else f" by {effect.size:.3g} {effect.unit}"
    scope = claim.scope
    where = [lexicon.place(name) for name in (*scope.tasks, *scope.devices, *scope.niches)]
    tail = f" ({', '.join(where)})" if where else ""
    phrase = words_of(lexicon, claim.condition)
    return f"{phrase} {effect.direction} {effect.objective}{size}{tail}"


def _evidence(heuristic: Heuristic) -> str:
    evidence = heuristic.evidence
    if evidence.method == "none":
        return ", untested"
    unit = heuristic.claim.effect.unit
    return (
        f"; {evidence.n_for} for, {evidence.n_against} against; "
        f"effect {evidence.mean_effect:+.3g} {unit} ({evidence.low:+.3g} to {evidence.high:+.3g})"
    )


def failures_section(
    lexicon: Lexicon, rejected: Sequence[Verdict], broken: Sequence[Failure]
) -> Section:
    """Rejected proposals, newest first, and networks that did not work."""
    told = [(v.candidate.arch, v.kind.replace("_", " ")) for v in rejected]
    told += [(f.arch, f"failed to {f.stage}") for f in reversed(broken)]
    lines: list[str] = []
    for arch, why in told:
        try:
            lines.append(f"[{lexicon.network(lexicon.space.parse(arch))}]: {why}")
        except RequestError:
            continue
    unique = tuple(dict.fromkeys(lines))
    return Section("Rejected or failed, not to be repeated", unique[:_MOST_FAILURES])
