"""The folder of a training run: its recipe, its state, its metrics and its weights."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import torch

from deltasr.errors import TrainingError, reason
from deltasr.files import clear_leftovers, write_whole
from deltasr.training.recipes.base import SYSTEM, Recipe
from deltasr.training.recipes.types import AnyRecipe

_STATE_FORMAT = 1
WEIGHTS = "model.safetensors"
"""Name of the file of a run's weights in its folder."""
_LOCK = "run.lock"


class RunFolder:
    """Paths and files of a run.

    Attributes:
        recipe_file: `recipe.json`, the recipe; it is written last, so a folder that contains it can be resumed.
        pictures_file: `pictures.json`, the pictures that determine the order of crops.
        held_out_file: `held-out.json`, which of them are kept for validation and for tests.
        teachers_file: `teachers.json`, the teachers, if there are any.
        state_file: `state.pt`, everything that a resumed run needs.
        metrics_file: `metrics.jsonl`, one JSON object per line.
        weights_file: `model.safetensors`, the averaged weights as a model for `deltasr upscale --model`.
        lock_file: `run.lock`, empty; the operating system releases the lock when the process that holds it ends.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe_file = path / "recipe.json"
        self.pictures_file = path / "pictures.json"
        self.held_out_file = path / "held-out.json"
        self.teachers_file = path / "teachers.json"
        self.state_file = path / "state.pt"
        self.metrics_file = path / "metrics.jsonl"
        self.weights_file = path / WEIGHTS
        self.lock_file = path / _LOCK

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for this process. If no run begins meanwhile, the lock file and a new folder are removed.

        Raises:
            TrainingError: another process, or another thread of this one, trains here; or the folder cannot be written.
        """
        from filelock import FileLock, Timeout

        lock, is_new = FileLock(self.lock_file), not self.path.exists()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        except Timeout as error:
            raise TrainingError(
                f"Another training writes to {self.path}; wait until it ends, or name another folder."
            ) from error
        except OSError as error:
            raise TrainingError(f"The run {self.path} cannot be written: {error.strerror or error}.") from error
        clear_leftovers(self.path)
        try:
            yield
        finally:
            began = self.recipe_file.exists()
            with suppress(OSError):  # Windows cannot remove an open file
                if not began:
                    self.lock_file.unlink()
            lock.release()
            with suppress(OSError):  # it is not empty
                if is_new and not began:
                    self.path.rmdir()

    def require_empty(self) -> None:
        """Make sure that a run can begin here.

        Raises:
            TrainingError: there already is one, or the path is a file.
        """
        if self.path.exists() and not self.path.is_dir():
            raise TrainingError(f"{self.path} is a file; name a folder for the run.")
        if self.recipe_file.exists():
            raise TrainingError(f"{self.path} holds a run already; go on with it by --resume, or name another folder.")

    def begin(self, recipe: Recipe, state: dict[str, Any]) -> None:
        """Start a new run here, with the state before its first step.

        Raises:
            TrainingError: the folder already contains a run, or its files cannot be written.
        """
        self.require_empty()
        self.metrics_file.unlink(missing_ok=True)
        self.save_state(state)
        self.save_recipe(recipe)

    def save_recipe(self, recipe: Recipe) -> None:
        """Write the recipe.

        Raises:
            TrainingError: it cannot be written.
        """
        content = msgspec.json.format(msgspec.json.encode(recipe), indent=2) + b"\n"
        write_whole(self.recipe_file, content, what="The recipe", error=TrainingError)

    def keep_pictures(self, pictures: list[tuple[str, int, int]]) -> None:
        """Write which pictures a run is trained on, or make sure that a resumed run has the same pictures as before.

        With other pictures the following crops would not be those of an uninterrupted run, and validation pictures
        could become training pictures.

        Args:
            pictures: name, height and width of each, in order.

        Raises:
            TrainingError: the run began with other pictures.
        """
        content = b"[\n" + b",\n".join(msgspec.json.encode(picture) for picture in pictures) + b"\n]\n"
        if not (self.recipe_file.exists() and self.pictures_file.exists()):
            write_whole(self.pictures_file, content, what="The list of pictures", error=TrainingError)
        elif self.pictures_file.read_bytes() != content:
            raise TrainingError(
                f"The pictures are not those that the run began with, which {self.pictures_file} lists; bring them "
                "back, or begin a new run from its weights (--init)."
            )

    def keep_held_out(self, *, validation: list[str], test: list[str]) -> None:
        """Write the names of the pictures that are not trained on.

        Raises:
            TrainingError: they cannot be written.
        """
        names = msgspec.json.encode({"validation": validation, "test": test})
        content = msgspec.json.format(names, indent=2) + b"\n"
        write_whole(self.held_out_file, content, what="The list of pictures", error=TrainingError)

    def keep_teachers(self, names: Sequence[str]) -> None:
        """Write the teachers of a run, for when it is resumed: names in the catalogue, or absolute paths.

        Raises:
            TrainingError: they cannot be written.
        """
        absolute = [str(Path(name).resolve()) if Path(name).is_file() else name for name in names]
        content = msgspec.json.encode(absolute) + b"\n"
        write_whole(self.teachers_file, content, what="The list of teachers", error=TrainingError)

    def teachers(self) -> tuple[str, ...]:
        """The teachers that `keep_teachers` wrote; empty for a run without teachers.

        Raises:
            TrainingError: they cannot be read.
        """
        try:
            return msgspec.json.decode(self.teachers_file.read_bytes(), type=tuple[str, ...])
        except FileNotFoundError:
            return ()
        except (OSError, msgspec.MsgspecError) as error:
            raise TrainingError(f"The teachers in {self.teachers_file} cannot be read: {reason(error)}.") from error

    def recipe(self) -> AnyRecipe:
        """The recipe of the run in this folder.

        Raises:
            TrainingError: there is none, or it cannot be read.
        """
        try:
            values = msgspec.json.decode(self.recipe_file.read_bytes(), type=dict[str, Any])
            return msgspec.convert({SYSTEM: "deltadiff", **values}, AnyRecipe)
        except FileNotFoundError as error:
            raise TrainingError(f"{self.path} holds no run to resume.") from error
        except RecursionError as error:
            raise TrainingError(f"The recipe {self.recipe_file} cannot be read: it is nested too deeply.") from error
        except (OSError, msgspec.MsgspecError) as error:
            raise TrainingError(f"The recipe {self.recipe_file} cannot be read: {reason(error)}.") from error

    def save_state(self, state: dict[str, Any]) -> None:
        """Write the state; if the process is killed meanwhile, the previous one stays.

        Raises:
            TrainingError: it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save({"format": _STATE_FORMAT, **state}, buffer)
        write_whole(self.state_file, buffer.getvalue(), what="The training state", error=TrainingError)

    def load_state(self) -> dict[str, Any]:
        """The last state, on the CPU.

        Raises:
            TrainingError: there is none, or the file is damaged or of another format.
        """
        try:
            state = torch.load(self.state_file, map_location="cpu", weights_only=True)
        except FileNotFoundError as error:
            raise TrainingError(f"{self.path} holds no state to resume from; begin a new run elsewhere.") from error
        except Exception as error:  # torch.load raises errors of many classes for damaged files
            raise TrainingError(f"The training state {self.state_file} cannot be read: {reason(error)}.") from error
        if not isinstance(state, dict) or state.get("format") != _STATE_FORMAT:
            raise TrainingError(f"The training state {self.state_file} is of another format than this deltasr writes.")
        return state

    def log(self, entry: dict[str, Any]) -> None:
        """Append one object to the metrics.

        Raises:
            TrainingError: the file cannot be written.
        """
        try:
            with self.metrics_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise TrainingError(f"The metrics {self.metrics_file} cannot be written: {error.strerror}.") from error

    def forget_after(self, images: int) -> None:
        """Remove metrics of images that a resumed run will train on again.

        Raises:
            TrainingError: the metrics cannot be written.
        """
        if not self.metrics_file.exists():
            return
        kept = []
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["images"] <= images:
                    kept.append(line)
            except (ValueError, KeyError, TypeError, RecursionError):
                continue
        lines = "".join(f"{line}\n" for line in kept)
        write_whole(self.metrics_file, lines, what="The metrics", error=TrainingError)
