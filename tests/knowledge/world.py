"""A small family with known truth: what every choice does is written here."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from llm_nas.choices import Choice
from llm_nas.claims import Claim, Effect, Objective, Origin, Scope
from llm_nas.conditions import Bound, Condition, Is
from llm_nas.domain import (
    ACCURACY,
    Arch,
    ContextName,
    Failure,
    FloatArray,
    Measurement,
    Metric,
    Niche,
    Timing,
)
from llm_nas.ports import Lesson, Trial
from llm_nas.tools.niches import ConditionPartition
from llm_nas.tools.spaces import Space

KERNELS = tuple(f"k{n}" for n in range(1, 7))
SPACE = Space(
    "toy",
    [
        *(Choice(name, (3, 5, 7), ordered=True, words=f"kernel size {name}") for name in KERNELS),
        Choice("op", ("conv", "pool", "skip"), words="operation of the last stage"),
        Choice("se", (0, 1), ordered=True, words="squeeze and excitation"),
        Choice("ratio", (2, 4), ordered=True, active_when=Is(choice="se", values=(1,))),
    ],
    groups={"kernels": KERNELS},
    quantities={"params_m": lambda v: sum(float(v[k]) for k in KERNELS) / 10.0},
)
SMALL, LARGE = (
    Bound(choice="k1", relation="le", value=3),
    Bound(choice="k1", relation="ge", value=5),
)
PARTITION = ConditionPartition(
    "k1",
    SPACE,
    [
        Niche(id="S0", rule="small first kernel", condition=SMALL),
        Niche(id="S1", rule="large first kernel", condition=LARGE),
    ],
)
HERE = ContextName(space="toy", task="photos", device="board")
OP_EFFECT = {"conv": 0.0, "pool": 0.25, "skip": -0.2}
"""Added to the logarithm of the error."""


def error(arch: Arch) -> float:
    """True error in %: multiplied by .94 for every two of `k1`, 1.0 for `k6`, and by `op`."""
    v = SPACE.values(arch)
    strength = {"k1": -0.12, "k2": -0.08, "k3": -0.05, "k4": 0.04, "k5": 0.0, "k6": 0.0}
    log = sum(share * (float(v[name]) - 5.0) / 2.0 for name, share in strength.items())
    return float(20.0 * np.exp(log + OP_EFFECT[str(v["op"])] + 0.03 * float(v["se"])))


def latency_ms(arch: Arch) -> float:
    """True latency: every kernel costs, pooling is cheap."""
    v = SPACE.values(arch)
    cost = sum(float(v[name]) ** 2 for name in KERNELS) / 100.0
    return cost * (0.8 if v["op"] == "pool" else 1.0) + 0.2 * float(v["se"])


def draw(n: int, seed: int) -> list[Arch]:
    """Different random networks."""
    rng = np.random.default_rng(seed)
    found: dict[Arch, None] = {}
    while len(found) < n:
        found[SPACE.sample(rng)] = None
    return list(found)


def measured(
    archs: Iterable[Arch],
    seed: int = 0,
    generation: int = 0,
    noise: float = 0.02,
    errors: Callable[[Arch], float] = error,
) -> tuple[Measurement, ...]:
    """Trainings with noise of the logarithm of the error."""
    rng = np.random.default_rng(seed + 1000)
    return tuple(
        Measurement(
            arch=arch,
            niche=PARTITION.niche_of(arch),
            generation=generation,
            value=100.0 - errors(arch) * float(np.exp(noise * rng.standard_normal())),
            latency_ms=latency_ms(arch),
            latency_low_ms=latency_ms(arch),
            latency_high_ms=latency_ms(arch),
            origin="test",
        )
        for arch in archs
    )


def lesson(
    rows: Sequence[Measurement] = (),
    claims: Sequence[Claim] = (),
    run: str = "a",
    seed: int = 0,
    generation: int = 0,
    context: ContextName = HERE,
    recipe: str = "short training",
    trials: Sequence[Trial] = (),
    metric: Metric = ACCURACY,
) -> Lesson:
    """One generation of a run."""
    return Lesson(
        run=run,
        seed=seed,
        generation=generation,
        context=context,
        claims=tuple(claims),
        measured=tuple(rows),
        trials=tuple(trials),
        recipe=recipe,
        metric=metric,
    )


def run_lesson(seed: int, n: int = 40, **more: object) -> Lesson:
    """A run of random trainings of its own seed."""
    fields: dict[str, object] = {"run": f"run{seed}", "seed": seed} | more
    rows = measured(draw(n, seed), seed)
    return lesson(rows, **fields)  # type: ignore[arg-type]


def claim(
    condition: Condition,
    objective: Objective = "accuracy",
    *,
    raises: bool = True,
    archs: Sequence[Arch] = (),
    niches: tuple[str, ...] = (),
    tasks: tuple[str, ...] = ("photos",),
) -> Claim:
    """A claim about the toy family."""
    return Claim(
        condition=condition,
        effect=Effect(objective=objective, direction="raises" if raises else "lowers"),
        scope=Scope(space="toy", tasks=tasks, niches=niches),
        origin=Origin(source="test", archs=tuple(archs)),
    )


K1 = Bound(choice="k1", relation="ge", value=7)


class Board:
    """A device whose latencies are known; `slow` makes pooling dear instead of cheap."""

    name = "board2"
    exact = True
    source = "a table"

    def supports(self, arch: Arch) -> str | None:
        return None

    def measure(self, archs: Sequence[Arch]) -> list[Timing | Failure]:
        return [
            Timing(arch=a, median_ms=ms, low_ms=ms, high_ms=ms)
            for a in archs
            for ms in (3.0 if SPACE.values(a)["op"] == "pool" else 1.0,)
        ]


class World:
    """The truth of the toy family, as an audit wants it."""

    context = HERE
    metric = ACCURACY
    chance_error = 90.0

    def errors(self, archs: Sequence[Arch]) -> FloatArray:
        return np.array([error(arch) for arch in archs])

    def latencies_ms(self, archs: Sequence[Arch]) -> FloatArray:
        return np.array([latency_ms(arch) for arch in archs])
