"""Drafts of spaces: written by a model or drawn at random, checked before anything is trained."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from llm_nas.agents.chat.options import ModelOptions, model_label
from llm_nas.domain import Arch, ContextName, Cost, Failure, Limits, Timing
from llm_nas.errors import DataError, RequestError
from llm_nas.frozen import Frozen
from llm_nas.ports import SearchSpace
from llm_nas.tools.contexts import Context, open_context
from llm_nas.tools.devices import open_device
from llm_nas.tools.spaces import open_space
from llm_nas.tools.spaces.macro.drafts import catalogue_in_words, form_in_words, random_file
from llm_nas.tools.tasks import shape_of

RANDOM = "random"
"""The model name that means: draw from the catalogue."""
REFERENCE_SPACE = "mobile"
"""Some of its networks are timed first, so that the model knows the device's scale."""
MEMBERS, REFERENCES, SIZED = 10, 4, 200
"""Members built and timed, networks of the reference space, members whose size is worked out."""
LIMITED = ("latency_ms", "params_m", "macs_m")
FEWEST = 100
"""Networks below which a space is no space."""
TRIES = 4


class DraftRequest(Frozen):
    """What a space is wanted for."""

    task: str
    device: str
    model: str
    limits: Limits = Limits()
    seed: int = 0
    data_dir: Path | None = None


class Member(Frozen):
    """One network of a draft, built and timed."""

    arch: Arch
    params_m: float
    macs_m: float
    latency_ms: float | None = None
    failure: str = ""
    breaks: tuple[str, ...] = ()
    """Limits it is over."""


class DraftReport(Frozen):
    """What was written and what its members are like."""

    model: str
    space: str
    networks: float
    """Size of the space."""
    members: tuple[Member, ...]
    within_limits: int
    """Of the members."""
    sent_back: int
    problems: tuple[str, ...]
    plan: str = ""
    notes: tuple[str, ...] = ()
    cost: Cost = Cost()
    text: str


@dataclass
class _Checker:
    """Opens, builds and times what a text describes; keeps what the last one was like."""

    request: DraftRequest
    folder: Path
    members: tuple[Member, ...] = ()
    space: SearchSpace | None = None
    notes: list[str] = field(default_factory=list[str])

    def __call__(self, text: str) -> None:
        """`RequestError` with what is wrong."""
        path = self.folder / "space.toml"
        path.write_text(text, encoding="utf-8")
        try:
            self.space = open_space(str(path), shape_of(self.request.task))
        except RequestError as error:
            raise RequestError(str(error).replace(str(path), "the file")) from None
        if self.space.log10_size < np.log10(FEWEST):
            raise RequestError(f"the space holds fewer than {FEWEST} networks: give more choices")
        self.members = self._members(self.space)
        self._refuse_failures()
        self._refuse_limits()

    def _members(self, space: SearchSpace) -> tuple[Member, ...]:
        rng = np.random.default_rng(self.request.seed)
        drawn = list(dict.fromkeys(space.sample(rng) for _ in range(SIZED)))
        sizes = space.quantities(drawn).get("macs_m")
        smallest = [] if sizes is None else [drawn[int(np.argmin(sizes))]]
        archs = list(dict.fromkeys([*drawn[:MEMBERS], *smallest]))
        device = open_device(
            self.request.device, space, self.request.task, data_dir=self.request.data_dir
        )
        return _timed(space, device.measure(archs), self.request.limits)

    def _refuse_failures(self) -> None:
        failed = [m for m in self.members if m.failure]
        if 2 * len(failed) > len(self.members):
            raise RequestError(
                f"{len(failed)} of {len(self.members)} random networks do not run: "
                f"{failed[0].arch}: {failed[0].failure}"
            )

    def _refuse_limits(self) -> None:
        """Whether limits can be met is known before anything is trained."""
        running = [m for m in self.members if not m.failure]
        if any(not m.breaks for m in running):
            return
        least = {name: min(getattr(m, name) for m in running) for name in LIMITED}
        told = ", ".join(f"{name} {value:.4g}" for name, value in least.items())
        limits = self.request.limits.model_dump(exclude_none=True)
        wanted = ", ".join(f"{name} {value:g}" for name, value in limits.items())
        raise RequestError(
            f"none of {len(running)} networks (random ones and the smallest of {SIZED}) keeps the "
            f"limits ({wanted}); the least they have: {told}"
        )


def _timed(
    space: SearchSpace, answers: Sequence[Timing | Failure], limits: Limits
) -> tuple[Member, ...]:
    sizes = space.quantities([a.arch for a in answers])

    def member(n: int, answer: Timing | Failure) -> Member:
        found = Member(
            arch=answer.arch,
            params_m=float(sizes["params_m"][n]),
            macs_m=float(sizes["macs_m"][n]),
            latency_ms=None if isinstance(answer, Failure) else answer.median_ms,
            failure=answer.reason if isinstance(answer, Failure) else "",
        )
        if found.failure:
            return found
        return found.model_copy(update={"breaks": _broken(found, limits)})

    return tuple(member(n, answer) for n, answer in enumerate(answers))


def _broken(member: Member, limits: Limits) -> tuple[str, ...]:
    return tuple(
        name
        for name in LIMITED
        if (limit := getattr(limits, f"max_{name}")) is not None and getattr(member, name) > limit
    )


def draft_space(
    request: DraftRequest,
    out: Path,
    *,
    options: ModelOptions | None = None,
    transport: Any = None,
    note: Callable[[str], None] = lambda line: None,
) -> DraftReport:
    """Write `out`, a space for a task, a device and limits; what its members are like.

    Args:
        request: What it is for and who writes it; `random` draws from the catalogue.
        out: A TOML file that is not there yet.
        options: How the model is used.
        transport: Replaces the providers (scripted models).
        note: Told of requests that wait for a person.

    Raises:
        RequestError: No draft passed the check, the file is there already, or the device cannot
            time networks of a new space.
    """
    if out.suffix != ".toml" or out.exists():
        raise RequestError(f"--out {out}: expected a new file that ends in .toml")
    with tempfile.TemporaryDirectory(prefix="llm-nas-draft-") as folder:
        checker = _Checker(request, Path(folder))
        made = (
            _drawn(checker)
            if request.model == RANDOM
            else _written(request, checker, options, transport, note)
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(made.text, encoding="utf-8")
    return made.model_copy(update={"space": str(out)})


def _drawn(checker: _Checker) -> DraftReport:
    """The first of some random files that passes the check."""
    rng = np.random.default_rng(checker.request.seed)
    problems: list[str] = []
    for _ in range(TRIES):
        text = random_file(rng)
        try:
            checker(text)
        except RequestError as error:
            problems.append(str(error))
        else:
            return _report(checker, text, problems)
    raise RequestError(f"--model {RANDOM}: no draft of {TRIES} can be used: {problems[-1]}")


def _written(
    request: DraftRequest,
    checker: _Checker,
    options: ModelOptions | None,
    transport: Any,
    note: Callable[[str], None],
) -> DraftReport:
    from llm_nas.agents.model.draft import draft

    told = draft(
        request.model, _facts(request), checker, options=options, transport=transport, note=note
    )
    report = _report(checker, told.text, told.problems)
    return report.model_copy(
        update={"plan": told.plan, "cost": told.cost, "sent_back": told.sent_back}
    )


def _report(checker: _Checker, text: str, problems: Sequence[str]) -> DraftReport:
    assert checker.space is not None
    return DraftReport(
        model=model_label(checker.request.model),
        space="",
        networks=float(10.0**checker.space.log10_size),
        members=checker.members,
        within_limits=sum(not m.breaks and not m.failure for m in checker.members),
        sent_back=len(problems),
        problems=tuple(problems),
        text=text,
    )


def _facts(request: DraftRequest) -> list[tuple[str, str]]:
    """What a model is told: the form, the blocks, task and device, the device's scale."""
    name = ContextName(space=REFERENCE_SPACE, task=request.task, device=request.device)
    try:
        context = open_context(name, data_dir=request.data_dir)
    except DataError as error:
        raise RequestError(str(error)) from error
    bounds = request.limits.model_dump(exclude_none=True)
    limits = "\n".join(f"{key}: {value:g}" for key, value in bounds.items())
    shape = shape_of(request.task)
    size = "" if shape is None else f"{shape.channels} x {shape.height} x {shape.width}"
    images = "" if shape is None else f"Images of {size}, {shape.classes} classes."
    label = context.label
    return [
        ("Form of the file", form_in_words()),
        ("Catalogue of blocks", catalogue_in_words()),
        ("Task and device", f"{label.task} on {label.device}. {images}\n{context.about}"),
        ("Hard limits", limits or "none"),
        (f"Networks of the shipped space {REFERENCE_SPACE}, timed", _references(context, request)),
    ]


def _references(context: Context, request: DraftRequest) -> str:
    rng = np.random.default_rng(request.seed)
    space = context.space
    drawn = sorted(
        {space.sample(rng) for _ in range(SIZED)},
        key=lambda arch: float(space.quantities([arch])["macs_m"][0]),
    )
    places: list[int] = np.linspace(0, len(drawn) - 1, REFERENCES).round().astype(int).tolist()
    timed = context.device.measure([drawn[place] for place in places])
    return "\n".join(
        f"{m.arch}: {m.macs_m:.3g} M multiply-adds, {m.params_m:.3g} M parameters, "
        f"{m.failure or f'{m.latency_ms:.4g} ms'}"
        for m in _timed(space, timed, Limits())
    )
