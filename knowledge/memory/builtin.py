"""Playbooks that ship: what searches of this project learnt on tabulated spaces.

Each file holds claims about accuracy with the evidence of one search's trainings. They are a prior
for spaces that have all that a claim speaks of, and are loaded only where somebody asks for them.
"""

import json
from importlib import resources
from pathlib import Path

from llm_nas.claims import Heuristic
from llm_nas.knowledge.claims.edits import unknown_in
from llm_nas.ports import SearchSpace

BUILTIN = "builtin"
"""What `--store` calls them."""


def is_builtin(store: Path | None) -> bool:
    """Whether a request asks for what ships instead of a folder."""
    return store is not None and str(store) == BUILTIN


def builtin_claims(space: SearchSpace) -> tuple[Heuristic, ...]:
    """Claims that ship and can be told of this space, its own first."""
    folder = resources.files("llm_nas.knowledge").joinpath("data")
    bodies = [json.loads(file.read_text("utf-8")) for file in folder.iterdir()]
    found = [Heuristic.model_validate(h) for body in bodies for h in body["heuristics"]]
    here = [h for h in found if unknown_in(space, h.claim.condition) is None]
    return tuple(sorted(here, key=lambda h: (h.claim.scope.space != space.name, h.id)))
