"""Models of OpenModelDB: `openmodeldb://NAME`, where NAME is the last part of the address of the model's page.

The openmodeldb package (extra `openmodeldb`) reads OpenModelDB's index and fetches files from the places that it
names. Each file is kept in the user's cache folder and compared with the index's SHA-256 whenever it is used;
`models.external` reads it.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deltasr import user_cache
from deltasr.arguments import shown
from deltasr.errors import CheckpointError, ModelError, reason
from deltasr.files import sha256_of

PREFIX = "openmodeldb://"
PAGES = "https://openmodeldb.info/models/"

_NAME = re.compile(r"openmodeldb://(?P<model>\w[\w.-]*)", re.ASCII)
_FORMATS = ("safetensors", "pth")
"""Those that spandrel reads, the best one first, as the index calls them."""


def parse(name: str) -> str:
    """The model that an `openmodeldb://` name stands for.

    Raises:
        ModelError: the name has another form.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ModelError(
            f"{shown(name)} names no model of OpenModelDB; write openmodeldb://NAME, where the model's page is "
            f"{PAGES}NAME."
        )
    return parts["model"]


def fetch(name: str) -> Path:
    """Where the file of an `openmodeldb://` name lies in the cache folder, into which it is downloaded if needed.

    Raises:
        ModelError: the name has another form, or the openmodeldb package is not installed.
        CheckpointError: there is no such model, or no file that can be read and checked, or it cannot be fetched, or
            it is not the one that the index describes.
    """
    wanted = parse(name)
    try:
        from openmodeldb import OpenModelDB
    except ImportError as error:
        raise ModelError(f"{shown(name)} needs the openmodeldb package: pip install -e '.[openmodeldb]'.") from error
    try:
        folder = user_cache.folder() / "openmodeldb"
        database = OpenModelDB(cache_dir=str(folder))
        model = next((model for model in database if model.id == wanted), None)
    except Exception as error:  # the network, the disk and what the server says fail each in their own way
        raise CheckpointError(f"OpenModelDB's index cannot be fetched ({reason(error)}).") from error
    if model is None:
        raise CheckpointError(f"OpenModelDB has no model {wanted}; names are the last parts of addresses at {PAGES}.")
    kind, digest = _choice(wanted, model.resources)
    target = folder / f"{wanted}.{kind}"
    if target.is_file() and sha256_of(target) == digest:
        return target
    try:
        # A folder for each download: what lies under a file's name already, the package takes without comparing.
        with TemporaryDirectory(dir=folder) as scratch:
            file = Path(database.download(model, dest=scratch, format=kind, quiet=True))
            if sha256_of(file) != digest:
                raise CheckpointError("its SHA-256 is not that of the index")
            file.replace(target)
    except Exception as error:  # as above
        raise CheckpointError(f"{name} cannot be fetched ({reason(error)}).") from error
    return target


def _choice(model: str, resources: list[dict[str, Any]]) -> tuple[str, str]:
    """The format to take, and the SHA-256 of its file: the first of a format, as the package takes it."""
    for kind in _FORMATS:
        digest = next((resource.get("sha256") for resource in resources if resource.get("type") == kind), None)
        if digest:
            return kind, digest.lower()
    raise CheckpointError(
        f"OpenModelDB lists no file of {model} in {' or '.join(_FORMATS)} with its SHA-256; "
        f"see {PAGES}{model}, and give a file that you downloaded."
    )
