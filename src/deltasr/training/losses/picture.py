"""What one-pass systems are trained on: losses on the picture, each with its weight."""

from __future__ import annotations

from torch import Tensor, nn, stack
from torch.nn import functional as F

from deltasr.models.autoencoder import Autoencoder
from deltasr.models.base import OnePassModel
from deltasr.training.losses.networks import LossNetworks
from deltasr.training.losses.objective import Loss, Objective, RngStreams
from deltasr.training.losses.pixel import l1, l2
from deltasr.training.recipes.picture import AutoencoderRecipe, PictureRecipe

_OF_PIXELS = ("l1", "l2")


class PictureObjective(Objective):
    """Terms `l1`, `l2`, `lpips` and `perceptual`, those whose weight is not zero. The adversarial one is the learner's.

    Args:
        recipe: the weights.
        loss_networks: the fixed networks that some losses look through.
    """

    def __init__(self, recipe: PictureRecipe, loss_networks: LossNetworks) -> None:
        super().__init__()
        self.loss_networks = nn.ModuleDict(
            {name: network for name, network in loss_networks.items() if isinstance(network, nn.Module)}
        )
        losses = {"l1": l1, "l2": l2, "lpips": self._lpips, "perceptual": self._perceptual}
        self.losses = {name: (getattr(recipe, name), loss) for name, loss in losses.items() if getattr(recipe, name)}
        self.terms = list(self.losses)

    def _lpips(self, picture: Tensor, hr: Tensor) -> Tensor:
        return self.loss_networks["lpips"](picture, hr).mean()

    def _perceptual(self, picture: Tensor, hr: Tensor) -> Tensor:
        return self.loss_networks["perceptual"](picture, hr)

    def picture_terms(self, picture: Tensor, hr: Tensor, target: Tensor | None = None) -> list[Tensor]:
        """The weighted terms of a result (N, 3, H, W); pixels are compared with `target` where there is one."""
        pixels = hr if target is None else target
        return [
            weight * loss(picture, pixels if name in _OF_PIXELS else hr) for name, (weight, loss) in self.losses.items()
        ]


class OnePassObjective(PictureObjective):
    """The loss of a one-pass model's result before it is clamped: gradients reach values out of range too."""

    model: OnePassModel

    def __init__(self, model: OnePassModel, recipe: PictureRecipe, loss_networks: LossNetworks) -> None:
        super().__init__(recipe, loss_networks)
        self.model = model

    def forward(
        self,
        lr: Tensor,
        hr: Tensor,
        streams: RngStreams,
        target: Tensor | None = None,
        restoration: Tensor | None = None,
    ) -> Loss:
        picture = self.model.unclamped(lr).float()
        terms = self.picture_terms(picture, hr, target)
        return Loss(stack(terms) if terms else picture.new_zeros(0), picture)


class AutoencoderObjective(PictureObjective):
    """A VQ autoencoder's loss: of the picture that it gives back, and of the codebook (arXiv:1711.00937, eq. 3).

    Gradients pass the quantisation straight through to the encoder, and reach the codebook through a term of its own.
    """

    model: Autoencoder

    def __init__(self, model: Autoencoder, recipe: AutoencoderRecipe, loss_networks: LossNetworks) -> None:
        super().__init__(recipe, loss_networks)
        self.model = model
        self.codebook, self.commitment = recipe.codebook, recipe.commitment
        self.terms = [*self.terms, "codebook", "commitment"]

    def forward(
        self,
        lr: Tensor,
        hr: Tensor,
        streams: RngStreams,
        target: Tensor | None = None,
        restoration: Tensor | None = None,
    ) -> Loss:
        network = self.model.autoencoder
        code = network.encode(2 * hr - 1).float()
        entries = network.nearest_entries(code)
        picture = (network.decode(code + (entries - code).detach(), quantise=False).float() + 1) / 2
        terms = self.picture_terms(picture, hr)
        terms.append(self.codebook * F.mse_loss(entries, code.detach()))
        terms.append(self.commitment * F.mse_loss(code, entries.detach()))
        return Loss(stack(terms), picture)
