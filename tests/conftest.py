"""Fixtures every folder's tests share."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from llm_nas.threads import limit_threads

limit_threads()
os.environ["LANGSMITH_TRACING"] = "false"
# Fixtures of a whole module run before any test's own home is set: they get one of the session.
for _variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
    os.environ[_variable] = tempfile.mkdtemp(prefix="llm-nas-tests-")
os.environ["ANONYMIZED_TELEMETRY"] = "false"


def _folder(variable: str) -> Path:
    value = os.environ.get(variable, "")
    if not value or not Path(value).is_dir():
        pytest.skip(f"needs the public benchmark tables: {variable} names no folder")
    return Path(value)


@pytest.fixture(scope="session")
def tables() -> Path:
    """The folder of real benchmark tables."""
    return _folder("LLM_NAS_DATA")


@pytest.fixture(scope="session")
def upstream() -> Path:
    """The folder of the public files as published."""
    return _folder("LLM_NAS_UPSTREAM")


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep caches and the default heuristic store of every test in its own folder."""
    for variable in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection that would leave the machine is an error."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            host = address[0]
            if host not in ("127.0.0.1", "::1", "localhost"):
                raise AssertionError(f"a test tried to connect to {host}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
