"""What a run tells people, whoever shows it."""

from __future__ import annotations

from typing import Protocol

from deltasr.training.validation import Validation


class Display(Protocol):
    """What shows a run to a person."""

    def caching(self, done: int, total: int) -> None:
        """So many of the training pictures are decoded."""

    def teaching(self, share: float) -> None:
        """The teachers' pictures are made to this share, in [0, 1]."""

    def drawing(self, share: float) -> None:
        """The drawn pictures are made to this share, in [0, 1]."""

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        """So many images of the run are seen, at `rate` images a second, with this mean loss."""

    def validation(self, images: int, result: Validation) -> None:
        """A validation was made."""

    def note(self, text: str) -> None:
        """Something worth a line."""


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
