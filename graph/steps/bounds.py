"""Hard limits as numbers: what a person set, and what follows from them before any timing."""

from collections.abc import Mapping

from llm_nas.domain import Limits, SearchRequest

_MB_A_MILLION = {"fp32": 4.0, "int8": 1.0}
"""Size of a million weights in an exported file."""


def excess(request: SearchRequest, figures: Mapping[str, float]) -> float:
    """The greatest ratio of a figure to its limit; at most 1 where all limits are met."""
    found = ((figure(request, figures, name), limit) for name, limit in wanted(request).items())
    return max((value / limit for value, limit in found if value is not None), default=0.0)


def searched_within(request: SearchRequest, span_ms: float | None) -> Limits:
    """The limits an Advisor keeps to: a person's, the baselines' span, files as parameters."""
    limits = request.limits
    latency = [ms for ms in (limits.max_latency_ms, span_ms) if ms is not None]
    params = [] if limits.max_params_m is None else [limits.max_params_m]
    if limits.max_file_mb is not None:
        params.append(limits.max_file_mb / _MB_A_MILLION[request.precision])
    return Limits(
        max_latency_ms=min(latency, default=None),
        max_params_m=min(params, default=None),
        max_macs_m=limits.max_macs_m,
        max_file_mb=limits.max_file_mb,
    )


def wanted(request: SearchRequest) -> dict[str, float]:
    """A person's limits by the figure they bound."""
    given = request.limits.model_dump(exclude_none=True)
    return {name.removeprefix("max_"): float(limit) for name, limit in given.items()}


def figure(request: SearchRequest, figures: Mapping[str, float], name: str) -> float | None:
    """A figure of a network; a file's size follows from the parameters where no file was made."""
    if name == "file_mb" and name not in figures and "params_m" in figures:
        return figures["params_m"] * _MB_A_MILLION[request.precision]
    return figures.get(name)
