"""One HTML file for one or more runs: no server, no network, no markup from a run.

Runs are embedded as JSON in which `<`, `>` and `&` are escaped, the script writes text nodes
only, and the page's own policy (CSP) allows nothing but its script and style, by hash.
"""

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files

from llm_nas.errors import RequestError
from llm_nas.evaluation.page.data import PageRun

_UNSAFE = "<>&\u2028\u2029"
_ESCAPES: dict[int, str] = {ord(sign): f"\\u{ord(sign):04x}" for sign in _UNSAFE}


def embedded_json(value: object) -> str:
    """JSON that is safe inside a `<script>` element, whatever strings it holds."""
    text = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return text.translate(_ESCAPES)


def render_page(runs: Sequence[PageRun]) -> str:
    """The page as text.

    Raises:
        RequestError: For no runs.
    """
    if not runs:
        raise RequestError("report: no run given")
    parts = files("llm_nas.evaluation.page")
    frame, style, script = (
        (parts / name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}"
    title = ", ".join(dict.fromkeys(f"{run.task} on {run.device}" for run in runs))
    filled = {
        "POLICY": policy,
        "TITLE": html.escape(f"llm-nas: {title}"),
        "STYLE": style,
        "DATA": embedded_json([run.model_dump(mode="json") for run in runs]),
        "SCRIPT": script,
    }
    # One pass over the frame, so that no filled-in text is itself filled.
    pieces = frame.split("@@")
    return "".join(filled[p] if i % 2 else p for i, p in enumerate(pieces))


def _hash(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
