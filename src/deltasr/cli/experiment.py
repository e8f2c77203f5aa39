"""`deltasr experiment`: repeat an experiment of the papers, at any length of training."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from textwrap import fill
from typing import Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.parameters import OUTPUT, REPEATABLE, Flag


def experiment_command(
    name: str | None = None,
    /,
    *,
    output: Annotated[Path | None, OUTPUT] = None,
    data: Path | None = None,
    set_: Annotated[list[Path] | None, REPEATABLE, Parameter(name="--set")] = None,
    crop: Annotated[list[int] | None, REPEATABLE] = None,
    lpips: Path | None = None,
    checkpoint: Annotated[list[str] | None, REPEATABLE] = None,
    quick: Flag = False,
    images: int | None = None,
    minutes: float | None = None,
    override: Annotated[list[str] | None, REPEATABLE] = None,
    only: Annotated[list[str] | None, REPEATABLE] = None,
    cache: Path | None = None,
    device: Literal["auto", "cpu"] = "auto",
) -> None:
    """Repeat an experiment of the papers, or one of ours.

    The files table.csv, table.md and plot.png, with a paper's numbers beside the new ones, are written to
    OUTPUT/NAME. Trainings are in OUTPUT/runs; an interrupted one goes on when the same command is run again.

    Parameters
    ----------
    name
        The experiment. Without a name, all experiments are listed.
    output
        Folder for results and trainings.
    data
        Folder of training pictures, for experiments that train. Finished trainings in OUTPUT must have used the same.
    set_
        Benchmark set to measure on: a folder of HR pictures, or a folder with a subfolder HR, and optionally one
        such as LR_x4. Can be repeated.
    crop
        Border in pixels that PSNR-Y and SSIM-Y leave out on each side; 0 for whole pictures. Once for all sets, or
        once for each --set. By default the scale.
    lpips
        LPIPS weights: a file, or a folder that contains lpips_alex_v0.1.pth. By default the environment variable
        DELTASR_LPIPS, else the lpips package if it is installed, else no LPIPS. Perceptual losses use VGG19
        (vgg19-*.pth) from there, or else the network of LPIPS.
    checkpoint
        A trained model as NAME=FILE, for experiments that compare models. Can be repeated.
    quick
        Run a small version, which takes a few minutes on two CPU cores.
    images
        Length of each training, in crops.
    minutes
        Length of each training on this machine instead, for experiments at equal training time.
    override
        A value of all recipes as KEY=VALUE, for experiments at equal training time, such as network=paper. Can be
        repeated.
    only
        A row to run, for experiments whose rows can be run separately. Can be repeated. Finished trainings are kept,
        so rows can be run in parallel, and a last run without --only combines them.
    cache
        Folder for decoded training pictures. By default OUTPUT/cache.
    device
        'auto' takes an accelerator where there is one.
    """
    from deltasr.environment import let_bf16_run
    from deltasr.errors import SettingError

    let_bf16_run()
    from deltasr.experiments import catalogue
    from deltasr.experiments.experiment import Settings, TestSet

    if name is None:
        print(_listed(), end="")
        return
    catalogue.describe(name)
    if output is None:
        raise SettingError(f"The results of {name} need a folder: give --output FOLDER.")
    if images is not None and images < 1:
        raise SettingError(f"--images {images} is no training; give 1 or more.")
    if minutes is not None and not (0 < minutes < float("inf")):
        raise SettingError(f"--minutes {minutes:g} is no length of a training; give more than 0.")
    from deltasr.cli.evaluate import borders_of, sets_of

    sets = sets_of(set_ or [], None)
    borders = borders_of(crop, sets)
    settings = Settings(
        output=output,
        data=data,
        cache=cache,
        sets=tuple(TestSet(benchmark=b, border=border) for b, border in zip(sets, borders, strict=True)),
        lpips=lpips,
        quick=quick,
        images=images,
        minutes=minutes,
        overrides=tuple(override or ()),
        only=tuple(only or ()),
        checkpoints=_checkpoints(checkpoint or []),
        device=device,
        say=lambda text: print(plain(text), flush=True),
    )
    folder, result = catalogue.run(name, settings)
    print()
    print((folder / "table.md").read_text(encoding="utf-8"), end="")
    print()
    print(plain(f"{folder}: table.md, table.csv{', plot.png' if result.plots else ''}"))


def _listed() -> str:
    """The list of experiments, as wide as the terminal."""
    from deltasr.experiments.catalogue import EXPERIMENTS

    indent = max(map(len, EXPERIMENTS)) + 2
    wrapped = partial(fill, width=max(get_terminal_size().columns, 2 * indent), subsequent_indent=" " * indent)
    return "".join(
        wrapped(f"{name:{indent}}{e.title} ({e.source.rstrip('.')})", break_on_hyphens=False) + "\n"
        for name, e in EXPERIMENTS.items()
    )


def _checkpoints(given: Sequence[str]) -> dict[str, Path]:
    from deltasr.errors import SettingError

    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise SettingError(f"--checkpoint takes NAME=FILE, not '{text}'.")
        if name in found:
            raise SettingError(f"--checkpoint gives {name} twice; choose another name for one of them.")
        found[name] = Path(path)
    return found
