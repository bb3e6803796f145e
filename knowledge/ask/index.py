"""The index of meanings: Chroma over the current statements, with status and objective.

Nothing here is the truth. The index remembers how far in the log it is, catches up when it is
asked, and is built again in a fresh place when it is damaged, was made by another embedding or is
ahead of the log. A file lock keeps two processes from changing it at once.
"""

import json
import secrets
import shutil
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock, Timeout

from llm_nas.errors import StoreError
from llm_nas.knowledge.ask import chroma, embedding
from llm_nas.knowledge.memory.ranking import Candidate
from llm_nas.ports import SearchSpace

if TYPE_CHECKING:
    from chromadb import Collection
    from chromadb.api.client import Client

LOCK_SECONDS = 60.0
BATCH = 1000
"""Entries put in together."""
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


def in_words_of(space: SearchSpace | None, entries: Iterable[Entry]) -> Iterator[Entry]:
    """Entries whose statements also say what their choices are called in the field."""
    words = {c.name: c.words for c in space.choices if c.words} if space else {}
    for entry in entries:
        told = [words[w] for w in entry.statement.split() if w in words]
        yield replace(entry, statement=" ".join([entry.statement, *told]))


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
    made_by: str = f"3 {embedding.NAME} {embedding.DIMENSION}"


class Index:
    """A Chroma collection of one store, opened when first used."""

    def __init__(self, folder: Path, url: str | None = None) -> None:
        """Remember where; nothing is opened or imported yet."""
        self._home = folder
        self._url = url
        self._file = folder / "index.json"
        self._client: Client | None = None
        self._opened: tuple[_State, Collection] | None = None
        """As it was when last used: one that another process has changed since is opened anew."""

    def blend(self, text: str, ranked: Sequence[Candidate], changes: Changes) -> list[Candidate]:
        """Order candidates by rank and the square of their similarity to a text."""
        like = dict(self.search(text, max(200, 4 * len(ranked)), changes))
        blended = [
            replace(c, score=(FLOOR + c.score) * max(like.get(c.id, 0.0), 0.0) ** 2)
            for c in ranked
        ]
        return sorted(blended, key=lambda c: (-c.score, c.id))

    def search(
        self, text: str, limit: int, changes: Changes, objective: str | None = None
    ) -> list[tuple[str, float]]:
        """Claims nearest in meaning, `(id, cosine similarity)`, best first.

        Catches up with `changes` first; a damaged index is built again once. `objective` keeps
        claims about others out.

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
        """Build the index again from nothing; the number of entries."""
        with self._reported():
            self.discard()
            return self._current(changes).count()

    def discard(self) -> None:
        """Forget the index; the next search builds a new one."""
        self.close()
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Release Chroma's files."""
        if self._client is not None:
            chroma.close(self._client)
        self._client = self._opened = None

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

    def _search(
        self, text: str, limit: int, changes: Changes, objective: str | None
    ) -> list[tuple[str, float]]:
        answer = self._current(changes).query(
            query_embeddings=embedding.embed([text]),
            n_results=limit,
            where={"objective": objective} if objective else None,
            include=["distances"],
        )
        distances = (answer["distances"] or [[]])[0]
        return [(key, 1.0 - d) for key, d in zip(answer["ids"][0], distances, strict=True)]

    def _current(self, changes: Changes) -> "Collection":
        """The collection, as new as the log."""
        try:
            with FileLock(str(self._home / "index.lock"), timeout=LOCK_SECONDS):
                newest, state = changes.newest(), self._read()
                if state is None or max(state.seen, state.seq) > newest:
                    state = self._fresh()
                collection = self._open(state)
                if state.seen == newest:
                    return collection
                new = list(changes.entries((state.seq, state.id)))
                for start in range(0, len(new), BATCH):
                    batch = new[start : start + BATCH]
                    _put(collection, batch)
                    state = replace(state, seq=batch[-1].seq, id=batch[-1].id)
                    self._write(state)
                state = replace(state, seen=newest)
                self._write(state)
                self._opened = (state, collection)
                return collection
        except Timeout as error:
            raise StoreError(f"store index {self._home}: in use by another process") from error

    def _fresh(self) -> _State:
        """An empty index in a place of its own; folders of earlier ones are removed."""
        self.close()
        for path in self._home.glob("chroma-*"):
            shutil.rmtree(path, ignore_errors=True)
        name = secrets.token_hex(8)
        return _State(self._url or f"chroma-{name}", f"heuristics-{name}")

    def _read(self) -> _State | None:
        """State of the index; None when it is absent, damaged, made differently or elsewhere."""
        try:
            state = _State(**json.loads(self._file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        there = state.place == self._url if self._url else (self._home / state.place).is_dir()
        return state if there and state.made_by == _State("", "").made_by else None

    def _write(self, state: _State) -> None:
        partial = self._file.with_suffix(".part")
        partial.write_text(json.dumps(asdict(state)), encoding="utf-8")
        partial.replace(self._file)

    def _open(self, state: _State) -> "Collection":
        if self._opened is not None and self._opened[0] == state:
            return self._opened[1]
        self.close()
        self._client = (
            chroma.open_server(self._url)
            if self._url
            else chroma.open_files(self._home / state.place)
        )
        collection = self._client.get_or_create_collection(
            state.collection,
            embedding_function=None,
            configuration={"hnsw": {"space": "cosine", "ef_search": 200}},
        )
        self._opened = (state, collection)
        return collection


def _put(collection: "Collection", batch: Sequence[Entry]) -> None:
    collection.upsert(
        ids=[entry.id for entry in batch],
        embeddings=embedding.embed([entry.statement for entry in batch]),
        metadatas=[{"status": e.status, "objective": e.objective} for e in batch],
    )
