"""Which ablations to compare, and how their differences are told."""

from collections.abc import Iterator, Sequence

from llm_nas.errors import RequestError
from llm_nas.experiments.methods import OFFLINE
from llm_nas.experiments.summary import ContextSummary, MethodSummary
from llm_nas.experiments.variants import VARIANTS, WHOLE

ALL = "all"


def ablation_methods(without: str) -> tuple[str, ...]:
    """The whole system first, then `all` ablations or those of a comma-separated list.

    `advisor` is short for `offline-no-advisor`.

    Raises:
        RequestError: For an unknown ablation.
    """
    asked = [name for part in without.split(",") if (name := part.strip())]
    names = list(VARIANTS) if asked == [ALL] else [_named(name) for name in asked]
    if not names:
        raise RequestError(f"--without: empty; use all or some of {', '.join(_short())}")
    return tuple(dict.fromkeys((OFFLINE, *names)))


def _named(name: str) -> str:
    found = next((v for v in (name, f"offline-no-{name}", f"offline-{name}") if v in VARIANTS), "")
    if not found:
        raise RequestError(f"--without {name!r}: expected all or some of {', '.join(_short())}")
    return found


def _short() -> list[str]:
    return [name.removeprefix("offline-").removeprefix("no-") for name in VARIANTS]


def legend(methods: Sequence[str]) -> Iterator[str]:
    """What every method of an ablation is, in words."""
    for method in methods:
        yield f"{method}: {VARIANTS.get(method, WHOLE).words}"


def differences(
    summaries: Sequence[MethodSummary], places: Sequence[ContextSummary]
) -> Iterator[str]:
    """What `hv` loses without each part, in Markdown: in all, and by context."""
    yield f"| without | hv | {' | '.join(f'{c.task} on {c.device}' for c in places)} |"
    yield "|---" * (len(places) + 2) + "|"
    whole = summaries[0]
    for s in summaries[1:]:
        by_place = [c.hv[s.method] - c.hv[whole.method] for c in places]
        cells = [f"{s.hv.mean - whole.hv.mean:+.4f}", *(f"{d:+.3f}" for d in by_place)]
        yield f"| {s.method} | {' | '.join(cells)} |"
