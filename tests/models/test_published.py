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
ENLARGING = [
    "resshift-realsr-x4-s15",
    NAME,
    "resshift-bicubic-x4-s15",
    "resshift-bicubic-x4-s4",
    "deltadiff-paper-x4",
]
AT_OWN_SIZE = ["resshift-inpainting-imagenet-s4", "resshift-inpainting-face-s4", "resshift-face-restoration-s4"]


@pytest.fixture
def tiny(reference, monkeypatch) -> None:
    """The published x4 models of ResShift's kind with the networks of the tiny key lists."""
    for name in ENLARGING:
        small = dataclasses.replace(PUBLISHED[name], denoiser=reference.denoiser, autoencoder=reference.autoencoder)
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


@pytest.mark.parametrize("name", ENLARGING)
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
    entries = {name: PUBLISHED[name] for name in (*ENLARGING, *AT_OWN_SIZE)}
    steps = {name: (entry.schedule.steps, entry.schedule.kappa) for name, entry in entries.items()}
    assert steps == {
        "resshift-realsr-x4-s15": (15, 2.0),
        "resshift-realsr-x4-s4": (4, 2.0),
        "resshift-bicubic-x4-s15": (15, 2.0),
        "resshift-bicubic-x4-s4": (4, 2.0),
        "deltadiff-paper-x4": (4, 0.0),
        **dict.fromkeys(AT_OWN_SIZE, (4, 2.0)),
    }
    assert {entries[name].schedule for name in AT_OWN_SIZE} == {entries[NAME].schedule}
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
    "resshift_realsrx4_s15.pth": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s15_v1.pth": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s15_v2.pth": "resshift-realsr-x4-s15",
    "resshift_sr_s15_k2_p03.pth": "resshift-realsr-x4-s15",
    "resshift_realsrx4_s4_v3.pth": "resshift-realsr-x4-s4",
    "resshift_bicsrx4_matlab_s15.pth": "resshift-bicubic-x4-s15",
    "resshift_bicsrx4_s4.pth": "resshift-bicubic-x4-s4",
    "resshift_inpainting_imagenet_s4.pth": "resshift-inpainting-imagenet-s4",
    "resshift_inpaint_face_s4.pth": "resshift-inpainting-face-s4",
    "resshift_inpainting_face_s4.pth": "resshift-inpainting-face-s4",
    "resshift_faceir_s4.pth": "resshift-face-restoration-s4",
}


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("file", RELEASED)
def test_a_released_file_is_doubted_as_any_other_model(file, name):
    doubts = doubtful_names([Path("downloads", file), "autoencoder.pth"], name)
    if RELEASED[file] == name:
        assert doubts == []
    else:
        (doubt,) = doubts
        assert file in doubt
        assert f"--as {RELEASED[file]}" in doubt
        assert f"is not {name}" in doubt


@pytest.mark.parametrize("name", PUBLISHED)
@pytest.mark.parametrize("file", ["resshift_bicsrx4_opencv_s15.pth", "resshift_bicsrx4_cv2_s15.pth"])
def test_a_released_file_whose_schedule_is_not_here_is_doubted_as_every_model(file, name):
    (doubt,) = doubtful_names([file], name)
    assert doubt.startswith(f"{file} is named like ResShift's {Path(file).stem}")
    assert doubt.endswith("there is no --as for its schedule.")


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("resshift_faceir_s4.pth", "--as resshift-face-restoration-s4"),
        ("ffhq512_vq_f8_dim8_face.pth", "use autoencoder_vq_f4.pth"),
        ("celeba256_vq_f4_dim3_face.pth", "use autoencoder_vq_f4.pth"),
        ("ResShift_RealSRx4_s15_v1 (1).PTH", "--as resshift-realsr-x4-s15"),
    ],
)
def test_files_of_other_models_are_doubted(file, words):
    (doubt,) = doubtful_names([file], NAME)
    assert words in doubt


@pytest.mark.parametrize(
    ("name", "right"),
    [
        (NAME, "autoencoder_vq_f4.pth"),
        ("resshift-inpainting-imagenet-s4", "autoencoder_vq_f4.pth"),
        ("resshift-inpainting-face-s4", "celeba256_vq_f4_dim3_face.pth"),
        ("resshift-face-restoration-s4", "ffhq512_vq_f8_dim8_face.pth"),
    ],
)
def test_each_model_has_its_own_autoencoder(name, right):
    released = {"autoencoder_vq_f4.pth", "celeba256_vq_f4_dim3_face.pth", "ffhq512_vq_f8_dim8_face.pth"}
    assert doubtful_names([right], name) == []
    for other in released - {right}:
        (doubt,) = doubtful_names([other], name)
        assert f"use {right}" in doubt


def test_files_of_ones_own_are_not_doubted():
    assert doubtful_names(["my-denoiser.pth", "ema_500000.pth", "vq.pth"], NAME) == []


def halving(channels: int, stages: int) -> dict[str, tuple[int, ...]]:
    """The entries that bring a larger LR picture to the state's grid: 16 channels, doubled by each strided layer."""
    entries, width = {}, 16
    for stage in range(stages):
        entries |= {
            f"feature_extractor.{3 * stage}.weight": (width, channels, 3, 3),
            f"feature_extractor.{3 * stage}.bias": (width,),
            f"feature_extractor.{3 * stage + 2}.op.weight": (2 * width, width, 3, 3),
            f"feature_extractor.{3 * stage + 2}.op.bias": (2 * width,),
        }
        channels = width = 2 * width
    return entries


def residual(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    entries = {
        f"{name}.norm1.weight": (inputs,),
        f"{name}.norm1.bias": (inputs,),
        f"{name}.conv1.weight": (outputs, inputs, 3, 3),
        f"{name}.conv1.bias": (outputs,),
        f"{name}.norm2.weight": (outputs,),
        f"{name}.norm2.bias": (outputs,),
        f"{name}.conv2.weight": (outputs, outputs, 3, 3),
        f"{name}.conv2.bias": (outputs,),
    }
    if inputs != outputs:
        entries |= {f"{name}.nin_shortcut.weight": (outputs, inputs, 1, 1), f"{name}.nin_shortcut.bias": (outputs,)}
    return entries


def convolution(name: str, inputs: int, outputs: int, side: int = 3) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs, side, side), f"{name}.bias": (outputs,)}


def vq_names(widths: list[int], blocks: list[int], values: int, codes: int) -> dict[str, tuple[int, ...]]:
    """The entries of latent diffusion's autoencoder with so many blocks at each level, and one more on the way up."""
    deepest, last = widths[-1], len(widths) - 1
    entries = convolution("encoder.conv_in", 3, widths[0]) | convolution("decoder.conv_in", values, deepest)
    width = widths[0]
    for level, (wide, count) in enumerate(zip(widths, blocks, strict=True)):
        for block in range(count):
            entries |= residual(f"encoder.down.{level}.block.{block}", width, wide)
            width = wide
        if level < last:
            entries |= convolution(f"encoder.down.{level}.downsample.conv", wide, wide)
    for level in range(last, -1, -1):
        for block in range(blocks[level] + 1):
            entries |= residual(f"decoder.up.{level}.block.{block}", width, widths[level])
            width = widths[level]
        if level:
            entries |= convolution(f"decoder.up.{level}.upsample.conv", width, width)
    for part, wide in (("encoder", deepest), ("decoder", deepest)):
        for block in (1, 2):
            entries |= residual(f"{part}.mid.block_{block}", wide, wide)
        entries |= {f"{part}.mid.attn_1.norm.weight": (wide,), f"{part}.mid.attn_1.norm.bias": (wide,)}
        for layer in ("q", "k", "v", "proj_out"):
            entries |= convolution(f"{part}.mid.attn_1.{layer}", wide, wide, 1)
    for part, wide, outputs in (("encoder", deepest, values), ("decoder", widths[0], 3)):
        entries |= {f"{part}.norm_out.weight": (wide,), f"{part}.norm_out.bias": (wide,)}
        entries |= convolution(f"{part}.conv_out", wide, outputs)
    entries |= {"quantize.embedding.weight": (codes, values)}
    return entries | convolution("quant_conv", values, values, 1) | convolution("post_quant_conv", values, values, 1)


def denoiser_names(
    names: dict[str, tuple[int, ...]], *, values: int, channels: int, stages: int
) -> dict[str, tuple[int, ...]]:
    """The entries of a x4 denoiser, as those of one for codes of other values and a larger LR picture."""
    first = names["input_blocks.0.0.weight"]
    joined = 16 * 2**stages
    return {
        **names,
        "input_blocks.0.0.weight": (first[0], values + joined, 3, 3),
        "out.2.weight": (values, *names["out.2.weight"][1:]),
        "out.2.bias": (values,),
        **halving(channels, stages),
    }


def test_the_description_of_an_autoencoder_is_right(reference):
    assert vq_names([128, 256, 512], [2, 2, 2], 3, 8192) == reference.names["vq_f4_paper"]


LAYOUTS = {
    "resshift-inpainting-imagenet-s4": {"values": 3, "channels": 4, "stages": 2},
    "resshift-inpainting-face-s4": {"values": 3, "channels": 4, "stages": 2},
    "resshift-face-restoration-s4": {"values": 8, "channels": 3, "stages": 3},
}


@pytest.mark.parametrize("name", AT_OWN_SIZE)
def test_models_at_the_picture_s_own_size_have_the_released_entries(reference, name):
    with torch.device("meta"):
        model = PUBLISHED[name].build()

        def empty(names: dict[str, tuple[int, ...]]) -> dict[str, torch.Tensor]:
            return {entry: torch.empty(shape) for entry, shape in names.items()}

        denoiser = empty(denoiser_names(reference.names["swin_unet_paper"], **LAYOUTS[name]))
        faces = name == "resshift-face-restoration-s4"
        vq = empty(vq_names([64, 128, 256, 512], [1, 2, 3, 4], 8, 4096) if faces else reference.names["vq_f4_paper"])
    assert model.scale == 1
    assert model.size_requirements.multiple_of == (512 if faces else 256)
    assert checkpoint.misfit(model.denoiser.state_dict(), swin_unet.from_published(denoiser)) is None
    expected = vq_autoencoder.to_published(model.autoencoder.vq.state_dict(), model.autoencoder.levels)
    assert checkpoint.misfit(expected, vq) is None


SMALL = {
    "inpainting": ("resshift-inpainting-imagenet-s4", {"widths": [32, 32, 32], "blocks": 1, "codes": 4}, [1, 1, 1]),
    "faces": (
        "resshift-face-restoration-s4",
        {"widths": [32, 32, 32, 32], "blocks_by_level": [1, 1, 2, 2], "latent_channels": 8, "codes": 4},
        [1, 1, 2, 2],
    ),
}


@pytest.mark.parametrize("kind", SMALL)
def test_files_of_models_at_the_picture_s_own_size(reference, monkeypatch, tmp_path, kind):
    """Their first levels: three of VQ-f4 and four of VQ-f8, whose blocks are uneven."""
    name, autoencoder, blocks = SMALL[kind]
    layout = LAYOUTS[name]
    options = {"lq_channels": layout["channels"], "lq_stages": layout["stages"]}
    entry = dataclasses.replace(PUBLISHED[name], denoiser=reference.denoiser | options, autoencoder=autoencoder)
    monkeypatch.setitem(PUBLISHED, name, entry)
    names = {
        "denoiser": denoiser_names(reference.names["swin_unet_tiny"], **layout),
        "autoencoder": vq_names(autoencoder["widths"], blocks, layout["values"], 4),
    }
    for part, entries in names.items():
        monkeypatch.setitem(reference.names, part, entries)
        torch.save(reference.weights(part), tmp_path / f"{part}.pth")
    import_published([tmp_path / f"{part}.pth" for part in names], tmp_path / "out.safetensors", name=name)
    model = catalogue.load(tmp_path / "out.safetensors")
    facts = catalogue.facts(tmp_path / "out.safetensors")
    assert (model.name, model.scale, facts.scale, model.inpaints) == (name, 1, 1, kind == "inpainting")
    stored = model.state_dict()
    assert torch.equal(
        stored["denoiser.feature_extractor.2.op.weight"],
        reference.weights("denoiser")["feature_extractor.2.op.weight"],
    )
    if kind == "faces":
        weights = reference.weights("autoencoder")
        second = stored["autoencoder.vq.decoder.up_blocks.0.resnets.2.conv1.weight"]
        assert torch.equal(second, weights["decoder.up.3.block.2.conv1.weight"])
