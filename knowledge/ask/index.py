"""The index of meanings: Chroma over the current statements, with status and objective.

Nothing here is the truth. The index remembers how far in the log it is, catches up batch by
batch when it is asked, for a limited time, and is built again in a fresh place when it is
damaged, was made by another embedding or is ahead of the log. A file lock keeps two processes
from changing it at once; a process whose collection was changed by another opens it anew.
"""

import json
import secrets
import shutil
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import FileLock, Timeout

from llm_nas.errors import StoreError
from llm_nas.knowledge.ask import chroma, embedding
from llm_nas.knowledge.memory.ranking import Candidate

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

LOCK_SECONDS = 60.0
CATCH_UP_SECONDS = 2.0
"""A question waits no longer than this (and one batch) for the index to catch up."""
BATCH = 1000
"""Entries put in together, after which a question may go on without the rest."""
_LAYOUT = 3
_SYNC_EVERY = 10_000
"""Entries between two writes of the vector file; Chroma's own log covers the time between."""


FLOOR = 0.05
"""Rank of a claim without any evidence: a perfect match in words still counts."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One claim as the index holds it."""

    seq: int
    """Event that changed it last."""
    id: str
    statement: str
    status: str
    objective: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the index found, and what people should know about it."""

    near: Sequence[tuple[str, float]] = ()
    """`(id, cosine similarity)`, best first."""
    notes: tuple[str, ...] = ()


class Changes(Protocol):
    """Where the index catches up from."""

    def newest(self) -> int:
        """Number of the newest event."""
        ...

    def entries(self, after: tuple[int, str]) -> Iterable[Entry]:
        """Claims whose `(seq, id)` is greater, in that order."""
        ...


@dataclass(frozen=True, slots=True)
class _State:
    """What the index was made with, where it lies and how far it is."""

    place: str
    """Folder below the store's, or URL of a server."""
    collection: str
    seen: int = 0
    """Newest event when the index was last complete."""
    seq: int = 0
    id: str = ""
    """Last entry taken in."""
    layout: int = _LAYOUT
    model: str = embedding.NAME
    dimension: int = embedding.DIMENSION


class Index:
    """A Chroma collection of one store, opened when first used."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """Remember where; nothing is opened or imported yet."""
        self._home = folder
        self._url = url
        self._file = folder / "index.json"
        self._lock = FileLock(str(folder / "index.lock"))
        self._client: Client | None = None
        self._collection: Collection | None = None
        self._opened: _State | None = None

    def blend(self, text: str, ranked: Sequence[Candidate], changes: Changes) -> list[Candidate]:
        """Order candidates by rank and the square of their similarity to a text."""
        like = dict(self.search(text, max(200, 4 * len(ranked)), changes).near)
        blended = [
            replace(c, score=(FLOOR + c.score) * max(like.get(c.id, 0.0), 0.0) ** 2)
            for c in ranked
        ]
        return sorted(blended, key=lambda c: (-c.score, c.id))

    def search(
        self, text: str, limit: int, changes: Changes, objective: str | None = None
    ) -> Found:
        """Claims nearest in meaning, `(id, cosine similarity)`, best first.

        `objective` keeps claims about others out.

        Catches up with `changes` first, for a limited time; what is missing then is told. A
        damaged index is rebuilt once.

        Raises:
            StoreError: It cannot be read, or its server does not answer.
        """
        from chromadb.errors import ChromaError

        try:
            return self._search(text, limit, changes, objective)
        except (ChromaError, OSError):
            self.discard()
        with self._reported():
            return self._search(text, limit, changes, objective)

    def rebuild(self, changes: Changes) -> int:
        """Build the index again from nothing, to the end; the number of entries."""
        with self._reported():
            self.discard()
            return self._current(changes, float("inf"))[0].count()

    def discard(self) -> None:
        """Forget the index; the next search builds a new one."""
        self.close()
        with self._locked(LOCK_SECONDS):
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release Chroma's files."""
        if self._client is not None:
            chroma.close(self._client)
        self._client = self._collection = self._opened = None

    @contextmanager
    def _reported(self) -> Generator[None]:
        """Turn what Chroma, its server and files raise into one-line `StoreError`s."""
        import httpx
        from chromadb.errors import ChromaError

        try:
            yield
        except (ChromaError, OSError, httpx.HTTPError) as error:
            why = (str(error).splitlines() or [type(error).__name__])[0]
            raise StoreError(f"store index {self._url or self._home}: {why}") from error

    def _search(self, text: str, limit: int, changes: Changes, objective: str | None) -> Found:
        collection, complete = self._current(changes, CATCH_UP_SECONDS)
        answer = collection.query(
            query_embeddings=embedding.embed([text]),
            n_results=limit,
            where={"objective": objective} if objective else None,
            include=["distances"],
        )
        distances = (answer["distances"] or [[]])[0]
        near = [(key, 1.0 - d) for key, d in zip(answer["ids"][0], distances, strict=True)]
        if complete:
            return Found(near)
        note = (
            f"only {collection.count()} claims are indexed by meaning so far; ask again, or run: "
            "llm-nas heuristics rebuild"
        )
        return Found(near, (note,))

    def _current(self, changes: Changes, seconds: float) -> tuple["Collection", bool]:
        """The collection, and whether it is as new as the log."""
        newest = changes.newest()
        state = self._read()
        if state is not None and state.seen == newest:
            return self._open(state), True
        deadline = time.monotonic() + seconds
        with self._locked(min(seconds, LOCK_SECONDS)):
            state = self._read()
            if state is None or max(state.seen, state.seq) > newest:
                state = self._fresh()
            collection = self._open(state)
            for batch in _batches(changes.entries((state.seq, state.id))):
                _put(collection, batch)
                state = replace(state, seq=batch[-1].seq, id=batch[-1].id)
                self._write(state)
                if time.monotonic() > deadline:
                    break
            else:
                state = replace(state, seen=newest)
                self._write(state)
            self._opened = state
            return collection, state.seen == newest

    def _fresh(self) -> _State:
        """An empty index in a place of its own; folders of earlier ones are removed."""
        self.close()
        if self._url is not None:
            return _State(self._url, f"heuristics-{secrets.token_hex(8)}")
        old = sorted(self._home.glob("chroma-*"))
        number = max((int(p.name.removeprefix("chroma-")) for p in old), default=0) + 1
        for path in old:
            shutil.rmtree(path, ignore_errors=True)
        return _State(f"chroma-{number:04d}", "heuristics")

    def _read(self) -> _State | None:
        """State of the index; None when it is absent, damaged, made differently or elsewhere."""
        try:
            fields: dict[str, Any] = json.loads(self._file.read_text(encoding="utf-8"))
            state = _State(**fields)
        except (OSError, ValueError, TypeError):
            return None
        made = (state.layout, state.model, state.dimension)
        if made != (_LAYOUT, embedding.NAME, embedding.DIMENSION):
            return None
        if self._url is not None:
            return state if state.place == self._url else None
        there = state.place.startswith("chroma-") and (self._home / state.place).is_dir()
        return state if there else None

    def _write(self, state: _State) -> None:
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps(asdict(state)), encoding="utf-8")
        partial.replace(self._file)

    def _open(self, state: _State) -> "Collection":
        if self._collection is not None and self._opened == state:
            return self._collection
        self.close()
        self._client = (
            chroma.open_files(self._home / state.place)
            if self._url is None
            else chroma.open_server(self._url)
        )
        if state.seq:
            collection = self._client.get_collection(state.collection, embedding_function=None)
        else:
            collection = self._client.get_or_create_collection(
                state.collection,
                embedding_function=None,
                configuration={
                    "hnsw": {"space": "cosine", "ef_search": 200, "sync_threshold": _SYNC_EVERY}
                },
                metadata={"embedding": state.model, "dimension": state.dimension},
            )
        self._collection, self._opened = collection, state
        return collection

    @contextmanager
    def _locked(self, seconds: float) -> Generator[None]:
        try:
            self._lock.acquire(timeout=seconds)
        except Timeout as error:
            raise StoreError(f"store index {self._home}: in use by another process") from error
        except OSError as error:
            raise StoreError(f"store index {self._home}: {error.strerror}") from error
        try:
            yield
        finally:
            self._lock.release()


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    batch: list[Entry] = []
    for entry in entries:
        batch.append(entry)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _put(collection: "Collection", batch: Sequence[Entry]) -> None:
    """Add new entries; of known ones, whose statements never change, the status alone."""
    known = set(collection.get(ids=[entry.id for entry in batch], include=[])["ids"])
    old = [entry for entry in batch if entry.id in known]
    new = [entry for entry in batch if entry.id not in known]
    if old:
        collection.update(ids=[e.id for e in old], metadatas=[_metadata(e) for e in old])
    if new:
        collection.add(
            ids=[entry.id for entry in new],
            embeddings=embedding.embed([entry.statement for entry in new]),
            metadatas=[_metadata(entry) for entry in new],
        )


def _metadata(entry: Entry) -> dict[str, str | int | float | bool]:
    return {"status": entry.status, "objective": entry.objective}
