"""Latent diffusion from a diffusers folder: the pipeline's own picture, one noise for all tiles, and clear refusals."""

from __future__ import annotations

import json
import shutil
import sys
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from deltasr.diffusion.noise import NoiseField
from deltasr.errors import CheckpointError, ModelError, SettingError
from deltasr.inference.padding import run_padded
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue, ldm
from deltasr.models.ldm import LatentDiffusion

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def pipeline() -> Any:
    """A tiny pipeline x4 with random weights; its U-Net halves codes twice."""
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion_superresolution import (
        LDMSuperResolutionPipeline,
    )

    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = diffusers.UNet2DModel(
            in_channels=6,
            out_channels=3,
            block_out_channels=(8, 8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=4,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        )
        vqvae = diffusers.VQModel(
            block_out_channels=(8, 8, 8),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            latent_channels=3,
            norm_num_groups=4,
            num_vq_embeddings=64,
        )
        with torch.no_grad():
            vqvae.quantize.embedding.weight.normal_()
    scheduler = diffusers.DDIMScheduler(
        beta_start=0.0015, beta_end=0.0155, beta_schedule="scaled_linear", clip_sample=False
    )
    built = LDMSuperResolutionPipeline(vqvae=vqvae.eval(), unet=unet.eval(), scheduler=scheduler)
    built.set_progress_bar_config(disable=True)
    return built


@pytest.fixture(scope="module")
def saved(pipeline: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "ldm-tiny"
    pipeline.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(saved, tmp_path / "ldm-tiny"))


def picture(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def first_codes(model: LatentDiffusion, lr: Tensor, noise: NoiseField) -> Tensor:
    """What the U-Net sees first, without the LR picture."""
    seen: list[Tensor] = []
    hook = model.unet.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0]))
    with torch.inference_mode():
        model(lr, noise=noise)
    hook.remove()
    return seen[0][:, :3]


def test_a_folder_becomes_a_model(saved: Path):
    model = catalogue.load(saved)
    assert isinstance(model, LatentDiffusion)
    assert (model.name, model.scale, model.stochastic, model.receptive_field) == ("ldm-tiny", 4, True, None)
    assert model.description == "latent diffusion x4: 100 DDIM steps in VQ-f4 codes"
    assert (model.size_requirements.minimum, model.size_requirements.multiple_of) == (4, 4)
    assert (model.steps, model.training, model.consistent) == (ldm.DEFAULT_STEPS, False, False)


@pytest.mark.parametrize(("steps", "eta"), [(1, 0.0), (7, 0.0), (7, 0.3), (7, 1.0)])
def test_the_picture_is_the_pipeline_s(
    pipeline: Any, saved: Path, monkeypatch: pytest.MonkeyPatch, steps: int, eta: float
):
    lr, noise = picture(1, 3, 12, 8), NoiseField(seed=3)
    model = ldm.load(saved, steps=steps, eta=eta)
    drawn = count()
    for module in (type(pipeline).__module__, type(pipeline.scheduler).__module__):
        monkeypatch.setattr(
            sys.modules[module], "randn_tensor", lambda shape, **_: noise(next(drawn), torch.empty(shape))
        )
    expected = pipeline(2 * lr - 1, num_inference_steps=steps, eta=eta, output_type="pt").images
    assert next(drawn) == (steps + 1 if eta else 1)
    with torch.inference_mode():
        result = model(lr, noise=noise)
    assert expected.shape == (1, 3, 48, 32)
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(result, expected, atol=1e-5, rtol=0)


def test_the_seed_decides_and_nothing_else_is_drawn(saved: Path):
    model, lr = ldm.load(saved, steps=2), picture(1, 3, 8, 8)
    state = torch.get_rng_state()
    with torch.inference_mode():
        one, same, other = (model(lr, noise=NoiseField(seed=seed)) for seed in (5, 5, 6))
        assert torch.equal(model(lr), model(lr, noise=NoiseField()))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), state)
    assert float(one.min()) >= 0
    assert float(one.max()) <= 1


def test_pictures_of_a_batch_do_not_depend_on_each_other(saved: Path):
    model, lr = ldm.load(saved, steps=2), picture(2, 3, 8, 8)
    with torch.inference_mode():
        torch.testing.assert_close(model(lr), torch.cat([model(one) for one in lr.split(1)]), atol=1e-5, rtol=0)


def test_a_window_starts_with_its_part_of_the_picture_s_noise(saved: Path):
    model, lr, noise = ldm.load(saved, steps=1), picture(1, 3, 80, 72), NoiseField(seed=7)
    whole = first_codes(model, lr, noise)
    window = first_codes(model, lr[..., 16:76, 8:72], noise.at(16, 8))
    assert torch.equal(window, whole[..., 16:76, 8:72])
    model.use_steps(2)
    assert torch.equal(first_codes(model, lr, noise), whole)


def test_any_size_runs(saved: Path):
    model = ldm.load(saved, steps=1)
    for size in ((1, 1), (5, 9)):
        with torch.inference_mode():
            assert run_padded(model, picture(1, 3, *size)).shape == (1, 3, 4 * size[0], 4 * size[1])


def test_tiles_are_those_of_one_picture(saved: Path, monkeypatch: pytest.MonkeyPatch):
    """Networks that see nothing but a code's own place show the noise, which must not depend on the tiles."""
    model = ldm.load(saved, steps=1)
    monkeypatch.setattr(model.unet, "forward", lambda x, t: SimpleNamespace(sample=0 * x[:, :3]))
    monkeypatch.setattr(
        model.vqvae,
        "decode",
        lambda code: SimpleNamespace(sample=torch.nn.functional.interpolate(code, scale_factor=4)),
    )
    pixels = (picture(70, 60, 3) * 255).to(torch.uint8).numpy()
    whole, tiled = (Upscaler(model, device="cpu", tile=tile).upscale(pixels, seed=4).pixels for tile in (0, 24))
    assert whole.std() > 5
    assert abs(whole.astype(int) - tiled.astype(int)).max() <= 1


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_an_eta_that_ddim_has_not(saved: Path, eta: float):
    with pytest.raises(SettingError, match=rf"ldm-tiny cannot be run with eta = {eta}; give a number from 0 to 1\."):
        ldm.load(saved, eta=eta)


def test_noise_of_the_steps_changes_the_picture_by_the_seed(saved: Path):
    model, lr = ldm.load(saved, steps=4, eta=1), picture(2, 3, 8, 8)
    assert model.description == "latent diffusion x4: 4 DDIM steps with eta = 1 in VQ-f4 codes"
    state = torch.get_rng_state()
    with torch.inference_mode():
        noisy, same = (model(lr, noise=NoiseField(seed=5)) for _ in range(2))
        alone = model(lr[1:], noise=NoiseField(seed=5))
        model.use_eta(0)
        quiet = model(lr, noise=NoiseField(seed=5))
    assert torch.equal(noisy, same)
    assert float((noisy - quiet).abs().max()) > 0.01
    torch.testing.assert_close(alone, noisy[1:], atol=1e-5, rtol=0)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_that_the_schedule_has_not(saved: Path, steps: int):
    with pytest.raises(SettingError, match=rf"ldm-tiny cannot take {steps} steps; give a number from 1 to 1000\."):
        ldm.load(saved, steps=steps)


def test_all_steps_of_a_schedule_that_begins_later(folder: Path):
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"steps_offset": 1, "num_train_timesteps": 6}))
    model = ldm.load(folder, steps=5)
    with torch.inference_mode():
        assert torch.isfinite(model(picture(1, 3, 4, 4))).all()
    with pytest.raises(SettingError, match="from 1 to 5"):
        model.use_steps(6)


def without_index(folder: Path) -> None:
    (folder / "model_index.json").unlink()


def damaged_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("{")


def another_pipeline(folder: Path) -> None:
    change_index(folder, {"_class_name": "StableDiffusionPipeline"})


def another_scheduler(folder: Path) -> None:
    change_index(folder, {"scheduler": ["diffusers", "EulerDiscreteScheduler"]})


def foreign_part(folder: Path) -> None:
    change_index(folder, {"unet": ["os", "UNet2DModel"]})


def change_index(folder: Path, change: dict[str, Any]) -> None:
    file = folder / "model_index.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def deep_index(folder: Path) -> None:
    (folder / "model_index.json").write_text("[" * 100_000)


def index_of_escapes(folder: Path) -> None:
    change_index(folder, {"unet": "\x1b[2J" * 1000})


def change_config(folder: Path, part: str, change: dict[str, Any]) -> None:
    file = next((folder / part).glob("*config.json"))
    file.write_text(json.dumps(json.loads(file.read_text()) | change))


def deep_config(folder: Path) -> None:
    (folder / "unet" / "config.json").write_text('{"a":' * 100_000)


def many_layers(folder: Path) -> None:
    change_config(folder, "unet", {"layers_per_block": 10**9})


def wide_layers(folder: Path) -> None:
    change_config(folder, "vqvae", {"block_out_channels": [10**6, 8, 8]})


def more_than_the_file_holds(folder: Path) -> None:
    change_config(folder, "vqvae", {"block_out_channels": [8192, 8192, 8192]})


def many_timesteps(folder: Path) -> None:
    change_config(folder, "scheduler", {"num_train_timesteps": 10**12})


def pickled_bomb(folder: Path) -> None:
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({"weight": torch.zeros(1).expand(10**12)}, file.with_suffix(".bin"))
    file.unlink()


def without_weights(folder: Path) -> None:
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()


def without_schedule(folder: Path) -> None:
    shutil.rmtree(folder / "scheduler")


def truncated(folder: Path) -> None:
    file = folder / "vqvae" / "diffusion_pytorch_model.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def change_weights(folder: Path, change: Any) -> None:
    from safetensors.torch import load_file, save_file

    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    change(state)
    save_file(state, file, metadata={"format": "pt"})


def one_missing(folder: Path) -> None:
    change_weights(folder, lambda state: state.pop("conv_in.weight"))


def another_shape(folder: Path) -> None:
    change_weights(folder, lambda state: state.update({"conv_in.weight": torch.zeros(8, 5, 3, 3)}))


DAMAGES = {
    without_index: r"is a folder without model_index\.json",
    damaged_index: r"model_index\.json cannot be read",
    deep_index: r"model_index\.json cannot be read \(it is nested more than 50 levels deep\)",
    index_of_escapes: "only diffusers' UNet2DModel runs there",
    deep_config: r"The part .*unet cannot be loaded \(it is nested more than 50 levels deep\)",
    many_layers: "The part .*unet cannot be loaded .*layers_per_block: expected `int` <= 128",
    wide_layers: "The part .*vqvae cannot be loaded .*block_out_channels",
    more_than_the_file_holds: "The part .*vqvae cannot be loaded .*more weights than the file holds",
    many_timesteps: "The part .*scheduler cannot be loaded .*num_train_timesteps: expected `int` <=",
    pickled_bomb: "The part .*unet cannot be loaded .*claims many times the weights",
    another_pipeline: "holds a diffusers StableDiffusionPipeline; of its pipelines, only LDMSuperResolutionPipeline",
    another_scheduler: "only diffusers' DDIMScheduler runs there",
    foreign_part: "only diffusers' UNet2DModel runs there",
    without_weights: "The part .*unet cannot be loaded",
    without_schedule: "The part .*scheduler cannot be loaded",
    truncated: "The part .*vqvae cannot be loaded",
    one_missing: r"The weights in .*unet lack 'conv_in\.weight'",
    another_shape: "The part .*unet cannot be loaded",
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_folders_that_do_not_run_get_one_sentence(
    folder: Path, damage: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    damage(folder)
    with pytest.raises(CheckpointError, match=DAMAGES[damage]) as caught:
        catalogue.load(folder)
    assert str(caught.value).isprintable()
    assert str(folder) in str(caught.value)
    assert len(str(caught.value)) < 450 + 2 * len(str(folder))
    assert capfd.readouterr() == ("", "")


def test_pickled_weights_are_read_and_code_in_them_is_not_run(folder: Path, tmp_path: Path):
    from safetensors.torch import load_file

    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    state = load_file(file)
    file.unlink()
    torch.save(state, file.with_suffix(".bin"))
    assert isinstance(catalogue.load(folder), LatentDiffusion)

    victim = tmp_path / "victim"
    victim.touch()
    torch.save({**state, "conv_in.weight": Deletes(victim)}, file.with_suffix(".bin"))
    with pytest.raises(CheckpointError, match=r"The part .*unet cannot be loaded"):
        catalogue.load(folder)
    assert victim.exists()


class Deletes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        import os

        return os.unlink, (str(self.path),)


def test_parts_that_do_not_fit_together(pipeline: Any):
    wrong = diffusers.UNet2DModel(
        in_channels=3,
        out_channels=3,
        block_out_channels=(32,),
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    with pytest.raises(ModelError, match=r"U-Net of mine maps 3 channels to 3, .* need 6 and 3"):
        LatentDiffusion(wrong, pipeline.vqvae, pipeline.scheduler, name="mine")


def test_without_diffusers_the_sentence_says_how_to_get_it(saved: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModelError, match=r"needs the diffusers package; install it with pip install -e '\.\[papers\]'"):
        catalogue.load(saved)


def test_weights_in_pytorch_s_own_files_are_read_too(folder: Path, saved: Path):
    from safetensors.torch import load_file

    for part in ("unet", "vqvae"):
        file = folder / part / "diffusion_pytorch_model.safetensors"
        torch.save(load_file(file), file.with_suffix(".bin"))
        file.unlink()
    lr = picture(1, 3, 4, 4)
    with torch.inference_mode():
        torch.testing.assert_close(ldm.load(folder, steps=1)(lr), ldm.load(saved, steps=1)(lr))
