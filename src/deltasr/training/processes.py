"""The processes of one training: one for each accelerator, or a single one."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import torch

from deltasr.errors import SettingError, reason

_LONGEST_WAIT = timedelta(hours=12)
"""Of one process for another: the main one alone decodes the pictures, validates and saves."""


def accelerator_on(device: str) -> Any:
    """Accelerate's `Accelerator`.

    Args:
        device: `auto`, an accelerator where there is one, or `cpu`.

    Raises:
        SettingError: this process has already set up Accelerate in another way.
    """
    from accelerate import Accelerator, DataLoaderConfiguration, InitProcessGroupKwargs

    if torch.distributed.is_available():
        # Its functions have the process group of the time of the import as a default, which keeps that group and its
        # threads beyond `destroy_process_group`; a thread that still runs when the interpreter ends can abort it.
        importlib.import_module("torch.distributed.nn.functional")
    try:
        return Accelerator(
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_LONGEST_WAIT)],
            # with several processes and no accelerator Accelerate would let each of them run alone
            cpu=device == "cpu" or not torch.accelerator.is_available(),
            mixed_precision="no",  # autocast is set where it is wanted
            dataloader_config=DataLoaderConfiguration(split_batches=True, non_blocking=True),
        )
    except ValueError as error:
        raise SettingError(f"Accelerate was set up in another way in this process: {reason(error)}.") from error


def any_process(accelerator: Any, condition: bool) -> bool:
    """Whether a condition holds in any of the processes; all of them must call this, and all get the same answer."""
    if accelerator.num_processes == 1:
        return condition
    votes = torch.tensor(int(condition), device=accelerator.device)
    return bool(accelerator.reduce(votes, "sum") > 0)
