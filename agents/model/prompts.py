"""Prompt files: loaded, versioned, hashed, filled; and how long a prompt may get.

A file under `prompts/` starts with its version and has a `=== system ===` and a
`=== user ===` part (the first is optional). `${name}` is filled in; a missing or unknown
name is an error, so that no prompt silently loses a part.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from string import Template

from llm_nas.agents.chat.transport import Message, estimate_tokens

PROMPTS = ("designer", "opener", "analyst", "drafter", "repair")
TOKEN_LIMITS = {"designer": 3600, "opener": 4200, "analyst": 3600, "drafter": 6000}
"""Most tokens, as estimated, of a filled prompt (system and user part together)."""
_VERSION = re.compile(r"<!-- version: (\d+) -->\n")
_PART = re.compile(r"^=== (system|user) ===\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file."""

    name: str
    version: int
    digest: str
    """First 12 hex digits of the file's SHA-256."""
    system: str
    user: str

    @property
    def label(self) -> str:
        """Name, version and hash, as traces carry it."""
        return f"{self.name} v{self.version} {self.digest}"

    def fill(self, **values: str) -> tuple[Message, ...]:
        """The messages with every `${name}` filled in; KeyError for a missing value."""
        user = Message("user", Template(self.user).substitute(values).strip())
        if not self.system:
            return (user,)
        return (Message("system", Template(self.system).substitute(values).strip()), user)

    def fill_within(
        self, limit_tokens: int, sections: Sequence["Section"], **values: str
    ) -> tuple[Message, ...]:
        """The messages with as much of `sections` as fits the limit."""
        bare = self.fill(**values, sections="")
        used = sum(estimate_tokens(message.content) for message in bare)
        return self.fill(**values, sections=fit(sections, limit_tokens - used))


@cache
def load_prompt(name: str) -> Prompt:
    """Read `prompts/<name>.md` of the installed package."""
    file = resources.files("llm_nas.agents.model").joinpath(f"prompts/{name}.md")
    text = file.read_text("utf-8")
    head = _VERSION.match(text)
    pieces = _PART.split(text)
    parts = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    if head is None or "user" not in parts:
        raise ValueError(f"prompt {name}: no version line or no user part")
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return Prompt(name, int(head[1]), digest, parts.get("system", ""), parts["user"])


def prompt_labels() -> dict[str, str]:
    """Name, version and hash of every prompt file, for a run's versions."""
    return {name: load_prompt(name).label for name in PROMPTS}


@dataclass(frozen=True, slots=True)
class Section:
    """A headed list in a prompt, most important line first."""

    heading: str
    lines: tuple[str, ...]
    keep: int = 1
    """Lines that are never dropped."""

    def render(self) -> str:
        """Markdown, or nothing for an empty section."""
        return "\n".join([f"## {self.heading}", *self.lines, ""]) if self.lines else ""


def fit(sections: Sequence[Section], limit_tokens: int) -> str:
    """Render sections within a limit, dropping last lines of the longest section first."""
    kept = list(sections)
    while True:
        text = "\n".join(part for part in (s.render() for s in kept) if part)
        if estimate_tokens(text) <= limit_tokens:
            return text
        longest = max(range(len(kept)), key=lambda i: len(kept[i].lines) - kept[i].keep)
        section = kept[longest]
        if len(section.lines) <= section.keep:
            return text
        kept[longest] = Section(section.heading, section.lines[:-1], section.keep)
