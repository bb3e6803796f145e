"""Answers for people: what was understood, then one block per finding."""

from collections.abc import Sequence

from rich.text import Text

from llm_nas.knowledge.answer import Answer, Finding, MeasuredEffect, Twin
from llm_nas.knowledge.explain import Seen
from llm_nas.knowledge.playbook import plain

_UNITS = {"accuracy": "%", "latency": "ms", "energy": "mJ"}
_VERDICTS = {
    "within": "as asked",
    "perhaps": "as asked on average, not over the whole interval",
    "unknown": "not known whether as asked",
    "beyond": "not as asked",
    None: "",
}


def answer_text(answer: Answer) -> Text:
    """The whole answer."""
    lines = [f"understood: {plain(answer.understood)}"]
    lines += [f"note: {plain(note)}" for note in answer.notes]
    if not answer.findings:
        lines.append("No claim answers that.")
    for number, finding in enumerate(answer.findings, start=1):
        lines += ["", *_block(number, finding)]
    return Text("\n".join(lines))


def facts(answer: Answer) -> dict[str, str]:
    """What an answer says of each claim, by abbreviated id, from typed parts alone."""
    return {
        finding.heuristic.id[:8]: "; ".join(
            [
                f"{finding.advice}: {finding.heuristic.claim.statement}"
                if finding.advice
                else finding.heuristic.claim.statement,
                finding.heuristic.status,
                *(effect_words(effect) for effect in finding.effects if effect.cells),
            ]
        )
        for finding in answer.findings
    }


def _block(number: int, finding: Finding) -> list[str]:
    h = finding.heuristic
    advice = f"{finding.advice}: " if finding.advice else ""
    lines = [f"{number}. {advice}{h.claim.statement}  [{h.id[:8]}] {h.status}"]
    lines += [f"   {effect_words(effect)}" for effect in finding.effects if effect.cells]
    if not any(effect.cells for effect in finding.effects):
        lines.append("   not tested: no measured cell bears on it")
    lines += [f"   example  {example_words(seen)}" for seen in finding.examples]
    if not finding.examples:
        lines.append("   example  none measured within the limits")
    lines += [f"   against  {arch}" for arch in h.evidence.counter_examples[:2]]
    lines += [f"   opposite [{other[:8]}]" for other in h.conflicts[:3]]
    lines += twin_lines(finding.twins, "   ")
    return [*lines, f"   why      {h.why}"]


def effect_words(effect: MeasuredEffect) -> str:
    """One row of the evidence table."""
    unit = _UNITS[effect.objective]
    where = f" in {effect.places} places" if effect.places > 1 else ""
    votes = f"{effect.n_for} for, {effect.n_against} against; {effect.cells} cells{where}"
    basis = f"[{effect.basis[6:14]}]" if effect.basis.startswith("claim ") else effect.basis
    verdict = _VERDICTS[effect.verdict]
    numbers = f"{effect.mean:+.3g} {unit} [{effect.low:+.3g}, {effect.high:+.3g}]"
    tail = f"; {verdict}" if verdict else ""
    return f"{effect.objective:<8} {numbers}; {votes}, from {basis}{tail}"


def example_words(seen: Seen) -> str:
    """A measured cell with where it was measured."""
    numbers = f"{seen.predicted_accuracy_pct:.2f} %, {seen.latency_ms:.3g} ms"
    return f"{seen.arch}  {numbers} ({seen.dataset}/{seen.device}, run {seen.run})"


def twin_lines(twins: Sequence[Twin], indent: str = "") -> list[str]:
    """Claims folded into another."""
    return [
        f"{indent}also known as [{twin.id[:8]}] {twin.statement} "
        f"({_share(twin.overlap)} the same cells)"
        for twin in twins
    ]


def _share(overlap: float) -> str:
    return "all" if overlap == 1 else f"{100 * overlap:.0f} % of"
