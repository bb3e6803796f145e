"""What a store's measured cells say of accuracy, one source each, for a search to start from.

A source is a dataset and device that was searched before. Accuracies of a dataset do not depend on
the device, so the cells measured there are carried over to all cells by the regression that
also tests claims. While there are few of the dataset itself, other datasets speak too. The search
checks each source on its own measurements.
"""

from collections.abc import Mapping

import numpy as np

from llm_nas.knowledge.cells import Place
from llm_nas.knowledge.evidence import RunEvidence, Sample
from llm_nas.knowledge.kernel import CellKernel
from llm_nas.ports import Source

ENOUGH_CELLS = 60
"""Distinct measured cells of the dataset itself from which other datasets are not asked."""


def accuracy_sources(
    kernel: CellKernel, samples: Mapping[Place, Sample], dataset: str
) -> dict[str, Source]:
    """Measured cells, and the score of unit deviation they give all cells, by `dataset/device`.

    Empty when no source has enough cells.

    Args:
        kernel: the one that models accuracy.
        samples: measured cells by place, whatever run they come from.
        dataset: the one that will be searched.
    """
    own = {place: sample for place, sample in samples.items() if place.dataset == dataset}
    distinct = {cell for sample in own.values() for cell in sample.cells.tolist()}
    asked = own if len(distinct) >= ENOUGH_CELLS else samples
    surfaces = {
        place: RunEvidence(kernel, asked[place], "accuracy").surface() for place in sorted(asked)
    }
    return {
        str(place): Source(surface / spread, asked[place].cells, asked[place].accuracy_pct)
        for place, surface in surfaces.items()
        if surface is not None
        for spread in (float(np.std(surface)),)
        if spread > 0.0
    }
