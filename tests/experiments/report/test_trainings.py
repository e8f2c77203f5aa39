"""What the report's experiments train: recipes, starts and feature networks. Nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from deltasr.errors import SettingError
from deltasr.evaluation.lpips import Lpips
from deltasr.experiments.catalogue import EXPERIMENTS
from deltasr.experiments.experiment import Settings
from deltasr.experiments.report import cnn, gan
from deltasr.experiments.report import trainings as report_trainings
from deltasr.experiments.report.trainings import Features, find_features
from deltasr.experiments.runs import Run
from deltasr.nets.classifiers import STACKS
from deltasr.training.recipes.picture import RrdbRecipe

SOMEWHERE = Settings(output=Path("out"), data=Path("pictures"))
ALEX = Features(network="alex", layer="conv5", source=Path("weights"))


@dataclass(frozen=True)
class Asked:
    """A training that an experiment asked for."""

    recipe: RrdbRecipe
    settings: Settings
    initial: Run | None


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Asked]]:
    """Runs an experiment up to where it measures; the trainings that it asked for, by their rows."""

    def of(name: str, settings: Settings = SOMEWHERE) -> dict[str, Asked]:
        trainings: dict[str, Asked] = {}
        rows: dict[str, Asked] = {}

        def trained(label: str, recipe: RrdbRecipe, settings: Settings, *, initial: Run | None = None) -> Run:
            trainings[label] = Asked(recipe, settings, initial)
            return Run(label=label, recipe=recipe, weights=Path(label, "model.safetensors"), seconds=1.0, entries=())

        def compare(train: Callable[[Settings], dict[str, Run]], settings: Settings, **_: Any) -> None:
            rows.update({row: trainings[run.label] for row, run in train(settings).items()})
            raise KeyboardInterrupt

        monkeypatch.setattr(report_trainings, "trained", trained)
        for module in (cnn, gan):
            monkeypatch.setattr(module, "compare", compare)
        monkeypatch.setattr(gan, "find_features", lambda settings: ALEX)
        with pytest.raises(KeyboardInterrupt):
            EXPERIMENTS[name].run(settings)
        return rows

    return of


def differences(one: RrdbRecipe, other: RrdbRecipe) -> dict[str, tuple[Any, Any]]:
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in one.__struct_fields__}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def test_depths_differ_in_nothing_but_blocks(asked: Callable[..., dict[str, Asked]]):
    rows = asked("report-1")
    assert [row.recipe.blocks for row in rows.values()] == [2, 10, 15]
    two, *deeper = rows.values()
    assert all(differences(two.recipe, row.recipe).keys() == {"blocks"} for row in deeper)
    assert (two.recipe.l1, two.recipe.adversarial, two.initial) == (1.0, 0.0, None)


def test_the_losses_on_pixels_differ_in_nothing_else(asked: Callable[..., dict[str, Asked]]):
    one, other = asked("report-2").values()
    assert differences(one.recipe, other.recipe) == {"l1": (1.0, 0.0), "l2": (0.0, 1.0)}


GANS = {"report-3": "GAN", "report-4": "GAN, dual", "report-5": "GAN, after activation"}
"""The row that the report's three tables share, in ours."""


def test_the_tables_of_the_gan_share_the_reports(asked: Callable[..., dict[str, Asked]]):
    shared = [asked(name)[row] for name, row in GANS.items()]
    assert shared[0] == shared[1] == shared[2]
    recipe = shared[0].recipe
    assert recipe.l1 == recipe.l2 == recipe.lpips == 0
    assert min(recipe.perceptual, recipe.adversarial) > 0
    assert (recipe.feature_activation, recipe.feature_distance, recipe.alternation) == ("after", "squared", "phases")
    assert (recipe.adversarial_loss, recipe.discriminator) == ("bce", "simple")
    assert shared[0].initial is not None
    assert shared[0].initial.label == "rrdb-cnn-2-l1"


@pytest.mark.parametrize(
    ("name", "row", "changes"),
    [
        ("report-3", "GAN, jointly", {"alternation": ("phases", "joint")}),
        ("report-4", "GAN, triad", {"l1": (0.0, 1.0)}),
        ("report-5", "GAN, before activation", {"feature_activation": ("after", "before")}),
    ],
)
def test_every_other_gan_differs_from_it_in_one_thing(
    asked: Callable[..., dict[str, Asked]], name: str, row: str, changes: dict[str, Any]
):
    rows = asked(name)
    assert differences(rows[GANS[name]].recipe, rows[row].recipe) == changes
    assert rows[row].initial == rows[GANS[name]].initial


def test_the_cnn_stands_beside_the_gan_that_starts_from_it(asked: Callable[..., dict[str, Asked]]):
    cnn = asked("report-3")["CNN"]
    assert cnn.initial is None
    assert cnn.recipe == asked("report-2")["CNN, L1"].recipe


def test_pictures_are_halved_and_split_as_in_the_report(asked: Callable[..., dict[str, Asked]]):
    recipe = asked("report-2")["CNN, L1"].recipe
    assert (recipe.shrink, recipe.validation_pictures, recipe.test_pictures) == (2, 0.1, 0.1)


def test_a_quick_training_is_shorter_on_smaller_crops(asked: Callable[..., dict[str, Asked]]):
    quick = asked("report-2", replace(SOMEWHERE, quick=True))["CNN, L1"].recipe
    whole = asked("report-2")["CNN, L1"].recipe
    assert quick.images * quick.crop**2 < whole.images * whole.crop**2 / 20
    assert (quick.shrink, quick.test_pictures) == (2, 0.1)


def test_the_length_asked_for_is_that_of_every_training(asked: Callable[..., dict[str, Asked]]):
    rows = asked("report-3", replace(SOMEWHERE, images=64))
    assert {row.recipe.images for row in rows.values()} == {64}


def test_the_features_are_trained_with_as_they_were_found(asked: Callable[..., dict[str, Asked]]):
    gan = asked("report-4")["GAN, dual"]
    assert (gan.recipe.features, gan.recipe.feature_layer, gan.settings.lpips) == ("alex", "conv5", Path("weights"))


def saved(folder: Path, network: Any, name: str) -> None:
    torch.save({f"features.{key}": value for key, value in STACKS[network]().state_dict().items()}, folder / name)


def test_vgg19_is_taken_where_it_is_there(tmp_path: Path):
    saved(tmp_path, "alex", "lpips_alex_v0.1.pth")
    settings = replace(SOMEWHERE, lpips=tmp_path)
    found = find_features(settings)
    assert (found.network, found.layer, found.source) == ("alex", "conv5", tmp_path)
    assert "in place of VGG19" in found.note()
    assert "here they are 0.0001 (perceptual), 0.005 (adversarial) and 1 (L1)" in found.note()
    assert "LPIPS-alex favours these models" in found.note()
    saved(tmp_path, "vgg19", "vgg19-random.pth")
    found = find_features(settings)
    assert (found.network, found.layer) == ("vgg19", "conv5_4")
    assert "in place" not in found.note()
    assert found.other_lpips() == {}


def test_a_loss_through_alexnet_is_judged_through_squeezenet_where_that_is_there(tmp_path: Path):
    alex = Features(network="alex", layer="conv5", source=tmp_path)
    assert alex.other_lpips() == {}
    torch.save(Lpips(net="squeeze").state_dict(), tmp_path / "lpips_squeeze_v0.1.pth")
    assert alex.other_lpips().keys() == {"LPIPS-squeeze"}
    assert Features(network="vgg19", layer="conv5_4", source=tmp_path).other_lpips() == {}


def test_the_environment_names_the_features_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    saved(tmp_path, "squeeze", "lpips_squeeze_v0.1.pth")
    monkeypatch.setenv("DELTASR_LPIPS", str(tmp_path))
    found = find_features(SOMEWHERE)
    assert (found.network, found.source) == ("squeeze", tmp_path)


def test_without_weights_the_error_says_what_to_give(tmp_path: Path):
    with pytest.raises(SettingError, match=r"lpips_alex_v0\.1\.pth or vgg19.* by --lpips"):
        find_features(replace(SOMEWHERE, lpips=tmp_path))
