"""`deltasr steps`: a strip of the bicubic start and every step's prediction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.resshift import ResShift
from deltasr.nets.first_stage import BicubicCode, decode

Run = Callable[..., tuple[int, str, str]]

GAP = 4


@pytest.fixture
def run(command_line: Run) -> Run:
    """Runs `deltasr steps` and returns its exit status and what it printed on either stream."""

    return partial(command_line, "steps")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A checkpoint whose steps differ visibly from one another."""
    torch.manual_seed(0)
    result = DeltaDiff(steps=3)
    with torch.no_grad():
        for weight in result.parameters():
            weight.add_(0.02 * torch.randn_like(weight))
    path = tmp_path / "model.safetensors"
    checkpoint.save(result, path)
    return path


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    levels = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    path = tmp_path / "lr.png"
    Image.fromarray(levels).save(path)
    return path


def levels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path))


def as_levels(sr: torch.Tensor) -> NDArray[np.uint8]:
    return (sr[0].clamp(0, 1).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()


def panels(strip: NDArray[np.uint8], count: int) -> list[NDArray[np.uint8]]:
    """The strip's panels, after a look at the white gaps between them."""
    width = (strip.shape[1] - (count - 1) * GAP) // count
    assert strip.shape[1] == count * width + (count - 1) * GAP
    for number in range(1, count):
        assert (strip[:, number * (width + GAP) - GAP : number * (width + GAP)] == 255).all()
    return [strip[:, number * (width + GAP) : number * (width + GAP) + width] for number in range(count)]


def test_the_strip_goes_from_bicubic_to_the_result(run: Run, picture: Path, model: Path, tmp_path: Path):
    output = tmp_path / "steps.png"
    status, out, err = run(picture, "--output", output, "--model", model)
    assert (status, err) == (0, "")
    assert out == f"{output}: the upsampled input and 3 steps, left to right\n"
    strip = panels(levels(output), 4)
    lr = torch.from_numpy(levels(picture).copy()).permute(2, 0, 1)[None].float() / 255
    seen: list[torch.Tensor] = []
    with torch.inference_mode():
        loaded = catalogue.load(model)
        assert isinstance(loaded, DeltaDiff)
        result = loaded(lr, callback=lambda t, x_t, prediction: seen.append(loaded.decode(prediction)))
    np.testing.assert_array_equal(strip[0], as_levels(decode(BicubicCode(scale=4)(lr), 4)))
    for panel, prediction in zip(strip[1:], seen, strict=True):
        np.testing.assert_array_equal(panel, as_levels(prediction))
    np.testing.assert_array_equal(strip[-1], as_levels(result))
    assert all((one != other).any() for one, other in pairwise(strip))


def test_the_default_model_has_four_steps(run: Run, picture: Path, tmp_path: Path):
    output = tmp_path / "steps.png"
    assert run(picture, "-o", output)[0] == 0
    assert levels(output).shape == (36, 5 * 48 + 4 * GAP, 3)


def test_a_crop_shows_that_part(run: Run, picture: Path, model: Path, tmp_path: Path):
    part, crop, whole = tmp_path / "part.png", tmp_path / "crop.png", tmp_path / "whole.png"
    Image.open(picture).crop((3, 1, 10, 6)).save(part)
    assert run(picture, "-o", crop, "--model", model, "--crop", 3, 1, 7, 5)[0] == 0
    assert run(part, "-o", whole, "--model", model)[0] == 0
    np.testing.assert_array_equal(levels(crop), levels(whole))


def test_of_a_large_picture_the_middle_is_shown(run: Run, model: Path, tmp_path: Path):
    large = np.random.default_rng(0).integers(0, 256, (6, 300, 3), dtype=np.uint8)
    for name, shown in (("large", large), ("middle", large[:, 22:278])):
        Image.fromarray(shown).save(tmp_path / f"{name}.png")
        assert run(tmp_path / f"{name}.png", "-o", tmp_path / f"{name}-steps.png", "--model", model)[0] == 0
    np.testing.assert_array_equal(levels(tmp_path / "large-steps.png"), levels(tmp_path / "middle-steps.png"))


def test_an_existing_output_is_kept_unless_told_otherwise(run: Run, picture: Path, model: Path, tmp_path: Path):
    output = tmp_path / "steps.png"
    output.write_bytes(b"mine")
    status, out, err = run(picture, "-o", output, "--model", model)
    assert (status, out) == (1, "")
    assert err == f"deltasr: {output} exists; name another output or pass --overwrite.\n"
    assert output.read_bytes() == b"mine"
    assert run(picture, "-o", output, "--model", model, "--overwrite")[0] == 0
    assert levels(output).shape[0] == 36


@pytest.mark.parametrize(
    "crop", [(-1, 0, 4, 4), (0, -1, 4, 4), (0, 0, 0, 4), (0, 0, 4, 0), (9, 0, 4, 4), (0, 6, 4, 4), (5, 5, -2, -2)]
)
def test_crops_outside_the_picture_are_named(
    run: Run, picture: Path, model: Path, tmp_path: Path, crop: tuple[int, ...]
):
    status, out, err = run(picture, "-o", tmp_path / "steps.png", "--model", model, "--crop", *crop)
    assert (status, out) == (1, "")
    assert err == (
        f"deltasr: The crop {' '.join(map(str, crop))} does not lie inside {picture}, "
        "which is 12 pixels wide and 9 high.\n"
    )
    assert not (tmp_path / "steps.png").exists()


def test_mistakes_are_one_sentence(run: Run, picture: Path, model: Path, tmp_path: Path):
    (tmp_path / "text.png").write_text("no picture")
    output = tmp_path / "steps.png"
    for arguments, said in (
        ((picture, "-o", output, "--model", "bicubic"), "bicubic has one pass and no steps to show"),
        ((picture, "-o", output, "--model", "nope"), "There is no model called 'nope'"),
        ((tmp_path / "text.png", "-o", output, "--model", model), "text.png is not a PNG"),
        ((tmp_path / "gone.png", "-o", output, "--model", model), "gone.png does not exist"),
        ((picture, "-o", tmp_path / "no" / "steps.png", "--model", model), "the folder"),
        ((picture, "-o", tmp_path / "steps.xyz", "--model", model), "xyz"),
    ):
        status, out, err = run(*arguments)
        assert (status, out) == (1, "")
        assert err.startswith("deltasr: ")
        assert said in err
        assert err.count("\n") == 1
        assert not output.exists()


def test_a_chain_that_is_not_shown_is_not_said_to_be_one_pass(run: Run, picture: Path, tmp_path: Path):
    small = {"model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32}
    denoiser = {**small, "num_head_channels": 16, "mlp_ratio": 1, "image_size": 32}
    checkpoint.save(ResShift(first_stage="pixel-unshuffle", denoiser=denoiser), tmp_path / "resshift.safetensors")
    status, _, err = run(picture, "-o", tmp_path / "steps.png", "--model", tmp_path / "resshift.safetensors")
    assert status == 1
    assert err == (
        f"deltasr: {tmp_path / 'resshift.safetensors'} has 15 steps that are not shown here; "
        "choose a DeltaDiff model on the LR grid, such as deltadiff-x4.\n"
    )


def test_unknown_options_are_refused(run: Run, picture: Path, tmp_path: Path):
    status, out, err = run(picture, "-o", tmp_path / "steps.png", "--sideways")
    assert status != 0
    assert "--sideways" in out + err
    assert "Traceback" not in out + err


def test_a_dial_shows_in_the_strip(run: Run, dial_checkpoint: Path, picture: Path, tmp_path: Path):
    strips = []
    for chosen in ([], ["--fidelity", "0.75"], ["--fidelity", "0"]):
        output = tmp_path / f"strip-{len(strips)}.png"
        status, _, complaint = run(picture, "-o", output, "--model", dial_checkpoint, *chosen)
        assert (status, complaint) == (0, "")
        strips.append(levels(output))
    assert np.array_equal(strips[0], strips[1])
    assert not np.array_equal(strips[0], strips[2])


def test_a_model_without_a_dial_takes_no_fidelity(run: Run, model: Path, picture: Path, tmp_path: Path):
    status, _, complaint = run(picture, "-o", tmp_path / "strip.png", "--model", model, "--fidelity", "0.5")
    assert status == 1
    assert "has no fidelity dial" in complaint
    assert not (tmp_path / "strip.png").exists()
