"""`llm-nas data build-reference`: computes reference fronts and freezes them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from llm_nas.domain import Arch, ContextName, FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.evolve import DEFAULT_EFFORT, Effort, evolved_front
from llm_nas.evaluation.reference import Reference, save
from llm_nas.evaluation.truth import Truth, open_truth
from llm_nas.ports import SearchSpace
from llm_nas.tools.data.tabulated import device_names
from llm_nas.tools.data.truth.model import TASK_OF

COMMAND = "llm-nas data build-reference --contexts {context}"


def all_contexts() -> tuple[ContextName, ...]:
    """Every context of a truth model."""
    return tuple(
        ContextName(space=space, task=task, device=device)
        for space, task in TASK_OF.items()
        for device in device_names(space)
    )


def build_references(
    contexts: Sequence[tuple[ContextName, SearchSpace]],
    *,
    data_dir: Path | None = None,
    path: Path | None = None,
    effort: Effort = DEFAULT_EFFORT,
    say: Callable[[str], None] = lambda line: None,
) -> dict[str, int]:
    """Compute the front of every context and write it as soon as it is known.

    Returns:
        Members of every front, by context.

    Raises:
        RequestError: No truth is known of a context, or its front needs no freezing.
    """
    sizes: dict[str, int] = {}
    for context, space in contexts:
        truth = open_truth(context, space, data_dir)
        if truth is None:
            raise RequestError(f"{context}: no truth is known, so there is no reference front")
        if truth.archs is not None:
            raise RequestError(f"{context}: its front is computed from its tables, never frozen")
        found = _evolved(truth, space, effort, say)
        found = replace(found, command=COMMAND.format(context=context))
        save({str(context): found}, path)
        sizes[str(context)] = len(found.archs)
        say(f"{context}: {len(found.archs)} on the front, {found.origin}")
    return sizes


def _evolved(
    truth: Truth, space: SearchSpace, effort: Effort, say: Callable[[str], None]
) -> Reference:
    def judge(archs: Sequence[Arch]) -> tuple[FloatArray, FloatArray]:
        return truth.errors(archs), truth.latencies_ms(archs)

    archs, errors, latencies_ms = evolved_front(
        space.choices, judge, effort, lambda line: say(f"{truth.context}: {line}")
    )
    origin = f"union of evolved runs of {effort.evaluations} evaluations and their neighbours"
    return Reference(archs, latencies_ms, errors, origin, truth.digest)
