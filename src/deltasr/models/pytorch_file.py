"""Reading PyTorch's own files without running what is in them."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch

from deltasr.errors import CheckpointError


def read_tensors(file: Path) -> Any:
    """What `torch.save` wrote, on the CPU: tensors, and plain values and containers around them.

    Nothing else is unpickled, and programs (TorchScript) are not loaded at all.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it holds anything else.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*TorchScript archive", category=UserWarning)
            return torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"There is no file {file}.") from error
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file} is not a PyTorch file that holds nothing but weights; download it again."
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        if "TorchScript" in str(error):
            raise CheckpointError(
                f"{file} is a TorchScript program, which is not run; look for a file of the model's weights."
            ) from error
        raise CheckpointError(f"{file} is damaged, incomplete or no PyTorch file; download it again.") from error
