"""What can be read from a heuristic store: retrieval, questions, claims and their stories.

Text-free `retrieve` never touches Chroma.
"""

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from llm_nas.claims import Claim, Heuristic, Status
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge import asking, cells, near, playbook, prior, projection
from llm_nas.knowledge.answer import Answer, Twin
from llm_nas.knowledge.asking import Library
from llm_nas.knowledge.devices import Likeness
from llm_nas.knowledge.eventlog import Event, EventLog
from llm_nas.knowledge.explain import Explanation, explain
from llm_nas.knowledge.grammar import parse
from llm_nas.knowledge.index import Entry, Index
from llm_nas.knowledge.measured import Measured
from llm_nas.knowledge.query import Query
from llm_nas.knowledge.ranking import CANDIDATES, Asker, Candidate, candidates, choose
from llm_nas.knowledge.semantic import Found, blend
from llm_nas.knowledge.world import World
from llm_nas.ports import Source

_MEANING = 64
"""Claims taken from the semantic index before scope and confidence rank them."""
_ID_LENGTH = 16


class StoreReader:
    """The reading half of `HeuristicStore`; safe to call from several threads."""

    def __init__(
        self, folder: Path, log: EventLog, world: World, chroma_url: str | None = None
    ) -> None:
        """Use `llm_nas.knowledge.store.HeuristicStore.open`."""
        self.folder = folder
        self._log = log
        self._world = world
        self._index = Index(folder, chroma_url)
        self._measured = Measured(log.db, world)
        self._lock = threading.RLock()

    def retrieve(
        self,
        text: str = "",
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        k: int = 8,
        token_budget: int | None = None,
        similarity: Mapping[str, Likeness] | None = None,
    ) -> tuple[Heuristic, ...]:
        """The heuristics most worth showing, best first, each with its reason in `why`.

        Args:
            text: what is wanted, in words; empty for rank alone (needs no semantic index).
            dataset: leave out claims about other datasets.
            device: leave out claims about other devices.
            niche: leave out claims about other niches.
            k: how many at most.
            token_budget: stop before the statements take more tokens than this.
            similarity: other devices or datasets to learn from, with their likeness in [0, 1].
        """
        if k < 1:
            raise RequestError(f"k {k}: expected at least 1")
        asker = Asker(dataset, device, niche, similarity or {})
        with self._lock, self._log.guarded():
            ranked = candidates(self._log.db, asker, max(CANDIDATES, k))
            if text:
                ranked = self._by_meaning(text, ranked, asker)
            pairs = [(c, h) for c, h in self._held(ranked) if not h.benched]
            return choose(pairs, k, token_budget)

    def on_bench(
        self,
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        k: int = 1,
    ) -> tuple[Heuristic, ...]:
        """The benched heuristics that `retrieve` would most likely give otherwise, best first."""
        asker = Asker(dataset, device, niche, {})
        with self._lock, self._log.guarded():
            ranked = candidates(self._log.db, asker, max(CANDIDATES, k))
            benched = projection.benched(self._log.db, [c.id for c in ranked])
            return choose(self._held([c for c in ranked if c.id in benched]), k, None)

    def _held(self, ranked: list[Candidate]) -> list[tuple[Candidate, Heuristic]]:
        """Candidates with what the tables hold of them."""
        found = projection.heuristics(self._log.db, [c.id for c in ranked])
        return list(zip(ranked, found, strict=True))

    def _by_meaning(self, text: str, ranked: list[Candidate], asker: Asker) -> list[Candidate]:
        """Candidates of rank and of meaning together, ordered by both."""
        found = self._index.search(text, _MEANING, self)
        return blend(self._log.db, text, ranked, found.near, asker)

    def contexts(self) -> tuple[str, ...]:
        """Every `dataset/device` whose cells the store holds."""
        with self._lock, self._log.guarded():
            return cells.contexts(self._log.db)

    def known(self, dataset: str, device: str) -> frozenset[str]:
        """Keys of every claim about a context, of those that say the same as another too."""
        with self._lock, self._log.guarded():
            return frozenset(projection.keys_about(self._log.db, dataset, device))

    def accuracy_sources(self, dataset: str) -> dict[str, Source]:
        """What measured cells say of accuracy on a dataset, by place.

        Places are named `dataset/device`; see `llm_nas.knowledge.prior`.
        """
        with self._lock, self._log.guarded():
            samples = cells.samples_by_place(self._log.db, self._world.space.name)
        return prior.accuracy_sources(self._world.kernel("accuracy"), samples, dataset)

    def newest(self) -> int:
        """Number of the newest event (the index catches up to it)."""
        return self._log.last()

    def entries(self, after: tuple[int, str]) -> Iterator[Entry]:
        """Claims that changed after an entry, for the index."""
        rows = self._log.db.execute(
            "SELECT seq, id, body, status FROM claim WHERE (seq, id) > (?, ?) ORDER BY seq, id",
            after,
        )
        for seq, key, body, status in rows:
            claim = Claim.model_validate_json(body)
            places = tuple(projection.places(claim.scope))
            yield Entry(seq, key, claim.statement, status, places)

    def understand(
        self,
        text: str,
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
    ) -> Query:
        """A question in words as goals, limits and places; those given here go first."""
        if not text.strip():
            raise RequestError(f"question is empty: ask for example {asking.EXAMPLE!r}")
        with self._lock, self._log.guarded():
            measured = self._measured.at(self._log.last())
            names = asking.names(self._log.db, self._world, measured)
        return parse(text, names, dataset=dataset, device=device, niche=niche)

    def ask(
        self,
        text: str,
        *,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        k: int = 5,
        similarity: Mapping[str, Likeness] | None = None,
    ) -> Answer:
        """Answer a question in words with claims, their effects, examples and ids; no model.

        Goals, limits and places are understood by a small grammar (`llm_nas.knowledge.grammar`);
        other words are looked up by meaning. What was understood, and what not, is in the answer.

        Args:
            text: the question, like 'lower latency on pixel3, lose less than 0.5 % accuracy'.
            dataset: goes before a dataset the question names; so do `device` and `niche`.
            device: see `dataset`.
            niche: see `dataset`.
            k: how many findings at most.
            similarity: see `retrieve`.
        """
        if k < 1:
            raise RequestError(f"k {k}: expected at least 1")
        query = self.understand(text, dataset=dataset, device=device, niche=niche)
        asker = Asker(query.dataset, query.device, query.niche, similarity or {})
        with self._lock, self._log.guarded():
            measured = self._measured.at(self._log.last())
            library = Library(self._world, measured, self._meaning)
            return asking.answer(self._log.db, library, query, asker, k)

    def _meaning(self, sentence: str) -> Found:
        """Claims near in meaning; without an index, none, and one line that says so."""
        try:
            return self._index.search(sentence, _MEANING, self)
        except StoreError as error:
            return Found(notes=(f"not looked up by meaning: {error}",))

    def list(
        self,
        *,
        status: Status | None = None,
        dataset: str | None = None,
        device: str | None = None,
        niche: str | None = None,
        limit: int = 1_000,
    ) -> tuple[Heuristic, ...]:
        """Claims, best first; all statuses unless one is named."""
        wanted = {"s.dataset": dataset, "s.device": device, "s.niche": niche, "c.status": status}
        named = {column: value for column, value in wanted.items() if value is not None}
        where = " AND ".join(f"{column} = ?" for column in named) or "1"
        with self._lock, self._log.guarded():
            rows = self._log.db.execute(
                "SELECT DISTINCT c.id, c.score FROM claim c JOIN claim_scope s ON s.claim = c.id "
                f"WHERE {where} ORDER BY c.score DESC, c.id LIMIT ?",
                (*named.values(), limit),
            ).fetchall()
            return projection.heuristics(self._log.db, [row[0] for row in rows])

    def show(self, key: str) -> Heuristic:
        """One claim by id, or by the beginning of one; `RequestError` when there is none."""
        with self._lock, self._log.guarded():
            return projection.heuristics(self._log.db, [self._resolve(key)])[0]

    def twins(self, key: str) -> tuple[Twin, ...]:
        """Claims that say what a claim says of all or nearly all the same cells; equal ones first.

        Near ones are looked for among those nearest in meaning.
        """
        with self._lock, self._log.guarded():
            kept = projection.heuristics(self._log.db, [self._resolve(key)])[0]
            near_by = self._meaning(kept.claim.statement).near
            others = projection.heuristics(self._log.db, [other for other, _ in near_by])
            return near.twins(self._world, kept, others, self._log.about(kept.id))

    def _resolve(self, key: str) -> str:
        """A full id from a full or abbreviated one."""
        if not (4 <= len(key) <= _ID_LENGTH and set(key) <= set("0123456789abcdef")):
            raise RequestError(f"heuristic {key[:40]!r}: expected an id of 4 to 16 hex digits")
        rows = self._log.db.execute(
            "SELECT id FROM claim WHERE id >= ? AND id < ? UNION "
            "SELECT claim FROM alias WHERE alias >= ? AND alias < ? LIMIT 2",
            (key, key + "g", key, key + "g"),
        ).fetchall()
        if not rows:
            raise RequestError(f"heuristic {key}: none in store {self.folder}")
        if len(rows) > 1:
            raise RequestError(f"heuristic {key}: several ids begin so; give more digits")
        return str(rows[0][0])

    def history(self, key: str) -> tuple[Event, ...]:
        """Every recorded step of a claim, oldest first, with its reason."""
        with self._lock, self._log.guarded():
            return self._log.about(self._resolve(key))

    def explain(self, arch: str) -> Explanation:
        """A cell's story: measurements, proposals, claims it meets, measured neighbours.

        Raises:
            RequestError: For a string that is no cell of the space.
        """
        with self._lock, self._log.guarded():
            return explain(self._log.db, self._world, arch)

    def export(self, path: Path | str, *, status: Status | None = None) -> int:
        """Write a playbook of all claims, or those of one status; how many."""
        found = self.list(status=status, limit=playbook.MOST_CLAIMS)
        playbook.write(Path(path), found)
        return len(found)
