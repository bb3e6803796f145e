"""Questions to a person before a run spends much, or spends on what looks hopeless.

They are LangGraph interrupts: `drive` asks in the terminal and listens to the live page; a graph
that was started otherwise waits for `Command(resume=True)`. Nobody's answer means yes.
"""

import time
from collections.abc import Sequence
from typing import Any

from langgraph.types import interrupt

from llm_nas.domain import Candidate, Timing
from llm_nas.graph.record.ledger import RUN
from llm_nas.graph.record.trace import now
from llm_nas.graph.run import Run
from llm_nas.graph.state import SearchState
from llm_nas.graph.steps.limits import over_limit
from llm_nas.graph.steps.steer import wishes

HOURS, USD = 2.0, 1.0
"""A run that is to cost more of either asks once."""
_POLL_S = 0.5


def concern(
    run: Run, generation: int, chosen: Sequence[Candidate], approved: Sequence[str]
) -> dict[str, str]:
    """What a person should approve before this generation is paid for; empty for nothing."""
    if not run.request.approve:
        return {}
    for name, text in (
        ("limits", _hopeless(run, chosen) if generation == 0 else ""),
        ("hours", _hours(run, generation)),
        ("money", _money(run, generation)),
    ):
        if text and name not in approved:
            return {"concern": name, "question": f"{text}; go on?"}
    return {}


def _hopeless(run: Run, chosen: Sequence[Candidate]) -> str:
    """Why no network of the opening is expected to meet the limits; empty where one is."""
    limits = {name: value for name, value in run.limits.model_dump().items() if value is not None}
    if not limits:
        return ""
    told = ", ".join(f"{name} {value:g}" for name, value in limits.items())
    archs = [c.arch for c in chosen]
    if not archs:
        return f"no network was found that may meet {told}"
    expected = run.latency.predict(archs)[0]
    timings = [
        Timing(arch=a, median_ms=float(ms), low_ms=float(ms), high_ms=float(ms))
        for a, ms in zip(archs, expected, strict=True)
        if ms > 0.0
    ]
    if not timings or any(not over_limit(run, timing) for timing in timings):
        return ""
    fastest = min(timing.median_ms for timing in timings)
    expect = f"the fastest is expected to take {fastest:.3g} ms"
    return f"no network of the opening is expected to meet {told} ({expect})"


def _hours(run: Run, generation: int) -> str:
    spent = run.ledger.spent(before=generation)
    if not spent:
        return ""
    seconds = run.ledger.seconds().get("total", 0.0) + time.monotonic() - run.opened_s
    hours = seconds / spent * (run.request.trainings - spent) / 3600.0
    return f"about {hours:.1f} more hours are to come" if hours > HOURS else ""


def _money(run: Run, generation: int) -> str:
    governor, spent = run.agents.governor, run.ledger.spent(before=generation)
    if governor is None or not spent:
        return ""
    usd = governor.cost(0.0).usd or 0.0
    more = usd / spent * (run.request.trainings - spent)
    return f"models may cost about {more:.2f} USD more" if more > USD else ""


def approve(state: SearchState) -> dict[str, Any]:
    """Wait for a person's word; a no ends the search with what it has."""
    asked = state["concern"]
    yes = bool(interrupt(asked))
    finished = "" if yes else f"a person said no: {asked['question']}"
    return {
        "concern": {},
        "approved": [*state.get("approved", []), asked["concern"]],
        "finished": finished,
        "did": {RUN: {"approve": asked | {"answer": yes}}},
    }


def answer(run: Run, asked: dict[str, str]) -> bool:
    """What a person says in the terminal or on the page; yes when nobody does in time."""
    since, end = now(), time.monotonic() + run.request.approve_wait_s
    run.say(f"{asked['question']} [Y/n], yes in {run.request.approve_wait_s:g} s")
    run.now.ask(asked["question"])
    try:
        while time.monotonic() < end:
            said = run.inputs.answer(_POLL_S)
            for one in wishes(run.folder):
                if one is not None and one.ts >= since and one.kind in ("approve", "decline"):
                    said = one.kind == "approve"
            if said is not None:
                return said
    finally:
        run.now.ask("")
    run.say("nobody answered: going on")
    return True
