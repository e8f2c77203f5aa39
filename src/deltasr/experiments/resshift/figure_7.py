"""ResShift's Fig. 7: the perception-distortion curve over the number of steps and over kappa."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from deltasr.errors import SettingError
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import SCORE_COLUMNS, Meter, Scores
from deltasr.experiments.methods import about_latent_diffusion, given_models
from deltasr.experiments.papers import RESSHIFT, ldm_eta, published, remarks, resshift_scale
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.resshift.grid import CHOSEN, Point, over_kappa, over_steps, point_of, train_point
from deltasr.experiments.runs import scale_of
from deltasr.experiments.tables import Column, Row, Table
from deltasr.models import catalogue
from deltasr.models.ldm import LatentDiffusion

_MODEL = "model"
_COLUMNS = (Column(title=_MODEL), *SCORE_COLUMNS)
_BESIDE = ("bicubic", catalogue.DEFAULT)


def _run(settings: Settings) -> Result:
    meter = Meter(settings)
    if not meter.perceptual:
        raise SettingError("A perception-distortion curve needs LPIPS; give its weights by --lpips FILE.")
    steps, kappas = steps_of(settings), over_kappa(settings)
    points = list(dict.fromkeys([*steps, *kappas]))
    diffusion = _latent_diffusion(settings)
    runs = {point: train_point(point, settings) for point in points}
    scores = {str(point): meter.measure(str(point), run.model()) for point, run in runs.items()}
    curves = {name: _over_steps(name, model, steps, meter) for name, model in diffusion.items()}
    scores |= {label: of_sets for curve in curves.values() for label, of_sets in curve.items()}
    scores |= {name: meter.measure(name, catalogue.load(name)) for name in _BESIDE}
    rows = [Row(cells={_MODEL: label, **of.cells()}) for label, of_sets in scores.items() for of in of_sets]
    papers = [_papers_row(row) for row in published("resshift-table-1", dataset="ImageNet-Test")]
    return Result(
        table=Table(columns=_COLUMNS, rows=(*rows, *papers)),
        plots=(_plot(steps, kappas, curves, scores),),
        scale=(scale_of(list(runs.values()), settings.device), meter.scale(), resshift_scale()),
        notes=(
            *meter.notes(),
            "Better is to the right and below. The paper has the mean squared error in place of PSNR-Y, and T = 10, "
            "15, 20, 30, 40 and 50, of ResShift and LDM; its figure has no numbers. Those in the table are of "
            "its Table 1.",
            _about_diffusion(diffusion),
            *remarks("resshift-table-1"),
        ),
    )


def steps_of(settings: Settings) -> list[Point]:
    """The steps of Table 1, and 20, which only the figure has."""
    steps = {point.steps for point in over_steps(settings)} | (set() if settings.quick else {20})
    return [replace(CHOSEN, steps=count) for count in sorted(steps)]


def _latent_diffusion(settings: Settings) -> dict[str, LatentDiffusion]:
    """The checkpoints, each the folder of a latent diffusion pipeline, with the paper's eta."""
    settings.refuse_checkpoints_named(_BESIDE)
    found = {}
    for name, model in given_models(settings, eta=ldm_eta()).items():
        if not isinstance(model, LatentDiffusion):
            raise SettingError(
                f"--checkpoint {name} is {model.description or model.name}; besides its trainings the figure takes "
                "the folder of a latent diffusion pipeline (LDM)."
            )
        found[name] = model
    return found


def _over_steps(name: str, model: LatentDiffusion, steps: Sequence[Point], meter: Meter) -> dict[str, list[Scores]]:
    """Scores at each T, by the names of the rows."""
    scores = {}
    for point in steps:
        model.use_steps(point.steps)
        label = f"{name}, T = {point.steps}"
        scores[label] = meter.measure(label, model)
    return scores


def _about_diffusion(diffusion: Mapping[str, LatentDiffusion]) -> str:
    if diffusion:
        return (
            f"Latent diffusion, of this run: {', '.join(diffusion)}, with the steps of ResShift's models. "
            f"{about_latent_diffusion(ldm_eta())}"
        )
    return "LDM is left out of this run; --checkpoint LDM=FOLDER gives the folder of its pipeline."


def _papers_row(row: Row) -> Row:
    cells = {column.title: row.cells[column.title] for column in SCORE_COLUMNS}
    return replace(row, cells={_MODEL: f"ResShift, {point_of(row)}", **cells})


def _plot(
    steps: Sequence[Point],
    kappas: Sequence[Point],
    diffusion: Mapping[str, Mapping[str, Sequence[Scores]]],
    scores: Mapping[str, Sequence[Scores]],
) -> bytes:
    def series(label: str, captions: Mapping[str, str], index: int) -> Series:
        of_set = [scores[name][index] for name in captions]
        x, y = [of.psnr_y for of in of_set], [of.lpips or 0.0 for of in of_set]
        return Series(label=label, x=x, y=y, captions=list(captions.values()))

    panels = [
        Panel(
            title=first.dataset,
            x="PSNR-Y (dB)",
            y="LPIPS",
            series=[
                series("over T", {str(point): f"T = {point.steps}" for point in steps}, index),
                series("over kappa", {str(point): f"kappa = {point.kappa:g}" for point in kappas}, index),
                *(
                    series(f"{name} over T", {label: label.rpartition(", ")[2] for label in curve}, index)
                    for name, curve in diffusion.items()
                ),
            ],
        )
        for index, first in enumerate(scores[str(CHOSEN)])
    ]
    return draw_panels(panels, title="Perception and distortion of small ResShift models")


EXPERIMENT = Experiment(
    name="resshift-figure-7",
    title="Perception against distortion",
    source=f"{RESSHIFT}, Fig. 7.",
    run=_run,
    trains=True,
    measures=True,
    compares=True,
)
