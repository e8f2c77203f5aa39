"""`deltasr train`: train a model on a folder of pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.parameters import OUTPUT, REPEATABLE, Flag

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from deltasr.training.recipes.base import Recipe
    from deltasr.training.validation import Validation

_SECONDS_BETWEEN_LINES = 10.0


def train_command(
    data: Path | None = None,
    /,
    *,
    output: Annotated[Path, OUTPUT],
    recipe: str | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], REPEATABLE, Parameter(name="--set")] = (),
    resume: Flag = False,
    init: str | None = None,
    first_stage: Path | None = None,
    teacher: Annotated[tuple[str, ...], REPEATABLE] = (),
    networks: Path | None = None,
    cache: Path | None = None,
    minutes: float | None = None,
    device: Literal["auto", "cpu"] = "auto",
    show_recipe: Flag = False,
) -> None:
    """Train a model on a folder of pictures.

    A training can be stopped at any time with Ctrl-C, and goes on with --resume.

    Parameters
    ----------
    data
        Folder of training pictures of any size and readable format, searched with its subfolders.
    output
        Folder of the run, for its recipe, state, metrics and weights (model.safetensors).
    recipe
        Name of a recipe; deltadiff-tiny-x4 by default. The error for an unknown name lists all names.
    config
        TOML file with values that replace the recipe's; --show-recipe prints one.
    set_
        A value of the recipe as key=value, applied after --config. Can be repeated.
    resume
        Go on with the run in the output folder, with its own recipe; --set can change images, patience,
        validate_every, save_every and workers.
    init
        Weights to start a new run from: a bundled model such as deltadiff-x4, a checkpoint, or a run's folder.
    first_stage
        Checkpoint with the trained autoencoder, for recipes whose first_stage is vq.
    teacher
        An upscaler whose results are used as targets: a name in the catalogue, a checkpoint, or any other model's
        file (.onnx, .pth, .safetensors). Can be repeated; the mean is then used. The recipe's value teacher is their
        share of the target; if it is 0, the share is 1. The results are made once and kept in the cache.
    networks
        Weights of the networks in LPIPS and perceptual losses: a file, or a folder of them.
    cache
        Folder for decoded pictures. By default the folder cache beside the output folder.
    minutes
        Stop after this many minutes, decoding included, with a saved state.
    device
        auto (an accelerator, if there is one) or cpu.
    show_recipe
        Print the recipe as TOML, and do not train.
    """
    from deltasr.errors import SettingError
    from deltasr.training.recipes.editing import from_assignments

    if minutes is not None and not minutes > 0:
        raise SettingError(f"--minutes {minutes:g} is out of range; give a number above 0.")
    from deltasr.environment import let_bf16_run

    let_bf16_run()
    chosen = _chosen(output, recipe, config, set_, resume, {"--init": init, "--first-stage": first_stage})
    if resume and teacher:
        raise SettingError("--resume goes on with the run as it began; leave --teacher out.")
    if teacher and not chosen.teacher:
        chosen = from_assignments(chosen, ["teacher=1"])
    if show_recipe:
        from deltasr.training.recipes.editing import to_toml

        print(to_toml(chosen), end="")
        return
    if data is None:
        raise SettingError("Training needs a folder of pictures: deltasr train PICTURES --output RUN.")
    from deltasr.training.recipes.editing import assigned
    from deltasr.training.trainer import Options, train

    options = Options(
        data=data,
        cache=cache or output.parent / "cache",
        run=output,
        resume=resume,
        changes=assigned(set_) if resume else {},
        initial=init,
        first_stage=first_stage,
        teachers=teacher,
        networks=networks,
        minutes=minutes,
        device=device,
    )
    with _ConsoleDisplay() as display:
        train(chosen, options, display)
    _leave_the_other_processes()


def _leave_the_other_processes() -> None:
    """Leave torch's process group; if a process exits without that, the others can fail."""
    import torch.distributed

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _chosen(
    output: Path,
    name: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    resume: bool,
    beginnings: dict[str, object],
) -> Recipe:
    from deltasr.errors import SettingError
    from deltasr.training.recipes.editing import assigned, from_assignments, from_toml, resumed
    from deltasr.training.recipes.presets import DEFAULT_RECIPE, recipe_named

    if resume:
        for option, value in {"--recipe": name, "--config": config, **beginnings}.items():
            if value is not None:
                raise SettingError(f"--resume goes on with the run as it began; leave {option} out.")
        from deltasr.training.run_folder import RunFolder

        return resumed(RunFolder(output).recipe(), assigned(assignments))
    chosen = recipe_named(name) if name is not None else None
    chosen = from_toml(chosen, config) if config is not None else chosen or recipe_named(DEFAULT_RECIPE)
    return from_assignments(chosen, assignments)


class _ConsoleDisplay:
    """A progress bar on a terminal; elsewhere a line of progress every ten seconds."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console: Console = Console(highlight=False, soft_wrap=True)
        self._is_terminal = self._console.is_terminal
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_line = float("-inf")

    def __enter__(self) -> _ConsoleDisplay:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._tasks:
            self._bars.stop()

    def _show(self, name: str, done: int, total: int, facts: str) -> None:
        if name not in self._tasks:
            self._bars.start()
            self._tasks[name] = self._bars.add_task(name, total=total, facts=facts)
        self._bars.update(self._tasks[name], completed=done, total=total, facts=facts)

    def caching(self, done: int, total: int) -> None:
        if self._is_terminal:
            self._show("decoding", done, total, "")
        elif done == total:
            self.note(f"decoded {total:,} {'picture' if total == 1 else 'pictures'}")

    def teaching(self, share: float) -> None:
        self._show_share("teachers' pictures", share)

    def drawing(self, share: float) -> None:
        self._show_share("drawn pictures", share)

    def _show_share(self, what: str, share: float) -> None:
        if self._is_terminal:
            self._show(what, round(100 * share), 100, "")
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES or share >= 1:
            self._last_line = time.monotonic()
            self.note(f"{what}: {share:.0%}")

    def progress(self, images: int, total: int, rate: float, loss: float) -> None:
        facts = f"{rate:.1f} crops/s, loss {loss:.5f}, {_duration((total - images) / rate)} to go"
        if self._is_terminal:
            self._show("training", images, total, facts)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES or images >= total:
            self._last_line = time.monotonic()
            self.note(f"{images:,}/{total:,} crops, {facts}")

    def validation(self, images: int, result: Validation) -> None:
        steps = " ".join(f"{value:.3f}" for value in result.steps)
        rest = "" if result.natural is None else f"at fidelity 0 {result.natural:.3f}, "
        rest += "" if result.degraded is None else f"of degraded pictures {result.degraded:.3f}, "
        self.note(f"validation at {images:,} crops: PSNR-Y per step {steps} dB ({rest}bicubic {result.bicubic:.3f})")

    def note(self, text: str) -> None:
        if self._is_terminal:
            self._console.print(text, markup=False)
        else:
            print(text, flush=True)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
