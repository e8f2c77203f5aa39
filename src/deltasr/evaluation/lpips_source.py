"""Where LPIPS weights come from: a file, an environment variable, or the `lpips` package."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from deltasr.evaluation.lpips import Lpips, NetName

LPIPS_VARIABLE = "DELTASR_LPIPS"
"""The environment variable that names the weights file, or a folder with such files."""


def find_lpips(
    source: Path | None = None, *, nets: Sequence[NetName] | None = None
) -> tuple[dict[str, nn.Module], str | None]:
    """Finds LPIPS networks: `source`, else the environment variable DELTASR_LPIPS, else the `lpips` package.

    Args:
        source: a weights file, or a folder with `lpips_alex_v0.1.pth` or `lpips_squeeze_v0.1.pth` in it.
        nets: which networks; by default the one in the file, or "alex".

    Returns:
        The networks by column name ("LPIPS-alex"), each called as `Lpips` is; and, if there are none, one
        sentence why LPIPS is left out.

    Raises:
        CheckpointError: what `source` or the environment variable names is not the LPIPS weights wanted.
    """
    source = source or _from_environment()
    if source is not None:
        wanted: Sequence[NetName | None] = nets or [None]
        found = [Lpips.from_file(source, net=net) for net in wanted]
        return {f"LPIPS-{module.net}": module for module in found}, None
    try:
        package = importlib.import_module("lpips")
        return {f"LPIPS-{net}": _PackageLpips(package, net) for net in nets or ["alex"]}, None
    except ModuleNotFoundError as error:
        if error.name == "lpips":
            return {}, f"LPIPS is left out: give its weights by --lpips FILE or {LPIPS_VARIABLE}."
        return {}, _unusable(error)
    except (ImportError, RuntimeError, OSError, AttributeError) as error:
        return {}, _unusable(error)


class _PackageLpips(nn.Module):
    """The `lpips` package's network, called as `Lpips`."""

    def __init__(self, package: ModuleType, net: NetName) -> None:
        super().__init__()
        self.network = package.LPIPS(net=net, version="0.1", verbose=False).eval()

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        with torch.autocast(sr.device.type, enabled=False):
            distance: Tensor = self.network(2 * sr.float() - 1, 2 * hr.float() - 1)
        return distance.flatten()


def _from_environment() -> Path | None:
    named = os.environ.get(LPIPS_VARIABLE)
    return Path(named) if named else None


def _unusable(error: Exception) -> str:
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return (
        f"LPIPS is left out: the lpips package does not work here ({reason}); it needs a torchvision "
        f"that fits torch, or give weights by --lpips FILE or {LPIPS_VARIABLE}."
    )
