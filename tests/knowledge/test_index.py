"""The index of meanings: caught up batch by batch, in files or on a Chroma server."""

import itertools
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import numpy.typing as npt
import pytest

from llm_nas.claims import Claim, OpAt, OpCount
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge import chroma, embedding, index
from llm_nas.knowledge.chroma import URL_VARIABLE
from llm_nas.knowledge.index import Entry, Index
from llm_nas.knowledge.store import HeuristicStore
from llm_nas.ports import Lesson
from llm_nas.tools.space import EDGES, OPERATIONS

POOL = OpCount(op="avg_pool_3x3", relation="ge", count=2)


@pytest.fixture
def filled(
    store: HeuristicStore, claim: Callable[..., Claim], lesson: Callable[..., Lesson]
) -> HeuristicStore:
    """A store of 31 untested claims."""
    places = [OpAt(edge=edge, op=op) for edge in EDGES for op in OPERATIONS]
    store.learn(lesson(*map(claim, [*places, POOL]), cells=5))
    return store


def _found(store: HeuristicStore, url: str | None = None) -> int:
    """Claims that the index of a store holds."""
    meaning = Index(store.folder, url)
    try:
        return len(meaning.search("pooling", 100, store).near)
    finally:
        meaning.close()


def test_a_question_waits_for_a_part_of_the_index_only(
    filled: HeuristicStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BATCH", 10)
    monkeypatch.setattr(index, "CATCH_UP_SECONDS", -1.0)
    meaning = Index(filled.folder)
    found = [meaning.search("pooling", 100, filled) for _ in range(5)]
    meaning.close()
    assert [len(one.near) for one in found] == [10, 20, 30, 31, 31]
    assert "only 20 claims are indexed" in found[1].notes[0]
    assert found[-1].notes == ()


class _Dying:
    """Changes that end in a kill after a few entries."""

    def __init__(self, store: HeuristicStore) -> None:
        self._store = store

    def newest(self) -> int:
        return self._store.newest()

    def entries(self, after: tuple[int, str]) -> Iterator[Entry]:
        yield from itertools.islice(self._store.entries(after), 25)
        raise KeyboardInterrupt


def test_a_kill_between_batches_loses_none(
    filled: HeuristicStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "BATCH", 10)
    meaning = Index(filled.folder)
    with pytest.raises(KeyboardInterrupt):
        meaning.search("pooling", 100, _Dying(filled))
    meaning.close()
    assert _found(filled) == 31


def test_a_new_status_is_taken_over_without_a_new_vector(
    store: HeuristicStore,
    claim: Callable[..., Claim],
    lesson: Callable[..., Lesson],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.learn(lesson(claim(), cells=5))
    assert _found(store) == 1
    store.learn(lesson(cells=80, generation=1))
    embed = embedding.embed

    def question_only(texts: Sequence[str]) -> npt.NDArray[np.float32]:
        assert list(texts) == ["pooling"]
        return embed(texts)

    monkeypatch.setattr(embedding, "embed", question_only)
    assert _found(store) == 1
    client = chroma.open_files(store.folder / "chroma-0001")
    kept = (client.get_collection("heuristics", embedding_function=None).get()["metadatas"] or [])[
        0
    ]
    chroma.close(client)
    assert kept["status"] == store.show(claim().key).status != "proposed"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Chroma server on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).with_name("chroma")
    if not program.exists():
        pytest.skip("no chroma program next to this Python")
    folder = tmp_path_factory.mktemp("chroma")
    command = [str(program), "run", "--path", str(folder), "--host", "127.0.0.1"]
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [*command, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
    )
    try:
        for _ in range(100):
            try:
                httpx.get(f"{url}/api/v2/heartbeat", timeout=1).raise_for_status()
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    pytest.skip(f"chroma run ended with {process.returncode}")
                time.sleep(0.1)
        else:
            pytest.skip("chroma run does not answer within 10 s")
        yield url
    finally:
        process.terminate()
        process.wait(10)


def test_two_stores_share_a_server_and_keep_apart(
    server: str,
    tmp_path: Path,
    claim: Callable[..., Claim],
    lesson: Callable[..., Lesson],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(URL_VARIABLE, server)
    with (
        HeuristicStore.open(tmp_path / "one") as one,
        HeuristicStore.open(tmp_path / "two", chroma_url=server) as two,
    ):
        one.learn(lesson(claim(POOL, objective="accuracy", direction="lowers"), cells=80))
        two.learn(lesson(claim(), cells=80))
        (found,) = one.ask("does pooling matter?").findings
        assert found.heuristic.claim.condition == POOL
        assert (_found(one, server), _found(two, server)) == (1, 1)
        two.learn(lesson(claim(POOL), cells=5, generation=1))
        assert _found(two, server) == 2
    assert not list(tmp_path.glob("*/chroma-*"))
    with HeuristicStore.open(tmp_path / "two", readonly=True) as again:
        assert again.rebuild_index() == 2


def test_a_wiped_server_is_filled_again(server: str, filled: HeuristicStore) -> None:
    assert _found(filled, server) == 31
    client = chroma.open_server(server)
    name = json.loads((filled.folder / "index.json").read_text())["collection"]
    client.delete_collection(name)
    chroma.close(client)
    assert _found(filled, server) == 31


def test_a_dead_server_costs_meaning_and_is_said_in_one_line(filled: HeuristicStore) -> None:
    filled.close()
    dead = "http://127.0.0.1:9"
    with HeuristicStore.open(filled.folder, chroma_url=dead) as store:
        answer = store.ask("slower because of pooling")
        assert answer.findings
        (note,) = answer.notes
        assert note.startswith(f"not looked up by meaning: Chroma server {dead} does not answer")
        assert "\n" not in note
        assert store.ask("slower cells").notes == ()
        with pytest.raises(StoreError, match="does not answer"):
            store.rebuild()


@pytest.mark.parametrize(
    "url", ["ftp://host", "http://", "http://me:secret@host", "http://h:99999"]
)
def test_an_impossible_address_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(RequestError, match="--chroma-url"):
        HeuristicStore.open(tmp_path / "store", chroma_url=url)
    assert not (tmp_path / "store").exists()
