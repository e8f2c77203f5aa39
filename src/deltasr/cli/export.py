"""`deltasr export`: a model as a file for ONNX Runtime, OpenVINO and other programs that read ONNX."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from deltasr.cli.messages import complain, plain
from deltasr.cli.parameters import OUTPUT, Flag

if TYPE_CHECKING:
    import numpy as np


def export_command(
    model: str,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    int8: Flag = False,
    calibration: Path | None = None,
    overwrite: Flag = False,
) -> None:
    """Write a model's network as an ONNX or OpenVINO file.

    The file is .onnx, or .xml with a .bin beside it; `deltasr upscale --model` runs both.

    Parameters
    ----------
    model
        Name in the catalogue, checkpoint, or folder of a training run.
    output
        The file to write; its name ends in .onnx or .xml.
    int8
        Compute convolutions in 8-bit integers: fastest, and slightly less accurate. For OpenVINO only.
    calibration
        Folder of photographs, a hundred or more and large, from which --int8 measures the ranges of values. They are
        not needed afterwards.
    overwrite
        Replace the output if it already exists.
    """
    from deltasr.errors import ModelError, SettingError

    if output.suffix not in (".onnx", ".xml"):
        raise SettingError(f"{output} is not named like an exported model; give a name that ends in .onnx or .xml.")
    if int8 and output.suffix != ".xml":
        raise SettingError("Networks in 8 bits are written for OpenVINO alone; give a name that ends in .xml.")
    if int8 != (calibration is not None):
        raise SettingError("--int8 and --calibration FOLDER go together; give both or neither.")
    if calibration is not None and not calibration.is_dir():
        raise SettingError(f"{calibration} is not a folder; give one of photographs.")
    for file in {output, output.with_suffix(".bin")} if output.suffix == ".xml" else {output}:
        if file.exists() and not overwrite:
            raise ModelError(f"{file} exists; name another output or pass --overwrite.")

    from deltasr.engines import export
    from deltasr.models import catalogue

    exported = export.export(catalogue.load(model))
    if calibration is not None:
        from deltasr.engines import quantise

        crops = quantise.crops_of(_pictures(calibration), exported.header.scale)
        network, metadata = quantise.quantise(exported, crops)
        export.write_openvino(network, metadata, output)
    else:
        export.write(exported, output)
    size = output.with_suffix(".bin").stat().st_size if output.suffix == ".xml" else output.stat().st_size
    kind = "8 bits" if int8 else "float32"
    print(plain(f"{output}: {exported.header.name} in {kind}, {size / 1e6:.1f} MB"))


def _pictures(folder: Path) -> Iterator[np.ndarray]:
    """The pictures of a folder, in the order of their names; those that cannot be read are named and left out."""
    from deltasr.errors import DeltasrError
    from deltasr.imaging import read_rgb8
    from deltasr.training.data.cache import find_pictures

    for file in find_pictures(folder):
        try:
            yield read_rgb8(file)
        except DeltasrError as error:
            complain(str(error))
