"""Torch's threads, for this process only."""


def use_threads(threads: int | None) -> None:
    """Let torch compute on this many threads; None leaves its own choice."""
    if threads is not None:
        import torch

        torch.set_num_threads(threads)
