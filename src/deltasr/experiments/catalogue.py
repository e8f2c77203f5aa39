"""The list of experiments, and the function that runs one."""

from __future__ import annotations

from pathlib import Path

from deltasr.errors import SettingError
from deltasr.evaluation.report import write_report
from deltasr.experiments.deltadiff import figure_4 as deltadiff_figure_4
from deltasr.experiments.deltadiff import table_1 as deltadiff_table_1
from deltasr.experiments.deltadiff import table_2 as deltadiff_table_2
from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.own import (
    deltadiff_vs_ours,
    dial,
    estimator,
    flicker,
    ingredients,
    jpeg,
    photo,
    restoration,
    small_models,
    spectrum,
    teacher_forcing,
)
from deltasr.experiments.plots import require_matplotlib, stacked
from deltasr.experiments.report import figure_6 as report_figure_6
from deltasr.experiments.report.cnn import CNN_EXPERIMENTS
from deltasr.experiments.report.gan import GAN_EXPERIMENTS
from deltasr.experiments.resshift import figure_3 as resshift_figure_3
from deltasr.experiments.resshift import figure_7 as resshift_figure_7
from deltasr.experiments.resshift import table_1 as resshift_table_1
from deltasr.experiments.resshift import table_2 as resshift_table_2
from deltasr.experiments.resshift import table_3 as resshift_table_3
from deltasr.experiments.resshift import table_4 as resshift_table_4
from deltasr.experiments.tables import to_csv, to_markdown
from deltasr.files import write_whole
from deltasr.training.data.cache import find_pictures

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        resshift_table_1.EXPERIMENT,
        resshift_table_2.EXPERIMENT,
        resshift_table_3.EXPERIMENT,
        resshift_table_4.EXPERIMENT,
        resshift_figure_3.EXPERIMENT,
        resshift_figure_7.EXPERIMENT,
        deltadiff_table_1.EXPERIMENT,
        deltadiff_table_2.EXPERIMENT,
        deltadiff_figure_4.EXPERIMENT,
        deltadiff_vs_ours.EXPERIMENT,
        teacher_forcing.EXPERIMENT,
        small_models.EXPERIMENT,
        ingredients.EXPERIMENT,
        dial.EXPERIMENT,
        photo.EXPERIMENT,
        estimator.EXPERIMENT,
        jpeg.EXPERIMENT,
        restoration.EXPERIMENT,
        spectrum.EXPERIMENT,
        flicker.EXPERIMENT,
        *CNN_EXPERIMENTS,
        *GAN_EXPERIMENTS,
        report_figure_6.EXPERIMENT,
    )
}

_PLOT = "plot.png"


def describe(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        SettingError: there is no such experiment.
    """
    if name not in EXPERIMENTS:
        raise SettingError(f"There is no experiment called '{name}'; known are {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]


def run(name: str, settings: Settings) -> tuple[Path, Result]:
    """Run an experiment, and write table.csv, table.md and its plots as plot.png to `settings.output / name`.

    Returns:
        That folder, and the result.

    Raises:
        SettingError: there is no such experiment, a setting that it needs is missing or one that it does not take is
            given, or matplotlib is missing.
        DeltasrError: a training, a measurement or a file failed.
    """
    experiment = describe(name)
    if experiment.trains and settings.data is None:
        raise SettingError(f"The experiment {name} trains models; give a folder of pictures by --data.")
    if experiment.measures and not settings.sets:
        raise SettingError(f"The experiment {name} measures results; give a benchmark set by --set.")
    for option in _left_over(experiment, settings):
        raise SettingError(f"{name} takes no {option}; leave it out.")
    for part in settings.only:
        if part not in experiment.parts:
            raise SettingError(f"{name} has no part called '{part}'; its parts are {', '.join(experiment.parts)}.")
    if settings.data is not None:
        find_pictures(settings.data)
    require_matplotlib()
    result = experiment.run(settings)
    folder = settings.output / name
    if result.plots:
        write_whole(folder / _PLOT, stacked(result.plots), what="The plot")
    write_report(to_csv(result.table), folder / "table.csv")
    write_report(report(experiment, result, settings), folder / "table.md")
    return folder, result


def report(experiment: Experiment, result: Result, settings: Settings) -> str:
    """The table with its title, scale, notes and plot, as Markdown."""
    quick = ["**A quick run**: it shows that the experiment works; its numbers do not stand for the paper's scale."]
    lines = [*(quick if settings.quick else []), *result.scale, *result.notes]
    plots = [f"![Plots]({_PLOT})"] if result.plots else []
    parts = [f"# {experiment.title}", experiment.source, to_markdown(result.table).rstrip("\n")]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in lines), *plots]) + "\n"


def _left_over(experiment: Experiment, settings: Settings) -> list[str]:
    """Options that were given to an experiment that does not use them."""
    trains = experiment.trains or experiment.may_train
    options = {
        "--data": (trains, settings.data is not None),
        "--images": (trains, settings.images is not None),
        "--minutes": (experiment.equal_time, settings.minutes is not None),
        "--override": (experiment.equal_time, bool(settings.overrides)),
        "--set": (experiment.measures or experiment.may_measure, bool(settings.sets)),
        "--checkpoint": (experiment.compares, bool(settings.checkpoints)),
        "--only": (bool(experiment.parts), bool(settings.only)),
    }
    return [option for option, (taken, given) in options.items() if given and not taken]
