"""What is told of a checkpoint without building its model is what the built model says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from deltasr.models import catalogue, checkpoint, configs
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.base import Model
from deltasr.models.configs import RrdbConfig
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.facts import Facts, facts_of
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb
from deltasr.nets.blocks import BLOCKS

SMALL_DENOISER = {
    "model_channels": 32,
    "channel_mult": [1, 1],
    "num_res_blocks": [1, 1],
    "swin_embed_dim": 32,
    "num_head_channels": 16,
    "mlp_ratio": 1,
    "image_size": 32,
}


def told_by(model: Model) -> dict[str, Any]:
    return {
        "name": model.name,
        "description": model.description,
        "scale": model.scale,
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "receptive_field": model.receptive_field,
        "dial": model.dial,
        "default_fidelity": model.default_fidelity,
        "restoring": model.restoring,
    }


def without_header(facts: Facts | None) -> dict[str, Any]:
    assert facts is not None
    return {name: value for name, value in vars(facts).items() if name != "header"}


@pytest.mark.parametrize("name", catalogue.names())
def test_named_models(name: str):
    assert without_header(catalogue.facts(name)) == told_by(catalogue.load(name))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("features", ["once", "every-step"])
def test_every_kind_of_deltadiff(tmp_path: Path, block: str, shared: bool, features: str):
    model = DeltaDiff(block=block, shared=shared, features=features, scale=3, steps=3, dial=True, default_fidelity=0.25)
    checkpoint.save(model, tmp_path / "model.safetensors", training={"images": 3})
    facts = facts_of(tmp_path / "model.safetensors")
    assert without_header(facts) == told_by(model)
    assert facts is not None
    assert facts.header is not None
    assert facts.header.arguments == model.arguments()
    assert facts.header.training == {"images": 3}


def test_deltadiff_of_another_size_and_number_of_steps(tmp_path: Path):
    for number, arguments in enumerate(({"size": "small", "steps": 1}, {"steps": 15}, {"scale": 2})):
        model = DeltaDiff(**arguments)  # type: ignore[arg-type]
        checkpoint.save(model, tmp_path / f"{number}.safetensors")
        assert without_header(facts_of(tmp_path / f"{number}.safetensors")) == told_by(model)


def test_rrdb(tmp_path: Path):
    model = Rrdb(blocks=3, width=4)
    checkpoint.save(model, tmp_path / "model.safetensors")
    assert without_header(facts_of(tmp_path / "model.safetensors")) == told_by(model)


def test_resshift_of_exact_codes(tmp_path: Path):
    model = ResShift(first_stage="pixel-unshuffle", denoiser=SMALL_DENOISER)
    checkpoint.save(model, tmp_path / "model.safetensors")
    assert without_header(facts_of(tmp_path / "model.safetensors")) == told_by(model)


def test_models_with_an_autoencoder(tmp_path: Path):
    pytest.importorskip("diffusers")
    small: dict[str, Any] = {"widths": [32, 32], "blocks": 1, "codes": 16}
    for number, model in enumerate((ResShift(denoiser=SMALL_DENOISER, autoencoder=small), Autoencoder())):
        checkpoint.save(model, tmp_path / f"{number}.safetensors")
        assert without_header(facts_of(tmp_path / f"{number}.safetensors")) == told_by(model)


@pytest.mark.parametrize("kind", configs.ARCHITECTURES.values())
def test_every_architecture_is_told_without_torch(kind: type[configs.Config]):
    assert kind.scale_and_reach is not configs.Config.scale_and_reach


def test_what_only_building_tells_is_not_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = Rrdb(blocks=1, width=4)
    monkeypatch.setattr(model, "arguments", lambda: {"blocks": "many"})
    checkpoint.save(model, tmp_path / "odd.safetensors")
    assert facts_of(tmp_path / "odd.safetensors") is None

    class NewConfig(RrdbConfig, frozen=True, kw_only=True):
        architecture: ClassVar[str] = "new"
        scale_and_reach = configs.Config.scale_and_reach  # type: ignore[assignment]

    monkeypatch.setitem(configs.ARCHITECTURES, "new", NewConfig)
    model = Rrdb(blocks=1, width=4)
    model.config = NewConfig(blocks=1, width=4)
    checkpoint.save(model, tmp_path / "new.safetensors")
    assert facts_of(tmp_path / "new.safetensors") is None
