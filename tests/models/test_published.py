"""Published checkpoints: files built from the published names become models, all others one sentence."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from deltasr.errors import CheckpointError, SettingError
from deltasr.models import catalogue, checkpoint
from deltasr.models.published import PUBLISHED, doubtful_names, import_published
from deltasr.models.resshift import ResShift
from deltasr.nets import swin_unet, vq_autoencoder

pytest.importorskip("diffusers")

NAME = "resshift-realsr-x4-s4"


@pytest.fixture
def tiny(reference, monkeypatch) -> None:
    """All published models with the networks of the tiny key lists."""
    for name, entry in PUBLISHED.items():
        small = dataclasses.replace(entry, denoiser=reference.denoiser, autoencoder=reference.autoencoder)
        monkeypatch.setitem(PUBLISHED, name, small)


@pytest.fixture
def files(reference, tmp_path) -> tuple[Path, Path]:
    """A denoiser's and an autoencoder's file."""
    denoiser, autoencoder = tmp_path / "denoiser.pth", tmp_path / "autoencoder.pth"
    torch.save(reference.weights("swin_unet_tiny"), denoiser)
    torch.save(reference.weights("vq_f4_tiny"), autoencoder)
    return denoiser, autoencoder


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + name: value for name, value in state.items()}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.usefixtures("tiny")
def test_an_imported_model_is_the_published_networks(reference, files, tmp_path, name):
    import_published(files, tmp_path / "out.safetensors", name=name)
    model = catalogue.load(tmp_path / "out.safetensors")
    assert isinstance(model, ResShift)
    assert (model.name, model.scale) == (name, 4)
    assert model.schedule == PUBLISHED[name].schedule
    assert model.stochastic == (name != "deltadiff-paper-x4")
    x_t, lq = (torch.from_numpy(reference.drawn(f"unet/{part}/a", (1, 3, 64, 64))) for part in ("x", "lq"))
    picture = torch.from_numpy(reference.drawn("vq/x/a", (1, 3, 64, 64))).clamp(-1, 1)
    with torch.inference_mode():
        prediction = model.denoiser(x_t, lq, torch.tensor([3]))
        decoded = model.autoencoder.decode(model.autoencoder.encode(picture))
    for result, golden in ((prediction, "unet_a_out"), (decoded, "vq_a_decoded")):
        expected = torch.from_numpy(reference.golden[golden])
        assert (result - expected).abs().max() < 1e-4 * expected.abs().max()


def test_the_published_schedules_are_those_of_the_released_code():
    steps = {name: (entry.schedule.steps, entry.schedule.kappa) for name, entry in PUBLISHED.items()}
    assert steps == {
        "resshift-realsr-x4-s15": (15, 2.0),
        "resshift-realsr-x4-s4": (4, 2.0),
        "resshift-bicubic-x4-s4": (4, 2.0),
        "deltadiff-paper-x4": (4, 0.0),
    }
    assert PUBLISHED["resshift-realsr-x4-s15"].schedule.eta[1] ** 0.5 == pytest.approx(0.02)
    assert PUBLISHED["resshift-bicubic-x4-s4"].schedule.eta[1] ** 0.5 == pytest.approx(0.1)
    assert PUBLISHED["resshift-bicubic-x4-s4"].schedule.eta[-1] ** 0.5 == pytest.approx(0.99)


def test_every_published_name_has_its_place_at_full_size(reference):
    def state(net: str) -> dict[str, torch.Tensor]:
        return {name: torch.empty(shape, device="meta") for name, shape in reference.names[net].items()}

    with torch.device("meta"):
        model = ResShift()
    denoiser = swin_unet.from_published(state("swin_unet_paper"))
    assert checkpoint.misfit(model.denoiser.state_dict(), denoiser) is None
    vq = model.autoencoder.vq.state_dict()
    assert checkpoint.misfit(vq, vq_autoencoder.from_published(state("vq_f4_paper"), vq, 3)) is None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "step": 400_000},
        lambda state: prefixed("module.", state),
        lambda state: {"state_dict": prefixed("module._orig_mod.", state)},
        lambda state: {name: value.half() for name, value in state.items()},
    ],
    ids=["state_dict", "module", "compiled", "half"],
)
@pytest.mark.usefixtures("tiny")
def test_wrapped_files_in_any_order(reference, files, tmp_path, wrap):
    import_published(files, tmp_path / "plain.safetensors", name=NAME)
    for file, net in zip(files, ("swin_unet_tiny", "vq_f4_tiny"), strict=True):
        torch.save(wrap(reference.weights(net)), file)
    import_published(files[::-1], tmp_path / "wrapped.safetensors", name=NAME)
    plain, wrapped = (catalogue.load(tmp_path / f"{name}.safetensors") for name in ("plain", "wrapped"))
    for (name, expected), found in zip(plain.state_dict().items(), wrapped.state_dict().values(), strict=True):
        torch.testing.assert_close(found, expected, atol=2e-3, rtol=1e-3, msg=name)


@pytest.mark.usefixtures("tiny")
def test_half_the_space(files, tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    import_published(files, whole, name=NAME)
    import_published(files, half, name=NAME, half=True)
    assert half.stat().st_size < 0.55 * whole.stat().st_size
    assert {weight.dtype for weight in catalogue.load(half).parameters()} == {torch.float32}


@pytest.mark.usefixtures("tiny")
def test_the_header_says_where_the_weights_are_from(files, tmp_path):
    import_published(files, tmp_path / "out.safetensors", name=NAME)
    training = checkpoint.read_header(tmp_path / "out.safetensors").training
    assert training["published"] == NAME
    assert training["files"]["denoiser"]["name"] == "denoiser.pth"
    assert len(training["files"]["autoencoder"]["sha256"]) == 64


class Surprise:
    """Unpickled, it would run code."""

    def __reduce__(self):
        return print, ("unpickled",)


def without(state: dict, name: str) -> dict:
    return {other: value for other, value in state.items() if other != name}


FIRST = "input_blocks.0.0.weight"

WRONG = {
    "missing": (lambda state: without(state, "out.2.bias"), "'out.2.bias' is missing"),
    "unknown": (lambda state: state | {"extra.weight": torch.zeros(1)}, "'extra.weight' has no place"),
    "shape": (lambda state: state | {FIRST: torch.zeros(160, 6, 3, 3)}, r"'input_blocks.0.0.weight' has the shape"),
    "not finite": (lambda state: state | {"out.2.bias": torch.full((3,), torch.nan)}, "'out.2.bias' .* not finite"),
    "another network": (lambda state: {"conv_first.weight": torch.zeros(1)}, "neither .* begins with 'conv_first"),
    "no state dict": (lambda state: [1, 2], "no state dict"),
    "empty": (lambda state: {}, "no state dict"),
    "half a wrapper": (lambda state: {"model": state}, "no state dict"),
    "code": (lambda state: state | {"a": Surprise()}, "nothing but weights"),
}


@pytest.mark.parametrize("kind", WRONG)
@pytest.mark.usefixtures("tiny")
def test_wrong_files_are_one_sentence(reference, files, tmp_path, kind, capsys):
    change, message = WRONG[kind]
    torch.save(change(reference.weights("swin_unet_tiny")), files[0])
    with pytest.raises(CheckpointError, match=message) as error:
        import_published(files, tmp_path / "out.safetensors", name=NAME)
    assert str(files[0]) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out.safetensors").exists()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
@pytest.mark.usefixtures("tiny")
def test_a_truncated_file_is_one_sentence(files, tmp_path, share):
    content = files[1].read_bytes()
    files[1].write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"autoencoder\.pth is .*download it again") as error:
        import_published(files, tmp_path / "out.safetensors", name=NAME)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("tiny")
def test_files_of_the_wrong_number_or_kind(files, tmp_path):
    def complaint(*given: Path) -> str:
        with pytest.raises(CheckpointError) as error:
            import_published(given, tmp_path / "out.safetensors", name=NAME)
        return str(error.value)

    denoiser, autoencoder = files
    assert "autoencoder's file is missing" in complaint(denoiser)
    assert "denoiser's file is missing" in complaint(autoencoder)
    assert "both a model's denoiser" in complaint(denoiser, denoiser, autoencoder)
    assert "There is no file" in complaint(denoiser, tmp_path / "nothing.pth")
    assert "no PyTorch file" in complaint(denoiser, tmp_path)


def test_a_file_of_another_size_is_named(files, tmp_path):
    """The tiny files are not the published model."""
    with pytest.raises(CheckpointError, match=rf"denoiser\.pth is not the denoiser of {NAME}: '.*' has the shape"):
        import_published(files, tmp_path / "out.safetensors", name=NAME)


def test_an_unknown_name_lists_the_known(files, tmp_path):
    with pytest.raises(SettingError, match="resshift-realsr-x4-s15"):
        import_published(files, tmp_path / "out.safetensors", name="resshift")


RELEASED = {
    "resshift_realsrx4_s15_v1.pth": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s15_v2.pth": "resshift-realsr-x4-s15",
    "resshift_sr_s15_k2_p03.pth": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s4_v3.pth": "resshift-realsr-x4-s4",
    "resshift_bicsrx4_s4.pth": "resshift-bicubic-x4-s4",
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("file", RELEASED)
def test_a_released_file_is_doubted_as_any_other_model(file, name):
    doubts = doubtful_names([Path("downloads", file), "autoencoder_vq_f4.pth"], name)
    if RELEASED[file] == name:
        assert doubts == []
    else:
        (doubt,) = doubts
        assert file in doubt
        assert f"--as {RELEASED[file]}" in doubt
        assert f"is not {name}" in doubt


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("resshift_faceir_s4.pth", "cannot be imported yet"),
        ("resshift_inpainting_imagenet_s4.pth", "cannot be imported yet"),
        ("celeba256_vq_f4_dim3_face.pth", "use autoencoder_vq_f4.pth"),
        ("ResShift_RealSRx4_s15_v1 (1).PTH", "--as resshift-realsr-x4-s15"),
    ],
)
def test_files_of_models_that_are_not_imported_are_doubted(file, words):
    (doubt,) = doubtful_names([file], NAME)
    assert words in doubt


def test_files_of_ones_own_are_not_doubted():
    assert doubtful_names(["my-denoiser.pth", "ema_500000.pth", "vq.pth"], NAME) == []
