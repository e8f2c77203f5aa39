"""`deltasr experiment`: rerun an experiment of the papers at a scale of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import plain

_Repeatable = Parameter(negative=(), consume_multiple=False)


def experiment_command(
    name: str | None = None,
    /,
    *,
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    data: Path | None = None,
    set_: Annotated[list[Path] | None, Parameter(name="--set", negative=(), consume_multiple=False)] = None,
    crop: Annotated[list[int] | None, _Repeatable] = None,
    lpips: Path | None = None,
    checkpoint: Annotated[list[str] | None, _Repeatable] = None,
    quick: Annotated[bool, Parameter(negative=())] = False,
    images: int | None = None,
    only: Annotated[list[str] | None, _Repeatable] = None,
    cache: Path | None = None,
    device: Literal["auto", "cpu"] = "auto",
) -> None:
    """Rerun an experiment, and write a table and plots with the paper's own numbers beside this run's.

    OUTPUT/NAME gets table.csv, table.md and plot.png. Trainings lie in OUTPUT/runs; an interrupted
    one goes on when the same command is given again.

    Parameters
    ----------
    name
        The experiment. Without one they are listed.
    output
        Folder for results and trainings.
    data
        Folder of training pictures, for experiments that train. Trainings that are over in OUTPUT must be of the same.
    set_
        Benchmark set to measure on: a folder of HR pictures, or one that holds a folder HR and perhaps one such
        as LR_x4. Repeat it for several.
    crop
        Border left out of PSNR-Y and SSIM-Y on each side, in pixels; 0 for whole images. Once for all sets, or
        once for each --set. By default the scale.
    lpips
        LPIPS weights: a file, or a folder with lpips_alex_v0.1.pth in it. By default DELTASR_LPIPS from the
        environment, else the lpips package where it is installed, else no LPIPS. Perceptual losses look there for the
        weights of VGG19 (vgg19-*.pth), and else take those of LPIPS.
    checkpoint
        A trained model as NAME=FILE, for experiments that compare models. Repeat it for several.
    quick
        As small as makes sense, for a few minutes on two CPU cores.
    images
        Length of each training, in crops.
    only
        A row to run, for experiments whose rows can be run by themselves. Trainings that are over stay, so that rows
        can be run side by side and put together by a run of all. Repeat it for several.
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
    """A line for each experiment."""
    from deltasr.experiments.catalogue import EXPERIMENTS

    width = max(map(len, EXPERIMENTS))
    return "".join(f"{name:{width}}  {e.title} ({e.source.rstrip('.')})\n" for name, e in EXPERIMENTS.items())


def _checkpoints(given: Sequence[str]) -> dict[str, Path]:
    from deltasr.errors import SettingError

    found: dict[str, Path] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise SettingError(f"--checkpoint takes NAME=FILE; '{text}' is none.")
        if name in found:
            raise SettingError(f"--checkpoint gives {name} twice; choose another name for one of them.")
        found[name] = Path(path)
    return found
