"""Phrases of questions as rules: a pattern, and the goals and limits it stands for.

Rules are tried in order: how much may change, then values, then goals, the plainest last.
"""

import re
from collections.abc import Callable, Sequence

from llm_nas.claims import Objective
from llm_nas.knowledge.query import Direction, Goal, Limit, Relation

_NUM = r"(\d{1,6}(?:[.,]\d{1,6})?)"
_PCT = r"\s?(?:%|percent|per cent|percentage points?|points?|pp)(?![\w])?"
_MS = r"\s?(milliseconds?|microseconds?|seconds?|msecs?|ms|us|µs|s)\b"
_MJ = r"\s?(?:mj|millijoules?)\b"
_MOST = (
    r"(?:less than|no more than|not more than|no longer than|at most|up to|under|below|within"
    r"|max(?:imum)?(?: of)?|<=|<|≤)\s?"
)
_LEAST = (
    r"(?:at least|no less than|not less than|more than|over|above|min(?:imum)?(?: of)?|>=|>|≥)\s?"
)
_THE = r"(?:the |any |its |of |in ){0,3}"
_ACC = rf"{_THE}(?:test |validation |top-?1 )?(?:accuracy|acc)\b"
_ERR = rf"{_THE}(?:test |classification )?error(?: rate)?\b"
_LAT = rf"{_THE}(?:inference )?(?:latency|latencies|delay|runtime|run time|inference time)\b"
_ENE = rf"{_THE}(?:energy|power)(?: use| consumption)?\b"
_LOSE = (
    r"(?:los(?:e|es|ing)|loss of|drop(?:s|ping)?|cost(?:s|ing)?|sacrific(?:e|es|ing)"
    r"|giv(?:e|ing) up|trad(?:e|ing)(?: away)?)\s"
)
_KEEP_OUT = r"(?:without|not|no|never|don't|do not|doesn't|nor)\s"
_LESS = (
    r"(?:low|lower|lowest|lowers|lowering|less|least|reduc\w+|decreas\w+|cut|cuts|cutting"
    r"|minimi[sz]\w+|shrink\w*|smaller|smallest|sav(?:e|es|ing))\s"
)
_MORE = r"(?:high|higher|highest|more|most|increas\w+|rais\w+|gain\w*|boost\w*|maximi[sz]\w+)\s"
_GOOD = r"(?:better|best|good|improv\w+|optimi[sz]\w+)\s"
_HARM = r"(?:worse|worsen\w*|harm\w*|hurt\w*|damag\w*|ruin\w*|los(?:e|es|ing)|cost\w*)\s"

_SECONDS = {"s": 1e3, "us": 1e-3, "µs": 1e-3, "microsecond": 1e-3, "second": 1e3}

Made = Sequence[Goal | Limit]
Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], Made]]


def _number(text: str) -> float:
    return float(text.replace(",", "."))


def _ms(match: re.Match[str], group: int = 1) -> float:
    unit = match[group + 1]
    return _number(match[group]) * _SECONDS.get(unit, _SECONDS.get(unit.rstrip("s"), 1.0))


def _goal(objective: Objective, direction: Direction | None) -> Goal:
    return Goal(objective=objective, direction=direction)


def _change(objective: Objective, amount: float) -> Limit:
    """A bound on a change: accuracy must not fall below it, the others not rise above it."""
    relation: Relation = "at least" if objective == "accuracy" else "at most"
    return Limit(objective=objective, of="change", relation=relation, amount=amount)


def _value(objective: Objective, relation: Relation, amount: float) -> Limit:
    return Limit(objective=objective, of="value", relation=relation, amount=amount)


def _rule(pattern: str, make: Callable[[re.Match[str]], Made]) -> Rule:
    return re.compile(pattern), make


_LOST = _change("accuracy", 0.0)
_SLOWED = _change("latency", 0.0)
_GAIN = _goal("accuracy", "raises")
_FAST = _goal("latency", "lowers")

RULES: tuple[Rule, ...] = (
    # how much may change
    _rule(
        rf"{_LOSE}(?:only |just )?(?:{_MOST})?{_NUM}{_PCT}(?:\s{_ACC})?",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"(?:{_MOST}){_NUM}{_PCT}\s(?:{_ACC}\s(?:loss|drop|cost)|(?:loss|drop)(?:\s{_ACC})?)",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"(?:{_ACC}\s(?:loss|drop)|(?:loss|drop)\s{_ACC})\s(?:of\s)?(?:{_MOST}){_NUM}{_PCT}",
        lambda m: [_change("accuracy", -_number(m[1]))],
    ),
    _rule(
        rf"{_KEEP_OUT}(?:{_HARM}|{_LESS}|lower\w*\s|drop\w*\s){_ACC}|no {_ACC} (?:loss|drop)"
        rf"|(?:the )?same {_ACC}|(?:keep|keeping|preserv\w+|maintain\w*) {_ACC}"
        rf"|without (?:a |any )?(?:loss|drop)(?: (?:of|in) {_ACC})?|no loss(?: of {_ACC})?",
        lambda _: [_LOST],
    ),
    _rule(
        rf"(?:gain|gaining|win|add|adding)\s(?:{_LEAST})?{_NUM}{_PCT}(?:\s{_ACC})?"
        rf"|(?:{_LEAST}){_NUM}{_PCT}\s(?:more accurate|higher {_ACC}|{_ACC} gain)",
        lambda m: [_GAIN, _change("accuracy", _number(m[1] or m[2]))],
    ),
    _rule(
        rf"(?:{_MOST}){_NUM}{_MS}\s(?:slower|more)\b",
        lambda m: [_change("latency", _ms(m))],
    ),
    _rule(
        rf"(?:{_LESS}{_LAT}\sby\s|sav(?:e|ing)\s)(?:{_LEAST})?{_NUM}{_MS}",
        lambda m: [_FAST, _change("latency", -_ms(m))],
    ),
    _rule(
        rf"(?:{_LEAST})?{_NUM}{_MS}\sfaster\b",
        lambda m: [_FAST, _change("latency", -_ms(m))],
    ),
    _rule(
        rf"{_KEEP_OUT}(?:getting |being |becoming )?(?:any )?slow(?:er|ing down)?\b"
        rf"|{_KEEP_OUT}(?:los\w+|harm\w*|hurt\w*) (?:speed|{_LAT})"
        rf"|{_KEEP_OUT}(?:rais\w+|increas\w+|more|higher|adding) {_LAT}"
        rf"|(?:the )?same (?:speed|{_LAT})|(?:keep|keeping) (?:{_THE}speed|{_LAT})",
        lambda _: [_SLOWED],
    ),
    # values
    _rule(
        rf"(?:{_LAT}\s(?:is\s|stays\s)?)?{_MOST}{_NUM}{_MS}(?:\s{_LAT})?",
        lambda m: [_value("latency", "at most", _ms(m))],
    ),
    _rule(
        rf"(?:{_LAT}\s(?:is\s)?)?{_LEAST}{_NUM}{_MS}(?:\s{_LAT})?",
        lambda m: [_value("latency", "at least", _ms(m))],
    ),
    _rule(
        rf"(?:{_ENE}\s(?:is\s)?)?{_MOST}{_NUM}{_MJ}(?:\s{_ENE})?",
        lambda m: [_value("energy", "at most", _number(m[1]))],
    ),
    _rule(
        rf"{_ERR}\s(?:is\s|of\s)?{_MOST}{_NUM}{_PCT}|{_MOST}{_NUM}{_PCT}\s{_ERR}",
        lambda m: [_value("accuracy", "at least", 100 - _number(m[1] or m[2]))],
    ),
    _rule(
        rf"{_ACC}\s(?:is\s|of\s|stays\s)?{_MOST}{_NUM}{_PCT}",
        lambda m: [_value("accuracy", "at most", _number(m[1]))],
    ),
    _rule(
        rf"(?:{_ACC}\s(?:is\s|of\s|stays\s)?)?{_LEAST}{_NUM}{_PCT}(?:\s(?:{_ACC}|accurate))?",
        lambda m: [_value("accuracy", "at least", _number(m[1]))],
    ),
    # goals
    _rule(rf"(?:{_LESS}|{_GOOD}){_ERR}", lambda _: [_GAIN]),
    _rule(rf"(?:{_MORE}|{_HARM}){_ERR}", lambda _: [_goal("accuracy", "lowers")]),
    _rule(
        rf"(?:{_LESS}|{_HARM}){_ACC}|less accurate|inaccurate",
        lambda _: [_goal("accuracy", "lowers")],
    ),
    _rule(rf"(?:{_MORE}|{_GOOD}){_ACC}|(?:more |most )?accurate(?:ly)?\b", lambda _: [_GAIN]),
    _rule(
        rf"(?:{_LESS}|{_GOOD}){_LAT}|low-latency|(?:fast|faster|fastest|quick|quicker|quickest)\b"
        r"|speed(?:s|ing)?(?: \w+)? up\b|speedup\b|(?<!less )(?<!lower )speed\b",
        lambda _: [_FAST],
    ),
    _rule(
        rf"(?:{_MORE}|{_HARM}){_LAT}|(?:slow|slows|slower|slowest|slowing)\b(?: down\b)?"
        r"|\bspeed\b",
        lambda _: [_goal("latency", "raises")],
    ),
    _rule(
        rf"(?:{_LESS}|{_GOOD}){_ENE}|\b(?:energy|power)[ -]efficien\w+",
        lambda _: [_goal("energy", "lowers")],
    ),
    _rule(rf"{_MORE}{_ENE}", lambda _: [_goal("energy", "raises")]),
    _rule(r"(?:best|better|good)\b", lambda _: [_GAIN]),
    _rule(rf"{_ACC}|{_ERR}|(?:bad|worse|worst)\b", lambda _: [_goal("accuracy", None)]),
    _rule(_LAT, lambda _: [_goal("latency", None)]),
    _rule(_ENE, lambda _: [_goal("energy", None)]),
)
