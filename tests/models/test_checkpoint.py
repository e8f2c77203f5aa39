"""Checkpoints: everything comes back, nothing half-written shows, and every bad file has its sentence."""

from __future__ import annotations

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from deltasr.errors import CheckpointError
from deltasr.models.checkpoint import build, load, read_header, save
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.interpolation import Interpolation


def model(**arguments: Any) -> DeltaDiff:
    """A DeltaDiff that is not the one a fresh network would be."""
    torch.manual_seed(0)
    result = DeltaDiff(**arguments)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in result.parameters():
            weight.add_(0.02 * torch.randn(weight.shape, generator=generator))
    return result.eval()


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    save(model(), path, training={"images": 320, "recipe": {"loss": "l1"}})
    return path


def rewritten(path: Path, **changes: object) -> Path:
    """The file with other values in its deltasr header."""
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + length])
    outer["__metadata__"]["deltasr"] = json.dumps(json.loads(outer["__metadata__"]["deltasr"]) | changes)
    head = json.dumps(outer).encode()
    path.write_bytes(struct.pack("<Q", len(head)) + head + content[8 + length :])
    return path


def complaint(path: Path) -> str:
    """The sentence with which `load` refuses a file."""
    with pytest.raises(CheckpointError) as error:
        load(path)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert str(path) in sentence
    return sentence


@pytest.mark.parametrize(
    "arguments", [{}, {"scale": 2, "steps": 3, "p": 0.7, "eta_1": 0.02, "eta_T": 1.0}, {"size": "small"}]
)
def test_a_model_comes_back_as_it_was(tmp_path: Path, arguments: dict[str, Any]):
    before = model(**arguments)
    before.name, before.description = "mine", "a model of my own"
    path = tmp_path / "model.safetensors"
    save(before, path)
    after = load(path)
    lr = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(after(lr), before(lr))
    assert isinstance(after, DeltaDiff)
    assert after.arguments() == before.arguments()
    assert (after.name, after.description, after.scale) == (before.name, before.description, before.scale)
    assert not after.training


def test_the_header_tells_everything(saved: Path):
    header = read_header(saved)
    assert header.architecture == "deltadiff"
    assert header.arguments == DeltaDiff().arguments()
    assert header.name == "deltadiff-tiny-x4"
    assert header.description == DeltaDiff().description
    assert header.training == {"images": 320, "recipe": {"loss": "l1"}}
    assert header.format == 1


def test_the_header_needs_no_weights(saved: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("weights were read")

    monkeypatch.setattr("safetensors.torch.load_file", refuse)
    monkeypatch.setattr(DeltaDiff, "load_state_dict", refuse)
    assert isinstance(build(read_header(saved), "here"), DeltaDiff)


def test_the_format_on_disk_is_stable(saved: Path):
    """What checkpoints in circulation look like: one JSON text under one key of the safetensors metadata."""
    content = saved.read_bytes()
    metadata = json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"]
    assert set(metadata) == {"deltasr"}
    assert json.loads(metadata["deltasr"]) == {
        "architecture": "deltadiff",
        "arguments": {
            "size": "tiny", "scale": 4, "steps": 4, "p": 0.3, "eta_1": 0.01, "eta_T": 0.99,
            "dial": False, "default_fidelity": 1.0, "restoring": False, "consistent": True,
            "block": "residual", "shared": True, "features": "once",
        },
        "name": "deltadiff-tiny-x4",
        "description": DeltaDiff().description,
        "training": {"images": 320, "recipe": {"loss": "l1"}},
        "format": 1,
    }  # fmt: skip


def test_the_same_model_gives_the_same_bytes(tmp_path: Path):
    save(model(), tmp_path / "plain")
    save(model().to(memory_format=torch.channels_last), tmp_path / "channels_last")  # type: ignore[call-overload]
    assert (tmp_path / "plain").read_bytes() == (tmp_path / "channels_last").read_bytes()


def test_other_weights_can_be_written_under_the_same_names(tmp_path: Path):
    average = {name: 2 * tensor for name, tensor in model().state_dict().items()}
    save(model(), tmp_path / "average", state=average)
    for name, tensor in load(tmp_path / "average").state_dict().items():
        assert torch.equal(tensor, average[name])


@pytest.mark.parametrize("state", [{}, {"module.net.head.weight": torch.zeros(1)}])
def test_weights_of_something_else_are_not_written(tmp_path: Path, state: dict[str, torch.Tensor]):
    with pytest.raises(CheckpointError, match=r"was not written, .*'net\.head\.weight' is missing"):
        save(model(), tmp_path / "model.safetensors", state=state)
    assert not list(tmp_path.iterdir())


def test_a_model_without_a_format_is_not_written(tmp_path: Path):
    with pytest.raises(CheckpointError, match="Interpolation models cannot be saved"):
        save(Interpolation(method="bicubic"), tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_alone(saved: Path, monkeypatch: pytest.MonkeyPatch):
    before = saved.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"cannot be written: No space left on device\."):
        save(model(), saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_missing_files_are_named(tmp_path: Path):
    assert complaint(tmp_path / "no.safetensors").startswith("There is no checkpoint at ")


@pytest.mark.parametrize("keep", [0, 7, 200, -1])
def test_cut_files_are_named(saved: Path, keep: int):
    saved.write_bytes(saved.read_bytes()[:keep])
    assert "is not a readable safetensors file" in complaint(saved)


def test_other_files_are_named(tmp_path: Path):
    (tmp_path / "text.safetensors").write_text("not weights at all, just a text that goes on for a while")
    assert "is not a readable safetensors file" in complaint(tmp_path / "text.safetensors")
    (tmp_path / "folder").mkdir()
    assert "is not a readable safetensors file" in complaint(tmp_path / "folder")


class Trap:
    """Unpickling it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_pickles_are_refused_and_never_run(tmp_path: Path, by_torch: bool):
    path, trap = tmp_path / "model.safetensors", Trap(tmp_path / "sprung")
    if by_torch:
        torch.save({"trap": trap}, path)
    else:
        path.write_bytes(pickle.dumps(trap))
    assert "is not a readable safetensors file" in complaint(path)
    assert not (tmp_path / "sprung").exists()


def test_safetensors_of_others_are_named(tmp_path: Path):
    path = tmp_path / "other.safetensors"
    save_file({"weight": torch.zeros(2)}, path)
    assert "has no deltasr header" in complaint(path)
    save_file({"weight": torch.zeros(2)}, path, metadata={"format": "pt"})
    assert "has no deltasr header" in complaint(path)


@pytest.mark.parametrize("header", ["", "{", "[]", '{"architecture": "deltadiff"}', '{"format": "two"}'])
def test_damaged_headers_are_named(tmp_path: Path, header: str):
    path = tmp_path / "damaged.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"deltasr": header})
    assert "The header of " in complaint(path)
    assert "is damaged" in complaint(path)


def test_newer_formats_ask_for_an_update(tmp_path: Path, saved: Path):
    assert "written by a newer deltasr (format 2, not 1); update deltasr" in complaint(rewritten(saved, format=2))
    path = tmp_path / "next.safetensors"
    save_file({"weight": torch.zeros(2)}, path, metadata={"deltasr": '{"format": 7, "all": "else differs"}'})
    assert "written by a newer deltasr (format 7, not 1)" in complaint(path)


def test_unknown_architectures_ask_for_an_update(saved: Path):
    sentence = complaint(rewritten(saved, architecture="deltadiff3d"))
    assert "holds a 'deltadiff3d' model, which this version of deltasr does not have; update deltasr" in sentence


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"size": "huge"}, "no size 'huge'"),
        ({"size": ["tiny"]}, "size: expected `str`, got `array`"),
        ({"scale": 99}, "no scale 99"),
        ({"steps": 0}, "no steps 0; give a whole number from 1 to 1000"),
        ({"steps": "four"}, "steps: expected `int`, got `str`"),
        ({"widht": 4}, "no option 'widht'; its options are "),
    ],
)
def test_arguments_that_do_not_fit_are_named(saved: Path, arguments: dict[str, object], reason: str):
    sentence = complaint(rewritten(saved, arguments=arguments))
    assert sentence.startswith(f"The arguments in the header of {saved} do not fit its model (")
    assert reason in sentence


def test_weights_that_do_not_fit_are_named(saved: Path):
    sentence = complaint(rewritten(saved, arguments={"size": "small"}))
    assert sentence == (
        f"The weights in {saved} do not fit its model: "
        "'net.head.weight' has the shape (48, 3, 3, 3), not (64, 3, 3, 3)."
    )


def test_missing_and_surplus_weights_are_named(tmp_path: Path, saved: Path):
    from safetensors import safe_open

    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
    weights = model().state_dict()
    tail = weights.pop("net.tail.bias")
    path = tmp_path / "other.safetensors"
    save_file(weights, path, metadata=metadata)
    assert complaint(path).endswith("do not fit its model: 'net.tail.bias' is missing.")
    save_file(weights | {"net.tail.bias": tail, "net.tale": tail.clone()}, path, metadata=metadata)
    assert complaint(path).endswith("do not fit its model: 'net.tale' has no place in it.")


def test_headers_written_before_there_was_a_dial_are_read(tmp_path: Path):
    from safetensors.torch import save_file

    arguments = {"size": "tiny", "scale": 4, "steps": 4, "p": 0.3, "eta_1": 0.01, "eta_T": 0.99}
    header = {
        "architecture": "deltadiff", "arguments": arguments, "name": "old", "description": "", "training": {},
        "format": 1,
    }  # fmt: skip
    weights = {name: tensor.contiguous() for name, tensor in model().state_dict().items()}
    save_file(weights, tmp_path / "old.safetensors", metadata={"deltasr": json.dumps(header)})
    loaded = load(tmp_path / "old.safetensors")
    assert isinstance(loaded, DeltaDiff)
    assert not loaded.dial
    assert loaded.consistent
    lr = torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded(lr), model()(lr))
