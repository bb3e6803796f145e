"""Searches with scripted models: what nonsense costs, failing calls, and prompt sizes.

    python benchmarks/agents_models.py nonsense --seeds 4 --trainings 48
    python benchmarks/agents_models.py faults --seeds 4
    python benchmarks/agents_models.py prompts

No language model is asked and nothing outside this machine is reached. `nonsense` compares a
model that knows nothing, opening included, with the offline search of the same seeds: it may
cost 0.02 hv at 48 trainings and 0.01 at 120. `faults` ends runs at a cap on calls and resumes
them while a fifth of all calls fail: all must finish. The exit code says whether they do.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path
from statistics import fmean

from llm_nas.agents.budget.estimate import estimate_lines, estimate_run
from llm_nas.agents.chat.errors import CallFailed, FailureKind
from llm_nas.agents.chat.nonsense import NONSENSE_MODEL, NonsenseTransport
from llm_nas.agents.chat.options import OFFLINE, ModelOptions
from llm_nas.agents.chat.transport import ChatReply, ChatRequest
from llm_nas.agents.model.prompts import TOKEN_LIMITS, prompt_labels
from llm_nas.domain import ACCURACY, SearchReport, SearchRequest
from llm_nas.errors import RunStopped
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space

CONTEXTS = (("anb", "imagenet", "a100"), ("nb201", "cifar10", "edgegpu"))
MOST_LOST = {48: 0.02, 120: 0.01}
FAILING = 0.2


class Failing:
    """Valid nonsense, but a share of calls fails, by seed and number."""

    KINDS: tuple[FailureKind, ...] = (
        "rate_limit",
        "server",
        "timeout",
        "connection",
        "refusal",
        "truncated",
        "malformed",
    )

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._inner = NonsenseTransport(seed)

    def send(self, request: ChatRequest) -> ChatReply:
        """An answer, or a failure."""
        if self._rng.random() < FAILING:
            raise CallFailed(self._rng.choice(self.KINDS), "as the script says")
        return self._inner.send(request)


def request_of(
    context: tuple[str, str, str], model: str, trainings: int, seed: int, folder: Path
) -> SearchRequest:
    """A search in a folder of its own, with a store of its own."""
    space, task, device = context
    return SearchRequest(
        space=space,
        task=task,
        device=device,
        model=model,
        trainings=trainings,
        seed=seed,
        out=folder / "run",
        store=folder / "store",
    )


def hv_of(context: tuple[str, str, str], model: str, trainings: int, seed: int) -> float:
    """Hypervolume of one search."""
    with tempfile.TemporaryDirectory() as folder:
        request = request_of(context, model, trainings, seed, Path(folder))
        return search(request, Inputs(picture=False, keep=False)).hv or 0.0


def nonsense(seeds: int, trainings: int) -> bool:
    """Hypervolume that nonsense loses, by context; whether the mean is small enough."""
    losses: list[float] = []
    for context in CONTEXTS:
        for seed in range(seeds):
            offline, other = (
                hv_of(context, model, trainings, seed) for model in (OFFLINE, NONSENSE_MODEL)
            )
            losses.append(offline - other)
            print(f"{'/'.join(context)} seed {seed}: offline {offline:.4f}, nonsense {other:.4f}")
    most = MOST_LOST.get(trainings, min(MOST_LOST.values()))
    print(f"mean loss {fmean(losses):+.4f} at {trainings} trainings; at most {most} is allowed")
    return fmean(losses) <= most


def faults(seeds: int) -> bool:
    """Runs that stop at a cap on calls and go on under failing calls; whether all finish."""
    finished = 0
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            request = request_of(CONTEXTS[1], "scripted", 36, seed, Path(folder))
            options = ModelOptions(max_calls=4, backoff_s=0.001, max_wait_s=0.01)
            report = _to_the_end(request, options, Failing(seed))
        finished += report.trainings == request.trainings
        roles = report.cost.roles.values()
        failed = sum(role.failures for role in roles)
        print(f"seed {seed}: {report.trainings:g} trainings, {report.cost.calls} calls,", end=" ")
        print(f"{failed} failed, hv {report.hv}")
    print(f"{finished} of {seeds} runs finished")
    return finished == seeds


def _to_the_end(request: SearchRequest, options: ModelOptions, model: Failing) -> SearchReport:
    inputs = Inputs(options=options, transport=model, picture=False, keep=False)
    try:
        return search(request, inputs)
    except RunStopped as stopped:
        print(f"stopped: {stopped}")
    more = ModelOptions.model_validate(options.model_dump() | {"max_calls": 100_000})
    inputs = Inputs(options=more, transport=model, picture=False, keep=False)
    return resume(request.out or Path(), inputs)


def prompts() -> bool:
    """Sizes of prompts and the estimate of a run in every shipped large space."""
    for name, label in prompt_labels().items():
        print(f"{label}: at most {TOKEN_LIMITS.get(name, 0)} tokens")
    for name in ("nb201", "anb", "hwgpt-s"):
        space = open_space(name)
        request = SearchRequest(space=name, task="t", device="d", model="openai:gpt-4.1")
        roles = estimate_run(request, space, open_partition(None, space), ACCURACY)
        print(name, *estimate_lines(roles)[:4], sep="\n  ")
    return True


def main() -> int:
    """Run one part; 0 when its verdict is good."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("part", choices=("nonsense", "faults", "prompts"))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--trainings", type=int, default=48)
    asked = parser.parse_args()
    if asked.part == "nonsense":
        good = nonsense(asked.seeds, asked.trainings)
    else:
        good = faults(asked.seeds) if asked.part == "faults" else prompts()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
