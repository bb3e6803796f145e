"""`llm-nas heuristics ask`: what the shell adds to the store's own answer."""

from pathlib import Path
from typing import TYPE_CHECKING

from llm_nas.errors import ModelReplyError

if TYPE_CHECKING:
    from llm_nas.agents.model_summary import Summary
    from llm_nas.knowledge.answer import Answer
    from llm_nas.knowledge.devices import Likeness
    from llm_nas.knowledge.query import Query
    from llm_nas.knowledge.store import HeuristicStore


def likenesses(
    store: "HeuristicStore", query: "Query", device: str | None, data_dir: Path | None
) -> dict[str, "Likeness"]:
    """How alike the devices of a store are to one it knows nothing of, from latency tables.

    Empty for a device the store has cells of, and for a name without a table.
    """
    from llm_nas.domain import DATASETS, DEVICES
    from llm_nas.knowledge.devices import likeness
    from llm_nas.tools.data import open_benchmark
    from llm_nas.tools.latency import open_latency

    known = dict.fromkeys(context.partition("/")[2] for context in store.contexts())
    source = device or query.device or ""
    tabulated = "=" in source or source in DEVICES
    if query.device in known or not tabulated:
        return {}
    benchmark = open_benchmark(data_dir)
    dataset = query.dataset if query.dataset in DATASETS else DATASETS[0]
    unseen = open_latency(benchmark, dataset, source)
    tables = {name: benchmark.latency_ms(dataset, name) for name in known if name in DEVICES}
    return likeness(unseen.values_ms, tables)


def summary_of(answer: "Answer", model: str, base_url: str | None) -> "Summary | str":
    """A model's summary of an answer; one line when it gave none.

    Raises:
        RequestError: No such model, or no key for it.
    """
    from llm_nas.agents.chat_agents import open_transport
    from llm_nas.agents.chat_options import ModelOptions
    from llm_nas.agents.model_summary import summarise
    from llm_nas.knowledge.answer_text import facts

    options = ModelOptions(base_url=base_url)
    transport = open_transport({model}, options)
    shown = facts(answer)
    if not shown:
        return "no summary: there is nothing to summarise"
    try:
        return summarise(transport, model, answer.understood, shown, options)
    except ModelReplyError as error:
        return f"no summary: {error}"


def summary_text(summary: "Summary | str") -> str:
    """A summary for people, with what was dropped."""
    if isinstance(summary, str):
        return summary
    lines = [f"summary by {summary.model}, every sentence with the ids it rests on:"]
    lines += [f"  {s.text} [{', '.join(s.claims)}]" for s in summary.sentences]
    if summary.dropped:
        lines.append(f"  ({summary.dropped} sentences dropped: not borne out by what they cite)")
    return "\n".join(lines)
