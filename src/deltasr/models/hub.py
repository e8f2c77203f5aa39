"""Checkpoints on the Hugging Face Hub: `hf://owner/name`, or `hf://owner/name@revision`.

A repository holds one checkpoint, `model.safetensors`, whose header says everything, as in any other file of ours; no
other file of the repository is read. huggingface_hub (extra `hub`) downloads it once and keeps it in its own cache.
`models.push` uploads.
"""

from __future__ import annotations

import re
from pathlib import Path

from deltasr.arguments import shown
from deltasr.errors import CheckpointError, ModelError, reason
from deltasr.models.header import read_header

PREFIX = "hf://"
WEIGHTS = "model.safetensors"

_NAME = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?", re.ASCII)


def parse(name: str) -> tuple[str, str | None]:
    """The repository and the revision (None for the default branch) of an `hf://` name.

    Raises:
        ModelError: the name has another form.
    """
    parts = _NAME.fullmatch(name)
    if parts is None:
        raise ModelError(f"{shown(name)} names no model on the Hub; write hf://owner/name or hf://owner/name@revision.")
    return parts["repository"], parts["revision"]


def fetch(name: str) -> Path:
    """Where the checkpoint of an `hf://` name lies in the Hub's cache, into which it is downloaded if needed.

    Raises:
        ModelError: the name has another form, or huggingface_hub is not installed.
        CheckpointError: there is no such repository, revision or file, it cannot be fetched, or it is not ours.
    """
    repository, revision = parse(name)
    try:
        from huggingface_hub import errors, hf_hub_download
    except ImportError as error:
        raise ModelError(f"{shown(name)} needs the huggingface_hub package: pip install -e '.[hub]'.") from error
    try:
        path = Path(hf_hub_download(repository, WEIGHTS, revision=revision))
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"{name} is not in the Hub's cache on this machine, and the Hub cannot be reached; connect, and unset "
            "HF_HUB_OFFLINE if it is set."
        ) from error
    except errors.RepositoryNotFoundError as error:
        raise CheckpointError(
            f"The Hub has no model {repository}, or it is not open to you; for a private one, log in by hf auth login."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise CheckpointError(f"{repository} on the Hub has no revision '{revision}'.") from error
    except errors.EntryNotFoundError as error:
        raise CheckpointError(f"{name} holds no {WEIGHTS}, which a model for deltasr has to have.") from error
    except Exception as error:  # the network and the disk fail each in their own way
        raise CheckpointError(f"{name} cannot be fetched from the Hub ({reason(error)}).") from error
    read_header(path)
    return path
