"""`deltasr evaluate`: measure models, or results that are ready, over benchmark sets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import plain
from deltasr.cli.rows import folders_of, labels_of, restoration_for, rows_of

if TYPE_CHECKING:
    from deltasr.evaluation.benchmark import Measurement, PerceptualMetric
    from deltasr.evaluation.sets import BenchmarkSet

_Repeatable = Parameter(negative=(), consume_multiple=False)


def evaluate_command(
    *models: Annotated[str, Parameter(name="MODEL")],
    hr: Annotated[list[Path], _Repeatable],
    lr: Annotated[list[Path] | None, _Repeatable] = None,
    results: Annotated[list[Path] | None, _Repeatable] = None,
    crop: Annotated[list[int] | None, _Repeatable] = None,
    scale: int | None = None,
    lpips: Path | None = None,
    lpips_net: Annotated[list[Literal["alex", "squeeze"]] | None, _Repeatable] = None,
    metric: Annotated[list[Literal["niqe", "musiq", "clipiqa"]] | None, _Repeatable] = None,
    fidelity: Annotated[list[float] | None, _Repeatable] = None,
    restoration: float | Literal["auto"] = "auto",
    consistency: bool | None = None,
    ensemble: Annotated[bool, Parameter(negative=())] = False,
    device: str = "auto",
    save: Path | None = None,
    csv: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Measure models over sets of pictures: PSNR-Y, SSIM-Y, LPIPS and LR-PSNR.

    Results are scored as an 8-bit PNG file holds them. The table has a row for each model, and a group of
    columns for each set.

    Parameters
    ----------
    models
        Names in the catalogue (see `deltasr models`), checkpoint files, or folders of training runs.
    hr
        Folder of HR pictures, or one that holds a folder HR and perhaps one such as LR_x4. Repeat it for several
        sets.
    lr
        Folder of LR pictures, one for each --hr in the same order. Without LR pictures they are made from
        the HR ones by anti-aliased bicubic downscaling, in 8 bits.
    results
        Folder of ready results, scored as a further row. With several sets it holds a folder for each, as
        --save writes them.
    crop
        Border left out of PSNR-Y and SSIM-Y on each side, in pixels; 0 for whole images. Once for all sets,
        or once for each --hr. By default the scale.
    scale
        Factor of ready results of a set without LR pictures.
    lpips
        LPIPS weights: a file, or a folder with lpips_alex_v0.1.pth in it. By default DELTASR_LPIPS from the
        environment, else the lpips package where it is installed, else no LPIPS.
    lpips_net
        Network that LPIPS looks through. Repeat it for both.
    metric
        A further column: a metric that looks at the results without their truth, through the pyiqa package.
        Repeat it for several.
    fidelity
        For models with a dial, from 0, the most natural pictures, to 1, the most faithful ones. Repeat it for a row,
        such as deltadiff-x4@0.5, for each. Models without a dial have one row all the same.
    restoration
        For models that restore, how degraded the LR pictures are, from 0 (clean) to 1; auto estimates it from each one.
    consistency
        Project results onto the pictures that downscale to the input. By default as the model asks.
    ensemble
        Take the mean of what each model makes of a picture turned and mirrored in eight ways, in eight times the
        time. Rows are called such as deltadiff-x4+.
    device
        auto, cpu, cuda or mps.
    save
        Keep the results as 8-bit PNG, in SAVE/ROW/SET; the row is the model, or such as MODEL@0.5. Characters that
        a folder cannot have in its name become _.
    csv
        Write the scores of each image to this file, with the wall-clock seconds of its upscaling.
    markdown
        Write the table to this file too.
    """
    from deltasr.errors import SettingError
    from deltasr.evaluation.benchmark import measure_results, measure_upscaling
    from deltasr.evaluation.lpips_source import find_lpips
    from deltasr.evaluation.no_reference import find_no_reference
    from deltasr.evaluation.report import to_csv, to_markdown, write_report
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models import catalogue

    results = results or []
    if not models and not results:
        raise SettingError("There is nothing to measure; name a model, or give --results FOLDER.")
    if scale is not None and not results:
        raise SettingError("--scale is for --results only; models have a scale of their own, so leave it out.")
    sets = sets_of(hr, lr)
    borders = borders_of(crop, sets)
    modules, note = find_lpips(lpips, nets=lpips_net)
    perceptual: dict[str, PerceptualMetric] = {**modules, **find_no_reference(metric or [])}
    labels = labels_of([*models, *map(str, results)])
    loaded = [(label, catalogue.load(name)) for label, name in zip(labels, models, strict=False)]
    told = restoration_for([model for _, model in loaded], restoration)
    rows = rows_of(loaded, fidelity, taken=labels[len(models) :], ensemble=ensemble)
    kept = {} if save is None else folders_of([label for label, _, _ in rows])
    ready = [
        (label, [_results_of(folder, benchmark, sets) for benchmark in sets])
        for label, folder in zip(labels[len(models) :], results, strict=True)
    ]

    measured: list[Measurement] = []
    with _progress((len(rows) + len(results)) * sum(len(s.pairs) for s in sets)) as advance:
        for label, model, level in rows:
            upscaler = Upscaler(model, device=device, consistency=consistency, ensemble=ensemble)
            for benchmark, border in zip(sets, borders, strict=True):
                measured += measure_upscaling(
                    partial(upscaler.upscale, fidelity=level, restoration=told if model.restoring else "auto"),
                    benchmark,
                    model=label,
                    scale=model.scale,
                    border=border,
                    perceptual=perceptual,
                    save=save and save / kept[label] / benchmark.name,
                    on_measured=advance,
                )
        for label, folders in ready:
            for folder, benchmark, border in zip(folders, sets, borders, strict=True):
                measured += measure_results(
                    folder,
                    benchmark,
                    model=label,
                    scale=scale,
                    border=border,
                    perceptual=perceptual,
                    on_measured=advance,
                )

    table = to_markdown(measured) + (f"- {note}\n" if note else "")
    for line in table.splitlines():
        print(plain(line))
    if csv is not None:
        write_report(to_csv(measured), csv)
    if markdown is not None:
        write_report(table, markdown)


def sets_of(hr: Sequence[Path], lr: Sequence[Path] | None) -> list[BenchmarkSet]:
    """The sets of some folders, each with a name of its own.

    Raises:
        SettingError: there are not as many LR folders as HR ones, or two sets have one name.
        PictureError: a folder is no set.
    """
    from deltasr.errors import SettingError
    from deltasr.evaluation.sets import find_set

    if lr is not None and len(lr) != len(hr):
        raise SettingError(f"--lr is given {len(lr)} times and --hr {len(hr)} times; give as many of both.")
    sets = [find_set(folder, lr[index] if lr else None) for index, folder in enumerate(hr)]
    names = [benchmark.name for benchmark in sets]
    for name in names:
        if names.count(name) > 1:
            raise SettingError(f"Two sets are called {name}; rename a folder, or measure one at a time.")
    return sets


def borders_of(crop: Sequence[int] | None, sets: Sequence[BenchmarkSet]) -> Sequence[int | None]:
    """The border of each set, None for the scale.

    Raises:
        SettingError: a border is below 0, or there are neither one nor as many as sets.
    """
    from deltasr.errors import SettingError

    if crop is None:
        return [None] * len(sets)
    if any(border < 0 for border in crop):
        raise SettingError(f"--crop {min(crop)} is not a border; give 0 or more pixels.")
    if len(crop) == 1:
        return list(crop) * len(sets)
    if len(crop) != len(sets):
        raise SettingError(f"--crop is given {len(crop)} times for {len(sets)} sets; give one, or one a set.")
    return crop


def _results_of(folder: Path, benchmark: BenchmarkSet, sets: Sequence[BenchmarkSet]) -> Path:
    from deltasr.errors import SettingError

    inner = folder / benchmark.name
    if inner.is_dir():
        return inner
    if len(sets) > 1:
        raise SettingError(f"{folder} holds no folder {benchmark.name}; for several sets it must hold each.")
    return folder


@contextmanager
def _progress(total: int) -> Iterator[Callable[[Measurement], None]]:
    """A bar on a terminal's standard error, which goes when it is done; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("measuring", total=total)

        def advance(measurement: Measurement) -> None:
            description = f"{measurement.model} on {measurement.dataset}"
            progress.update(task, advance=1, description=description)

        yield advance
