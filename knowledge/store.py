"""The heuristic store: claims with evidence that outlive a run.

One folder holds the event log with its derived tables (SQLite) and the semantic index (Chroma).
`learn` and text-free `retrieve` never touch Chroma.
"""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from llm_nas.claims import Claim, Heuristic, Status
from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError, StoreError
from llm_nas.knowledge import asking, cells, near, playbook, prior, projection
from llm_nas.knowledge.answer import Answer, Twin
from llm_nas.knowledge.asking import Library
from llm_nas.knowledge.chroma import server_url
from llm_nas.knowledge.devices import Likeness
from llm_nas.knowledge.eventlog import Event, EventLog
from llm_nas.knowledge.explain import Explanation, explain
from llm_nas.knowledge.grammar import parse
from llm_nas.knowledge.index import Entry, Index
from llm_nas.knowledge.learning import LESSON, Learner, Taken, replay
from llm_nas.knowledge.measured import Measured
from llm_nas.knowledge.playbook import ImportReport, Refusal
from llm_nas.knowledge.query import Query
from llm_nas.knowledge.ranking import CANDIDATES, Asker, Candidate, candidates, choose
from llm_nas.knowledge.semantic import Found, blend
from llm_nas.knowledge.world import World
from llm_nas.ports import Lesson, Partition, SearchSpace

_MEANING = 64
"""Claims taken from the semantic index before scope and confidence rank them."""
_ID_LENGTH = 16


def default_store_dir() -> Path:
    """Where heuristics are kept when nobody names a folder."""
    from platformdirs import user_data_path

    return user_data_path("llm-nas") / "heuristics"


def default_world(space: SearchSpace | None = None, partition: Partition | None = None) -> World:
    """The space claims are tested on: NAS-Bench-201 in its six niches unless given."""
    from llm_nas.tools.partition import make_partition
    from llm_nas.tools.space import nas_bench_201

    space = space or nas_bench_201()
    return World(space, partition or make_partition(space, "conv3x3"))


class HeuristicStore:
    """Heuristics that outlive a run; implements `llm_nas.ports.KnowledgeBase`.

    Safe to call from several threads and to open from several processes at once.
    """

    def __init__(
        self, folder: Path, log: EventLog, world: World, chroma_url: str | None = None
    ) -> None:
        """Use `HeuristicStore.open`."""
        self.folder = folder
        self._log = log
        self._world = world
        self._learner = Learner(log, world)
        self._index = Index(folder, chroma_url)
        self._measured = Measured(log.db, world)
        self._lock = threading.RLock()

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        space: SearchSpace | None = None,
        partition: Partition | None = None,
        readonly: bool = False,
        chroma_url: str | None = None,
    ) -> Self:
        """Open a store, creating it unless `readonly`.

        `chroma_url` (else the environment's LLM_NAS_CHROMA_URL) names a Chroma server that holds
        the index of meanings; without one it lies in the folder.

        Raises:
            RequestError: `chroma_url` is no address.
            StoreError: the folder cannot be used; nothing has been written then.
        """
        folder = Path(path).expanduser()
        url = server_url(chroma_url)
        if folder.exists() and not folder.is_dir():
            raise StoreError(f"store {folder}: is a file, expected a folder")
        if not readonly and folder.is_dir() and not os.access(folder, os.W_OK):
            raise StoreError(f"store {folder}: cannot be written: the folder is read-only")
        log = EventLog(folder, readonly=readonly)
        store = cls(folder, log, default_world(space, partition), url)
        try:
            store._check_tables()
        except BaseException:
            log.close()
            raise
        return store

    def _check_tables(self) -> None:
        """Make the derived tables again when their layout is not this program's."""
        with self._log.guarded():
            found = projection.version(self._log.db)
        if found == projection.VERSION:
            return
        if self._log.readonly:
            raise StoreError(
                f"store {self.folder}: tables of version {found}, expected {projection.VERSION}; "
                f"run: llm-nas heuristics rebuild --store {self.folder}"
            )
        with self._log.writing() as db:
            if projection.version(db) != projection.VERSION:
                projection.reset(db)
                replay(self._log, self._learner)

    def close(self) -> None:
        """Release every file; closing twice is harmless."""
        with self._lock:
            self._index.close()
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def learn(self, lesson: Lesson) -> tuple[Heuristic, ...]:
        """Add cells, claims, trials and votes in one durable write; what is new or changed.

        A lesson of the same run and generation is taken in once; later copies change nothing.
        """
        uid = f"lesson:{lesson.run}:{lesson.generation}"
        with self._lock, self._log.writing() as db:
            seq = self._log.append("lesson", "", LESSON.dump_json(lesson).decode(), uid=uid)
            if seq is None:
                return ()
            taken = self._learner.lesson(lesson, seq)
            changed = self._learner.reassess([taken])
            return projection.heuristics(db, list(dict.fromkeys([*taken.new, *changed])))

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
            return choose([(c, h) for c, h in self._held(ranked) if h.benched], k, None)

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

    def accuracy_priors(self, dataset: str) -> dict[str, FloatArray]:
        """What measured cells say of accuracy on a dataset: a rising score `(size,)` a source.

        Sources are named `dataset/device`; see `llm_nas.knowledge.prior`.
        """
        with self._lock, self._log.guarded():
            samples = cells.samples_by_place(self._log.db, self._world.space.name)
        return prior.accuracy_priors(self._world.kernel("accuracy"), samples, dataset)

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
            raise RequestError("question is empty: ask for example 'lower latency on pixel3'")
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

    def merge(self, other: "HeuristicStore | Path | str") -> int:
        """Take in another store's lessons; how many were new. Its cells count once.

        Statuses are decided here, on the evidence of both stores together.
        """
        if not isinstance(other, HeuristicStore):
            with HeuristicStore.open(other, readonly=True) as opened:
                return self.merge(opened)
        return self._take(list(other._log.events(kinds=("lesson", "claim"))))

    def _take(self, events: Iterable[Event]) -> int:
        taken: list[Taken] = []
        claims: list[Taken] = []
        with self._lock, self._log.writing():
            for event in events:
                if event.kind == "claim":
                    body = json.loads(event.body)
                    key, fresh = self._add(Claim.model_validate(body["claim"]), body["reason"])
                    claims.append(Taken(new=(key,) if fresh else ()))
                    continue
                seq = self._log.append(event.kind, event.subject, event.body, uid=event.uid)
                if seq is not None:
                    taken.append(self._learner.lesson(LESSON.validate_json(event.body), seq))
            if taken or claims:
                self._learner.reassess([*taken, *claims])
        return len(taken)

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

    def import_(self, path: Path | str) -> ImportReport:
        """Take in the claims of a playbook as proposals, to be tested on this store's cells.

        What its file says of their evidence is ignored. Claims that do not fit are refused one
        by one, the others are taken in together.
        """
        source = Path(path)
        claims: list[Claim] = []
        refused: list[Refusal] = []
        for position, raw in enumerate(playbook.read(source)):
            try:
                claims.append(playbook.checked(raw, self._world))
            except RequestError as error:
                refused.append(Refusal(position=position, reason=str(error)))
        added: list[str] = []
        known: list[str] = []
        with self._lock, self._log.writing() as db:
            for claim in claims:
                key, fresh = self._add(claim, f"imported from {playbook.plain(source.name)}")
                (added if fresh else known).append(key)
            self._learner.reassess([Taken(new=tuple(added))])
            against = projection.opposed(db, added)
        return ImportReport(
            added=tuple(added),
            known=tuple(known),
            refused=tuple(refused),
            conflicts=tuple((key, other) for key in added for other in against.get(key, ())),
        )

    def _add(self, claim: Claim, reason: str) -> tuple[str, bool]:
        """Log a claim from outside any lesson, unless it is known; inside a transaction."""
        known = projection.resolve_alias(self._log.db, claim.key)
        if known is not None:
            return known, False
        body = json.dumps({"claim": claim.model_dump(mode="json"), "reason": reason})
        seq = self._log.append("claim", claim.key, body, uid=f"claim:{claim.key}")
        return self._learner.claim(claim, reason, seq or 0)

    def rebuild(self) -> int:
        """Make tables and index again from the log; the number of claims."""
        with self._lock:
            with self._log.writing() as db:
                projection.reset(db)
                replay(self._log, self._learner)
            return self._index.rebuild(self)

    def rebuild_index(self) -> int:
        """Make the index of meanings again from the tables, to the end; the number of claims."""
        with self._lock:
            return self._index.rebuild(self)
