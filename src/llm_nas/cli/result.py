"""A finished search, told for people."""

from typing import TYPE_CHECKING

from llm_nas.cli.output import say

if TYPE_CHECKING:
    from llm_nas.domain import Cost, FrontPoint, RoleUsage, SearchReport

_FRONT_ROWS = 30


def show(report: "SearchReport") -> None:
    """Print the front, one network a line that can be copied, and what to know of it."""
    say(f"{report.space}/{report.task} on {report.device}: front")
    metric = {"accuracy_pct": "accuracy %"}.get(report.metric, report.metric)
    headings = ("latency ms", f"{metric}, valid", "test", "params M", "niche", "network")
    rows = [headings, *(_row(point) for point in report.front[:_FRONT_ROWS])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(headings) - 1)]
    for row in rows:
        cells = [text.rjust(width) for text, width in zip(row, widths, strict=False)]
        say("  ".join([*cells, row[-1]]))
    for line in _lines(report):
        say(line)


def _row(point: "FrontPoint") -> tuple[str, ...]:
    tested = "-" if point.test_value is None else f"{point.test_value:.2f}"
    params = "-" if point.params_m is None else f"{point.params_m:.2f}"
    latency = f"{point.latency_ms:.4g}"
    return (latency, f"{point.value:.2f}", tested, params, point.niche, point.arch)


def _lines(report: "SearchReport") -> list[str]:
    more = len(report.front) - _FRONT_ROWS
    rest = [f"... and {more} more networks of the front in result.json"] if more > 0 else []
    if any(point.test_value is not None for point in report.front):
        rest.append(
            "valid: what the search saw; test: looked at afterwards, on a scale of its own"
        )
    return [*rest, *_quality(report), *_effort(report), *_doubts(report), f"run {report.out}"]


def _quality(report: "SearchReport") -> list[str]:
    if report.hv is None:
        return []
    curve = ", ".join(f"{at}: {hv:.3f}" for at, hv in report.hv_at.items())
    if report.hv_baselines is not None:
        return [*_beside(report), *([f"hv at trainings: {curve}"] if curve else [])]
    igd = "" if report.igd_plus is None else f"; IGD+ {report.igd_plus:.4f}"
    return [
        f"hv {report.hv:.4f} of the reference front (protocol {report.protocol}{igd})",
        *([f"hv at trainings: {curve}"] if curve else []),
    ]


def _beside(report: "SearchReport") -> list[str]:
    """The honest row: what known small networks, trained alike, reach."""
    lines = ["beside it, trained alike:"]
    for row in sorted(report.baselines, key=lambda row: float(row["latency_ms"])):
        lines.append(
            f"  {float(row['latency_ms']):.4g} ms, test {float(row['test_accuracy_pct']):.2f}: "
            f"{row['name']}"
        )
    speed, gain = report.speedup_at_equal_accuracy, report.gain_at_equal_latency_pct
    told = [f"hypervolume {report.hv:.3f} times theirs"]
    told += [f"{speed:.2f} times faster at equal accuracy"] if speed is not None else []
    told += [f"{gain:+.2f} points at equal latency"] if gain is not None else []
    return [*lines, f"{', '.join(told)} (medians over their front)"]


def _effort(report: "SearchReport") -> list[str]:
    p, s = report.proposals, report.seconds
    reused = (
        f", {report.reused_trainings:g} trainings of earlier runs reused"
        if report.reused_trainings
        else ""
    )
    asked = report.cost.roles.items()
    return [
        f"{report.trainings:g} trainings{reused}; proposals: {p.raw} made, {p.repaired} repaired, "
        f"{p.duplicate} seen before, {p.rejected} rejected",
        f"{s.total:.1f} s: training {s.training:.1f}, timing {s.timing:.1f}, "
        f"advisor {s.advisor:.1f}, agents {s.agents:.1f}",
        *(f"  {name}, {role.model}: {_spend(role)}{_faults(role)}" for name, role in asked),
    ]


def _doubts(report: "SearchReport") -> list[str]:
    failed = len(report.failures)
    broken = [f"{failed} networks failed; reasons in result.json"] if failed else []
    judged = [
        f"{s.source} {'believed' if s.kept else 'dropped'}: {s.reason}" for s in report.sources
    ]
    return [*broken, *judged, *(n for n in report.notes if n), f"data: {report.data_source}"]


def _spend(part: "Cost | RoleUsage") -> str:
    usd = "unknown" if part.usd is None else f"{part.usd:.4f}"
    return f"{part.calls} calls, {part.tokens_in}+{part.tokens_out} tokens, {usd} USD"


def _faults(role: "RoleUsage") -> str:
    """What went wrong with a role's calls; nothing when all gave an answer at once."""
    repairs = f", {role.repairs} answers asked for again" if role.repairs else ""
    return repairs + (f", {role.failures} failed ({role.failure})" if role.failures else "")
