"""Adversarial losses: what a discriminator and a generator learn from the discriminator's logits.

A logit is a discriminator's output before the sigmoid, above zero for "real". Logits of any shape (N, ...) do: one per
picture, per patch or per pixel; every mean below is over all of them.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialKind = Literal["bce", "relativistic"]
"""`bce`: binary cross-entropy, non-saturating for the generator (Goodfellow et al. 2014, arXiv:1406.2661).
`relativistic`: the same for the difference of a logit and the other side's mean (Jolicoeur-Martineau 2018,
arXiv:1807.00734, as ESRGAN uses it: arXiv:1809.00219, eq. 1 and 2)."""


def discriminator_loss(real: Tensor, fake: Tensor, kind: AdversarialKind, shares: Tensor | None = None) -> Tensor:
    """`-E[log D(real)] - E[log(1 - D(fake))]`, what the discriminator minimises; 2 log 2 if D is 0.5 everywhere.

    Args:
        real: logits of true pictures.
        fake: logits of generated ones, whose graph should not lead into the generator.
        kind: whether D is the sigmoid of a logit or of its distance to the other side's mean.
        shares: weight of each generated picture in the mean, (N,), at least 0; None for equal weights.

    Returns:
        A scalar, float32 at least.
    """
    real, fake = _compared(real, fake, kind, shares)
    return -F.logsigmoid(real).mean() - _mean(F.logsigmoid(-fake), shares)


def generator_loss(real: Tensor, fake: Tensor, kind: AdversarialKind, shares: Tensor | None = None) -> Tensor:
    """What the generator minimises: `-E[log D(fake)]`, and for `relativistic` also `-E[log(1 - D(real))]`.

    Args:
        real: logits of true pictures; no gradient reaches them, and `bce` does not use them.
        fake: logits of generated ones.
        kind: as for `discriminator_loss`.
        shares: how much of the loss counts for each picture, (N,), in [0, 1]; None for all of it.

    Returns:
        A scalar, float32 at least.
    """
    real, fake = _compared(real.detach(), fake, kind, shares)
    loss = -_mean(F.logsigmoid(fake), shares)
    if kind == "relativistic":
        loss = loss - F.logsigmoid(-real).mean()
    return loss if shares is None else loss * shares.mean()


@torch.no_grad()
def probabilities(
    real: Tensor, fake: Tensor, kind: AdversarialKind, shares: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The means of D(real) and D(fake), for the log: scalars in [0, 1].

    Args:
        real, fake, kind, shares: as for `discriminator_loss`.
    """
    real, fake = _compared(real, fake, kind, shares)
    return real.sigmoid().mean(), _mean(fake.sigmoid(), shares)


def _mean(values: Tensor, shares: Tensor | None) -> Tensor:
    """The mean of (N, ...), weighted by the shares; zero if all shares are zero."""
    if shares is None:
        return values.mean()
    return (values.flatten(1).mean(dim=1) * shares).sum() / shares.sum().clamp(min=torch.finfo(shares.dtype).tiny)


def _compared(real: Tensor, fake: Tensor, kind: AdversarialKind, shares: Tensor | None) -> tuple[Tensor, Tensor]:
    """The logits of which D is the sigmoid; in float32 at least: half precision is too coarse for small losses."""
    real, fake = (logits.to(torch.promote_types(logits.dtype, torch.float32)) for logits in (real, fake))
    return (real, fake) if kind == "bce" else (real - _mean(fake, shares), fake - real.mean())
