"""Random changes of training images, fit to their size."""

import torch
from torch import Tensor
from torch.nn import functional


def reach(side: int) -> int:
    """How many pixels images of a side are shifted by: an eighth, at least one."""
    return max(1, side // 8)


def changed(images: Tensor, mirrored: bool, generator: torch.Generator) -> Tensor:
    """Images `(n, c, h, w)`, each shifted and, where allowed, mirrored at random.

    Draws come from `generator` on the processor, so that they do not depend on the device.
    """
    images = _shifted(images, generator)
    if not mirrored:
        return images
    turned = torch.rand(len(images), generator=generator) < 0.5
    return torch.where(turned.to(images.device)[:, None, None, None], images.flip(3), images)


def _shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    count, _, height, width = images.shape
    far = reach(min(height, width))
    padded = functional.pad(images, (far, far, far, far), mode="replicate")
    offsets = torch.randint(0, 2 * far + 1, (2, count), generator=generator).to(images.device)
    rows = offsets[0][:, None] + torch.arange(height, device=images.device)
    columns = offsets[1][:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    # Indexing puts the channels last: as convolutions want them in memory.
    return padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]].permute(
        0, 3, 1, 2
    )
