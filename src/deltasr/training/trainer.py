"""The training loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch.utils.data import DataLoader

from deltasr.devices import drawback
from deltasr.errors import SettingError, TrainingError, reason
from deltasr.inference.memory import is_out_of_memory
from deltasr.models import checkpoint
from deltasr.training.adversarial_learner import AdversarialLearner
from deltasr.training.data.cache import CachedPicture, build_cache, find_pictures
from deltasr.training.data.crops import Crops, Positions
from deltasr.training.data.graphics.cached import drawn_pictures
from deltasr.training.data.teacher import Teachers, teach
from deltasr.training.display import Display, Silence
from deltasr.training.learner import Learner
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.metrics import Means, Metrics, Window
from deltasr.training.recipes.editing import checked, ignored, resumed
from deltasr.training.recipes.types import Recipe
from deltasr.training.run_folder import RunFolder
from deltasr.training.saved_state import amount
from deltasr.training.stopping import BestWeights, Stopping, leave_signals_to_the_main_process
from deltasr.training.systems import build_model, build_objective, needs_first_stage
from deltasr.training.validation import split, validate

_STEPS_BETWEEN_LOGS = 20
_LONGEST_WAIT = timedelta(hours=12)
"""Of one process for another: the first one alone decodes the pictures, validates and saves."""
_PACKAGES = ("accelerate", "tensorboard")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run takes besides its recipe.

    Attributes:
        data: folder of training pictures.
        cache: folder for decoded pictures.
        run: the run's folder.
        resume: go on with the run that is there.
        changes: values of its recipe that it goes on with, by the keys in `recipe_values.CHANGEABLE`.
        initial: weights to start from: a bundled model's name, a run's folder or a checkpoint; None for fresh ones.
        first_stage: a checkpoint with the autoencoder that a recipe needs.
        teachers: upscalers whose mean the recipe's share `teacher` of the target is: names in the catalogue or files.
        networks: weights of the networks that LPIPS and perceptual losses look through: a file, or a folder of them.
        minutes: stop, with a saved state, after so long, decoding included; None for no limit.
        device: `auto`, or `cpu` even where there is an accelerator.
    """

    data: Path
    cache: Path
    run: Path
    resume: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)
    initial: str | Path | None = None
    first_stage: Path | None = None
    teachers: tuple[str, ...] = ()
    networks: Path | None = None
    minutes: float | None = None
    device: str = "auto"


def train(recipe: Recipe, options: Options, display: Display) -> Path:
    """Train a model, or go on training it, until its recipe's images are seen or it is asked to stop.

    It stops, with a saved state, when `options.minutes` are over and at the first SIGINT or SIGTERM (when called from
    the main thread). A resumed run has the recipe that it began with, but for `options.changes`; `recipe` is then left
    aside.

    Returns:
        The file of the averaged weights.

    Raises:
        TrainingError: packages are missing; data, run folder or state cannot be used, or another training has the run
            folder; a loss term is not finite; memory runs out or a data worker dies.
        SettingError: the recipe has a wrong value or does not fit this machine.
        CheckpointError: `options.initial` cannot be read, or a file of the run cannot be written.
    """
    stopping = Stopping(options.minutes)
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    if missing:
        raise TrainingError(f"Training needs {' and '.join(missing)}: pip install -e '.[train]' installs it.")
    folder = RunFolder(options.run)
    if options.resume:
        folder.recipe()
    else:
        recipe = checked(recipe)
        folder.require_empty()
    accelerator = _accelerator(options.device)
    with folder.locked() if accelerator.is_main_process else nullcontext(), _failures_told(folder):
        if options.resume:
            recipe = resumed(folder.recipe(), options.changes)
        _Run(recipe, options, folder, display, accelerator).loop(stopping)
    return folder.weights_file


class _Run:
    """A run in progress: a learner, its pictures, and the folder that both are recorded in."""

    def __init__(self, recipe: Recipe, options: Options, folder: RunFolder, display: Display, accelerator: Any) -> None:
        self.recipe, self.options, self.folder, self.accelerator = recipe, options, folder, accelerator
        self.device: torch.device = self.accelerator.device
        self.is_main = bool(self.accelerator.is_main_process)
        self.display = display if self.is_main else Silence()
        self._check_machine()
        teachers = self._teachers()
        self.learner = self._new_learner()
        self.best, self.window = BestWeights(recipe.patience), Window(0)
        self._seconds_before, self._started = 0.0, time.monotonic()
        if options.resume:
            self._restore()
        pictures = self._cached_pictures()
        self.training, self.held_out, tested = split(pictures, recipe.validation_pictures, recipe.test_pictures)
        if teachers is not None:
            self.training = self._taught(teachers)
        self.drawn = self._drawn() if recipe.graphics else []
        if len(self.held_out) < recipe.validation_pictures:
            self.display.note(
                f"note: validation_pictures is {recipe.validation_pictures}, but of {len(pictures)} pictures only "
                f"{len(self.held_out)} are held out"
            )
        if self.is_main:
            folder.keep_pictures([(self._name(p), p.height, p.width) for p in pictures])
            validation, test = ([self._name(p) for p in kept] for kept in (self.held_out, tested))
            folder.keep_held_out(validation=validation, test=test)
            if not options.resume:
                if teachers is not None:
                    folder.keep_teachers(teachers.names)
                self._save_weights()
                folder.begin(recipe, self._state())
            elif options.changes:
                folder.save_recipe(recipe)
        self.accelerator.wait_for_everyone()

    def _new_learner(self) -> Learner:
        recipe, options = self.recipe, self.options
        loss_networks = find_loss_networks(recipe, options.networks)
        initial, first_stage = options.initial, options.first_stage
        if options.resume:
            initial, first_stage = None, self.folder.weights_file if needs_first_stage(recipe) else None
        model = build_model(recipe, initial=initial, first_stage=first_stage)
        objective = build_objective(model, recipe, loss_networks).to(self.device)
        if recipe.adversarial:
            return AdversarialLearner(recipe, objective, self.accelerator)
        return Learner(recipe, objective, self.accelerator)

    def _name(self, picture: CachedPicture) -> str:
        return picture.source.relative_to(self.options.data).as_posix()

    def _check_machine(self) -> None:
        processes = self.accelerator.num_processes
        if self.recipe.batch % processes:
            raise SettingError(f"A batch of {self.recipe.batch} cannot be shared by {processes} processes equally.")
        with self.accelerator.main_process_first():  # whose answer the others find where it is remembered
            against_bf16 = drawback("bfloat16", self.device) if self.recipe.precision == "bf16" else None
        for text in ignored(self.recipe, against_bf16=against_bf16):
            self.display.note(text)

    def _cached_pictures(self) -> list[CachedPicture]:
        found = find_pictures(self.options.data)

        def cached(progress: Callable[[int], None] | None = None) -> tuple[list[CachedPicture], list[str]]:
            smallest = self.recipe.crop * self.recipe.scale
            return build_cache(
                found,
                self.options.cache,
                scale=self.recipe.scale,
                smallest=smallest,
                shrink=self.recipe.shrink,
                progress=progress,
            )

        if not self.is_main:
            self.accelerator.wait_for_everyone()
            return cached()[0]
        pictures, complaints = cached(lambda done: self.display.caching(done, len(found)))
        for complaint in complaints:
            self.display.note(f"left out: {complaint}")
        self.accelerator.wait_for_everyone()
        return pictures

    def _teachers(self) -> Teachers | None:
        """The teachers that the recipe has a share for; a resumed run's are those that it began with."""
        names = self.folder.teachers() if self.options.resume else self.options.teachers
        if not self.recipe.teacher:
            if names:
                raise SettingError("The recipe's share of the teachers is 0; set teacher above 0, or leave them out.")
            return None
        if not names:
            raise SettingError(
                f"The recipe's target is {self.recipe.teacher:g} a teacher's; name it by --teacher MODEL."
            )
        teachers = Teachers(names, scale=self.recipe.scale)
        if not self.options.resume:
            teachers.load()  # a wrong name is found before hours of decoding; a resumed run has its pictures
        return teachers

    def _taught(self, teachers: Teachers) -> list[CachedPicture]:
        """The training pictures with what the teachers make of them, which the main process alone computes."""
        if not self.is_main:
            self.accelerator.wait_for_everyone()
            return teach(self.training, teachers)
        taught = teach(self.training, teachers, progress=self.display.teaching)
        self.accelerator.wait_for_everyone()
        return taught

    def _drawn(self) -> list[CachedPicture]:
        """The drawn pictures, which the main process alone draws."""

        def draw(progress: Callable[[float], None] | None = None) -> list[CachedPicture]:
            recipe = self.recipe
            return drawn_pictures(
                self.options.cache, seed=recipe.seed, scale=recipe.scale, photographs=self.training, progress=progress
            )

        if not self.is_main:
            self.accelerator.wait_for_everyone()
            return draw()
        drawn = draw(self.display.drawing)
        self.accelerator.wait_for_everyone()
        return drawn

    def _state(self) -> dict[str, Any]:
        rest = {"best": self.best.state(), "window": self.window.state(), "seconds": self.seconds}
        return {**self.learner.state(), **rest}

    def _restore(self) -> None:
        state = self.folder.load_state()
        self.learner.restore(state)
        if self.images > self.recipe.images:
            raise SettingError(
                f"The run in {self.folder.path} has learnt from {self.images:,} crops, and images is "
                f"{self.recipe.images:,}; set images to at least as many."
            )
        if "best" in state:  # earlier versions had none
            self.best.restore(state["best"], self.learner.average)
        self.window = Window(self.images)
        if "window" in state:  # nor that
            self.window.restore(state["window"], self.images)
        try:
            self._seconds_before = amount(state.get("seconds"), "seconds")
        except ValueError as error:
            raise TrainingError(f"The training state {self.folder.state_file} is damaged: {reason(error)}.") from error
        if self.is_main:
            self.folder.forget_after(self.images)
        self.display.note(f"resumed at {self.images:,} of {self.recipe.images:,} crops")

    def _save(self) -> None:
        if not self.is_main:
            return
        self.folder.save_state(self._state())
        self._save_weights()

    def _save_weights(self) -> None:
        facts = {
            "recipe": msgspec.to_builtins(self.recipe),
            "images": self.images if self.best.weights is None else self.best.images,
            "seconds": round(self.seconds, 1),
        }
        if names := self.folder.teachers() or self.options.teachers:
            facts["teachers"] = [Path(name).name for name in names]
        checkpoint.save(self.learner.average, self.folder.weights_file, state=self.best.weights, training=facts)

    @property
    def images(self) -> int:
        """Where the run stands."""
        return self.learner.images

    @property
    def seconds(self) -> float:
        """Wall-clock time of the loop, of all the run's processes so far."""
        return self._seconds_before + time.monotonic() - self._started

    def _batches(self) -> Any:
        crops = Crops(
            self.training,
            scale=self.recipe.scale,
            crop=self.recipe.crop,
            seed=self.recipe.seed,
            degradation=self.recipe.degradation,
            teacher=self.recipe.teacher,
            drawn=self.drawn,
            graphics=self.recipe.graphics,
        )
        loader = DataLoader(
            crops,
            batch_size=self.recipe.batch,
            sampler=Positions(self.images, self.recipe.images // self.recipe.batch * self.recipe.batch),
            num_workers=self.recipe.workers,
            pin_memory=self.device.type == "cuda",
            drop_last=True,
            worker_init_fn=leave_signals_to_the_main_process,
            generator=torch.Generator(),  # of its own: the loader draws from it when it starts, also after a resume
        )
        return self.accelerator.prepare(loader)

    def loop(self, stopping: Stopping) -> None:
        """Run until the images are seen or it has to stop; the state is saved in each case.

        Every save comes after reading the window, so that no state with values that are not finite is written. A stop
        logs nothing that a run which is left alone would not: the window goes into the state, and on when it resumes.
        """
        metrics = Metrics(self.folder, self.images) if self.is_main else None
        self._started = time.monotonic()
        self.window.start()
        try:
            with stopping, _kernels_chosen_by_timing():
                for batch in () if self.best.is_over else self._batches():
                    self.window.add(self.learner.step(*batch))
                    ends = self._is_over() or self._must_stop(stopping)
                    validates = self._is_over() or self._crossed(self.recipe.validate_every)
                    saves = self._crossed(self.recipe.save_every)
                    if validates or saves or self._crossed(_STEPS_BETWEEN_LOGS * self.recipe.batch):
                        self._log(metrics, self.window.look(self.images, self.accelerator.reduce))
                    elif ends:
                        self.window.read(self.images, self.accelerator.reduce)
                    if validates:
                        self._validate(metrics)
                        ends = ends or self._has_stopped_improving()
                    if ends:
                        break
                    if saves:
                        self._save()
                    if validates or saves:
                        self.window.skip_time()
                self._save()
                self.accelerator.wait_for_everyone()
        finally:
            if metrics is not None:
                metrics.close()
        if self.best.is_over:
            self.display.note(
                f"stopped at {self.images:,} crops: {self.recipe.patience} validations without a better one; the "
                f"weights are the best ones, of {self.best.images:,} crops"
            )
        elif not self._is_over():
            self.display.note(
                f"stopped at {self.images:,} of {self.recipe.images:,} crops; --resume goes on from there"
            )
        self.display.note(f"weights: {self.folder.weights_file}")

    def _is_over(self) -> bool:
        return self.images + self.recipe.batch > self.recipe.images

    def _crossed(self, interval: int) -> bool:
        return self.images // interval != (self.images - self.recipe.batch) // interval

    def _has_stopped_improving(self) -> bool:
        """Whether the main process, which alone validates, finds patience at its end."""
        return self._agreed(self.best.is_over)

    def _must_stop(self, stopping: Stopping) -> bool:
        """Whether any process has to stop: all of them then do, after the same step."""
        return self._agreed(stopping.wanted)

    def _agreed(self, wanted: bool) -> bool:
        """Whether any process wants it."""
        if self.accelerator.num_processes == 1:
            return wanted
        votes = torch.tensor(int(wanted), device=self.device)
        return bool(self.accelerator.reduce(votes, "sum") > 0)

    def _log(self, metrics: Metrics | None, means: Means) -> None:
        if metrics is not None:
            metrics.train(self.images, self.seconds, means, self.learner.learning_rate)
        self.display.progress(self.images, self.recipe.images, means.rate, means.loss)
        for warning in self.learner.warnings(means.watched):
            self.display.note(f"note: {warning}")

    def _validate(self, metrics: Metrics | None) -> None:
        if metrics is None or not self.held_out:
            return
        recipe = self.recipe
        result = validate(
            self.learner.average, self.held_out, self.device, scale=recipe.scale, degradation=recipe.degradation
        )
        self.best.consider(result.steps[-1], self.images, self.learner.average)
        metrics.validation(self.images, self.seconds, result)
        self.display.validation(self.images, result)


@contextmanager
def _failures_told(folder: RunFolder) -> Iterator[None]:
    """Tell in a sentence that memory ran out or that a process which prepares crops died."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            raise TrainingError("Memory ran out; begin a run with a smaller batch or crop.") from error
        if "DataLoader worker" in str(error):
            raise TrainingError(
                f"A process that prepares crops died ({reason(error)}); --resume goes on from the last saved state in "
                f"{folder.path}, with fewer workers (--set workers=...) if memory is short."
            ) from error
        raise


@contextmanager
def _kernels_chosen_by_timing() -> Iterator[None]:
    """Let cuDNN choose its fastest convolutions by trying them, which pays where all steps have the same shapes."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


def _accelerator(device: str) -> Any:
    from accelerate import Accelerator, DataLoaderConfiguration, InitProcessGroupKwargs

    try:
        return Accelerator(
            kwargs_handlers=[InitProcessGroupKwargs(timeout=_LONGEST_WAIT)],
            cpu=device == "cpu",
            mixed_precision="no",  # the loop says itself where autocast is on
            dataloader_config=DataLoaderConfiguration(split_batches=True, non_blocking=True),
        )
    except ValueError as error:
        raise SettingError(f"Accelerate was set up in another way in this process: {reason(error)}.") from error
