"""`Upscaler`: any picture in, the same kind of picture out, tiled or not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from deltasr.errors import ModelError, PictureError, SettingError
from deltasr.imaging import Metadata, Picture
from deltasr.imaging.picture import Compression
from deltasr.inference import memory
from deltasr.inference.upscaler import Upscaler
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation
from deltasr.resampling.tensors import downscale, imresize


def _picture(height: int, width: int, *, channels: int = 3, alpha: bool = False, bits: int = 8, seed: int = 0):
    dtype = np.dtype(f"uint{bits}")
    numbers = np.random.default_rng(seed)
    top = np.iinfo(dtype).max
    pixels = numbers.integers(0, top, (height, width, channels), dtype, endpoint=True)
    plane = numbers.integers(0, top, (height, width), dtype, endpoint=True) if alpha else None
    return Picture(pixels=pixels, alpha=plane)


def _difference(one: Picture, other: Picture) -> int:
    """The largest difference in 8-bit levels, over colour and alpha."""
    assert one.pixels.shape == other.pixels.shape
    pairs = [(one.pixels, other.pixels)]
    if one.alpha is not None:
        pairs.append((one.alpha, other.alpha))
    largest = max(int(np.abs(a.astype(np.int64) - b.astype(np.int64)).max()) for a, b in pairs)
    return largest if one.bits == 8 else largest // 257


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tile=st.integers(5, 24),
    multiple_of=st.sampled_from([1, 4]),
    consistency=st.booleans(),
    alpha=st.booleans(),
    ensemble=st.booleans(),
)
@settings(max_examples=16, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_tiled_is_untiled_for_a_network(conv_net, height, width, tile, multiple_of, consistency, alpha, ensemble):
    model = conv_net(multiple_of=multiple_of)
    picture = _picture(height, width, alpha=alpha, seed=height)
    whole, tiled = (
        Upscaler(model, tile=side, consistency=consistency, ensemble=ensemble).upscale(picture) for side in (0, tile)
    )
    assert whole.pixels.shape == (2 * height, 2 * width, 3)
    assert _difference(whole, tiled) <= 1


@pytest.mark.parametrize("scale", [None, 0.4, 1.7, 3.0])
@pytest.mark.parametrize("bounded", [True, False])
def test_tiled_is_untiled_at_any_scale(conv_net, scale, bounded):
    """An unbounded model's tiles are blended; this one sees little, so that they should agree as well."""
    model = conv_net(bounded=bounded)
    picture = _picture(70, 67, channels=1, alpha=True, bits=16)
    whole = Upscaler(model, tile=0, consistency=True).upscale(picture, scale=scale)
    tiled = Upscaler(model, tile=16, consistency=True).upscale(picture, scale=scale)
    assert _difference(whole, tiled) <= 1


def _trained_like(model: DeltaDiff, *, strength: float = 0.05) -> DeltaDiff:
    """Gives every convolution weight, so that the whole receptive field takes part."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        gain = strength if "tail" in name or "time" in name else 1.0
        size = parameter[0].numel() if parameter.ndim > 1 else 50
        parameter.data = torch.randn(parameter.shape, generator=generator) * gain / size**0.5
    return model.eval()


@pytest.mark.parametrize("alpha", [False, True])
def test_tiled_is_untiled_for_deltadiff(alpha):
    model = _trained_like(DeltaDiff(size="tiny"))
    picture = _picture(120, 20, alpha=alpha)
    whole = Upscaler(model, tile=0).upscale(picture)
    bicubic = Upscaler(Interpolation(method="bicubic"), tile=0).upscale(picture)
    assert _difference(whole, bicubic) > 3
    assert _difference(whole, Upscaler(model, tile=16).upscale(picture)) <= 1


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_the_fidelity_reaches_every_tile(conv_net, channels, alpha):
    picture = _picture(70, 67, channels=channels, alpha=alpha)
    model = conv_net(dial=True)
    whole, default = (Upscaler(model, tile=0).upscale(picture, fidelity=fidelity) for fidelity in (0.25, None))
    assert _difference(whole, default) > 10
    for tile in (16, None):
        tiled = Upscaler(model, tile=tile)
        assert _difference(tiled.upscale(picture, fidelity=0.25), whole) <= 1
        assert _difference(tiled.upscale(picture), default) <= 1


def test_without_a_fidelity_it_is_the_models_own(conv_net):
    picture = _picture(12, 10, alpha=True)
    upscaler = Upscaler(conv_net(dial=True))
    own = upscaler.upscale(picture)
    assert _difference(own, upscaler.upscale(picture, fidelity=upscaler.model.default_fidelity)) == 0
    assert _difference(own, upscaler.upscale(picture, fidelity=1)) > 0


def test_every_pass_of_a_larger_factor_has_the_fidelity(conv_net):
    picture = _picture(11, 13)
    model = conv_net(scale=2, dial=True)
    lr = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = model(model(lr, fidelity=0), fidelity=0)[0].permute(1, 2, 0) * 255
    result = Upscaler(model).upscale(picture, scale=4, fidelity=0)
    assert np.abs(result.pixels - expected.numpy()).max() <= 0.55


def test_tiled_is_untiled_for_deltadiff_at_any_fidelity():
    model = _trained_like(DeltaDiff(size="tiny", dial=True, default_fidelity=0.5))
    picture = _picture(120, 20, alpha=True)
    results = [Upscaler(model, tile=0).upscale(picture, fidelity=fidelity) for fidelity in (0, 0.5, 1)]
    for fidelity, whole in zip((0, 0.5, 1), results, strict=True):
        assert _difference(whole, Upscaler(model, tile=16).upscale(picture, fidelity=fidelity)) <= 1
    assert _difference(results[0], results[2]) > 3
    assert _difference(results[1], Upscaler(model, tile=0).upscale(picture)) == 0


def test_a_model_without_a_dial_takes_no_fidelity():
    with pytest.raises(SettingError, match="bicubic has no fidelity dial"):
        Upscaler(Interpolation(method="bicubic")).upscale(_picture(4, 4), fidelity=1)


def test_bicubic_is_imresize_and_tiles_leave_no_trace():
    picture = _picture(90, 70)
    lr = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    expected = (imresize(lr, scale=4).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).numpy()
    for tile in (0, 8):
        result = Upscaler(Interpolation(method="bicubic"), tile=tile).upscale(picture)
        assert np.abs(result.pixels - expected).max() <= 1
        assert (result.pixels == expected).mean() > 0.999


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_depth_channels_alpha_and_metadata_are_kept(bits, channels, alpha):
    metadata = Metadata(icc=b"profile", text={"Author": "A"})
    picture = replace(_picture(9, 7, channels=channels, alpha=alpha, bits=bits), metadata=metadata)
    result = Upscaler(Interpolation(method="bicubic")).upscale(picture)
    assert result.pixels.shape == (36, 28, channels)
    assert result.bits == bits
    assert (result.alpha is not None) == alpha
    assert result.metadata == metadata


def test_a_result_is_no_longer_the_jpeg_that_its_input_was():
    picture = replace(_picture(9, 9), compression=Compression(luma_table=(16,) * 64))
    assert Upscaler(Interpolation(method="bicubic")).upscale(picture).compression is None


def test_sixteen_bits_are_not_cut_to_eight():
    ramp = np.linspace(20000, 20400, 64).astype(np.uint16)
    picture = Picture(pixels=np.tile(ramp[None, :, None], (8, 1, 3)))
    result = Upscaler(DeltaDiff(size="tiny")).upscale(picture)
    assert len(np.unique(result.pixels)) > 150


def test_colour_does_not_bleed_from_transparent_pixels_and_opacity_stays():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[:, :20] = (200, 40, 60)
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, :20] = 255
    result = Upscaler(Interpolation(method="bicubic"), consistency=True).upscale(Picture(pixels=pixels, alpha=alpha))
    assert result.alpha is not None
    assert (result.alpha[:, :72] == 255).all()
    assert (result.alpha[:, 88:] == 0).all()
    assert np.abs(result.pixels[result.alpha > 0].astype(int) - (200, 40, 60)).max() <= 1


def test_results_downscale_to_their_input():
    model = _trained_like(DeltaDiff(size="tiny"), strength=0.02)
    smooth = imresize(torch.rand(3, 6, 6, generator=torch.Generator().manual_seed(0)), scale=8).clamp(0.1, 0.9)
    picture = Picture(pixels=(smooth.permute(1, 2, 0) * 255).round().to(torch.uint8).numpy())

    def again(consistency: bool) -> np.ndarray:
        result = Upscaler(model, consistency=consistency).upscale(picture)
        hr = torch.from_numpy(result.pixels).permute(2, 0, 1)[None].float() / 255
        return (downscale(hr, 4)[0].permute(1, 2, 0) * 255).round().numpy()

    assert np.abs(again(False) - picture.pixels).max() > 1
    difference = np.abs(again(True) - picture.pixels)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


@pytest.mark.parametrize(
    ("scale", "size"), [(None, (20, 28)), (2.5, (12, 18)), (1, (5, 7)), (0.1, (1, 1)), (9, (45, 63)), (16, (80, 112))]
)
def test_any_factor_gives_the_rounded_size(scale, size):
    picture = _picture(5, 7)
    upscaler = Upscaler(Interpolation(method="bicubic"))
    assert upscaler.upscale(picture, scale=scale).pixels.shape == (*size, 3)
    assert upscaler.result_size(picture, scale) == size


def test_a_smaller_factor_is_the_models_result_resized(conv_net):
    picture = _picture(23, 31)
    model = conv_net(scale=4)
    lr = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = imresize(model(lr), size=(39, 53)).clamp(0, 1)[0].permute(1, 2, 0) * 255
    result = Upscaler(model).upscale(picture, scale=1.7)
    assert np.abs(result.pixels - expected.numpy()).max() <= 0.51


def test_a_larger_factor_runs_the_model_again(conv_net):
    picture = _picture(11, 13)
    model = conv_net(scale=2)
    lr = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = model(model(lr))[0].permute(1, 2, 0) * 255
    result = Upscaler(model).upscale(picture, scale=4)
    assert np.abs(result.pixels - expected.numpy()).max() <= 0.55


@pytest.mark.parametrize("size", [(20, 28), (1, 1), (13, 70), (70, 13), (41, 29), (85, 2)])
@pytest.mark.parametrize("alpha", [False, True])
def test_a_size_is_exact_whatever_its_aspect_ratio(size, alpha):
    picture = _picture(5, 7, alpha=alpha)
    upscaler = Upscaler(Interpolation(method="bicubic"))
    result = upscaler.upscale(picture, size=size)
    assert (result.height, result.width) == size == upscaler.result_size(picture, size=size)
    assert (result.alpha is None) != alpha


def test_a_size_is_the_models_result_with_each_side_resized(conv_net):
    picture = _picture(23, 31)
    model = conv_net(scale=4)
    lr = torch.from_numpy(picture.pixels).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        expected = imresize(model(lr), size=(39, 120)).clamp(0, 1)[0].permute(1, 2, 0) * 255
    for tile in (0, 8):
        result = Upscaler(model, tile=tile).upscale(picture, size=(39, 120))
        assert np.abs(result.pixels - expected.numpy()).max() <= 0.51


def test_the_size_of_a_scale_gives_the_scales_result():
    picture = _picture(20, 14, alpha=True)
    upscaler = Upscaler(DeltaDiff(size="tiny"))
    for scale, size in ((1.5, (30, 21)), (4, (80, 56)), (6, (120, 84))):
        by_scale, by_size = (upscaler.upscale(picture, **asked) for asked in ({"scale": scale}, {"size": size}))
        assert np.array_equal(by_scale.pixels, by_size.pixels)
        assert np.array_equal(by_scale.alpha, by_size.alpha)


def test_a_result_beyond_memory_is_refused():
    with pytest.raises(PictureError, match="does not fit into memory"):
        Upscaler(Interpolation(method="bicubic")).upscale(_picture(4, 4), scale=10**6)


def test_paths_images_arrays_and_tensors_give_the_same(tmp_path):
    picture = _picture(12, 10)
    Image.fromarray(picture.pixels).save(tmp_path / "picture.png")
    sources = [
        tmp_path / "picture.png",
        Image.fromarray(picture.pixels),
        picture.pixels,
        torch.from_numpy(picture.pixels).permute(2, 0, 1),
    ]
    upscaler = Upscaler(Interpolation(method="bicubic"))
    expected = upscaler.upscale(picture)
    for source in sources:
        assert np.array_equal(upscaler.upscale(source).pixels, expected.pixels)


class Greedy(Interpolation):
    """Runs out of memory for more than `limit` LR pixels at once, or always after `calls` tiles."""

    def __init__(self, *, limit: int, error: Exception) -> None:
        super().__init__(method="bicubic")
        self.limit, self.error = limit, error
        self.largest = 0

    def forward(self, lr: torch.Tensor) -> torch.Tensor:
        if lr.shape[-1] * lr.shape[-2] > self.limit:
            raise self.error
        self.largest = max(self.largest, lr.shape[-1] * lr.shape[-2])
        return super().forward(lr)


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory."),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 1 bytes."),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("bounded", [True, False])
def test_out_of_memory_halves_the_tile_and_goes_on(error, bounded):
    picture = _picture(140, 150, alpha=True)
    model = Greedy(limit=110**2, error=error)
    plain = Interpolation(method="bicubic")
    if not bounded:
        model.receptive_field = plain.receptive_field = None
    progress: list[float] = []
    result = Upscaler(model, tile=0).upscale(picture, progress=progress.append)
    assert model.largest > 40**2
    assert _difference(result, Upscaler(plain, tile=0).upscale(picture)) <= 1
    assert progress[-1] == 1


def test_rows_that_are_finished_are_not_made_again():
    """Memory that runs out half-way costs one row of tiles, not the picture."""

    class Later(Interpolation):
        calls = 0

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            self.calls += 1
            if self.calls == 8:
                raise MemoryError
            return super().forward(lr)

    model = Later(method="bicubic")
    picture = _picture(192, 192)
    result = Upscaler(model, tile=64).upscale(picture)
    assert _difference(result, Upscaler(Interpolation(method="bicubic"), tile=0).upscale(picture)) <= 1
    assert model.calls == 6 + 2 + 2 * 6


def test_a_model_that_has_to_see_whole_pictures_does_unless_told_otherwise():
    model = Greedy(limit=10**9, error=MemoryError())
    model.tiled, model.receptive_field = False, None
    picture = _picture(300, 310, alpha=True)
    Upscaler(model).upscale(picture)
    assert model.largest == 300 * 310
    model.largest = 0
    Upscaler(model, tile=64).upscale(picture)
    assert model.largest < 300 * 310


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_whole_picture_that_does_not_fit_into_memory_is_not_tiled_but_refused(error):
    model = Greedy(limit=110**2, error=error)
    model.tiled = False
    with pytest.raises(
        ModelError, match=r"bicubic needs the whole picture at once, and one of 310x300 .* the tile to 256 pix"
    ):
        Upscaler(model).upscale(_picture(300, 310))


def test_a_whole_picture_is_refused_before_memory_runs_out(monkeypatch):
    class Careful(Interpolation):
        tiled = False

        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            assert lr.shape[-1] < 300
            return super().forward(lr)

    monkeypatch.setattr(memory, "free_bytes", lambda device: 10 << 20)
    with pytest.raises(ModelError, match="needs the whole picture at once"):
        Upscaler(Careful(method="bicubic")).upscale(_picture(300, 310))


def test_a_large_result_is_refused_before_any_work(monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 20)
    upscaler = Upscaler(Greedy(limit=0, error=AssertionError()))
    for asked in ({"scale": 8}, {"size": (1000, 1000)}, {"size": (1, 10**9)}):
        with pytest.raises(PictureError, match="does not fit into memory; choose a smaller scale or size"):
            upscaler.upscale(_picture(100, 100), **asked)


def test_what_lies_between_passes_has_to_fit_too(monkeypatch):
    """A high and narrow result of a wide picture is small, and the model's own results on the way are not."""
    monkeypatch.setattr(memory, "free_bytes", lambda device: 1 << 20)
    with pytest.raises(PictureError, match="does not fit into memory"):
        Upscaler(Greedy(limit=0, error=AssertionError())).upscale(_picture(2, 4000), size=(33, 1))


def test_too_little_memory_for_any_tile_is_one_clear_error():
    with pytest.raises(ModelError, match="Not even small tiles fit into the memory of cpu"):
        Upscaler(Greedy(limit=10, error=MemoryError())).upscale(_picture(300, 300))


def test_other_errors_are_not_taken_for_a_lack_of_memory():
    with pytest.raises(RuntimeError, match="something else"):
        Upscaler(Greedy(limit=10, error=RuntimeError("something else"))).upscale(_picture(30, 30))


def test_values_that_are_not_finite_are_an_error():
    class Broken(Interpolation):
        def forward(self, lr: torch.Tensor) -> torch.Tensor:
            return super().forward(lr) * float("nan")

    with pytest.raises(ModelError, match="not finite"):
        Upscaler(Broken(method="bicubic")).upscale(_picture(4, 4))


def test_little_free_memory_makes_small_tiles(monkeypatch):
    model = Greedy(limit=10**9, error=MemoryError())
    picture = _picture(200, 180)
    expected = Upscaler(Interpolation(method="bicubic"), tile=0).upscale(picture)
    needed = {}
    for free in (1 << 40, 3 << 20):
        model.largest = 0
        monkeypatch.setattr(memory, "free_bytes", lambda device, free=free: free)
        assert _difference(Upscaler(model).upscale(picture), expected) <= 1
        needed[free] = model.largest
    assert needed[1 << 40] == 200 * 180
    assert needed[3 << 20] < 60**2


def test_the_same_input_gives_the_same_bytes_and_no_random_numbers_are_drawn():
    model = _trained_like(DeltaDiff(size="tiny"))
    picture = _picture(60, 50, alpha=True)
    state = torch.get_rng_state()
    first = Upscaler(model, tile=16).upscale(picture)
    second = Upscaler(model, tile=16).upscale(picture)
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(first.pixels, second.pixels)
    assert np.array_equal(first.alpha, second.alpha)


@pytest.mark.usefixtures("bf16")
def test_lower_precision_is_close(conv_net):
    picture = _picture(40, 40)
    exact = Upscaler(conv_net()).upscale(picture)
    assert _difference(Upscaler(conv_net(), dtype="bfloat16").upscale(picture), exact) <= 12


def test_progress_rises_to_one_over_all_passes():
    seen: list[float] = []
    Upscaler(Interpolation(method="nearest"), tile=4).upscale(_picture(20, 20), scale=8, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1
    assert len(seen) > 8


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_missing_device_is_named():
    with pytest.raises(SettingError, match="no device 'cuda'"):
        Upscaler(Interpolation(method="bicubic"), device="cuda")
