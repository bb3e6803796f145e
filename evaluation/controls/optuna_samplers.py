"""Optuna's TPESampler and GPSampler with latency as the second objective.

Ordered choices are integers (positions in the list of values), the others categories. TPE is
asked for active choices only, as Optuna's users write conditional spaces. The process of
GPSampler draws what is not asked for in every trial at random, so it is asked for every choice
and inactive ones are ignored. What was trained before is told its known result and another one
is asked for; in a pool of rows the nearest new row stands for a suggestion that is no row.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import Trial, TrialState, create_trial

from llm_nas.choices import Choice
from llm_nas.conditions import Facts, Value, matches
from llm_nas.domain import Arch
from llm_nas.errors import RequestError
from llm_nas.evaluation.controls.control import Point, Problem
from llm_nas.ports import Enumerable

OPENING = 12
_REPEATS = 5
"""Suggestions already trained before a neighbour of the last one is taken."""


def _study(sampler: str, seed: int) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        made: optuna.samplers.BaseSampler
        if sampler == "gp":
            made = optuna.samplers.GPSampler(seed=seed, warn_independent_sampling=False)
        else:
            made = optuna.samplers.TPESampler(seed=seed)
        return optuna.create_study(directions=["minimize", "minimize"], sampler=made)


def _distribution(choice: Choice) -> BaseDistribution:
    if choice.ordered:
        return IntDistribution(0, len(choice.values) - 1)
    return CategoricalDistribution(choice.values)


class _Rows:
    """The members of a pool, for finding the nearest one to a suggestion."""

    def __init__(self, problem: Problem, members: Sequence[Arch]) -> None:
        self._problem, self._archs = problem, list(members)
        self._choices = problem.space.choices
        values = (problem.space.values(arch) for arch in self._archs)
        self._positions = np.array([self._row(v) for v in values])

    def _row(self, values: Mapping[str, Value]) -> list[float]:
        return [float(c.values.index(values.get(c.name, c.values[0]))) for c in self._choices]

    def nearest(self, values: Mapping[str, Value]) -> Arch | None:
        """The open member with the fewest (ordered: smallest) changes; None when all are used."""
        away = np.abs(self._positions - np.array(self._row(values)))
        spans = [float(len(c.values) - 1) if c.ordered else 1.0 for c in self._choices]
        plain = np.array([not c.ordered for c in self._choices])
        away = np.where(plain, away > 0, away / np.maximum(spans, 1.0))
        nearest: list[int] = np.argsort(away.sum(axis=1), kind="stable").tolist()
        found = (self._archs[i] for i in nearest)
        return next((arch for arch in found if self._problem.is_open(arch)), None)


class _Optuna:
    """A study that is asked and told; `first` is trained before the sampler is asked."""

    sampler = "tpe"

    def __init__(self, problem: Problem, seed: int) -> None:
        self._problem, self._rng = problem, np.random.default_rng(seed)
        self._study = _study(self.sampler, seed)
        self._told: dict[Arch, Point] = {}
        self._trial: Trial | None = None
        self._first: list[Arch] = []
        self._rows: _Rows | None = None

    def ask(self) -> Arch | None:
        """What is left of the opening, then the sampler's suggestions."""
        self._trial = None
        while self._first:
            opening = self._first.pop(0)
            if self._problem.is_open(opening):
                return opening
        arch: Arch | None = None
        for _ in range(_REPEATS):
            trial = self._study.ask()
            arch = self._suggestion(trial)
            if arch is not None and self._problem.is_open(arch):
                return arch
            self._refuse(trial, arch)
        return self._problem.near(arch, self._rng) if arch else self._problem.draw(self._rng)

    def _suggestion(self, trial: Trial) -> Arch | None:
        """The suggested member; `_trial` stays None when another one stands for it."""
        values = self._values(trial)
        try:
            arch = self._problem.space.arch(values)
        except RequestError:
            if not isinstance(self._problem.space, Enumerable):
                raise
            self._study.tell(trial, state=TrialState.FAIL)
            self._rows = self._rows or _Rows(self._problem, list(self._problem.space))
            return self._rows.nearest(values)
        self._trial = trial
        return arch

    def _values(self, trial: Trial) -> dict[str, Value]:
        values: dict[str, Value] = {}
        for choice in self._problem.space.choices:
            if self._asked(choice, values):
                if len(choice.values) == 1:
                    values[choice.name] = choice.values[0]
                elif choice.ordered:
                    at = trial.suggest_int(choice.name, 0, len(choice.values) - 1)
                    values[choice.name] = choice.values[at]
                else:
                    drawn: Any = trial.suggest_categorical(choice.name, choice.values)
                    values[choice.name] = drawn
        return values

    def _asked(self, choice: Choice, values: Mapping[str, Value]) -> bool:
        if choice.active_when is None or self.sampler == "gp":
            return True
        return matches(choice.active_when, Facts(values, self._problem.space.groups))

    def _refuse(self, trial: Trial, arch: Arch | None) -> None:
        """Tell the known result of an architecture trained before; fail one that cannot run."""
        if self._trial is None:
            return
        known = self._told.get(self._problem.space.twin(arch)) if arch else None
        if known is not None:
            self._study.tell(trial, known)
        else:
            self._study.tell(trial, state=TrialState.FAIL)
        self._trial = None

    def tell(self, arch: Arch, point: Point | None) -> None:
        """Finish the trial, or add one for an architecture the sampler did not suggest."""
        if point is not None:
            self._told[self._problem.space.twin(arch)] = point
        if self._trial is not None:
            failed = TrialState.FAIL if point is None else None
            self._study.tell(self._trial, point, state=failed)
        elif point is not None:
            self._study.add_trial(self._finished(arch, point))

    def _finished(self, arch: Arch, point: Point) -> optuna.trial.FrozenTrial:
        held = self._problem.space.values(arch)
        params: dict[str, Any] = {}
        known: dict[str, BaseDistribution] = {}
        for choice in self._problem.space.choices:
            if len(choice.values) == 1 or (choice.name not in held and self.sampler != "gp"):
                continue
            value = held.get(choice.name, choice.values[0])
            params[choice.name] = choice.values.index(value) if choice.ordered else value
            known[choice.name] = _distribution(choice)
        return create_trial(params=params, distributions=known, values=list(point))


class OptunaTpe(_Optuna):
    """The tree-structured Parzen estimator with its defaults."""

    sampler = "tpe"


class OptunaGp(_Optuna):
    """The Gaussian process with expected hypervolume improvement, with its defaults."""

    sampler = "gp"


class OpenedOptunaGp(OptunaGp):
    """The same, told the zero-cost opening first."""

    def __init__(self, problem: Problem, seed: int) -> None:
        super().__init__(problem, seed)
        self._first = list(problem.opening(OPENING, np.random.default_rng(seed)))
