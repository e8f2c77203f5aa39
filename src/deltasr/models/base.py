"""The models that torch runs."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor, nn

from deltasr.models.configs import Config
from deltasr.models.interface import ModelInterface, SizeRequirements

__all__ = ["Model", "OnePassModel", "SizeRequirements"]


class Model(nn.Module, ModelInterface):
    """A model that torch runs; it moves with `.to()`. Attributes are those of `ModelInterface`."""

    def forward(self, lr: Tensor) -> Tensor:
        raise TypeError(f"{type(self).__name__} does not define forward")

    @property
    def architecture(self) -> str:
        """The name under which checkpoints record its class; empty for models that have no checkpoints."""
        return "" if self.config is None else self.config.architecture

    @property
    def parameter_count(self) -> int:
        return sum(weight.numel() for weight in self.parameters())

    def weights_sha256(self) -> str:
        """SHA-256 of the weights: of names, types, shapes and values, on whatever device they are."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
            digest.update(values.flatten().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def current_config(self) -> Config:
        """The config that builds this model again, with the options of use as they are set now.

        Raises:
            TypeError: the model has no checkpoints.
        """
        if self.config is None:
            raise TypeError(f"{type(self).__name__} has no checkpoints")
        return replace(self.config, **{name: getattr(self, name) for name in self.config.of_use})

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments that build this model again, as JSON values (for a checkpoint's header)."""
        return self.current_config().arguments()

    def net_arguments(self) -> dict[str, Any]:
        """What decides the networks' shapes; models that agree in it can exchange weights."""
        return self.current_config().shape()

    def adopt(self, other: Model) -> bool:
        """Take over the weights of a model of the same networks, and return whether it is one."""
        if type(other) is not type(self) or other.net_arguments() != self.net_arguments():
            return False
        self.load_state_dict(other.state_dict())
        return True

    def graph(self) -> nn.Module:
        """What is exported: (lr, and the model's dials by name) to its result, in a form that other programs run fast.

        Results differ from those of a call by rounding alone. It may share weights with the model.
        """
        return self

    def predictions(self, lr: Tensor, **conditions: float | Tensor | None) -> list[Tensor]:
        """The picture after each step, first step first, the last of them the result.

        Args:
            lr: as for a call of the model.
            conditions: the other arguments of the call, such as `fidelity`.
        """
        return [self(lr, **conditions)]


class OnePassModel(Model):
    """A model that makes its result by one pass of its network; subclasses define `unclamped`."""

    def unclamped(self, lr: Tensor) -> Tensor:
        """The result (N, 3, scale h, scale w), not clamped: losses on values out of range have gradients, too."""
        raise TypeError(f"{type(self).__name__} does not define unclamped")

    def forward(self, lr: Tensor) -> Tensor:
        """Upscale (N, 3, h, w) in [0, 1] to (N, 3, scale h, scale w) in [0, 1]."""
        return self.unclamped(lr).clamp(0, 1)
