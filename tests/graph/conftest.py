"""Requests in a small world of a user's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import SearchRequest
from tests.tiny import write_world

RequestMaker = Callable[..., SearchRequest]


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Names of space, task and device."""
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def request_of(world: dict[str, str], tmp_path: Path) -> RequestMaker:
    """Requests in this world, each run in a folder of its own."""

    def make(name: str = "run", **fields: Any) -> SearchRequest:
        asked: dict[str, Any] = {"trainings": 24, "opening": 8, "batch": 4, "seed": 0}
        return SearchRequest.model_validate({**world, "out": tmp_path / name, **asked, **fields})

    return make
