"""Make the ONNX files of the bundled models from their weights: what runs where torch is not installed.

python scripts/export_bundled.py [NAME ...]

writes src/deltasr/weights/NAME.onnx for each name, all bundled models without one, and NAME.map.onnx from
NAME.map.safetensors where there is one (docs/error-map.md). The first file holds torch's result for a small picture, by
which runtimes are tried. Needs the extra export.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from deltasr.engines.export import export
from deltasr.engines.export_map import export_map
from deltasr.errors import DeltasrError
from deltasr.files import write_whole
from deltasr.models import catalogue, error_map


def main(names: list[str]) -> None:
    """Write the files, and print their sizes.

    Raises:
        ModelError: there is no such model, or it cannot be exported.
        CheckpointError: a map belongs to other weights than its model's.
        OutputError: a file cannot be written.
    """
    torch.set_num_threads(1)  # the last bits of the result depend on it
    for name in names or list(catalogue.BUNDLED):
        model = catalogue.load(name)
        contents = {".onnx": export(model, for_package=True).content}
        if catalogue.has_error_map(name):
            contents[catalogue.EXPORTED_MAP_SUFFIX] = export_map(model, error_map.file_of(name))
        for suffix, content in contents.items():
            _write(catalogue.bundled_file(name, suffix), content)


def _write(file: Path, content: bytes) -> None:
    write_whole(file, content, what="The exported model")
    print(f"{file.name}: {len(content) / 1e6:.2f} MB")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DeltasrError as error:
        sys.exit(f"export_bundled: {error}")
