"""ResShift's Table 3: methods on pictures that were blurred, downscaled and made noisy."""

from __future__ import annotations

from deltasr.experiments.experiment import Experiment, Result, Settings
from deltasr.experiments.measuring import SCORE_COLUMNS, Meter, perception_panels
from deltasr.experiments.methods import about_latent_diffusion, measured_models
from deltasr.experiments.no_reference import NO_REFERENCE_COLUMNS, about, installed_metrics
from deltasr.experiments.papers import (
    METHOD,
    MILLIONS,
    RESSHIFT,
    ldm_eta,
    ldm_steps,
    published,
    remarks,
    resshift_scale,
)
from deltasr.experiments.plots import draw_panels
from deltasr.experiments.runs import machine
from deltasr.experiments.tables import Column, Table

_TABLE = "resshift-table-3"
(_LDM_STEPS,) = ldm_steps(_TABLE)
_COLUMNS = (Column(title=METHOD), Column(title=MILLIONS, digits=2), *SCORE_COLUMNS, *NO_REFERENCE_COLUMNS)


def _run(settings: Settings) -> Result:
    metrics, left_out = installed_metrics()
    meter = Meter(settings, further=metrics)
    rows = measured_models(settings, meter, eta=ldm_eta(), steps=_LDM_STEPS)
    panels = perception_panels(rows, label=METHOD)
    return Result(
        table=Table(columns=_COLUMNS, rows=(*rows, *published(_TABLE, dataset="ImageNet-Test"))),
        plots=(draw_panels(panels, title="Methods on degraded pictures"),) if panels else (),
        scale=(f"This run: {machine(settings.device)}.", meter.scale(), resshift_scale()),
        notes=(
            *meter.notes(),
            *remarks(_TABLE),
            "The sets of this run are as they were given: `deltasr degrade --kind resshift-test-code --square 256 "
            "--square-by fit` makes a set of the paper's kind from a folder of pictures, as its code does.",
            about_latent_diffusion(ldm_eta(), steps=[_LDM_STEPS]),
            *about(metrics),
            *left_out,
        ),
    )


EXPERIMENT = Experiment(
    name=_TABLE,
    title="Methods on degraded pictures",
    source=f"{RESSHIFT}, Table 3.",
    run=_run,
    measures=True,
    compares=True,
)
