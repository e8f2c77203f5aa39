"""`deltasr import`: convert published checkpoints of ResShift, DeltaDiff and DASR."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.parameters import OUTPUT, Flag


def import_command(
    *files: Path,
    as_: Annotated[str, Parameter(name="--as")],
    output: Annotated[Path, OUTPUT],
    half: Flag = False,
    overwrite: Flag = False,
) -> None:
    """Convert a model's published files to one checkpoint.

    `deltasr upscale --model` runs the checkpoint.

    A note says so if a file is named like the released file of another model.

    Parameters
    ----------
    files
        The .pth files of the denoiser and the autoencoder, in any order; of DASR, net_g.pth and net_p.pth. Only
        tensors are unpickled from them.
    as_
        The model that they are from: resshift-realsr-x4-s15, resshift-realsr-x4-s4, resshift-bicubic-x4-s15,
        resshift-bicubic-x4-s4, resshift-inpainting-imagenet-s4, resshift-inpainting-face-s4,
        resshift-face-restoration-s4, deltadiff-paper-x4 or dasr-x4.
    output
        The .safetensors file to write.
    half
        Store weights in 16 bits, which halves the file's size.
    overwrite
        Replace the output if it already exists.
    """
    from deltasr.errors import CheckpointError, SettingError

    if output.suffix != ".safetensors":
        raise SettingError(f"{output} is not named like a checkpoint; give a name that ends in .safetensors.")
    if output.exists() and not overwrite:
        raise CheckpointError(f"{output} exists; name another output or pass --overwrite.")

    from deltasr.models.published import doubtful_names, import_published

    import_published(files, output, name=as_, half=half)
    for doubt in doubtful_names(files, as_):
        print(plain(f"note: {doubt}"), file=sys.stderr)
    print(plain(f"{output}: {as_}, {output.stat().st_size / 1e6:.0f} MB"))
