"""`deltasr import`: published checkpoints of ResShift and DeltaDiff, made into ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deltasr.cli.messages import plain


def import_command(
    *files: Path,
    as_: Annotated[str, Parameter(name="--as")],
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    half: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Make one checkpoint, which `deltasr upscale --model` runs, from the published files of a model.

    Parameters
    ----------
    files
        The denoiser's and the autoencoder's .pth file, in any order. Nothing but tensors is unpickled from them.
    as_
        Which model they are: resshift-realsr-x4-s15, resshift-realsr-x4-s4, resshift-bicubic-x4-s4 or
        deltadiff-paper-x4.
    output
        The .safetensors file to write.
    half
        Store weights in 16 bits, in half the space.
    overwrite
        Replace the output if it exists.
    """
    from deltasr.errors import CheckpointError, SettingError

    if output.suffix != ".safetensors":
        raise SettingError(f"{output} is not named like a checkpoint; give a name that ends in .safetensors.")
    if output.exists() and not overwrite:
        raise CheckpointError(f"{output} exists; name another output or pass --overwrite.")

    from deltasr.models.published import import_published

    import_published(files, output, name=as_, half=half)
    print(plain(f"{output}: {as_}, {output.stat().st_size / 1e6:.0f} MB"))
