"""Several trainings of one niche, told to whoever watches."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from llm_nas.domain import Failure
from llm_nas.graph.run import Run
from llm_nas.graph.steps.trainer import Order


def train_all(run: Run, orders: Sequence[Order]) -> None:
    """One after the other, or as many at a time as there are workers."""

    def one(order: Order) -> None:
        run.tell({"training": order.arch, "niche": order.niche})
        answer = run.trainer.train(order)
        metric = run.context.task.metric
        error = None if isinstance(answer, Failure) else metric.error(answer.value)
        told = answer.model_dump(mode="json")
        run.tell({"trained": order.arch, "answer": told, "error": error})

    if run.trainer.workers == 1 or len(orders) < 2:
        for order in orders:
            one(order)
        return
    with ThreadPoolExecutor(run.trainer.workers) as pool:
        list(pool.map(one, orders))
