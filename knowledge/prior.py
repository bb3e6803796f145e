"""What a store's measured cells say of every cell, as one score a search may start from.

Accuracies of a dataset do not depend on the device, so the cells that any run measured on it are
carried over to all cells by the regression that also tests claims. While there are few of them,
other datasets speak too, each at the same weight. The score has no unit; the search scales it, and
its own measurements decide what it is worth.
"""

from collections.abc import Mapping

import numpy as np

from llm_nas.domain import FloatArray
from llm_nas.knowledge.evidence import RunEvidence, Sample
from llm_nas.knowledge.kernel import CellKernel

ENOUGH_CELLS = 60
"""Distinct measured cells of the dataset itself from which other datasets are not asked."""


def accuracy_prior(
    kernel: CellKernel, samples: Mapping[str, Sample], dataset: str
) -> FloatArray | None:
    """Score `(size,)` that should rise with accuracy; None when there are too few cells.

    Args:
        kernel: the one that models accuracy.
        samples: measured cells by dataset, whatever run and device they come from.
        dataset: the one that will be searched.
    """
    own = samples.get(dataset)
    if own is not None and len(own.cells) >= ENOUGH_CELLS:
        samples = {dataset: own}
    surfaces = [
        RunEvidence(kernel, samples[name], "accuracy").surface() for name in sorted(samples)
    ]
    scores = [
        surface / spread
        for surface in surfaces
        if surface is not None
        for spread in (float(np.std(surface)),)
        if spread > 0.0
    ]
    return np.asarray(np.mean(scores, axis=0), dtype=np.float64) if scores else None
