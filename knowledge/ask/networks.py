"""Trained networks as answers: those within the limits of a question, best for its goal."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import model_serializer

from llm_nas.claims import Claim
from llm_nas.domain import ACCURACY, Arch, Metric
from llm_nas.frozen import Frozen
from llm_nas.knowledge.ask.query import Query
from llm_nas.knowledge.claims.edits import predicate, unknown_in
from llm_nas.knowledge.claims.pairs import members_of
from llm_nas.knowledge.memory import tables
from llm_nas.ports import Device, SearchSpace


class Network(Frozen):
    """A trained network. In JSON the metric's own name stands for `value`."""

    arch: Arch
    metric: str
    value: float
    """Mean over its trainings, on validation data."""
    latency_ms: float | None
    """On `device`; None when it was never timed there."""
    params_m: float | None = None
    space: str
    task: str
    device: str
    recipe: str
    trainings: int

    @model_serializer
    def _named(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {fields.pop("metric") if k == "metric" else k: v for k, v in self._order(fields)}

    def _order(self, fields: dict[str, Any]) -> list[tuple[str, Any]]:
        value = fields.pop("value")
        return [(k, value if k == "metric" else v) for k, v in fields.items()]


@dataclass(frozen=True, eq=False)
class Trained:
    """The trainings a question is about, one entry per network."""

    found: tuple[Network, ...]
    metric: Metric
    notes: tuple[str, ...]

    @classmethod
    def of(
        cls,
        db: sqlite3.Connection,
        query: Query,
        table: Device | None,
        space: SearchSpace | None,
    ) -> "Trained":
        """Trainings in the place of a query; of several tasks or recipes the one with most."""
        runs = [
            run
            for run in (tables.runs(db, query.space) if query.space else ())
            if query.task in (None, run.task)
            and (query.device in (None, run.device) or table is not None)
        ]
        if not runs:
            return cls((), ACCURACY, ())
        rows = {run.run: members_of(space, tables.values_of(db, run.run)) for run in runs}
        sizes = Counter[tuple[str, str]]()
        for run in runs:
            sizes[run.task, run.recipe] += len(rows[run.run])
        (task, recipe), _ = sizes.most_common(1)[0]
        own = [run for run in runs if (run.task, run.recipe) == (task, recipe)]
        metric = Metric.model_validate_json(own[0].metric)
        found = _networks(own, rows, metric, table)
        return cls(_sized(found, space), metric, _notes(metric, task, recipe, sizes, own, table))

    def named(self, archs: Sequence[Arch]) -> tuple[Network, ...]:
        """Those of some networks that were trained, in the order given."""
        return tuple(n for arch in archs for n in self.found if n.arch == arch)

    def pick(self, query: Query, k: int) -> tuple[tuple[Network, ...], tuple[str, ...]]:
        """Up to `k` networks within the limits, best for the goal first; notes beside them."""
        if not self.found:
            return (), ()
        notes: list[str] = []
        if query.min_accuracy_pct is not None and self.metric != ACCURACY:
            notes.append(f"this task measures {self.metric.name}: no floor in % can be held")
        fitting = [n for n in self.found if self._fits(n, query)]
        if not fitting:
            near = min(self.found, key=lambda n: self._excess(n, query))
            return (), (*notes, f"no trained network meets that; nearest: {self._line(near)}")
        return tuple(self._ordered(fitting, query)[:k]), tuple(notes)

    def _line(self, n: Network) -> str:
        timed = "not timed" if n.latency_ms is None else f"{n.latency_ms:.4g} ms on {n.device}"
        return f"{n.arch}: {n.metric} {n.value:.2f}, {timed}"

    def _fits(self, n: Network, query: Query) -> bool:
        return self._excess(n, query) <= 0.0

    def _excess(self, n: Network, query: Query) -> float:
        """How far beyond the limits a network is, in shares of them; 0 within."""
        over = 0.0
        if query.max_latency_ms is not None:
            ms = n.latency_ms
            over += 1e9 if ms is None else max(0.0, ms / query.max_latency_ms - 1.0)
        if query.max_params_m is not None:
            m = n.params_m
            over += 1e9 if m is None else max(0.0, m / query.max_params_m - 1.0)
        if query.min_accuracy_pct is not None and self.metric == ACCURACY:
            over += max(0.0, query.min_accuracy_pct - n.value) / 100.0
        return over

    def _ordered(self, fitting: Sequence[Network], query: Query) -> list[Network]:
        """By the goal; without one the non-dominated networks, fastest first."""
        if query.goal == "accuracy" or all(n.latency_ms is None for n in fitting):
            return sorted(fitting, key=lambda n: (self.metric.error(n.value), n.arch))
        if query.goal == "size":
            return sorted(fitting, key=lambda n: (n.params_m or float("inf"), n.arch))
        by_latency = sorted(fitting, key=self._by_latency)
        if query.goal == "latency" and query.min_accuracy_pct is not None:
            return by_latency
        if query.goal is None and query.max_latency_ms and query.min_accuracy_pct is None:
            return sorted(fitting, key=lambda n: (self.metric.error(n.value), n.arch))
        front: list[Network] = []
        for n in by_latency:
            if not front or self.metric.error(n.value) < self.metric.error(front[-1].value):
                front.append(n)
        return front if query.goal == "latency" else _spread(front)

    def _by_latency(self, n: Network) -> tuple[float, float]:
        ms = float("inf") if n.latency_ms is None else n.latency_ms
        return ms, self.metric.error(n.value)


def _spread(front: list[Network], most: int = 5) -> list[Network]:
    """A few members from end to end."""
    where = np.unique(np.linspace(0, len(front) - 1, min(most, len(front))).round().astype(int))
    return [front[n] for n in where.tolist()]


def _networks(
    runs: Sequence[tables.Run],
    rows: dict[str, list[tuple[str, float, float]]],
    metric: Metric,
    table: Device | None,
) -> list[Network]:
    """One entry per network and device, values averaged over its trainings."""
    grouped: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for run in runs:
        device = table.name if table else run.device
        for arch, value, ms in rows[run.run]:
            grouped.setdefault((arch, device), []).append((value, ms))
    told: dict[Arch, float | None] = {}
    if table is not None:
        archs = [arch for arch, _ in grouped]
        told = {
            arch: getattr(timing, "median_ms", None)
            for arch, timing in zip(archs, table.measure(archs), strict=True)
        }
    run = runs[0]
    return [
        Network(
            arch=arch,
            metric=metric.name,
            value=float(np.mean([value for value, _ in values])),
            latency_ms=told[arch] if table else float(np.mean([ms for _, ms in values])),
            space=run.space,
            task=run.task,
            device=device,
            recipe=run.recipe,
            trainings=len(values),
        )
        for (arch, device), values in grouped.items()
    ]


def _sized(found: list[Network], space: SearchSpace | None) -> tuple[Network, ...]:
    """The networks with their parameters, where the space counts them."""
    if space is None or not found or "params_m" not in {q.name for q in space.quantities_info}:
        return tuple(found)
    params = space.quantities([n.arch for n in found])["params_m"].tolist()
    return tuple(n.model_copy(update={"params_m": p}) for n, p in zip(found, params, strict=True))


def _notes(
    metric: Metric,
    task: str,
    recipe: str,
    sizes: Counter[tuple[str, str]],
    runs: Sequence[tables.Run],
    table: Device | None,
) -> tuple[str, ...]:
    """Which accuracy is meant, and what else there is."""
    labels = f" as trained by {recipe}" if recipe else ""
    notes = [f"{metric.name} is on validation data of {task}{labels}; test values may differ"]
    others = sorted(f"{t} ({r})" if r else t for t, r in sizes if (t, r) != (task, recipe))
    notes += [f"left out: trainings of {', '.join(others)}"] if others else []
    devices = sorted({run.device for run in runs})
    if len(devices) > 1 and table is None:
        notes.append(f"latencies are of several devices ({', '.join(devices)}): name one")
    return tuple(notes)


def examples(
    db: sqlite3.Connection, claim: Claim, space: SearchSpace, most: int = 2
) -> tuple[Arch, ...]:
    """Trained networks that meet a claim's condition in its scope, most accurate first."""
    if unknown_in(space, claim.condition) is not None:
        return ()
    holds = predicate(space, claim.condition)
    runs = [r for r in tables.runs(db, space.name) if claim.scope.tasks in ((), (r.task,))]
    rows = [row for run in runs for row in members_of(space, tables.values_of(db, run.run))]
    if not rows:
        return ()
    metric = Metric.model_validate_json(runs[0].metric)
    met = (row for row in sorted(rows, key=lambda row: metric.error(row[1])) if holds(row[0]))
    return tuple(dict.fromkeys(row[0] for row in met))[:most]
