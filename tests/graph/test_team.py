"""Checkpoints on a real Postgres server: used, lost in the middle of a run, and found again."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import pytest

from llm_nas.domain import SearchRequest
from llm_nas.errors import RequestError, RunStopped, StoreError
from llm_nas.graph.record.checkpoint import URL_VARIABLE, open_checkpointer
from llm_nas.graph.run import Inputs
from llm_nas.graph.search import resume, search


class Server:
    """A Postgres of the test's own, on a free port, under the user that may run it."""

    def __init__(self, folder: Path) -> None:
        programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        found = shutil.which("initdb")
        self._bin = programs[-1] if programs else Path(found).parent if found else None
        if self._bin is None:
            pytest.skip("needs a Postgres server: initdb is not installed")
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.sockets = tempfile.mkdtemp(prefix="pg", dir="/tmp")  # their paths must be short
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
            shutil.chown(self.sockets, "postgres", "postgres")
            for parent in folder.parents:
                if parent == Path("/tmp"):
                    break
                parent.chmod(0o755)
        self._run("initdb", "-D", str(folder), "-U", "postgres", "-A", "trust")

    def _run(self, program: str, *arguments: str) -> None:
        # Postgres refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*user, f"{self._bin}/{program}", *arguments]
        log = (self.folder.parent / "postgres.log").open("a")
        with log:
            done = subprocess.run(command, stdout=log, stderr=log, timeout=120)
        assert done.returncode == 0, Path(log.name).read_text()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.sockets}"
        self._run("pg_ctl", "-D", str(self.folder), "-w", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.folder), "-m", "immediate", "-w", "stop")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Server]:
    pytest.importorskip("psycopg", reason="needs the extra team")
    made = Server(tmp_path / "postgres")
    made.start()
    monkeypatch.setenv(URL_VARIABLE, made.url)
    try:
        yield made
    finally:
        if (made.folder / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(made.sockets, ignore_errors=True)


def request(tmp_path: Path) -> SearchRequest:
    return SearchRequest(
        space="nb201",
        trainings=16,
        opening=6,
        batch=5,
        out=tmp_path / "run",
        store=tmp_path / "store",
    )


@pytest.mark.slow
def test_a_server_that_goes_away_costs_time_only(server: Server, tmp_path: Path) -> None:
    import psycopg

    told: list[float] = []

    def progress(event: Mapping[str, Any]) -> None:
        if "trainings" in event:
            told.append(float(event["trainings"]))
            if len(told) == 1:
                server.stop()

    with pytest.raises(RunStopped, match=r"checkpoint server went away.*--resume"):
        search(request(tmp_path), Inputs(progress=progress))
    server.start()
    report = resume(tmp_path / "run")
    assert report.trainings == 16
    with psycopg.connect(server.url) as connection:
        (count,) = connection.execute("select count(*) from checkpoints").fetchone() or (0,)
    assert count > 0


def test_a_server_that_is_not_there_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("psycopg", reason="needs the extra team")
    monkeypatch.setenv(URL_VARIABLE, "postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(StoreError, match=URL_VARIABLE) as caught, open_checkpointer(tmp_path):
        pass
    assert "\n" not in str(caught.value)


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setenv(URL_VARIABLE, "postgresql://127.0.0.1/none")
    with pytest.raises(RequestError, match=r"llm-nas\[team\]"), open_checkpointer(tmp_path):
        pass
