"""Other people's weights, as far as they go without spandrel, and with one that stands in for it."""

from __future__ import annotations

import builtins
import copy
import os
import pickle
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from deltasr.cli import main
from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue, checkpoint
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.external import External


@dataclass
class Needs:
    minimum: int = 0
    multiple_of: int = 4
    square: bool = True


@dataclass
class Descriptor:
    """What spandrel says of a model, and a call that takes one picture and writes into it."""

    model: nn.Module = field(default_factory=lambda: nn.Conv2d(3, 12, 1))
    architecture: Any = field(default_factory=lambda: types.SimpleNamespace(name="Twice"))
    purpose: str = "SR"
    tags: tuple[str, ...] = ("2nf", "1nb")
    scale: int = 2
    input_channels: int = 3
    output_channels: int = 3
    size_requirements: Needs = field(default_factory=Needs)
    tiling: Any = field(default_factory=lambda: types.SimpleNamespace(name="SUPPORTED"))
    supports_half: bool = True
    supports_bfloat16: bool = True

    def __call__(self, image: Tensor) -> Tensor:
        assert image.shape[0] == 1
        result = torch.sigmoid(nn.functional.pixel_shuffle(self.model(image), 2))
        image.zero_()
        return result


@pytest.mark.parametrize(("tiling", "tiled"), [("SUPPORTED", True), ("DISCOURAGED", False), ("INTERNAL", False)])
def test_what_spandrel_says_of_tiles_is_heeded(tiling: str, tiled: bool):
    assert External(Descriptor(tiling=types.SimpleNamespace(name=tiling)), name="theirs").tiled is tiled


@pytest.mark.parametrize(
    ("half", "bfloat16", "dtypes"),
    [
        (True, True, ("float32", "bfloat16", "float16")),
        (False, True, ("float32", "bfloat16")),
        (True, False, ("float32", "float16")),
        (False, False, ("float32",)),
    ],
)
def test_what_spandrel_says_of_dtypes_is_heeded(half: bool, bfloat16: bool, dtypes: tuple[str, ...]):
    model = External(Descriptor(supports_half=half, supports_bfloat16=bfloat16), name="theirs")
    assert model.dtypes == dtypes


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "theirs.pth"
    torch.save({"params": {"first.weight": torch.ones(3)}}, path)
    return path


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Puts a module in spandrel's place, whose loader returns what it is given or raises it."""

    class UnsupportedModelError(Exception):
        pass

    def put(answer: Any) -> None:
        class ModelLoader:
            def load_from_state_dict(self, state: dict[str, Any]) -> Any:
                if answer is None:
                    raise UnsupportedModelError
                if isinstance(answer, Exception):
                    raise answer
                return answer

        module = types.ModuleType("spandrel")
        vars(module).update(
            ModelLoader=ModelLoader, UnsupportedModelError=UnsupportedModelError, __version__="0.0-stand-in"
        )
        monkeypatch.setitem(sys.modules, "spandrel", module)

    return put


def complaint(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        catalogue.load(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_spandrel_the_sentence_says_how_to_get_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(SystemExit) as exit_:
        main(["info", str(weights)])
    assert exit_.value.code == 1
    assert capsys.readouterr().err == (
        f"deltasr: {weights} is not a deltasr checkpoint, and other models need spandrel: "
        "pip install -e '.[interop]'.\n"
    )


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("operator torchvision::nms does not exist"),
        ModuleNotFoundError("No module named 'einops'", name="einops"),
    ],
)
def test_a_spandrel_that_cannot_be_imported_is_told_with_the_reason(
    weights: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
):
    def fails(name: str, *rest: Any) -> Any:
        if name == "spandrel":
            raise error
        return importer(name, *rest)

    importer = builtins.__import__
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.setattr(builtins, "__import__", fails)
    said = complaint(weights)
    assert said.startswith(f"spandrel is installed but cannot be imported ({error}); ")
    assert "torchvision" in said


def test_a_model_becomes_one_of_ours(weights: Path, stand_in: Callable[[Any], None]):
    descriptor = Descriptor()
    stand_in(descriptor)
    model = catalogue.load(weights)
    assert isinstance(model, External)
    assert (model.name, model.description) == ("theirs", "Twice x2 2nf 1nb")
    assert (model.scale, model.receptive_field, model.consistent, model.training) == (2, None, False, False)
    needs = model.size_requirements
    assert (needs.minimum, needs.multiple_of, needs.square) == (1, 4, True)
    assert set(model.state_dict()) == {"net.weight", "net.bias"}


def test_batches_go_one_by_one_and_stay_as_they_are(weights: Path, stand_in: Callable[[Any], None]):
    stand_in(Descriptor())
    model = catalogue.load(weights)
    lr = torch.rand(3, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    kept = lr.clone()
    with torch.inference_mode():
        result = model(lr)
        assert torch.equal(result, torch.cat([model(one) for one in lr.split(1)]))
    assert result.shape == (3, 3, 8, 8)
    assert torch.equal(lr, kept)


def test_what_it_prints_for_info(weights: Path, stand_in: Callable[[Any], None], capsys: pytest.CaptureFixture[str]):
    stand_in(Descriptor())
    with pytest.raises(SystemExit) as exit_:
        main(["info", str(weights)])
    assert not exit_.value.code
    assert capsys.readouterr().out.startswith("theirs: Twice x2 2nf 1nb\nscale 2, 48 parameters, ")


@pytest.mark.parametrize(
    ("descriptor", "said"),
    [
        (Descriptor(input_channels=1, output_channels=1), "Twice model from 1 to 1 channels; only models from RGB"),
        (Descriptor(input_channels=4, output_channels=4), "Twice model from 4 to 4 channels; only models from RGB"),
        (Descriptor(purpose="Inpainting"), "Twice model for Inpainting; only models that upscale or restore"),
        (Descriptor(purpose="FaceSR"), "Twice model for FaceSR; only models that upscale or restore"),
    ],
)
def test_models_of_other_kinds_are_refused(
    weights: Path, stand_in: Callable[[Any], None], descriptor: Descriptor, said: str
):
    stand_in(descriptor)
    assert complaint(weights).startswith(f"{weights} is a {said}")


def test_unknown_weights_are_named_by_their_first_entry(weights: Path, stand_in: Callable[[Any], None]):
    stand_in(None)
    assert complaint(weights) == (
        f"spandrel 0.0-stand-in recognises no architecture with the entries of {weights}, which begin with "
        "'first.weight'."
    )


@pytest.mark.parametrize("net", ["swin_unet_tiny", "vq_f4_tiny"])
@pytest.mark.parametrize("without", [True, False], ids=["without spandrel", "with spandrel"])
def test_half_of_a_published_model_is_sent_to_import(
    tmp_path: Path,
    reference: Any,
    stand_in: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
    net: str,
    without: bool,
):
    path = tmp_path / "half.pth"
    state = {f"module.{name}": weight for name, weight in reference.weights(net).items()}
    torch.save({"state_dict": state} if net == "vq_f4_tiny" else state, path)
    stand_in(None)
    if without:
        monkeypatch.setitem(sys.modules, "spandrel", None)
    part = "a VQ autoencoder" if net == "vq_f4_tiny" else "a ResShift denoiser"
    assert complaint(path) == (
        f"{path} is {part} as published, half of a model; make one checkpoint of the two files by deltasr import."
    )


def test_weights_that_do_not_fit_give_the_reason_in_one_line(weights: Path, stand_in: Callable[[Any], None]):
    stand_in(RuntimeError("Error(s) in loading state_dict:\n\tMissing key(s): " + "'a.weight', " * 99))
    said = complaint(weights)
    assert said.startswith(f"spandrel cannot build the model in {weights} (Error(s) in loading state_dict: Missing")
    assert said.endswith(" ...).")
    assert len(said) < 300 + len(str(weights))


@pytest.mark.parametrize("name", ["theirs.safetensors", "theirs"])
def test_safetensors_without_our_header_go_to_spandrel(tmp_path: Path, stand_in: Callable[[Any], None], name: str):
    stand_in(Descriptor())
    save_file({"first.weight": torch.ones(3)}, tmp_path / name)
    assert isinstance(catalogue.load(tmp_path / name), External)


@pytest.mark.parametrize("name", ["mine.safetensors", "mine.pth", "mine"])
def test_our_checkpoints_do_not(tmp_path: Path, stand_in: Callable[[Any], None], name: str):
    stand_in(AssertionError("asked spandrel"))
    checkpoint.save(DeltaDiff(), tmp_path / name)
    assert isinstance(catalogue.load(tmp_path / name), DeltaDiff)


class Deletes:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.unlink, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_does_not_run(tmp_path: Path, stand_in: Callable[[Any], None], zipped: bool):
    stand_in(Descriptor())
    victim, path = tmp_path / "victim", tmp_path / "theirs.pth"
    victim.write_bytes(b"")
    torch.save({"params": Deletes(victim)}, path, _use_new_zipfile_serialization=zipped)
    assert complaint(path) == f"{path} is not a PyTorch file that holds nothing but weights; download it again."
    assert victim.exists()


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["program.pt", "program.pth"])
def test_programs_are_not_loaded(tmp_path: Path, stand_in: Callable[[Any], None], name: str):
    stand_in(Descriptor())
    torch.jit.trace(nn.Conv2d(3, 3, 1), torch.zeros(1, 3, 2, 2)).save(tmp_path / name)
    assert "is a TorchScript program, which is not run" in complaint(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_files_that_hold_no_weights(tmp_path: Path, stand_in: Callable[[Any], None], content: bytes):
    stand_in(Descriptor())
    path = tmp_path / "theirs.pth"
    path.write_bytes(content)
    assert complaint(path).startswith(f"{path} is ")


@pytest.mark.parametrize("content", [torch.ones(3), [torch.ones(3)], {}, {1: torch.ones(3)}])
def test_files_that_hold_no_names(tmp_path: Path, stand_in: Callable[[Any], None], content: Any):
    stand_in(Descriptor())
    torch.save(content, tmp_path / "theirs.pth")
    assert complaint(tmp_path / "theirs.pth").endswith("holds no state dict; it should map names to tensors.")


def test_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"There is no checkpoint at .*gone\.pth"):
        catalogue.load(tmp_path / "gone.pth")


def test_what_spandrel_builds_is_no_larger_than_the_file(weights: Path, monkeypatch: pytest.MonkeyPatch):
    """The sizes it concludes from the names and shapes of a file need not be those of the file's weights."""

    class ModelLoader:
        def load_from_state_dict(self, state: Any) -> Any:
            return nn.Sequential(*(nn.Linear(1000, 1000) for _ in range(10**6)))

    module = types.ModuleType("spandrel")
    module.__version__, module.ModelLoader, module.UnsupportedModelError = "0", ModelLoader, KeyError
    monkeypatch.setitem(sys.modules, "spandrel", module)
    assert "they ask for more weights than the file holds" in complaint(weights)


def test_a_first_name_is_found_in_files_that_hold_themselves(weights: Path, stand_in: Callable[[Any], None]):
    content: dict[str, Any] = {}
    content["params"] = content
    torch.save(content, weights)
    stand_in(None)
    assert "begin with 'params'" in complaint(weights)


def test_a_copy_has_weights_of_its_own_and_pickling_says_why_not():
    model = External(Descriptor(), name="theirs").eval()
    again = copy.deepcopy(model)
    lr = torch.rand(1, 3, 4, 4)
    expected = model(lr.clone())
    with torch.no_grad():
        model.net.weight.zero_()
    assert torch.equal(again(lr.clone()), expected)
    assert not torch.equal(model(lr.clone()), expected)
    assert not again.training
    with pytest.raises(
        ModelError, match=r"theirs cannot be pickled, .*; load its file by deltasr\.load where it is needed"
    ):
        pickle.dumps(model)
