"""`deltasr upscale` from the outside: arguments in, files, lines and an exit status out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from deltasr import processor
from deltasr.cli import main
from deltasr.imaging import Metadata, Picture, read_picture, write_picture
from deltasr.inference.blending import Cropped
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue


def _save(path: Path, *, bits: int = 8, alpha: bool = False, metadata: Metadata | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    dtype = np.dtype(f"uint{bits}")
    ramp = np.linspace(0, np.iinfo(dtype).max, 12 * 10 * 3).astype(dtype).reshape(12, 10, 3)
    picture = Picture(pixels=ramp, alpha=ramp[..., 0] if alpha else None, metadata=metadata or Metadata())
    write_picture(picture, path)
    return path


def _run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["upscale", *map(str, arguments), "--model", "bicubic"])
    return int(stopped.value.code or 0)


def _below(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def test_one_file_with_everything_it_holds(tmp_path, capsys):
    text = Metadata(text={"Title": "ramp"})
    source = _save(tmp_path / "a.png", bits=16, alpha=True, metadata=text)
    assert _run(source, "-o", tmp_path / "b.png") == 0
    result = read_picture(tmp_path / "b.png")
    assert (result.height, result.width, result.bits) == (48, 40, 16)
    assert result.alpha is not None
    assert result.metadata.text["Title"] == "ramp"
    output = capsys.readouterr()
    assert "40x48" in output.out
    assert "1 done, 0 skipped, 0 failed" in output.out
    assert output.err == ""


def test_strip_scale_and_format(tmp_path):
    source = _save(tmp_path / "a.png", metadata=Metadata(text={"Title": "ramp"}))
    options = ("--scale", "1.5", "--output-format", "webp", "--quality", "80", "--strip", "--tile", "8")
    assert _run(source, "-o", tmp_path / "out", *options) == 0
    result = read_picture(tmp_path / "out" / "a.webp")
    assert (result.height, result.width) == (18, 15)
    assert result.metadata.text == {}


def test_a_folder_with_a_bad_file(tmp_path, capsys):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/sub/b.jpg")
    (tmp_path / "in/bad.png").write_bytes(b"nothing")
    (tmp_path / "in/readme.txt").write_text("text")
    assert _run(tmp_path / "in", "-o", tmp_path / "in/out") == 1
    assert _below(tmp_path / "in/out") == ["a.png", "sub/b.jpg"]
    output = capsys.readouterr()
    assert "2 done, 0 skipped, 1 failed, 1 not pictures" in output.out
    assert output.err.startswith("deltasr: ")
    assert "bad.png" in output.err
    assert output.err.count("\n") == 1


def test_without_an_output_results_lie_beside_their_inputs(tmp_path, capsys):
    picture, folder = _save(tmp_path / "a.jpg"), tmp_path / "holiday"
    _save(folder / "deep/b.png")
    assert _run(picture, folder) == 0
    assert _run(picture, "-s", 1.5) == 0
    assert _run(picture, "--width", 20, "--height", 30) == 0
    assert _below(tmp_path) == [
        "a-20x30.jpg",
        "a-x1.5.jpg",
        "a-x4.jpg",
        "a.jpg",
        "holiday-x4/deep/b.png",
        "holiday/deep/b.png",
    ]
    assert read_picture(tmp_path / "a-x1.5.jpg").height == 18
    before = (tmp_path / "a-x4.jpg").read_bytes()
    capsys.readouterr()
    assert _run(picture) == 1
    error = capsys.readouterr().err
    assert error == (
        f"deltasr: {picture}: {tmp_path / 'a-x4.jpg'} already exists; choose --overwrite or --skip-existing, "
        "or another output.\n"
    )
    assert (tmp_path / "a-x4.jpg").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (("-s", 2), (24, 20)),
        (("--width", 25), (30, 25)),
        (("--height", 30), (30, 25)),
        (("--width", 7, "--height", 90), (90, 7)),
        (("--max-side", 60), (60, 50)),
        (("--max-side", 6), (6, 5)),
    ],
)
def test_sizes_are_those_asked_for(tmp_path, options, size):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "b.png", *options) == 0
    result = read_picture(tmp_path / "b.png")
    assert (result.height, result.width) == size


def test_the_longer_side_may_be_the_width(tmp_path):
    write_picture(Picture(pixels=np.zeros((10, 20, 3), np.uint8)), tmp_path / "a.png")
    assert _run(tmp_path / "a.png", "-o", tmp_path / "b.png", "--max-side", 50) == 0
    result = read_picture(tmp_path / "b.png")
    assert (result.height, result.width) == (25, 50)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("--map", "error"), "bicubic has no error map; choose deltadiff-x4"),
        (("--fidelity", 0.5), "bicubic has no fidelity dial"),
        (("--restoration", 0.5), "bicubic has no restoration dial"),
    ],
)
def test_a_dry_run_refuses_what_a_run_would(asked, message, tmp_path, capsys):
    _save(tmp_path / "in/a.png")
    for dry in ((), ("--dry-run",)):
        assert _run(tmp_path / "in", "-o", tmp_path / "out", *asked, *dry) == 1
        output = capsys.readouterr()
        assert message in output.err
        assert "to do" not in output.out


def test_a_dry_run_says_what_would_be_written_and_writes_nothing(tmp_path, capsys):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/b.jpg")
    (tmp_path / "in/bad.png").write_bytes(b"nothing")
    _save(tmp_path / "in/there.png")
    _save(tmp_path / "out/there.png")
    before = _below(tmp_path)
    assert _run(tmp_path / "in", "-o", tmp_path / "out", "--dry-run", "--skip-existing", "--max-side", 24) == 1
    output = capsys.readouterr()
    assert _below(tmp_path) == before
    assert output.out.splitlines() == [
        f"{tmp_path / 'in/a.png'} -> {tmp_path / 'out/a.png'} (20x24)",
        f"{tmp_path / 'in/b.jpg'} -> {tmp_path / 'out/b.jpg'} (20x24)",
        f"{tmp_path / 'in/there.png'}: skipped, {tmp_path / 'out/there.png'} already exists",
        "2 to do, 1 skipped, 1 failed; 0.0 megapixels",
    ]
    assert "bad.png" in output.err
    (tmp_path / "in/bad.png").unlink()
    assert _run(tmp_path / "in", "-o", tmp_path / "out", "--skip-existing", "--max-side", 24) == 0
    done = capsys.readouterr().out.splitlines()
    assert [line.partition(",")[0].rstrip(")") for line in done[:2]] == [
        line.rstrip(")") for line in output.out.splitlines()[:2]
    ]


def test_a_picture_over_the_limit_is_refused_and_the_rest_goes_on(tmp_path, capsys):
    _save(tmp_path / "in/a.png")
    write_picture(Picture(pixels=np.zeros((20, 20, 3), np.uint8)), tmp_path / "in/large.png")
    assert _run(tmp_path / "in", "-o", tmp_path / "out", "--max-pixels", 200) == 1
    assert _below(tmp_path / "out") == ["a.png"]
    error = capsys.readouterr().err
    assert "large.png states a size of 20 x 20 pixels" in error
    assert "--max-pixels" in error


def test_notes_are_told_once_for_each_file(tmp_path, capsys):
    source = _save(tmp_path / "a.png", bits=16, alpha=True)
    assert _run(source, "-o", tmp_path / "b.jpg") == 0
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  note: ")]
    assert len(notes) == len(set(notes)) == 2


def test_a_run_is_named_by_its_folder(tmp_path, pair, command_line):
    run, source = tmp_path / "runs" / "a", _save(tmp_path / "a.png")
    run.mkdir(parents=True)
    pair[0].rename(run / "model.safetensors")
    assert command_line("upscale", source, "-o", tmp_path / "b.png", "--model", run)[0] == 0
    assert command_line("upscale", source, "--model", run)[0] == 0
    assert (tmp_path / "a-x4.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_folder_without_pictures_fails(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert _run(tmp_path / "empty", "-o", tmp_path / "out") == 1
    output = capsys.readouterr()
    assert output.err == f"deltasr: {tmp_path / 'empty'} holds no pictures.\n"
    assert "0 done, 0 skipped, 1 failed" in output.out


def test_results_that_exist(tmp_path, capsys):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "out") == 0
    result = tmp_path / "out/a.png"
    before = result.read_bytes()
    assert _run(source, "-o", tmp_path / "out", "--scale", 2) == 1
    assert _run(source, "-o", tmp_path / "out", "--scale", 2, "--skip-existing") == 0
    assert result.read_bytes() == before
    assert "1 skipped" in capsys.readouterr().out
    assert _run(source, "-o", tmp_path / "out", "--scale", 2, "--overwrite") == 0
    assert read_picture(result).height == 24


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "name pictures or folders"),
        (("a.png", "--skip-existing", "--overwrite"), "exclude each other"),
        (("a.png", "--quality", "101"), "quality of 101 is out of range"),
        (("a.png", "--output-format", "gif"), "gif"),
        (("a.png", "--scale", "0"), "factor above 0"),
        (("a.png", "--tile", "-3"), "tile of -3"),
        (("a.png", "--device", "abacus"), "abacus"),
        (("a.png", "--width", "0"), "width of 0 pixels"),
        (("a.png", "--max-side", "-4"), "longest side of -4 pixels"),
        (("a.png", "--scale", "2", "--width", "40"), "exclude each other"),
        (("a.png", "--max-side", "40", "--height", "40"), "exclude each other"),
        (("a.png", "--max-pixels", "0"), "give a whole number above 0"),
        (("a.png", "--skale", "2"), "no option --skale here; did you mean --scale?"),
        (("-x", "a.png"), "no option -x here; write a file of that name as ./-x."),
    ],
)
def test_wrong_settings_are_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    _save(tmp_path / "a.png")
    assert _run(*arguments, "-o", "out") == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_consistency_can_be_switched(tmp_path):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "off.png") == 0
    assert _run(source, "-o", tmp_path / "same.png", "--no-consistency") == 0
    assert _run(source, "-o", tmp_path / "on.png", "--consistency") == 0
    off, same, on = (read_picture(tmp_path / f"{name}.png").pixels for name in ("off", "same", "on"))
    assert np.array_equal(off, same)
    assert not np.array_equal(off, on)


@pytest.fixture
def pair(tmp_path) -> tuple[Path, Path]:
    """Checkpoints of one network."""
    from deltasr.models import checkpoint
    from deltasr.models.rrdb import Rrdb

    paths = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for path in paths:
            checkpoint.save(Rrdb(blocks=1, width=4), path)
    return paths


def test_an_ensemble_is_asked_for(tmp_path, pair, command_line):
    source = _save(tmp_path / "a.png")
    for name, *options in (("alone",), ("ensemble", "--ensemble")):
        assert command_line("upscale", source, "-o", tmp_path / f"{name}.png", "--model", pair[0], *options)[0] == 0
    upscaler = Upscaler(catalogue.load(str(pair[0])), ensemble=True)
    result = read_picture(tmp_path / "ensemble.png").pixels
    assert np.array_equal(result, upscaler.upscale(source).pixels)
    assert not np.array_equal(result, read_picture(tmp_path / "alone.png").pixels)


def test_a_blend_lies_between_its_models(tmp_path, pair, command_line, monkeypatch):
    source = _save(tmp_path / "a.png")

    def result(name: str, *options: object) -> np.ndarray:
        target = tmp_path / f"{name}.png"
        assert command_line("upscale", source, "-o", target, *options)[0] == 0
        return read_picture(target).pixels

    one, two = (result(path.stem, "--model", path) for path in pair)
    mixed = result("mixed", "--model", pair[0], "--blend", 0.3, "--blend-with", pair[1])
    assert np.array_equal(result("first", "--model", pair[0], "--blend", 0, "--blend-with", pair[1]), one)
    assert np.array_equal(result("second", "--model", pair[0], "--blend", 1, "--blend-with", pair[1]), two)
    assert not np.array_equal(mixed, one)
    assert not np.array_equal(mixed, two)
    monkeypatch.setattr(catalogue, "COUNTERPARTS", {str(pair[0]): str(pair[1])})
    for number, model in enumerate(pair):
        assert np.array_equal(result(f"pair{number}", "--model", model, "--blend", 0.3), mixed)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--blend", 0.5), "bicubic has no counterpart to be blended with; name the second model by --blend-with."),
        (("--blend", 2, "--blend-with", "nearest"), "give a share from 0 to 1"),
        (("--blend", 0.5, "--blend-with", "nearest"), "bicubic cannot be blended"),
        (("--blend-with", "nearest"), "set --blend, from 0 to 1"),
        (("--steps", 5), "--steps is for latent diffusion; bicubic has a fixed number of steps"),
        (("--eta", 1), "--eta is for latent diffusion; bicubic has no such noise"),
    ],
)
def test_what_cannot_be_blended_or_stepped_is_one_line(tmp_path, capsys, options, message):
    source = _save(tmp_path / "a.png")
    assert _run(source, "-o", tmp_path / "b.png", *options) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "b.png").exists()


def test_the_fidelity_decides_and_has_a_default(tmp_path, dial_checkpoint, command_line):
    source = _save(tmp_path / "a.png", alpha=True)

    def result(name: str, *options: object) -> np.ndarray:
        target = tmp_path / name / "a.png"
        assert command_line("upscale", source, "-o", target, "--model", dial_checkpoint, *options)[0] == 0
        return read_picture(target).pixels

    own = result("own")
    assert np.array_equal(result("same", "--fidelity", 0.75), own)
    assert not np.array_equal(result("natural", "--fidelity", 0), own)
    blended = result("blended", "--blend", 0.5, "--blend-with", dial_checkpoint, "--fidelity", 0)
    assert np.array_equal(blended, result("again", "--fidelity", 0))


@pytest.mark.parametrize(
    ("model", "fidelity", "message"),
    [
        ("bicubic", "0.7", "The model bicubic has no fidelity dial; "),
        ("dialled.safetensors", "1.2", "A fidelity of 1.2 is not possible; give a number from 0 to 1."),
        ("dialled.safetensors", "nan", "A fidelity of nan is not possible; give a number from 0 to 1."),
    ],
)
def test_an_impossible_fidelity_is_one_line_before_any_work(
    tmp_path, dial_checkpoint, command_line, monkeypatch, model, fidelity, message
):
    monkeypatch.chdir(dial_checkpoint.parent)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    status, printed, error = command_line("upscale", "bad.png", "-o", "out", "--model", model, "--fidelity", fidelity)
    assert (status, printed) == (1, "")
    assert error.startswith(f"deltasr: {message}")
    assert error.count("\n") == 1


def test_latent_diffusion_from_a_folder(tmp_path, command_line):
    diffusers = pytest.importorskip("diffusers")
    folder, source = tmp_path / "ldm", _save(tmp_path / "a.png", bits=16, alpha=True)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        networks = {
            "unet": diffusers.UNet2DModel(
                in_channels=6,
                out_channels=3,
                block_out_channels=(8, 8),
                layers_per_block=1,
                norm_num_groups=4,
                down_block_types=("DownBlock2D",) * 2,
                up_block_types=("UpBlock2D",) * 2,
                add_attention=False,
            ),
            "vqvae": diffusers.VQModel(
                block_out_channels=(8, 8),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                norm_num_groups=4,
                num_vq_embeddings=16,
            ),
            "scheduler": diffusers.DDIMScheduler(clip_sample=False),
        }
    parts = {name: ["diffusers", type(network).__name__] for name, network in networks.items()}
    for name, network in networks.items():
        network.save_pretrained(folder / name)
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LDMSuperResolutionPipeline", **parts}))

    def result(name: str, *options: object) -> np.ndarray:
        target = tmp_path / f"{name}.png"
        status, _, error = command_line("upscale", source, "-o", target, "--model", folder, *options)
        assert (status, error) == (0, "")
        picture = read_picture(target)
        assert (picture.height, picture.width, picture.bits) == (24, 20, 16)
        assert picture.alpha is not None
        return picture.pixels

    two = result("two", "--steps", 2)
    assert np.array_equal(result("same", "--steps", 2, "--seed", 0), two)
    assert not np.array_equal(result("seed", "--steps", 2, "--seed", 1), two)
    assert not np.array_equal(result("three", "--steps", 3), two)
    assert np.array_equal(result("quiet", "--steps", 2, "--eta", 0), two)
    assert not np.array_equal(result("noisy", "--steps", 2, "--eta", 1), two)
    status, printed, _ = command_line("info", folder)
    assert status == 0
    assert printed.startswith("ldm: latent diffusion x2: 100 DDIM steps in VQ-f2 codes\nscale 2, ")


def test_an_interruption_leaves_no_partial_file(tmp_path, capsys, monkeypatch):
    _save(tmp_path / "in/a.png")
    _save(tmp_path / "in/b.png")
    emitted = Cropped.add
    calls = 0

    def interrupted(self, *arguments):
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        emitted(self, *arguments)

    monkeypatch.setattr(Cropped, "add", interrupted)
    assert _run(tmp_path / "in", "-o", tmp_path / "out") == 130
    assert _below(tmp_path / "out") == ["a.png"]
    assert capsys.readouterr().err.count("\n") == 1


def test_an_interruption_while_writing_leaves_no_partial_file(tmp_path, monkeypatch):
    from deltasr.imaging import write

    def interrupted(picture, file, quality):
        file.write(b"half a picture")
        raise KeyboardInterrupt

    source = _save(tmp_path / "a.png")
    monkeypatch.setitem(write.ENCODERS, "png", interrupted)
    assert _run(source, "-o", tmp_path / "out") == 130
    assert list((tmp_path / "out").iterdir()) == []


def test_a_type_that_does_not_run_here_is_told_once_and_the_work_is_done_in_float32(tmp_path, capsys, monkeypatch):
    sources = [_save(tmp_path / name) for name in ("a.png", "b.png")]
    monkeypatch.setattr(processor, "tried", lambda: {"float32": 1.0, "bfloat16": "SIGILL", "float16": 1.0})
    assert _run(*sources, "-o", tmp_path / "rounded", "--dtype", "bfloat16") == 0
    note = "note: bfloat16 does not run on this processor (SIGILL), so float32 is used\n"
    assert capsys.readouterr().out.count(note) == 1
    assert _run(*sources, "-o", tmp_path / "exact") == 0
    for name in ("a.png", "b.png"):
        assert (tmp_path / "rounded" / name).read_bytes() == (tmp_path / "exact" / name).read_bytes()
