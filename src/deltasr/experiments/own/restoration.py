"""What a wrong estimate of a picture's degradation costs: every strength upscaled as if it were every other one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deltasr.errors import SettingError
from deltasr.experiments.degraded_sets import Degradation, degraded
from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import PSNR, SET, Meter
from deltasr.experiments.plots import Panel, Series, draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Row, Table
from deltasr.inference.conditions import Restoration
from deltasr.models import catalogue
from deltasr.models.base import Model

STRENGTHS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)
"""True strengths of the degradation, and restorations that the model is told."""

QUICK_STRENGTHS = (0.0, 0.2, 0.5)

_KIND, _SEED = "web", 1
_BASELINE = "bicubic"
_MODEL, _STRENGTH, _AUTO, _LOST = "model", "true strength", "auto", "lost by auto"


@dataclass(frozen=True, kw_only=True)
class _Matrix:
    """PSNR-Y of a model on a set: by true strength, then by restoration."""

    model: str
    dataset: str
    values: Mapping[float, Mapping[Restoration, float]]
    baseline: Mapping[float, float]

    def rows(self) -> list[Row]:
        """A row for each true strength."""
        return [
            Row(
                cells={
                    SET: self.dataset,
                    _MODEL: self.model,
                    _STRENGTH: strength,
                    _BASELINE: self.baseline[strength],
                    **{_title(told): value for told, value in told_values.items()},
                    _LOST: max(told_values.values()) - told_values["auto"],
                }
            )
            for strength, told_values in self.values.items()
        ]

    def panel(self) -> Panel:
        """PSNR-Y against what the model is told, below that of the best; a line for each true strength."""
        lines = []
        for strength, told_values in self.values.items():
            told = [key for key in told_values if key != "auto"]
            best = max(told_values[key] for key in told)
            lines.append(
                Series(
                    label=f"true {strength:g}",
                    x=[float(key) for key in told],
                    y=[told_values[key] - best for key in told],
                )
            )
        return Panel(
            title=f"{self.model}, {self.dataset}",
            x="restoration that the model is told",
            y="PSNR-Y below the best (dB)",
            series=lines,
        )


def _run(settings: Settings) -> Result:
    models = _models(settings)
    strengths = QUICK_STRENGTHS if settings.quick else STRENGTHS
    meter = Meter(settings)
    matrices = []
    with TemporaryDirectory(prefix="deltasr-") as folder:
        for number, test_set in enumerate(meter.sets):
            made = _degraded(test_set, strengths, Path(folder) / str(number), settings)
            matrices += _matrices(models, made, meter)
    return Result(
        table=Table(columns=_columns(strengths), rows=tuple(row for matrix in matrices for row in matrix.rows())),
        plots=(draw_panels([matrix.panel() for matrix in matrices], title="A wrong estimate of the degradation"),),
        scale=(f"This run: {machine(settings.device)}.", meter.scale()),
        notes=(
            f"LR pictures are made by deltasr degrade --kind {_KIND} --seed {_SEED} --strength S, as PNG, so that "
            "nothing but the pixels says what was done to them.",
            f"{PSNR} (dB) where the model is told that restoration, at its fidelity 1 if it has a dial; {_AUTO}: the "
            f"one that is estimated from each picture; {_LOST}: below the best column, which is one restoration for "
            "all pictures of the set, and can thus be below what is best for each.",
            *meter.notes(),
        ),
    )


def _models(settings: Settings) -> dict[str, Model]:
    """The default model and the checkpoints, all of which restore."""
    settings.refuse_checkpoints_named((_BASELINE, catalogue.DEFAULT))
    chosen: dict[str, str | Path] = {catalogue.DEFAULT: catalogue.DEFAULT, **settings.checkpoints}
    models = {name: catalogue.load(source) for name, source in chosen.items()}
    if without := [name for name, model in models.items() if not model.restoring]:
        raise SettingError(f"{without[0]} has no restoration to be told; leave it out.")
    return models


def _columns(strengths: Sequence[float]) -> tuple[Column, ...]:
    told = (_BASELINE, *(_title(strength) for strength in strengths), _AUTO, _LOST)
    return (
        Column(title=SET),
        Column(title=_MODEL),
        Column(title=_STRENGTH, digits=2),
        *(Column(title=title, digits=2) for title in told),
    )


def _title(told: Restoration) -> str:
    return _AUTO if told == "auto" else f"told {told:g}"


def _degraded(test_set: TestSet, strengths: Sequence[float], folder: Path, settings: Settings) -> dict[float, TestSet]:
    """The set at each strength."""
    made = {}
    for strength in strengths:
        settings.say(f"degrading {test_set.benchmark.name} at {strength:g}")
        degradation = Degradation(kind=_KIND, seed=_SEED, strength=strength)
        made[strength], _ = degraded(test_set, folder / f"{strength:g}", degradation)
    return made


def _matrices(models: Mapping[str, Model], made: Mapping[float, TestSet], meter: Meter) -> list[_Matrix]:
    """One for each model, on one set at all strengths."""
    bicubic = catalogue.load(_BASELINE)
    sets, strengths = list(made.values()), list(made)
    baseline = [scores.psnr_y for scores in meter.measure(_BASELINE, bicubic, sets=sets)]
    matrices = []
    for name, model in models.items():
        values: dict[float, dict[Restoration, float]] = {strength: {} for strength in strengths}
        asked: tuple[Restoration, ...] = (*strengths, "auto")
        for told in asked:
            measured = meter.measure(
                f"{name}, {_title(told)}", model, fidelity=1.0 if model.dial else None, restoration=told, sets=sets
            )
            for strength, scores in zip(strengths, measured, strict=True):
                values[strength][told] = scores.psnr_y
        matrices.append(
            _Matrix(
                model=name,
                dataset=sets[0].benchmark.name,
                values=values,
                baseline=dict(zip(strengths, baseline, strict=True)),
            )
        )
    return matrices


EXPERIMENT = Experiment(
    name="restoration",
    title="What a wrong estimate of the degradation costs",
    source="No paper's: docs/degradations.md says what the strength is and how it is estimated.",
    run=_run,
    measures=True,
    compares=True,
)
