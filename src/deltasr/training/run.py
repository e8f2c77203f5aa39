"""A training run in progress: its loop, its state, and the files that both are saved in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import torch
from torch.utils.data import DataLoader

from deltasr.devices import drawback
from deltasr.errors import SettingError, TrainingError, reason
from deltasr.models import checkpoint
from deltasr.training.adversarial_learner import AdversarialLearner
from deltasr.training.data.cache import CachedPicture
from deltasr.training.data.crops import Crops, Positions
from deltasr.training.data.preparation import find_teachers, prepare_pictures
from deltasr.training.display import Display, Silence
from deltasr.training.learner import Learner
from deltasr.training.losses.networks import find_loss_networks
from deltasr.training.metrics import Means, Metrics, Window
from deltasr.training.processes import any_process
from deltasr.training.recipes.base import Recipe
from deltasr.training.recipes.editing import ignored
from deltasr.training.run_folder import RunFolder
from deltasr.training.saved_state import amount
from deltasr.training.stopping import BestWeights, Stopping, leave_signals_to_the_main_process
from deltasr.training.systems import build_model, build_objective, needs_first_stage
from deltasr.training.validation import validate

if TYPE_CHECKING:
    from deltasr.training.trainer import Options

_STEPS_BETWEEN_LOGS = 20

_TOO_SILENT = 0.5
"""Share of silent channels from which on a validation says so."""


class Run:
    """A run in progress: a learner, its pictures, and the folder that both are recorded in.

    Args:
        recipe, options: as `trainer.train` takes them; of a resumed run the recipe with its changes.
        folder: the run's, locked by the main process.
        display: shows the run to a person; used by the main process only.
        accelerator: from `processes.accelerator_on`.

    Raises:
        TrainingError, SettingError, CheckpointError: as `trainer.train`.
    """

    def __init__(self, recipe: Recipe, options: Options, folder: RunFolder, display: Display, accelerator: Any) -> None:
        self.recipe, self.options, self.folder, self.accelerator = recipe, options, folder, accelerator
        self.device: torch.device = self.accelerator.device
        self.is_main = bool(self.accelerator.is_main_process)
        self.display = display if self.is_main else Silence()
        self._check_machine()
        names = folder.teachers() if options.resume else options.teachers
        teachers = find_teachers(recipe, names, load=not options.resume)
        self.learner = self._new_learner()
        self.best, self.window = BestWeights(recipe.patience), Window(0)
        self._seconds_before, self._started = 0.0, time.monotonic()
        if options.resume:
            self._restore()
        self.pictures = prepare_pictures(
            recipe,
            options.data,
            options.cache,
            teachers=teachers,
            accelerator=self.accelerator,
            display=self.display,
        )
        if self.is_main:
            self._record(() if teachers is None else teachers.names)
        self.accelerator.wait_for_everyone()

    def _check_machine(self) -> None:
        processes = self.accelerator.num_processes
        if self.recipe.batch % processes:
            raise SettingError(f"A batch of {self.recipe.batch} cannot be shared by {processes} processes equally.")
        with self.accelerator.main_process_first():  # the others then read its result from a file
            against_bf16 = drawback("bfloat16", self.device) if self.recipe.precision == "bf16" else None
        for text in ignored(self.recipe, against_bf16=against_bf16):
            self.display.note(text)

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

    def _record(self, teachers: tuple[str, ...]) -> None:
        """Write what the run consists of into its folder; a new run can be resumed from then on."""
        folder, pictures = self.folder, self.pictures
        folder.keep_pictures([(self._name(picture), picture.height, picture.width) for picture in pictures.usable])
        validation, test = ([self._name(picture) for picture in kept] for kept in (pictures.validation, pictures.test))
        folder.keep_held_out(validation=validation, test=test)
        if not self.options.resume:
            if teachers:
                folder.keep_teachers(teachers)
            self._save_weights()
            folder.begin(self.recipe, self._state())
        elif self.options.changes:
            folder.save_recipe(self.recipe)

    def _name(self, picture: CachedPicture) -> str:
        return picture.source.relative_to(self.options.data).as_posix()

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
        if "best" in state:  # earlier versions did not save it
            self.best.restore(state["best"], self.learner.average)
        self.window = Window(self.images)
        if "window" in state:  # nor the window
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
        """Crops that the run has learnt from so far."""
        return self.learner.images

    @property
    def seconds(self) -> float:
        """Wall-clock time of the loop so far, also of before the run was resumed."""
        return self._seconds_before + time.monotonic() - self._started

    def _batches(self) -> Any:
        crops = Crops(
            self.pictures.training,
            scale=self.recipe.scale,
            crop=self.recipe.crop,
            seed=self.recipe.seed,
            degradation=self.recipe.degradation,
            teacher=self.recipe.teacher,
            drawn=self.pictures.drawn,
            graphics=self.recipe.graphics,
            rescale_gt=self.recipe.rescale_gt,
        )
        loader = DataLoader(
            crops,
            batch_size=self.recipe.batch,
            sampler=Positions(self.images, self.recipe.images // self.recipe.batch * self.recipe.batch),
            num_workers=self.recipe.workers,
            pin_memory=self.device.type == "cuda",
            drop_last=True,
            worker_init_fn=leave_signals_to_the_main_process,
            generator=torch.Generator(),  # or the loader would draw from torch's own, once more after every resume
        )
        return self.accelerator.prepare(loader)

    def loop(self, stopping: Stopping) -> None:
        """Train until the recipe's number of images is reached or the run has to stop, and save the state.

        Before every save the window's numbers are read, which raises an error where they are not finite: such a state
        is never saved. A stop adds nothing to the log: the window is part of the state and goes on after a resume.

        Raises:
            TrainingError: a value of the loss or the gradient is not finite, or a file cannot be written.
        """
        metrics = Metrics(self.folder, self.images) if self.is_main else None
        self._started = time.monotonic()
        self.window.start()
        try:
            with stopping, _kernels_chosen_by_timing():
                for batch in () if self.best.is_over else self._batches():
                    self.window.add(self.learner.step(*batch))
                    ends = self._is_over() or any_process(self.accelerator, stopping.wanted)
                    validates = self._is_over() or self._crossed(self.recipe.validate_every)
                    saves = self._crossed(self.recipe.save_every)
                    if validates or saves or self._crossed(_STEPS_BETWEEN_LOGS * self.recipe.batch):
                        self._log(metrics, self.window.look(self.images, self.accelerator.reduce))
                    elif ends:
                        self.window.read(self.images, self.accelerator.reduce)
                    if validates:
                        self._validate(metrics)
                        ends = ends or any_process(self.accelerator, self.best.is_over)
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

    def _log(self, metrics: Metrics | None, means: Means) -> None:
        if metrics is not None:
            metrics.train(self.images, self.seconds, means, self.learner.learning_rate)
        self.display.progress(self.images, self.recipe.images, means.rate, means.loss)
        for warning in self.learner.warnings(means.watched):
            self.display.note(f"note: {warning}")

    def _validate(self, metrics: Metrics | None) -> None:
        if metrics is None or not self.pictures.validation:
            return
        recipe = self.recipe
        result = validate(
            self.learner.average,
            self.pictures.validation,
            self.device,
            scale=recipe.scale,
            degradation=recipe.degradation,
        )
        self.best.consider(result.steps[-1], self.images, self.learner.average)
        metrics.validation(self.images, self.seconds, result)
        self.display.validation(self.images, result)
        if (result.silent_channels or 0) > _TOO_SILENT:
            self.display.note(
                f"note: {result.silent_channels:.0%} of the channels inside the residual blocks are silent and add "
                "nothing; a new run with a lower learning_rate makes better use of the network"
            )


@contextmanager
def _kernels_chosen_by_timing() -> Iterator[None]:
    """Let cuDNN time its convolutions and choose the fastest, which pays off where all steps have the same shapes."""
    before, torch.backends.cudnn.benchmark = torch.backends.cudnn.benchmark, True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
