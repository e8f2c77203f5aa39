"""`deltasr evaluate`: measure models, or existing results, on benchmark sets."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import measurement_bar, plain
from deltasr.cli.parameters import REPEATABLE, Flag
from deltasr.cli.rows import folders_of, labels_of, restoration_for, rows_of

if TYPE_CHECKING:
    from deltasr.evaluation.benchmark import Measurement, PerceptualMetric
    from deltasr.evaluation.sets import BenchmarkSet


def evaluate_command(
    *models: Annotated[str, Parameter(name="MODEL")],
    hr: Annotated[list[Path], REPEATABLE],
    lr: Annotated[list[Path] | None, REPEATABLE] = None,
    results: Annotated[list[Path] | None, REPEATABLE] = None,
    crop: Annotated[list[int] | None, REPEATABLE] = None,
    scale: int | None = None,
    lpips: Path | None = None,
    lpips_net: Annotated[list[Literal["alex", "squeeze", "vgg"]] | None, REPEATABLE] = None,
    metric: Annotated[list[Literal["niqe", "musiq", "clipiqa"]] | None, REPEATABLE] = None,
    niqe_parameters: Path | None = None,
    fidelity: Annotated[list[float] | None, REPEATABLE] = None,
    restoration: float | Literal["auto"] = "auto",
    consistency: bool | None = None,
    ensemble: Flag = False,
    device: str = "auto",
    save: Path | None = None,
    csv: Path | None = None,
    markdown: Path | None = None,
) -> None:
    """Measure models on sets of pictures.

    The measures are PSNR-Y, SSIM-Y, LPIPS and LR-PSNR. Results are rounded to 8 bits first, as in a PNG file. The
    table has a row for each model, and a group of columns for each set.

    Parameters
    ----------
    models
        Names in the catalogue (see `deltasr models`), checkpoint files, or folders of training runs.
    hr
        Folder of high-resolution (HR) pictures, or a folder with a subfolder HR, and optionally one such as LR_x4.
        Can be repeated.
    lr
        Folder of low-resolution (LR) pictures, one for each --hr in the same order. By default LR pictures are
        made from the HR ones by anti-aliased bicubic downscaling, in 8 bits.
    results
        Folder of existing results, measured as another row. For several sets it has a subfolder for each, as
        --save writes them. Can be repeated.
    crop
        Border in pixels that PSNR-Y and SSIM-Y leave out on each side; 0 for whole pictures. Once for all sets, or
        once for each --hr. By default the scale.
    scale
        Factor of the existing results, if their set has no LR pictures.
    lpips
        LPIPS weights: a file, or a folder that contains lpips_alex_v0.1.pth. By default the environment variable
        DELTASR_LPIPS, else the lpips package if it is installed, else no LPIPS.
    lpips_net
        Network of LPIPS. Can be repeated for several.
    metric
        Another column: a no-reference metric. musiq and clipiqa need the pyiqa package. Can be repeated.
    niqe_parameters
        Parameters that NIQE compares with, instead of this package's own: an .npz file with mu_pris_param and
        cov_pris_param, such as the authors'.
    fidelity
        For models with a dial, from 0 (most natural) to 1 (most faithful to the input). Can be repeated: each value
        has a row, such as deltadiff-x4@0.5. Models without a dial have one row.
    restoration
        For models that restore, how degraded the LR pictures are, from 0 (clean) to 1; auto estimates it for each.
    consistency
        Correct results so that, downscaled again, they are the input. The default depends on the model.
    ensemble
        Average the results of the picture rotated and mirrored in eight ways: eight times slower. Labels of these
        rows end in +, such as deltadiff-x4+.
    device
        auto, cpu, cuda or mps.
    save
        Save the results as 8-bit PNG in the folder SAVE/ROW/SET. In row labels, characters that are not possible
        in folder names become _.
    csv
        Write the scores of each picture to this file, with the wall-clock seconds of its upscaling.
    markdown
        Also write the table to this file.
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
        raise SettingError("--scale is for --results only; each model has its own scale, so leave it out.")
    sets = sets_of(hr, lr)
    borders = borders_of(crop, sets)
    modules, note = find_lpips(lpips, nets=lpips_net)
    perceptual: dict[str, PerceptualMetric] = {
        **modules,
        **find_no_reference(metric or [], niqe_parameters=niqe_parameters),
    }
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
    with measurement_bar((len(rows) + len(results)) * sum(len(s.pairs) for s in sets)) as advance:
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
    """The sets in folders.

    Raises:
        SettingError: there are not as many LR folders as HR folders, or two sets have the same name.
        PictureError: a folder is not a set.
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
    """The border of each set in pixels; None for the scale.

    Raises:
        SettingError: a border is below 0, or the number of borders is neither 1 nor that of the sets.
    """
    from deltasr.errors import SettingError

    if crop is None:
        return [None] * len(sets)
    if any(border < 0 for border in crop):
        raise SettingError(f"--crop {min(crop)} is not a border; give 0 or more pixels.")
    if len(crop) == 1:
        return list(crop) * len(sets)
    if len(crop) != len(sets):
        raise SettingError(f"--crop is given {len(crop)} times for {len(sets)} sets; give one, or one for each set.")
    return crop


def _results_of(folder: Path, benchmark: BenchmarkSet, sets: Sequence[BenchmarkSet]) -> Path:
    from deltasr.errors import SettingError

    inner = folder / benchmark.name
    if inner.is_dir():
        return inner
    if len(sets) > 1:
        raise SettingError(f"{folder} holds no folder {benchmark.name}; for several sets it must hold each.")
    return folder
