"""The interface by which a run shows its progress to a person."""

from __future__ import annotations

from typing import Protocol

from deltasr.training.validation import Validation


class Display(Protocol):
    """Shows a run to a person."""

    def caching(self, done: int, total: int) -> None:
        """`done` of `total` training pictures are decoded."""

    def teaching(self, share: float) -> None:
        """This share of the teachers' pictures is made, in [0, 1]."""

    def drawing(self, share: float) -> None:
        """This share of the drawn pictures is made, in [0, 1]."""

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        """The run has been trained on `images` of `total` crops, at `rate` crops per second, with this mean loss."""

    def validation(self, images: int, result: Validation) -> None:
        """A validation after `images` crops."""

    def note(self, text: str) -> None:
        """A message of one line."""


class Silence:
    """A `Display` that shows nothing; for every process but the main one."""

    def caching(self, done: int, total: int) -> None:
        pass

    def teaching(self, share: float) -> None:
        pass

    def drawing(self, share: float) -> None:
        pass

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        pass

    def validation(self, images: int, result: Validation) -> None:
        pass

    def note(self, text: str) -> None:
        pass
