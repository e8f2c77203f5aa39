"""Files in object stores, by URL: whoever upscales them fetches them, and sends the results."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deltasr.errors import DeltasrError, PictureError, reason
from deltasr.inference.batch import Request, upscale_file
from deltasr.planning import Job, Outcome

if TYPE_CHECKING:
    from deltasr.inference.upscaler import Upscaler


def place(text: str | Path) -> Path:
    """The file or folder with a path or a URL such as s3://bucket/folder.

    A URL becomes a `upath.UPath`, which has the methods of a `Path` and the type of none.

    Raises:
        PictureError: it is a URL that cannot be opened, such as where the package for it is not installed.
    """
    if isinstance(text, Path):
        return text
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    try:
        from upath import UPath

        found: Any = UPath(text)
        found.fs  # noqa: B018  # loads the file system's own package
    except ImportError as error:
        raise PictureError(
            f"{text} cannot be opened ({reason(error)}); pip install -e '.[ray]', and the package of fsspec for "
            f"{scheme}, such as s3fs or gcsfs."
        ) from error
    except ValueError as error:
        raise PictureError(f"{text} cannot be opened: {reason(error)}.") from error
    return found


def is_remote(path: object) -> bool:
    """Whether a place is a URL rather than a path."""
    return not isinstance(path, Path)


def full_name(path: Path) -> str:
    """The name of a place that is the same in every process."""
    return str(path) if is_remote(path) else str(path.absolute())


def upscale_anywhere(
    job: Job,
    *,
    upscaler: Upscaler,
    request: Request,
    progress: Callable[[Job, float], None] = lambda job, share: None,
    replace_maps: bool = False,
) -> Outcome:
    """Do what `inference.batch.upscale_file` does, with files that may be URLs.

    These are copied to a temporary folder, and what is written there is sent where it belongs, the result last. An
    object store shows an object only when all of it is there.

    Raises:
        PictureError, ModelError, SettingError, OSError, MemoryError: the picture cannot be read, upscaled or written.
    """
    if not (is_remote(job.source) or is_remote(job.target)):
        return upscale_file(job, upscaler=upscaler, request=request, progress=progress, replace_maps=replace_maps)
    with tempfile.TemporaryDirectory(prefix="deltasr-") as folder:
        near = Job(source=Path(folder, "from", job.source.name), target=Path(folder, "to", job.target.name))
        _copied(job.source, near.source)
        try:
            outcome = upscale_file(
                near, upscaler=upscaler, request=request, progress=lambda _, share: progress(job, share)
            )
        except DeltasrError as error:
            names = {str(near.source): str(job.source), str(near.target): str(job.target)}
            text = str(error)
            for name, meant in names.items():
                text = text.replace(name, meant)
            raise type(error)(text) from error
        beside = [file for file in near.target.parent.iterdir() if file != near.target]
        for file in [*sorted(beside), near.target]:
            target = job.target.with_name(file.name)
            if file != near.target and target.exists() and not replace_maps:
                raise PictureError(f"{target} already exists; choose --overwrite, or another output.")
            _copied(file, target)
    return replace(outcome, source=job.source, target=job.target)


def _copied(source: Any, target: Any) -> None:
    """Copy a file from or to a URL; the target's folder is made.

    Raises:
        PictureError: it cannot be read or written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_remote(source):
            if not source.fs.isfile(source.path):
                raise FileNotFoundError
            source.fs.get_file(source.path, str(target))
        elif is_remote(target):
            target.fs.put_file(str(source), target.path)
        else:
            target.write_bytes(source.read_bytes())
    except FileNotFoundError as error:
        raise PictureError(f"{source} does not exist.") from error
    except Exception as error:  # each store's package has exceptions of its own
        named, verb = (source, "read") if is_remote(source) else (target, "written")
        raise PictureError(f"{named} cannot be {verb}: {reason(error)}.") from error
