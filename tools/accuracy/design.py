"""Which architectures to label when few can be: those that tell most about all others.

Optimal design for a Gaussian process (the criterion ALC of Cohn, Neural Networks 1996; Seo et
al., IJCNN 2000): greedily the one after whose label the mean posterior variance is least. It
depends on features, which cost no training, and on no label.
"""

import numpy as np

from llm_nas.domain import FloatArray, IntArray
from llm_nas.tools.accuracy.fixed_scale import NOISE, matern52

POOL = 1500
"""Random rows to choose from: they make designs differ by seed."""
TARGETS = 3000
"""Random rows whose variance is averaged."""


def design(embedding: FloatArray, weights: FloatArray, labels: int, seed: int) -> IntArray:
    """`labels` distinct rows, the most telling first.

    Args:
        embedding: `(pool, e)`, in which distance is unlikeness; see `Features.embedding`.
        weights: `(pool,)`, positive: how much the variance of each row matters.
        labels: how many.
        seed: draws the rows to choose from and those to be told about.
    """
    rng = np.random.default_rng(seed)
    pool = rng.permutation(len(embedding))[: max(POOL, labels)].astype(np.int64)
    targets = rng.permutation(len(embedding))[:TARGETS]
    share = weights[targets] / weights[targets].sum()
    rows = embedding[pool]
    cross = matern52(rows, embedding[targets])
    variance, gain = np.ones(len(pool)), cross**2 @ share
    # Posterior covariances are the prior ones minus products of these, one column per label.
    own, theirs = np.zeros((len(pool), labels)), np.zeros((len(targets), labels))
    chosen = np.zeros(labels, dtype=np.int64)
    for step in range(labels):
        best = int(np.argmax(gain / (variance + NOISE)))
        chosen[step] = best
        pivot = np.sqrt(variance[best] + NOISE)
        past = own[best, :step]
        column = (matern52(rows, rows[best : best + 1])[:, 0] - own[:, :step] @ past) / pivot
        row = (cross[best] - theirs[:, :step] @ past) / pivot
        along = cross @ (share * row) - own[:, :step] @ (theirs[:, :step].T @ (share * row))
        gain += column**2 * (share @ row**2) - 2.0 * column * along
        gain[best] = -np.inf
        variance = np.maximum(variance - column**2, 0.0)
        own[:, step], theirs[:, step] = column, row
    return pool[chosen]
