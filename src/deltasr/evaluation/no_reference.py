"""No-reference metrics, which need no HR picture: NIQE, and MUSIQ and CLIP-IQA through the `pyiqa` package."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from deltasr.errors import ModelError, SettingError, reason
from deltasr.evaluation.niqe import NaturalScenes, Niqe

NoReferenceName = Literal["niqe", "musiq", "clipiqa"]
NO_REFERENCE_NAMES: tuple[NoReferenceName, ...] = get_args(NoReferenceName)

TITLES: dict[NoReferenceName, str] = {"niqe": "NIQE", "musiq": "MUSIQ", "clipiqa": "CLIP-IQA"}
"""Column names by the names of the metrics; pyiqa has the same ones."""

LOWER_IS_BETTER = frozenset({TITLES["niqe"]})
"""Columns in which lower is better; in the others higher is."""


@dataclass(frozen=True, kw_only=True)
class NoReference:
    """One metric; called as every perceptual metric, with the HR picture, which it ignores.

    Attributes:
        title: its column's name.
        library: that computes it, with its version: "pyiqa 0.1.16"; of NIQE the parameters, "own parameters".
        network: pyiqa's, on the CPU, or a `Niqe`.
    """

    title: str
    library: str
    network: Any

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        """The score of a picture.

        Args:
            sr: (1, 3, H, W), RGB in [0, 1].
            hr: anything.

        Returns:
            (1,), float32.

        Raises:
            ModelError: there is no score; pictures that are too small have none.
        """
        what = f"{self.title} gives no score for a picture of {sr.shape[-1]}x{sr.shape[-2]} pixels"
        try:
            score: Tensor = self.network(sr.float()).detach().float().reshape(1)
        except Exception as error:  # metrics raise different errors for pictures that they cannot score
            raise ModelError(f"{what} ({reason(error)}); leave out the picture or the metric.") from error
        if not torch.isfinite(score).all():
            raise ModelError(f"{what}; leave out the picture or the metric.")
        return score


def find_no_reference(
    names: Sequence[NoReferenceName], *, niqe_parameters: Path | None = None
) -> dict[str, NoReference]:
    """The metrics, ready to use, by their columns' names.

    pyiqa is imported here, and only if there are names besides NIQE. It downloads a metric's weights when that is first
    made.

    Args:
        names: which ones; repeated names count once.
        niqe_parameters: a file of NIQE's parameters (`niqe.NaturalScenes.from_file`); None for the bundled ones.

    Raises:
        ModelError: pyiqa is not installed or cannot be imported, or weights cannot be loaded or downloaded.
        CheckpointError: the file does not hold NIQE's parameters.
        SettingError: there is such a file, and NIQE is not one of the metrics.
    """
    if niqe_parameters is not None and "niqe" not in names:
        raise SettingError("NIQE's parameters are of no use without the metric niqe; ask for it, or leave them out.")
    with contextlib.redirect_stdout(sys.stderr):  # tables go to standard output, and pyiqa prints what it loads
        return {TITLES[name]: _niqe(niqe_parameters) if name == "niqe" else _made(name) for name in names}


def _niqe(parameters: Path | None) -> NoReference:
    scenes = None if parameters is None else NaturalScenes.from_file(parameters)
    whose = "own parameters" if parameters is None else f"parameters of {parameters.name}"
    return NoReference(title=TITLES["niqe"], library=whose, network=Niqe(scenes))


def _pyiqa(title: str) -> ModuleType:
    try:
        return importlib.import_module("pyiqa")
    except Exception as error:  # it imports some thirty packages, which raise different errors
        if isinstance(error, ModuleNotFoundError) and error.name == "pyiqa":
            raise ModelError(f"{title} needs the pyiqa package: pip install -e '.[iqa]'.") from error
        raise ModelError(
            f"pyiqa is installed but cannot be imported ({reason(error)}); install builds of torch and torchvision "
            "that belong together, both from PyTorch's own index."
        ) from error


def _made(name: NoReferenceName) -> NoReference:
    pyiqa = _pyiqa(TITLES[name])
    try:
        network = pyiqa.create_metric(name, device=torch.device("cpu"))
    except Exception as error:  # downloads, files and networks raise different errors
        raise ModelError(
            f"pyiqa cannot make {TITLES[name]} ({reason(error)}); it downloads weights when a metric is first used, so "
            "try again with a connection."
        ) from error
    return NoReference(title=TITLES[name], library=f"pyiqa {pyiqa.__version__}", network=network)
