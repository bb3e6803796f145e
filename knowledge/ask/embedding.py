"""Sentences as vectors, offline: the static embedding that the `wordllama` wheel carries."""

from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from llm_nas.errors import StoreError

NAME = "wordllama-l2-supercat"
DIMENSION = 256


class _Model(Protocol):
    def embed(self, texts: list[str], norm: bool) -> object: ...


@cache
def _model() -> _Model:
    spec = find_spec("wordllama")
    if spec is None or spec.origin is None:
        raise StoreError("semantic search needs the package wordllama: pip install wordllama")
    from wordllama import WordLlama  # type: ignore[import-untyped]

    # Both files lie in the wheel; the loader would look for the tokenizer on the network.
    model: _Model = WordLlama.load(
        dim=DIMENSION, cache_dir=Path(spec.origin).parent, disable_download=True
    )
    return model


def embed(texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Unit vectors `(n, 256)` of `n` texts; edge labels and operation names stay as written."""
    if not texts:
        return np.zeros((0, DIMENSION), dtype=np.float32)
    vectors = _model().embed([text or " " for text in texts], norm=True)
    return np.nan_to_num(np.asarray(vectors, dtype=np.float32))
