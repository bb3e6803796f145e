"""A niche view as the lines of a prompt: cells, gaps, device facts, heuristics, failures."""

import re
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np

from llm_nas.agents.blind import Lexicon
from llm_nas.agents.prompts import Section
from llm_nas.claims import Heuristic
from llm_nas.domain import FloatArray, IntArray, Measurement, Verdict
from llm_nas.errors import RequestError
from llm_nas.ports import Decider, NicheView

_NUMBERED_EDGE = re.compile(r"\d+>\d+")
_FIT_CELLS = 15
"""Fewest measured cells from which per-operation costs are fitted."""
_MOST_FAILURES = 6
_RIDGE = 1e-3


def common_values(lexicon: Lexicon) -> dict[str, str]:
    """What every prompt says of the space."""
    space = lexicon.space
    return {
        "edge_count": str(len(space.edges)),
        "edges": ", ".join(lexicon.edge_keys()),
        "operations": ", ".join(lexicon.op_names()),
        "structure": _structure(lexicon),
    }


def _structure(lexicon: Lexicon) -> str:
    if lexicon.blind or not all(_NUMBERED_EDGE.fullmatch(e) for e in lexicon.space.edges):
        return ""
    return (
        "edge_a_b carries data from node a to node b; the lowest node is the input, the highest "
        "the output.\nCells are written as their operations in the order of the edges.\n"
    )


def task_values(lexicon: Lexicon, view: NicheView, rule: str) -> dict[str, str]:
    """What a prompt says of the task and the niche."""
    return {
        "dataset": lexicon.name(view.dataset),
        "device": lexicon.name(device_name(view.device)),
        "generation": str(view.generation + 1),
        "generations": str(view.generations),
        "niche": lexicon.name(view.niche.id),
        "rule": rule,
    }


def device_name(device: str) -> str:
    """A device without the path of its table."""
    return device.partition("=")[0]


def niche_rule(lexicon: Lexicon, view: NicheView, members: IntArray) -> str:
    """The niche's rule with the counts its members have; counts alone behind a blind lexicon."""
    space = lexicon.space
    codes = space.codes()[members]
    numbers = {op: np.sum(codes == op, axis=1) for op in lexicon.ops}
    low = {op: int(number.min()) for op, number in numbers.items()}
    high = {op: int(number.max()) for op, number in numbers.items()}
    counts: list[str] = []
    for op in lexicon.ops:
        left_by_others = len(space.edges) - sum(low.values()) + low[op]
        if low[op] > 0 or high[op] < left_by_others:
            span = f"exactly {low[op]}" if low[op] == high[op] else f"{low[op]} to {high[op]}"
            counts.append(f"{span} x {lexicon.name(space.operations[op])}")
    told = "; ".join(counts) or "any cell"
    return told if lexicon.blind else f"{lexicon.hide(view.niche.rule)} ({told})"


def cell_line(lexicon: Lexicon, cell: Measurement, label: str = "") -> str:
    """One measured cell: operations, predicted error, latency."""
    ops = lexicon.cell(lexicon.space.parse(cell.arch))
    error_pct = 100 - cell.predicted_accuracy_pct
    return f"{label}[{ops}] error {error_pct:.2f} %, latency {cell.latency_ms:.3f} ms"


def device_section(lexicon: Lexicon, view: NicheView) -> Section:
    """Fastest and slowest measured cell, and what one more of each operation costs."""
    if not view.measured:
        return Section("Device", ())
    latencies = [m.latency_ms for m in view.measured]
    lines = [
        f"{len(latencies)} measured cells take {min(latencies):.3f} to {max(latencies):.3f} ms."
    ]
    if len(latencies) >= _FIT_CELLS:
        lines.append(_operation_costs(lexicon, view.measured))
    return Section("Device", tuple(lines), keep=2)


def _operation_costs(lexicon: Lexicon, measured: Sequence[Measurement]) -> str:
    """Least squares of latency and error on operation counts, centred on their means."""
    space = lexicon.space
    cells = np.array([space.parse(m.arch) for m in measured])
    ops = list(lexicon.ops)
    counts = np.stack([np.sum(cells == op, axis=1) for op in ops], axis=1).astype(np.float64)
    targets = np.array([[m.latency_ms, 100 - m.predicted_accuracy_pct] for m in measured])
    # Counts add up to the number of edges; a little ridge picks the effects around their mean.
    spread = counts - counts.mean(0)
    gram = spread.T @ spread + _RIDGE * np.eye(len(ops))
    effects = cast(FloatArray, np.linalg.solve(gram, spread.T @ (targets - targets.mean(0))))
    parts = [
        f"{lexicon.name(space.operations[op])} {ms:+.3f} ms, {pct:+.2f} % error"
        for op, (ms, pct) in zip(ops, effects.tolist(), strict=True)
    ]
    return "One more of an operation, compared with the average one (fit): " + "; ".join(parts)


def gaps_section(view: NicheView) -> Section:
    """Latency ranges the niche's archive leaves empty, widest first."""
    lines = [f"No cell between {low:.3f} and {high:.3f} ms." for low, high in view.gaps_ms[:4]]
    return Section("Gaps of the front", tuple(lines))


def measured_section(
    lexicon: Lexicon, view: NicheView, shown: Sequence[str], most: int = 24
) -> Section:
    """The niche's other measured cells, newest first: not to be proposed again."""
    others = [
        m for m in reversed(view.measured) if m.niche == view.niche.id and m.arch not in shown
    ]
    lines = [cell_line(lexicon, m) for m in others[:most]]
    return Section("Other measured cells of this niche", tuple(lines))


def heuristics_sections(
    lexicon: Lexicon, heuristics: Sequence[Heuristic], deciders: Sequence[Decider] = ()
) -> tuple[Section, ...]:
    """What evidence supports, apart from what it does not, and cells that would tell.

    Heuristics are rendered from their typed part alone: free wording may come from anywhere and
    never reaches a prompt.
    """
    label = {h.id: f"H{i}" for i, h in enumerate(heuristics, start=1)}
    known: list[str] = []
    unsure: list[str] = []
    for h in heuristics:
        line = f"{label[h.id]}: {lexicon.hide(h.claim.statement)} [{h.status}{_evidence(h)}]"
        (known if h.status in ("supported", "trusted") else unsure).append(line)
    tests = [_decider_line(lexicon, decider, label) for decider in deciders]
    return (
        Section("Known rules, with their evidence", tuple(known), keep=len(known)),
        Section("Guesses that no evidence supports: not facts", tuple(unsure), keep=len(unsure)),
        Section("Cells that would decide a guess (use or ignore them)", tuple(tests), keep=0),
    )


def _decider_line(lexicon: Lexicon, decider: Decider, label: Mapping[str, str]) -> str:
    cell = lexicon.cell(lexicon.space.parse(decider.arch))
    told = ", ".join(label[key] for key in decider.heuristics if key in label)
    return f"[{cell}] decides {told}"


def _evidence(heuristic: Heuristic) -> str:
    evidence = heuristic.evidence
    if evidence.method == "none":
        return ", untested"
    unit = heuristic.claim.effect.unit
    return (
        f"; {evidence.n_for} for, {evidence.n_against} against; "
        f"effect {evidence.mean_effect:+.3g} {unit} ({evidence.low:+.3g} to {evidence.high:+.3g})"
    )


def suggestions_section(lexicon: Lexicon, view: NicheView, most: int = 4) -> Section:
    """Unmeasured cells a statistical model expects to improve the front, best first."""
    cells = [lexicon.space.parse(arch) for arch in view.suggestions[:most]]
    return Section(
        "Candidates of a statistical model, not measured (use, change or ignore them)",
        tuple(f"[{lexicon.cell(cell)}]" for cell in cells),
    )


def failures_section(lexicon: Lexicon, failures: Sequence[Verdict]) -> Section:
    """Rejected proposals, newest first; what cannot be parsed is left out."""
    lines: list[str] = []
    for verdict in failures:
        try:
            cell = lexicon.space.parse(verdict.proposal.arch)
        except RequestError:
            continue
        lines.append(f"[{lexicon.cell(cell)}]: {verdict.kind.replace('_', ' ')}")
    unique = tuple(dict.fromkeys(lines))
    return Section("Rejected proposals, not to be repeated", unique[:_MOST_FAILURES])
