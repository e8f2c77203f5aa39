"""DeltaDiff as a model: what it returns before and after training, what it costs, how far it sees."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from deltasr.diffusion.process import reverse_step, start
from deltasr.errors import ModelError, SettingError
from deltasr.models import checkpoint
from deltasr.models.deltadiff import SIZES, DeltaDiff, NetSize
from deltasr.nets.blocks import BLOCKS
from deltasr.nets.first_stage import BicubicCode, decode


def picture(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def with_weights(model: DeltaDiff, spread: float = 0.02) -> DeltaDiff:
    """The model with every weight moved away from its start, the last layer's too."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(spread * torch.randn(weight.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def tiny() -> DeltaDiff:
    return with_weights(DeltaDiff(size="tiny"))


def bicubic(lr: Tensor, scale: int) -> Tensor:
    return decode(BicubicCode(scale=scale)(lr), scale).clamp(0, 1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (2, 3, 1, 9), (3, 3, 7, 6)])
def test_untrained_it_is_the_bicubic_upsampling(size: str, shape: tuple[int, ...]):
    lr = picture(*shape)
    with torch.inference_mode():
        torch.testing.assert_close(DeltaDiff(size=size)(lr), bicubic(lr, 4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_other_scales(scale: int):
    lr = picture(1, 3, 5, 6)
    with torch.inference_mode():
        torch.testing.assert_close(DeltaDiff(scale=scale)(lr), bicubic(lr, scale), atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=25)
@given(batch=st.integers(1, 3), height=st.integers(1, 17), width=st.integers(1, 17))
def test_any_size_and_any_batch(batch: int, height: int, width: int):
    model = with_weights(DeltaDiff(size="tiny"))
    lr = picture(batch, 3, height, width)
    with torch.inference_mode():
        sr = model(lr)
        alone = model(lr[-1:])
    assert sr.shape == (batch, 3, 4 * height, 4 * width)
    assert float(sr.min()) >= 0
    assert float(sr.max()) <= 1
    torch.testing.assert_close(sr[-1:], alone, atol=1e-4, rtol=0)


def test_the_same_input_gives_the_same_bytes_whatever_the_seed(tiny: DeltaDiff):
    lr = picture(1, 3, 9, 8)
    results = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        with torch.inference_mode():
            results.append(tiny(lr).numpy().tobytes())
        assert torch.equal(torch.get_rng_state(), before)
    assert results[0] == results[1]


@pytest.mark.parametrize("eta_T", [0.99, 1.0])
def test_the_chain_is_the_reverse_process(eta_T: float):
    model = with_weights(DeltaDiff(size="tiny", eta_T=eta_T))
    lr = picture(1, 3, 6, 7)
    seen: list[tuple[int, Tensor, Tensor]] = []
    with torch.inference_mode():
        sr = model(lr, callback=lambda *step: seen.append(step))
        y_0, predict = model.predictor(lr)
        x_t = start(y_0, model.schedule)
        for t, seen_state, seen_prediction in seen:
            assert torch.equal(seen_state, x_t)
            assert torch.equal(seen_prediction, predict(x_t, t))
            x_t = reverse_step(x_t, seen_prediction, t, model.schedule)
    assert [t for t, _, _ in seen] == [4, 3, 2, 1]
    assert torch.equal(sr, model.decode(x_t).clamp(0, 1))
    assert torch.isfinite(x_t).all()


def test_every_step_changes_the_picture(tiny: DeltaDiff):
    predictions: list[Tensor] = []
    with torch.inference_mode():
        tiny(picture(1, 3, 6, 7), callback=lambda t, x_t, prediction: predictions.append(prediction))
    for earlier, later in pairwise(predictions):
        assert float((earlier - later).abs().max()) > 1e-3


def test_the_network_sees_the_residual_whatever_the_step(tiny: DeltaDiff):
    """From any state on the way, x_t = y_0 + (1 - eta_t) r, the network is given the same r."""
    residuals: list[Tensor] = []
    hook = tiny.net.register_forward_pre_hook(lambda _, inputs: residuals.append(inputs[0]))
    lr, r = picture(1, 3, 4, 5), 0.1 * picture(1, 48, 4, 5)
    with torch.inference_mode():
        y_0, predict = tiny.predictor(lr)
        for t in range(1, 5):
            predict(y_0 + (1 - tiny.schedule.eta[t]) * r, t)
    hook.remove()
    for given_residual in residuals:
        torch.testing.assert_close(given_residual, r, atol=2e-5, rtol=0)


def test_the_picture_is_encoded_once_and_the_body_runs_at_every_step(tiny: DeltaDiff):
    calls: list[str] = []
    hooks = [
        module.register_forward_hook(lambda *_, name=name: calls.append(name))
        for name, module in {
            "upsample": tiny.upsample,
            "head": tiny.net.head,
            "last of the encoder": tiny.net.encoder_out,
            "first of the body": tiny.net.body[0],
            "tail": tiny.net.tail,
        }.items()
    ]
    with torch.inference_mode():
        tiny(picture(1, 3, 4, 5))
    for hook in hooks:
        hook.remove()
    assert {name: calls.count(name) for name in calls} == {
        "upsample": 1, "head": 1, "last of the encoder": 1, "first of the body": 4, "tail": 4,
    }  # fmt: skip


def test_encode_and_decode_are_inverse(tiny: DeltaDiff):
    hr = picture(2, 3, 12, 20)
    assert torch.equal(tiny.decode(tiny.encode(hr)), hr)


def gigaflops(model: DeltaDiff, lr: Tensor) -> float:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(lr)
    return counter.get_total_flops() / 1e9


def test_the_counter_counts_multiply_and_add_as_two():
    for groups in (1, 3):
        convolution = torch.nn.Conv2d(3, 6, 3, padding=1, groups=groups)
        with FlopCounterMode(display=False) as counter:
            convolution(picture(1, 3, 10, 12))
        assert counter.get_total_flops() == 2 * (10 * 12) * 6 * (3 // groups) * (3 * 3)


@pytest.mark.parametrize(("size", "most"), [("tiny", 60), ("small", 60), ("base", 200)])
def test_cost_of_all_steps_at_64_by_64(size: str, most: float):
    cost = gigaflops(DeltaDiff(size=size), picture(1, 3, 64, 64))
    dimensions = SIZES[size]
    width, pixels, code = dimensions.width, 64 * 64, 48
    encoder = 9 * width * (3 + (2 * dimensions.encoder_blocks + 1) * width)
    body = width * code + 9 * width * (2 * dimensions.body_blocks * width + code)
    upsampling = 25 * code
    networks = 2 * pixels * (encoder + 4 * body + upsampling) / 1e9
    assert cost == pytest.approx(networks, rel=0.01)
    assert cost <= most


@pytest.mark.parametrize(
    ("size", "least", "most"), [("tiny", 0.3e6, 0.65e6), ("small", 1e6, 1.5e6), ("base", 6e6, 8e6)]
)
def test_sizes(size: str, least: float, most: float):
    """With a dial: 1.5 M is what small networks of the field are compared at."""
    assert least < sum(weight.numel() for weight in DeltaDiff(size=size, dial=True).parameters()) <= most


@pytest.mark.parametrize(
    ("steps", "of"),
    [
        (1, {}),
        (2, {}),
        (4, {}),
        (2, {"shared": False}),
        (3, {"features": "every-step"}),
        *((2, {"block": block}) for block in BLOCKS),
    ],
    ids=str,
)
def test_the_receptive_field_is_exact(steps: int, of: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SIZES, "tiny", NetSize(width=8, encoder_blocks=2, body_blocks=1))
    model = with_weights(DeltaDiff(size="tiny", steps=steps, **of), spread=0.2).double()
    reach = model.receptive_field
    assert reach is not None
    side = 2 * reach + 7
    lr = 0.4 + 0.2 * picture(1, 3, side, side).double()
    changed = lr.clone()
    changed[..., side // 2, side // 2] += torch.tensor([0.1, 0.05, 0.02], dtype=torch.float64)
    codes: list[Tensor] = []
    with torch.inference_mode():
        for seen in (lr, changed):
            model(seen, callback=lambda t, x_t, prediction: codes.append(prediction))
    places = (codes[steps - 1] != codes[-1]).any(dim=(0, 1)).nonzero()
    assert int((places - side // 2).abs().max()) == reach


@pytest.mark.usefixtures("bf16")
def test_autocast_keeps_the_picture_in_full_precision(tiny: DeltaDiff):
    lr = picture(1, 3, 8, 9)
    states: list[Tensor] = []
    with torch.inference_mode():
        with torch.autocast("cpu", dtype=torch.bfloat16):
            under = tiny(lr, callback=lambda t, x_t, prediction: states.extend([x_t, prediction]))
        exact = tiny(lr)
    assert all(state.dtype == torch.float32 for state in states)
    assert torch.equal(states[0], BicubicCode(scale=4)(lr))
    assert under.dtype == torch.float32
    assert float((under - exact).abs().mean()) < 0.02


def test_gradients_reach_every_weight_through_the_chain(tiny: DeltaDiff):
    y_0, predict = tiny.predictor(picture(1, 3, 5, 6))
    x_t = y_0
    for t in range(4, 0, -1):
        x_t = reverse_step(x_t, predict(x_t, t), t, tiny.schedule)
    x_t.square().mean().backward()
    for name, weight in tiny.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name
    tiny.zero_grad()


def test_it_builds_itself_again_from_its_arguments():
    model = DeltaDiff(
        size="small", scale=3, steps=6, p=0.5, eta_1=0.02, eta_T=1.0, dial=True, default_fidelity=0.6, consistent=False
    )
    again = DeltaDiff(**model.arguments())  # type: ignore[arg-type]
    assert again.arguments() == model.arguments()
    assert again.schedule == model.schedule
    assert again.description == model.description
    assert (again.dial, again.default_fidelity, again.consistent) == (True, 0.6, False)
    assert set(again.state_dict()) == set(model.state_dict())


def test_saved_weights_keep_their_names():
    """Checkpoints in circulation hold these names; renaming a module breaks them."""
    convolutions = ["net.head", "net.encoder_out", "net.state", "net.tail", "net.time.hidden", "net.time.out"]
    dimensions = SIZES["tiny"]
    for room, blocks in (("encoder", dimensions.encoder_blocks), ("body", dimensions.body_blocks)):
        convolutions += [f"net.{room}.{block}.conv{number}" for block in range(blocks) for number in (1, 2)]
    expected = {f"{name}.{part}" for name in convolutions for part in ("weight", "bias")}
    assert set(DeltaDiff(size="tiny").state_dict()) == expected


@pytest.mark.parametrize("of", [*({"block": block} for block in BLOCKS), {"shared": False}, {"features": "every-step"}])
def test_networks_of_other_ingredients(of: dict[str, Any]):
    lr = picture(2, 3, 5, 6)
    new = DeltaDiff(steps=2, **of)
    with torch.inference_mode():
        torch.testing.assert_close(new(lr), bicubic(lr, 4), atol=1e-6, rtol=0)
    model = with_weights(new)
    again = DeltaDiff(**model.arguments())  # type: ignore[arg-type]
    again.load_state_dict(model.state_dict())
    assert again.arguments() == model.arguments()
    with torch.inference_mode():
        assert torch.equal(again.eval()(lr), model(lr))
    model(lr).mean().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert float(weight.grad.abs().max()) > 0, name
    if of != {"block": "residual"}:
        assert model.net_arguments() != DeltaDiff(steps=2).net_arguments()
        assert not DeltaDiff(steps=2).adopt(model)


def test_each_step_runs_its_own_body():
    model = with_weights(DeltaDiff(steps=2, shared=False))
    lr = picture(1, 3, 5, 6)
    with torch.inference_mode():
        y_0, predict = model.predictor(lr)
        before = [predict(y_0, t) for t in (1, 2)]
        model.net.body[0].conv1.weight.zero_()  # type: ignore[union-attr, operator]
        after = [predict(y_0, t) for t in (1, 2)]
        assert torch.equal(predict(y_0, torch.tensor([2])), after[1])
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert DeltaDiff(steps=2, shared=False).net_arguments() != DeltaDiff(steps=3, shared=False).net_arguments()
    with pytest.raises(SettingError, match="one step for a whole batch"):
        predict(y_0, torch.tensor([1, 2]))


def test_features_of_every_step_see_the_state():
    model = with_weights(DeltaDiff(steps=2, features="every-step"))
    calls: list[Tensor] = []
    hook = model.net.head.register_forward_hook(lambda *_: calls.append(_[2]))
    with torch.inference_mode():
        model(picture(1, 3, 5, 6))
    hook.remove()
    assert len(calls) == 2


def test_networks_of_equal_shape_say_so():
    assert DeltaDiff(steps=2).net_arguments() == DeltaDiff(steps=4, p=1.0).net_arguments()
    assert DeltaDiff().net_arguments() != DeltaDiff(size="small").net_arguments()


@pytest.fixture
def dialled() -> DeltaDiff:
    """A tiny network whose dial turns."""
    torch.manual_seed(0)
    model = DeltaDiff(dial=True, default_fidelity=0.6).eval()
    with torch.no_grad():
        for weight in (model.net.tail.weight, model.net.time.out.weight, model.net.fidelity.out.weight):
            weight.normal_(0, 0.02)
    return model


def test_a_dial_turns_and_rests_at_its_default(dialled: DeltaDiff):
    lr = torch.rand(2, 3, 6, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ends = [dialled(lr, fidelity=wanted) for wanted in (0.0, 1.0)]
        assert not torch.allclose(*ends, atol=1e-3)
        assert torch.equal(dialled(lr), dialled(lr, fidelity=0.6))
        each = dialled(lr, fidelity=torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(each, torch.stack([ends[0][0], ends[1][1]]))


def test_without_a_dial_fidelity_has_no_effect(tiny: DeltaDiff):
    lr = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(tiny(lr), tiny(lr, fidelity=0.0))


def test_a_dial_can_be_given(tiny: DeltaDiff, dialled: DeltaDiff):
    lr = torch.rand(1, 3, 6, 7, generator=torch.Generator().manual_seed(1))
    assert dialled.adopt(tiny)
    with torch.no_grad():
        for wanted in (0.0, 0.5, 1.0):
            torch.testing.assert_close(dialled(lr, fidelity=wanted), tiny(lr))
    assert not DeltaDiff(size="small", dial=True).adopt(tiny)


@pytest.mark.parametrize("has", ["dial", "restoring"])
def test_a_second_dial_can_be_given_whichever_is_there(has: str, tmp_path: Path):
    generator = torch.Generator().manual_seed(2)
    one, both = DeltaDiff(**{has: True}), DeltaDiff(dial=True, restoring=True)
    for parameter in (*one.parameters(), *both.parameters()):
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    lr = torch.rand(2, 3, 6, 7, generator=generator)
    assert not one.adopt(both)
    assert both.adopt(one)
    own, other = ("fidelity", "restoration") if has == "dial" else ("restoration", "fidelity")
    with torch.no_grad():
        for place in (0.0, 0.6):
            for new in (0.0, 1.0):
                torch.testing.assert_close(both(lr, **{own: place, other: new}), one(lr, **{own: place}))
        assert (one(lr, **{own: 0.0}) - one(lr, **{own: 1.0})).abs().max() > 1e-3
    checkpoint.save(both, tmp_path / "both.safetensors")
    assert checkpoint.load(tmp_path / "both.safetensors").restoring


def test_each_picture_of_a_batch_has_its_own_restoration():
    generator = torch.Generator().manual_seed(2)
    model = DeltaDiff(dial=True, restoring=True)
    for parameter in model.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    lr = torch.rand(2, 3, 6, 7, generator=generator)
    with torch.no_grad():
        together = model(lr, restoration=torch.tensor([0.1, 0.9]))
        apart = torch.cat([model(lr[:1], restoration=0.1), model(lr[1:], restoration=0.9)])
        torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)
        assert torch.equal(model(lr), model(lr, restoration=0.0))


@pytest.mark.parametrize("block", BLOCKS)
def test_a_dial_can_be_taken_away_at_its_faithful_end(block: str):
    generator = torch.Generator().manual_seed(1)
    dialled, plain = DeltaDiff(dial=True, block=block), DeltaDiff(block=block)
    for parameter in dialled.parameters():
        parameter.data += 0.02 * torch.randn(parameter.shape, generator=generator)
    lr = torch.rand(1, 3, 6, 7, generator=generator)
    assert plain.adopt(dialled)
    with torch.no_grad():
        torch.testing.assert_close(plain(lr), dialled(lr, fidelity=1.0), atol=1e-4, rtol=0)
        assert (plain(lr) - dialled(lr, fidelity=0.0)).abs().max() > 1e-3
    assert not DeltaDiff(size="small", block=block).adopt(dialled)


def test_arguments_out_of_range_are_named():
    with pytest.raises(ModelError, match="no size 'huge'; choose one of tiny, small, base"):
        DeltaDiff(size="huge")
    with pytest.raises(ModelError, match="no block 'brick'; choose one of residual, leaky, naf"):
        DeltaDiff(block="brick")
    with pytest.raises(ModelError, match="no features 'never'; choose one of once, every-step"):
        DeltaDiff(features="never")
    for scale in (0, 1, 9):
        with pytest.raises(SettingError, match=f"no scale {scale}; .* 2 to 8"):
            DeltaDiff(scale=scale)
    with pytest.raises(SettingError, match=r"no default_fidelity 1\.5; give a number from 0 to 1\."):
        DeltaDiff(dial=True, default_fidelity=1.5)
    with pytest.raises(SettingError, match="no steps 0; give a whole number from 1 to 1000"):
        DeltaDiff(steps=0)
    with pytest.raises(SettingError, match="no option 'sise'; its options are steps, p, "):
        DeltaDiff(sise="tiny")
    with pytest.raises(SettingError, match="eta_1"):
        DeltaDiff(eta_1=math.inf)
