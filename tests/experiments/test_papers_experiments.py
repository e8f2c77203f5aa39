"""Every experiment of the papers, at the smallest scale there is."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from deltasr.errors import ModelError, SettingError
from deltasr.evaluation.sets import find_set
from deltasr.experiments import no_reference
from deltasr.experiments.deltadiff import figure_4 as deltadiff_figure_4
from deltasr.experiments.deltadiff import table_1 as deltadiff_table_1
from deltasr.experiments.deltadiff import table_2 as deltadiff_table_2
from deltasr.experiments.experiment import Experiment, Result, Settings, TestSet
from deltasr.experiments.measuring import Meter
from deltasr.experiments.own import small_models, teacher_forcing
from deltasr.experiments.pictures import hr_and_lr
from deltasr.experiments.plots import Strip
from deltasr.experiments.resshift import figure_3 as resshift_figure_3
from deltasr.experiments.resshift import figure_7 as resshift_figure_7
from deltasr.experiments.resshift import table_1 as resshift_table_1
from deltasr.experiments.resshift import table_2 as resshift_table_2
from deltasr.experiments.resshift import table_3 as resshift_table_3
from deltasr.experiments.resshift import table_4 as resshift_table_4
from deltasr.experiments.resshift.grid import CHOSEN, over_steps, train_point
from deltasr.experiments.resshift.states import Example, ldm_relative_noise
from deltasr.experiments.tables import THIS_RUN, Row
from deltasr.models import catalogue, checkpoint
from deltasr.models.base import Model
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.ldm import LatentDiffusion
from deltasr.models.resshift import ResShift


def ours(result: Result) -> list[Row]:
    return [row for row in result.table.rows if row.source == THIS_RUN]


LeftOut = Callable[..., list[dict[str, Any]]]
"""`left_out` of conftest.py."""


def published(result: Result) -> list[Row]:
    return [row for row in result.table.rows if row.source != THIS_RUN]


AT = ("t = 1", "t = (T+1)/2", "t = T")


def test_figure_3_reaches_the_ends_that_the_paper_states(settings: Settings):
    result = resshift_figure_3.EXPERIMENT.run(replace(settings, sets=()))
    ends = {row.cells["kappa"]: row.cells for row in published(result)}
    rows = [row.cells for row in ours(result)]
    for cells in rows:
        for at in (AT[0], AT[2]) if cells["process"] == "ResShift" else ():
            for title in (f"sqrt(eta), {at}", f"relative noise, {at}"):
                assert cells[title] == pytest.approx(ends[cells["kappa"]][title], rel=1e-9)
    half_way = [cells["sqrt(eta), t = (T+1)/2"] for cells in rows if cells.get("kappa") == 2.0]
    assert half_way == sorted(half_way, reverse=True), "a larger p shifts later"
    assert len(half_way) == 5
    assert len(result.plots) == 1
    assert not any("true ratio" in column.title for column in result.table.columns)


def test_ldms_noise_is_that_of_its_scheduler():
    from diffusers import DDIMScheduler

    scheduler = DDIMScheduler(beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear")
    for t in (1, 500, 1000):
        signal = float(scheduler.alphas_cumprod[t - 1])
        assert ldm_relative_noise(t) == pytest.approx(math.sqrt((1 - signal) / signal), rel=1e-3)


def test_figure_3_shows_the_states_of_a_picture(larger_settings: Settings, monkeypatch: pytest.MonkeyPatch):
    drawn: list[Strip] = []
    monkeypatch.setattr(resshift_figure_3, "draw_strips", lambda strips, **_: drawn.extend(strips) or b"png")
    result = resshift_figure_3.EXPERIMENT.run(larger_settings)
    assert [strip.label[:3] for strip in drawn] == ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)"]
    for strip in drawn[:4]:
        assert [caption for caption, _ in strip.pictures] == [f"t = {t}" for t in (1, 3, 5, 7, 9, 12, 15)]
    for strip in drawn[4:]:
        assert [caption for caption, _ in strip.pictures] == [f"t = {t}" for t in (100, 200, 400, 600, 800, 900, 1000)]
    hr, lr = hr_and_lr(larger_settings.sets[0].benchmark.pairs[0])
    quiet = drawn[0].pictures[0][1].astype(int)
    assert quiet.shape == (96, 96, 3)
    hr, lr = hr[80:176, 80:176], lr[20:44, 20:44]
    assert abs(quiet - hr).mean() < 5, "x_1 is almost the truth"
    noisy = [abs(strip.pictures[-1][1].astype(int) - hr).mean() for strip in drawn[:4]]
    assert noisy == sorted(noisy), "kappa grows from (a) to (d)"
    example = Example.of("one", hr, lr)
    values = torch.from_numpy(hr).float() / 127.5 - 1
    first = next(row.cells for row in ours(result))
    noise = float(first["relative noise, t = 1"])
    assert first["true ratio, t = 1"] == pytest.approx(noise / values.std().item(), rel=0.01)
    (ldm,) = (row.cells for row in ours(result) if row.cells["process"] == "LDM")
    assert [ldm[f"relative noise, {at}"] for at in AT] == [ldm_relative_noise(t) for t in (1, 500, 1000)]
    assert ldm["true ratio, t = T"] == pytest.approx(
        float(ldm["relative noise, t = T"]) / example.x_0.std().item(), rel=1e-6
    )


def test_the_published_configuration_costs_what_its_description_says():
    gflop = resshift_table_2.published_gflop()
    assert gflop.step == pytest.approx(101, abs=1)
    assert gflop.encode == pytest.approx(345, abs=1)
    assert gflop.decode == pytest.approx(671, abs=1)
    assert gflop.total(4) == pytest.approx(1_421, abs=1)


def test_table_2_adds_up(settings: Settings, monkeypatch: pytest.MonkeyPatch, left_out: LeftOut, tmp_path: Path):
    small = {
        "denoiser": {"model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32},
        "autoencoder": {"widths": [32, 32, 32], "blocks": 1, "codes": 8},
    }
    monkeypatch.setattr(resshift_table_2, "ResShift", lambda **values: ResShift(**values, **small))
    checkpoint.save(DeltaDiff(steps=2), tmp_path / "mine.safetensors")
    result = resshift_table_2.EXPERIMENT.run(replace(settings, checkpoints={"mine": tmp_path / "mine.safetensors"}))
    stage, step, fifteen, four, deltadiff, mine = (row.cells for row in ours(result))
    assert (mine["method"], mine["steps"]) == ("mine", 2)
    assert 0 < mine["GFLOP"] < deltadiff["GFLOP"]
    for steps, whole in ((15, fifteen), (4, four)):
        for title in ("GFLOP", "seconds"):
            assert whole[title] == pytest.approx(stage[title] + steps * step[title])
        assert whole["parameters (M)"] == pytest.approx(stage["parameters (M)"] + step["parameters (M)"])
    assert deltadiff["parameters (M)"] < 1
    assert left_out("resshift-table-2", published(result)) == []


def test_the_grid_has_the_papers_schedules(settings: Settings):
    assert CHOSEN in over_steps(settings)
    model = train_point(replace(CHOSEN, steps=4, kappa=0.5), settings).model()
    assert isinstance(model, ResShift)
    assert model.schedule.steps == 4
    assert model.schedule.kappa == 0.5
    assert model.schedule.eta[1] == pytest.approx(0.001)
    assert model.schedule.eta[-1] == pytest.approx(0.999)


@pytest.mark.parametrize(
    ("experiment", "rows", "plots"),
    [
        (resshift_table_1.EXPERIMENT, 4, 2),
        (resshift_figure_7.EXPERIMENT, 3 + 2, 1),
        (deltadiff_table_2.EXPERIMENT, 4, 2),
        (teacher_forcing.EXPERIMENT, 5, 1),
        (small_models.EXPERIMENT, 4, 1),
    ],
    ids=lambda value: value.name if isinstance(value, Experiment) else "",
)
def test_experiments_that_train(
    experiment: Experiment,
    rows: int,
    plots: int,
    settings: Settings,
    lpips: Path,
    shared_output: Path,
    left_out: LeftOut,
):
    images = 64 if experiment is small_models.EXPERIMENT else 16
    result = experiment.run(replace(settings, lpips=lpips, output=shared_output, images=images))
    assert len(ours(result)) == rows
    assert all(math.isfinite(float(row.cells["PSNR-Y"])) for row in ours(result))
    assert all(0 < float(row.cells["LPIPS"]) < 2 for row in ours(result))
    assert len(result.plots) == plots
    if experiment in (resshift_table_1.EXPERIMENT, deltadiff_table_2.EXPERIMENT):
        assert left_out(experiment.name, published(result)) == []
        pictures = {row.cells["pictures"] for row in published(result)}
        assert pictures in ({14}, {3000})
    assert f"of {'16 to 64' if images == 64 else '16'} images (16x16 LR crops" in result.scale[0]


@pytest.fixture(scope="module")
def shared_output(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all experiments, so that figure 7 finds the trainings of table 1."""
    return tmp_path_factory.mktemp("experiments")


@pytest.fixture
def lpips(shared: Path) -> Path:
    return shared / "models" / "lpips_alex_v0.1.pth"


def test_a_curve_needs_lpips(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DELTASR_LPIPS", raising=False)
    monkeypatch.setitem(sys.modules, "lpips", None)
    with pytest.raises(SettingError, match="--lpips"):
        resshift_figure_7.EXPERIMENT.run(settings)


def test_table_1_of_deltadiff_measures_every_model_and_released_pictures(
    settings: Settings, tmp_path: Path, left_out: LeftOut
):
    test_set = settings.sets[0]
    benchmark = replace(test_set.benchmark, name="DeltaDiffSet14")
    settings = replace(settings, sets=(replace(test_set, benchmark=benchmark, border=0),))
    truth = benchmark.pairs[0].hr
    released = truth.parent.parent / "published"
    released.mkdir()
    (released / truth.name).write_bytes(truth.read_bytes())
    model = tmp_path / "mine.safetensors"
    checkpoint.save(DeltaDiff(steps=2), model)
    result = deltadiff_table_1.EXPERIMENT.run(replace(settings, checkpoints={"mine": model}))
    rows = {row.cells["method"]: row.cells for row in ours(result)}
    assert rows.keys() == {*catalogue.names(), "mine", "DeltaDiff's released pictures"}
    assert rows["DeltaDiff's released pictures"]["PSNR-Y"] == math.inf
    assert rows["mine"]["PSNR-Y"] > rows["nearest"]["PSNR-Y"]
    assert left_out("deltadiff-table-1", published(result)) == []
    assert all(row.cells["pictures"] == 1 for row in ours(result))
    others = [row for row in published(result) if not row.source.startswith("DeltaDiff")]
    assert others == [], "one picture is not the references' set"
    with pytest.raises(SettingError, match="--checkpoint bicubic"):
        deltadiff_table_1.EXPERIMENT.run(replace(settings, checkpoints={"bicubic": model}))


def test_table_3_of_resshift_measures_every_model_beside_the_papers_methods(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, left_out: LeftOut
):
    monkeypatch.setattr(catalogue, "names", lambda: ("bicubic", "nearest"))
    result = resshift_table_3.EXPERIMENT.run(settings)
    assert [(row.cells["method"], row.cells["set"]) for row in ours(result)] == [
        ("bicubic", "Tiny"),
        ("nearest", "Tiny"),
    ]
    assert left_out("resshift-table-3", published(result)) == []


class Colours:
    """A metric that counts how much blue there is, and needs no reference."""

    library = "a test"

    def __init__(self, *, alike: bool = True) -> None:
        self.alike = alike

    def __call__(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        assert not self.alike or sr is hr
        return sr[:, 2].mean()[None]


@pytest.fixture
def only_niqe(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which of the metrics without a reference there is one, under the name of NIQE."""

    def find(names: list[str]) -> dict[str, Any]:
        if names != ["niqe"]:
            raise ModelError("It needs the pyiqa package: pip install.")
        return {"NIQE": Colours()}

    monkeypatch.setattr(no_reference, "find_no_reference", find)


@pytest.mark.usefixtures("only_niqe")
def test_table_4_of_resshift_measures_pictures_that_have_no_reference(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, left_out: LeftOut
):
    monkeypatch.setattr(catalogue, "names", lambda: ("nearest", "bicubic"))
    lr = settings.sets[0].benchmark.pairs[0].lr
    assert lr is not None
    alone = replace(settings, sets=(TestSet(benchmark=find_set(lr.parent)),))
    result = resshift_table_4.EXPERIMENT.run(alone)
    blue = float(np.asarray(Image.open(lr))[..., 2].mean()) / 255
    nearest, bicubic = (row.cells for row in ours(result))
    assert (nearest["method"], nearest["set"], nearest["pictures"]) == ("nearest", "LR_x4", 1)
    assert nearest["NIQE"] == pytest.approx(blue, abs=1e-6), "each pixel is there sixteen times"
    assert bicubic["NIQE"] == pytest.approx(blue, abs=0.01)
    assert "CLIPIQA" not in nearest
    assert left_out("resshift-table-4", published(result)) == []
    assert any(note.startswith("MUSIQ is left out of this run: It needs the pyiqa") for note in result.notes)
    assert any("NIQE (a test)" in note for note in result.notes)
    pairs = resshift_table_4.EXPERIMENT.run(settings)
    assert [row.cells["NIQE"] for row in ours(pairs)] == [nearest["NIQE"], bicubic["NIQE"]], "of pairs, the LR pictures"


def test_a_picture_without_a_score_leaves_a_cell_empty(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    class Nothing(Colours):
        def __call__(self, sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
            raise ModelError("NIQE gives no score for a picture of 64x64 pixels.")

    monkeypatch.setattr(catalogue, "names", lambda: ("bicubic",))
    monkeypatch.setattr(no_reference, "find_no_reference", lambda names: {"NIQE": Nothing()})
    for table in (resshift_table_3, resshift_table_4):
        (row,) = ours(table.EXPERIMENT.run(settings))
        assert row.cells["NIQE"] is None
        assert row.cells["pictures"] == 1


def test_table_4_needs_a_metric(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    def find(names: list[str]) -> dict[str, Any]:
        raise ModelError("There is none.")

    monkeypatch.setattr(no_reference, "find_no_reference", find)
    with pytest.raises(SettingError, match="no metric for that is there"):
        resshift_table_4.EXPERIMENT.run(settings)


def test_table_3_has_the_metrics_without_a_reference_that_are_there(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(catalogue, "names", lambda: ("bicubic",))
    monkeypatch.setattr(resshift_table_3, "installed_metrics", lambda: ({"CLIPIQA": Colours(alike=False)}, ()))
    (row,) = ours(resshift_table_3.EXPERIMENT.run(settings))
    assert 0 < float(row.cells["CLIPIQA"]) < 1
    assert row.cells["LPIPS"] is None or row.cells["LPIPS"] != row.cells["CLIPIQA"]


class Latent(LatentDiffusion):
    """In place of a pipeline: results whose brightness is the share of a thousand steps."""

    def __init__(self) -> None:
        Model.__init__(self)
        self.scale, self.taken, self.eta = 4, 100, 0.0

    @property
    def steps(self) -> int:
        return self.taken

    def use_steps(self, steps: int) -> None:
        self.taken = steps

    def forward(self, lr: torch.Tensor, **_: Any) -> torch.Tensor:
        return lr.new_full((*lr.shape[:2], 4 * lr.shape[2], 4 * lr.shape[3]), self.taken / 100)


def test_figure_7_has_a_curve_of_ldm_over_the_same_steps(settings: Settings, tmp_path: Path):
    meter = Meter(settings)
    steps = [replace(CHOSEN, steps=count) for count in (10, 20)]
    scores = resshift_figure_7._over_steps("LDM", Latent(), steps, meter)
    assert list(scores) == ["LDM, T = 10", "LDM, T = 20"]
    first, second = (of_sets[0].psnr_y for of_sets in scores.values())
    assert first < second, "of these two, the brighter grey is nearer"
    mine = tmp_path / "mine.safetensors"
    checkpoint.save(DeltaDiff(), mine)
    with pytest.raises(SettingError, match=r"--checkpoint mine is DeltaDiff.*latent diffusion pipeline"):
        resshift_figure_7._latent_diffusion(replace(settings, checkpoints={"mine": mine}))


def test_latent_diffusion_is_run_with_the_papers_eta_and_steps(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "load", lambda path: Latent())
    given = replace(settings, checkpoints={"LDM": Path("folder")})
    (model,) = resshift_figure_7._latent_diffusion(given).values()
    assert model.eta == 1

    seen: list[tuple[int, float]] = []
    monkeypatch.setattr(catalogue, "names", list)
    monkeypatch.setattr(Meter, "rows", lambda self, name, model, cells: seen.append((model.steps, model.eta)) or [])
    result = resshift_table_3.EXPERIMENT.run(given)
    assert seen == [(15, 1)], "the paper's row is called LDM-15"
    assert any("LDM) are run by DDIM with eta = 1 in 15 steps" in note for note in result.notes)


@pytest.mark.usefixtures("only_niqe")
def test_table_4_runs_latent_diffusion_in_the_papers_steps(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "load", lambda path: Latent())
    monkeypatch.setattr(catalogue, "names", list)
    result = resshift_table_4.EXPERIMENT.run(replace(settings, checkpoints={"LDM": Path("folder")}))
    (row,) = ours(result)
    assert row.cells["NIQE"] == pytest.approx(0.15, abs=0.002), "15 of 100 steps"
    assert any("in 15 steps" in note for note in result.notes)


def test_table_2_times_latent_diffusion_in_each_of_the_papers_steps():
    rows = [
        resshift_table_2._whole("LDM", model, torch.zeros(1, 3, 64, 64), "here")
        for model in resshift_table_2._in_steps(Latent())
    ]
    assert [(row.cells["method"], row.cells["steps"]) for row in rows] == [("LDM", 15), ("LDM", 30), ("LDM", 100)]


def test_references_stand_beside_whole_sets_scored_alike(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    test_set = settings.sets[0]
    (pair,) = test_set.benchmark.pairs
    monkeypatch.setattr(catalogue, "names", lambda: ("bicubic",))

    def references(name: str, count: int, border: int | None, *, quick: bool = False) -> list[object]:
        benchmark = replace(test_set.benchmark, name=name, pairs=(pair,) * count)
        sets = (replace(test_set, benchmark=benchmark, border=border),)
        rows = published(deltadiff_table_1.EXPERIMENT.run(replace(settings, sets=sets, quick=quick)))
        return [row.cells["method"] for row in rows if "DeltaDiff arXiv" not in row.source]

    assert references("Set14", 14, None) == references("Set14", 14, 4) == ["RLFN", "RFDN", "IMDN", "LWFANet", "SRGAN"]
    assert references("DeltaDiffSet14", 14, 0)
    assert references("Set14", 14, None, quick=True) == [], "a quick run measures three pictures"
    assert references("Set14", 3, None) == references("Set14", 14, 0) == []
    assert references("DeltaDiffSet14", 14, None) == references("Tiny", 14, 4) == []


def test_pictures_in_published_of_another_set_are_not_deltadiffs(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(catalogue, "names", lambda: ("bicubic",))
    truth = settings.sets[0].benchmark.pairs[0].hr
    (truth.parent.parent / "published").mkdir()
    assert [row.cells["method"] for row in ours(deltadiff_table_1.EXPERIMENT.run(settings))] == ["bicubic"]


def test_strips_of_both_processes(larger_settings: Settings, tmp_path: Path):
    path = tmp_path / "resshift.safetensors"
    torch.manual_seed(0)
    small = {"model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32}
    eta = (0.0, 0.01, 0.3, 0.98)
    checkpoint.save(ResShift(eta=eta, kappa=2.0, first_stage="pixel-unshuffle", denoiser=small), path)
    result = deltadiff_figure_4.EXPERIMENT.run(replace(larger_settings, data=None, checkpoints={"resshift": path}))
    noisy = [row.cells for row in ours(result) if row.cells["process"] == "ResShift"]
    quiet = [row.cells for row in ours(result) if row.cells["process"] == "DeltaDiff"]
    assert [cells["t"] for cells in noisy] == [3, 2, 1]
    assert [cells["t"] for cells in quiet] == [4, 3, 2, 1]
    forwards = [cells["PSNR-Y of x_t, forward"] for cells in quiet]
    assert forwards == sorted(forwards), "states near t = 0 are near the truth"
    assert noisy[0]["PSNR-Y of x_t"] < quiet[0]["PSNR-Y of x_t"] - 5, "noise shows"
    assert len(result.plots) == 2
    with pytest.raises(SettingError, match="--checkpoint resshift=FILE"):
        deltadiff_figure_4.EXPERIMENT.run(replace(larger_settings, data=None))


def test_a_strip_needs_a_picture_large_enough(settings: Settings):
    with pytest.raises(SettingError, match="smaller than 64 pixels"):
        deltadiff_figure_4.EXPERIMENT.run(settings)


def test_small_models_takes_checkpoints_in_place_of_trainings(settings: Settings, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    checkpoint.save(DeltaDiff(), path, training={"images": 123, "seconds": 4.5})
    result = small_models.EXPERIMENT.run(replace(settings, data=None, checkpoints={"mine": path}))
    assert [row.cells["model"] for row in ours(result)] == ["bicubic", "mine"]
    mine = ours(result)[1].cells
    assert (mine["steps"], mine["images seen"], mine["s of training"]) == (4, 123, 4.5)
    assert [row.cells["model"] for row in published(result)] == ["ResShift", *["DeltaDiff"] * 3]
    assert [row.cells["parameters (M)"] for row in published(result)] == ["118.59", *["over 100"] * 3]
    with pytest.raises(SettingError, match="--checkpoint bicubic is the name of another model"):
        small_models.EXPERIMENT.run(replace(settings, data=None, checkpoints={"bicubic": path}))
    with pytest.raises(SettingError, match="--checkpoint resshift-small is the name of another model"):
        small_models.EXPERIMENT.run(replace(settings, checkpoints={"resshift-small": path}))
    with pytest.raises(SettingError, match="--data"):
        small_models.EXPERIMENT.run(replace(settings, data=None))


def test_lines_over_the_ends_of_the_sequence_go_from_left_to_right(monkeypatch: pytest.MonkeyPatch):
    drawn = []
    monkeypatch.setattr(deltadiff_table_2, "draw_panels", lambda panels, title: drawn.extend(panels) or b"")
    ends = [(0.01, 0.99), (0.2, 0.99), (0.01, 0.8), (0.001, 0.99)]
    rows = {pair: [Row(cells={"set": "Tiny", "PSNR-Y": 20 + pair[0]})] for pair in ends}
    deltadiff_table_2._plot("PSNR-Y", rows)
    (panel,) = drawn
    assert [(line.label, list(line.x)) for line in panel.series] == [
        ("eta_T = 0.8", [0.01]),
        ("eta_T = 0.99", [0.001, 0.01, 0.2]),
    ]
    assert all([y - 20 for y in line.y] == pytest.approx(list(line.x)) for line in panel.series)
