"""Make the ONNX files of the bundled models from their weights: what runs where torch is not installed.

python scripts/export_bundled.py [NAME ...]

writes src/deltasr/weights/NAME.onnx for each name, all bundled models without one. The file holds torch's result for a
small picture, by which runtimes are tried. Needs the extra export.
"""

from __future__ import annotations

import sys

import torch

from deltasr.engines.export import export
from deltasr.errors import DeltasrError
from deltasr.files import write_whole
from deltasr.models import catalogue


def main(names: list[str]) -> None:
    """Write the files, and print their sizes.

    Raises:
        ModelError: there is no such model, or it cannot be exported.
        OutputError: a file cannot be written.
    """
    torch.set_num_threads(1)  # the last bits of the result depend on it
    for name in names or list(catalogue.BUNDLED):
        file = catalogue.bundled_file(name, ".onnx")
        content = export(catalogue.load(name), for_package=True).content
        write_whole(file, content, what="The exported model")
        print(f"{file.name}: {len(content) / 1e6:.1f} MB")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DeltasrError as error:
        sys.exit(f"export_bundled: {error}")
