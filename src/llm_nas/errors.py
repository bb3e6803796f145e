"""Every error the project raises on purpose, by whose fault it is.

A message is one line: what was given, what was expected, what to do.
"""

from pydantic import ValidationError


class LlmNasError(Exception):
    """Root of all errors raised on purpose; `exit_code` is what the shell sees."""

    exit_code = 1
    many_lines = False
    """Whether more lines follow the first one, for people to read."""


class RequestError(LlmNasError):
    """The request is wrong: an unknown name, a bad number, a malformed architecture string."""

    exit_code = 2


class DataError(RequestError):
    """A table, CSV or pack is missing, unreadable, half-written or holds impossible values."""


class FetchError(DataError):
    """A download failed, was cut short or has the wrong hash."""


class ModelReplyError(LlmNasError):
    """A language model refused, failed or answered something unusable."""


class ToolError(LlmNasError):
    """A tool (predictor, proxy, latency table) could not measure a cell."""


class StoreError(LlmNasError):
    """The heuristic store or a run directory cannot be read or written."""

    exit_code = 2


class BudgetError(LlmNasError):
    """More was asked for than the evaluation budget allows."""


class RunStopped(LlmNasError):
    """A run ended early and can be resumed."""

    exit_code = 3


def first_problem(error: ValidationError, dashes: str = "") -> str:
    """The first problem of refused fields in one line: name, value and what is allowed."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    name = f"{dashes}{name.replace('_', '-')}" if dashes else name
    return f"{name} {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
