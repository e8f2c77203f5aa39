"""Checkpoints to the Hugging Face Hub: the file as it is, and a card made from ours or from its header."""

from __future__ import annotations

import json
import os
from pathlib import Path

from deltasr.arguments import shown
from deltasr.errors import CheckpointError, ModelError, reason
from deltasr.models import catalogue
from deltasr.models.header import Header, read_header
from deltasr.models.hub import WEIGHTS, parse

_CARD = "README.md"
_LIBRARY = "deltasr"
_ABOUT = ("library_name: deltasr", "pipeline_tag: image-to-image", "tags:", "- super-resolution", "- image-restoration")


def push(
    name_or_path: str | os.PathLike[str],
    to: str,
    *,
    card: str | os.PathLike[str] | None = None,
    private: bool = False,
    message: str | None = None,
) -> str:
    """Upload a checkpoint to the Hub, so that `load(to)` gives it back; the repository is made if it is not there.

    The repository gets `model.safetensors`, whose header says everything, and `README.md`, in one commit.

    Args:
        name_or_path: a bundled model, a checkpoint, or a run's folder.
        to: `hf://owner/name`, or `hf://owner/name@branch` for a branch that exists.
        card: a Markdown file to use as the card; without one, a bundled model's own, or the header's facts.
        private: whether a repository that is made is only open to its owner.
        message: of the commit.

    Returns:
        The address of the commit.

    Raises:
        ModelError: the name is of another form, or huggingface_hub is not installed.
        CheckpointError: the file is no checkpoint of ours, or the Hub refuses it or cannot be reached.
    """
    repository, revision = parse(to)
    file = _file_of(name_or_path)
    header = read_header(file)
    text = _card_of(name_or_path, header, card)
    try:
        from huggingface_hub import CommitOperationAdd, HfApi
    except ImportError as error:
        raise ModelError(f"{shown(to)} needs the huggingface_hub package: pip install -e '.[hub]'.") from error
    api = HfApi(library_name=_LIBRARY)
    try:
        api.create_repo(repository, private=private, exist_ok=True)
        commit = api.create_commit(
            repository,
            [
                CommitOperationAdd(path_in_repo=WEIGHTS, path_or_fileobj=file),
                CommitOperationAdd(path_in_repo=_CARD, path_or_fileobj=text.encode()),
            ],
            commit_message=message or f"Upload {header.name}",
            revision=revision,
        )
    except Exception as error:  # the network and the Hub refuse each in their own way
        raise CheckpointError(
            f"{name_or_path} cannot be uploaded to {to} ({reason(error)}); log in by hf auth login, with a token that "
            "may write."
        ) from error
    return str(commit.commit_url)


def _file_of(name_or_path: str | os.PathLike[str]) -> Path:
    if os.fspath(name_or_path) in catalogue.BUNDLED:
        return catalogue.bundled_file(os.fspath(name_or_path), ".safetensors")
    path = Path(name_or_path)
    return path / WEIGHTS if path.is_dir() else path


def _card_of(name_or_path: str | os.PathLike[str], header: Header, card: str | os.PathLike[str] | None) -> str:
    """The card with the Hub's facts before it, unless it begins with some."""
    if card is not None:
        try:
            text = Path(card).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CheckpointError(f"The card {card} cannot be read ({reason(error)}).") from error
        return text if text.startswith("---\n") else _with_facts(text)
    if os.fspath(name_or_path) in catalogue.BUNDLED:
        own = catalogue.bundled_file(os.fspath(name_or_path), ".md").read_text(encoding="utf-8")
        return _with_facts(own, "license: apache-2.0")
    facts = json.dumps({"architecture": header.architecture, **header.arguments}, indent=2)
    trained = json.dumps(header.training, indent=2)
    parts = [f"# {header.name}", header.description, "## Network", f"```json\n{facts}\n```"]
    parts += ["## Training", f"```json\n{trained}\n```"] if header.training else []
    return _with_facts("\n\n".join([*parts, "This card is made from the header of the file, which says the same."]))


def _with_facts(text: str, *more: str) -> str:
    return "\n".join(["---", *_ABOUT, *more, "---", "", text.rstrip("\n"), ""])
