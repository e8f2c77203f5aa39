"""`deltasr train`: learn weights from a folder of pictures."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from deltasr.training.recipes.types import Recipe
    from deltasr.training.validation import Validation

_SECONDS_BETWEEN_LINES = 10.0


def train_command(
    data: Path | None = None,
    /,
    *,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    recipe: str | None = None,
    config: Path | None = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", negative=())] = (),
    resume: Annotated[bool, Parameter(negative=())] = False,
    init: str | None = None,
    first_stage: Path | None = None,
    teacher: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    networks: Path | None = None,
    cache: Path | None = None,
    minutes: float | None = None,
    device: Literal["auto", "cpu"] = "auto",
    show_recipe: Annotated[bool, Parameter(negative=())] = False,
) -> None:
    """Train a model on a folder of pictures; stop it whenever you like and go on with --resume.

    Parameters
    ----------
    data
        Folder of training pictures, any size and format, searched recursively.
    output
        Folder of the run, for its recipe, state, metrics and weights (model.safetensors).
    recipe
        A named recipe; deltadiff-tiny-x4 by default. An unknown name lists them all.
    config
        TOML file of recipe values that replace the named recipe's, such as --show-recipe prints.
    set_
        A recipe value as key=value, applied after --config; repeat it for more.
    resume
        Go on with the run in the output folder, with its own recipe; --set can change images, patience,
        validate_every, save_every and workers.
    init
        Weights to start a new run from: a bundled model such as deltadiff-x4, a checkpoint, or a run's folder.
    first_stage
        Checkpoint with the trained autoencoder, for recipes whose first_stage is vq.
    teacher
        An upscaler to learn from: a name in the catalogue, a checkpoint, or any other model's file (.onnx, .pth,
        .safetensors). Repeat it for the mean of several. The recipe's key teacher says how much of the target is
        theirs; all of it, where that is 0. Their pictures are made once, into the cache.
    networks
        Weights of the networks that LPIPS and perceptual losses look through: a file or a folder of them.
    cache
        Folder for decoded pictures. By default 'cache' beside the output folder.
    minutes
        Stop after so many minutes, decoding included, with a saved state.
    device
        'auto' takes an accelerator where there is one.
    show_recipe
        Print the recipe that would be trained, as TOML, and stop.
    """
    from deltasr.errors import SettingError
    from deltasr.training.recipes.editing import from_assignments

    if minutes is not None and not minutes > 0:
        raise SettingError(f"--minutes {minutes:g} is no time to train; give a number above 0.")
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
    """End what this process shares with others; a process that just exits can pull them down with an error."""
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
    """A progress bar on a terminal, plain lines elsewhere: there, one of progress every ten seconds."""

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
