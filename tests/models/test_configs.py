"""The options of every architecture: where each is written, what files may say of it, and which model it builds."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
import pytest
from msgspec.structs import asdict, fields

from deltasr.errors import ModelError, SettingError
from deltasr.models.configs import (
    ARCHITECTURES,
    Config,
    DeltaDiffConfig,
    DenoiserConfig,
    ResShiftConfig,
    RrdbConfig,
    VQConfig,
    configured,
    model_class,
)
from deltasr.models.deltadiff import SIZES, DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb
from deltasr.nets.blocks import BLOCKS
from deltasr.nets.swin_unet import SwinUNet
from deltasr.nets.vq_autoencoder import VQAutoencoder

every_kind = pytest.mark.parametrize("kind", [*ARCHITECTURES.values(), VQConfig, DenoiserConfig])


def choices(kind: type[Config], option: str) -> list[str]:
    (its,) = (field.type for field in fields(kind) if field.name == option)
    assert get_origin(its) is Literal
    return list(get_args(its))


def test_choices_are_those_that_there_are():
    assert choices(DeltaDiffConfig, "size") == list(SIZES)
    assert choices(DeltaDiffConfig, "block") == list(BLOCKS)


@pytest.mark.parametrize(("name", "kind"), ARCHITECTURES.items())
def test_an_architecture_s_model_is_built_from_its_config(name: str, kind: type[Config]):
    assert kind.architecture == name
    built = model_class(kind)
    assert inspect.get_annotations(built, eval_str=True)["config"] is kind


@every_kind
def test_every_option_is_described_and_the_marked_ones_exist(kind: type[Config]):
    described = " ".join(inspect.getdoc(parent) or "" for parent in kind.__mro__ if issubclass(parent, Config))
    assert [name for name in kind.__struct_fields__ if not re.search(rf"\b{name}\b", described)] == []
    assert kind.of_process | kind.of_use <= set(kind.__struct_fields__)


def _numbers(kind: Any) -> list[tuple[Any, ...]]:
    """The bounded numbers within an option's type: (type, bounds)."""
    if get_origin(kind) is Annotated and get_args(kind)[0] in (int, float):
        return [get_args(kind)]
    if kind in (int, float):
        return [(kind,)]
    return [number for part in get_args(kind) for number in _numbers(part)]


@every_kind
def test_every_number_has_a_least_and_a_largest_value(kind: type[Config]):
    for field in fields(kind):
        for _, *bounds in _numbers(field.type):
            assert bounds, field.name
            assert bounds[0].le is not None, field.name
            assert (bounds[0].ge is None) != (bounds[0].gt is None), field.name


@pytest.mark.parametrize(("kind", "net"), [(VQConfig, VQAutoencoder), (DenoiserConfig, SwinUNet)])
def test_options_of_networks_are_those_that_they_take(kind: type[Config], net: type):
    assert set(kind.__struct_fields__) == set(inspect.signature(net).parameters)


def test_a_config_and_options_build_the_same_model():
    config = DeltaDiffConfig(dial=True, default_fidelity=0.25, steps=2)
    assert DeltaDiff(config).arguments() == DeltaDiff(dial=True, default_fidelity=0.25, steps=2).arguments()
    assert DeltaDiff(config, steps=3).arguments() == DeltaDiff(dial=True, default_fidelity=0.25, steps=3).arguments()
    assert Rrdb(RrdbConfig(width=4)).arguments() == {"blocks": 2, "width": 4}
    with pytest.raises(ModelError, match="DeltaDiff has no size 'huge'"):
        DeltaDiff(DeltaDiffConfig(size="huge"))  # type: ignore[arg-type]


def test_arguments_are_in_the_order_of_released_headers():
    assert list(DeltaDiff().arguments()) == [
        "size", "scale", "steps", "p", "eta_1", "eta_T", "dial", "default_fidelity", "restoring", "consistent", "block",
        "shared", "features",
    ]  # fmt: skip
    denoiser = {"model_channels": 32, "channel_mult": [1], "num_res_blocks": [1], "swin_embed_dim": 32}
    arguments = ResShift(first_stage="pixel-unshuffle", denoiser=denoiser).arguments()
    assert list(arguments) == ["eta", "kappa", "first_stage", "denoiser"]
    assert arguments["denoiser"]["in_channels"] == arguments["denoiser"]["out_channels"] == 48
    assert list(arguments["denoiser"]) == list(inspect.signature(SwinUNet).parameters)


def test_options_of_use_are_set_on_a_model_and_saved():
    model = DeltaDiff(dial=True)
    model.default_fidelity = 0.5
    assert model.arguments()["default_fidelity"] == 0.5
    assert DeltaDiffConfig(consistent=False).decisive() == DeltaDiffConfig(default_fidelity=0.2).decisive()
    assert DeltaDiffConfig(p=0.5).decisive() != DeltaDiffConfig().decisive()
    assert DeltaDiffConfig(p=0.5, steps=2).shape() == DeltaDiffConfig().shape()
    assert ResShiftConfig(eta=(0.0, 0.5), kappa=0.5).shape() == ResShiftConfig().shape()
    assert ResShiftConfig(first_stage="pixel-unshuffle").shape() != ResShiftConfig().shape()


@pytest.mark.parametrize(
    ("kind", "options", "sentence"),
    [
        (DeltaDiffConfig, {"scale": 9}, "DeltaDiff has no scale 9; give a whole number from 2 to 8."),
        (DeltaDiffConfig, {"p": 0}, "DeltaDiff has no p 0; give a number above 0 and up to 100."),
        (DeltaDiffConfig, {"p": float("nan")}, "DeltaDiff has no p nan; give a number above 0 and up to 100."),
        (DeltaDiffConfig, {"scale": 2.5}, "DeltaDiff cannot take scale: expected `int`, got `float`."),
        (DeltaDiffConfig, {"size": ["tiny"]}, "DeltaDiff cannot take size: expected `str`, got `array`."),
        (RrdbConfig, {"depth": 1}, "Rrdb has no option 'depth'; its options are blocks, width."),
        (ResShiftConfig, {"eta": [0, 2]}, "ResShift cannot take eta[1]: expected `float` <= 1.0."),
        (ResShiftConfig, {"denoiser": {"width": 1}}, "ResShift cannot take denoiser: object contains unknown field "),
        (ResShiftConfig, {"denoiser": {"mlp_ratio": 0}}, "ResShift cannot take denoiser.mlp_ratio: expected `int` >= "),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(kind: type[Config], options: dict[str, Any], sentence: str):
    with pytest.raises(SettingError) as error:
        configured(kind, options)
    assert str(error.value).startswith(sentence)


def test_a_choice_that_is_none_is_named_with_those_that_there_are():
    with pytest.raises(ModelError, match=r"^ResShift has no first_stage 'jpeg'; choose one of vq, pixel-unshuffle\.$"):
        ResShift(first_stage="jpeg")


@every_kind
def test_a_config_survives_json(kind: type[Config]):
    assert configured(kind, kind().arguments()) == kind()
    assert msgspec.json.decode(msgspec.json.encode(kind()), type=kind) == kind(**asdict(kind()))


def test_configs_and_recipes_load_without_torch():
    asked = "import sys, deltasr.models.configs, deltasr.training.recipes.presets; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"
