"""What the partitions of a comparison look like on its devices."""

from collections.abc import Iterator, Sequence

from llm_nas.experiments.compare import Plan
from llm_nas.experiments.setting import partition_of, truth_context
from llm_nas.tools.partition_auto import explain


def describe(plan: Plan, names: Sequence[str]) -> Iterator[str]:
    """One line a niche of every named partition, on every device (its first dataset)."""
    first = {context.device: context for context in reversed(plan.contexts)}
    for context in reversed(first.values()):
        latency_ms = truth_context(plan.data_dir, context.dataset, context.device).latency_ms
        for name in names:
            yield f"{context.label}, partition {name}:"
            partition = partition_of(context, name, data_dir=plan.data_dir)
            yield from (f"  {line}" for line in explain(partition, latency_ms))
