"""Which engine runs a model: what is remembered, what `auto` takes, and what is refused."""

from __future__ import annotations

import copy
import sys
import threading
from pathlib import Path

import msgspec
import pytest
import torch

from deltasr import user_cache
from deltasr.engines import choice, trial
from deltasr.engines.trial import Verdict
from deltasr.errors import ModelError, SettingError
from deltasr.inference.upscaler import Upscaler
from deltasr.models import catalogue
from deltasr.models.exported import ExportedModel
from deltasr.models.interface import ModelInterface

CPU = torch.device("cpu")
RIGHT = {"torch": Verdict(seconds=1.0), "onnxruntime": Verdict(seconds=0.6), "openvino": Verdict(seconds=0.5)}


@pytest.fixture
def tried(monkeypatch, exported_small_net):
    """Puts verdicts in the trial's place, with all packages there, and counts the trials."""
    trials = []

    def use(**changes: Verdict):
        def answer(model, content, runtimes, *, dtype):
            trials.append((tuple(runtimes), dtype))
            return {name: verdict for name, verdict in (RIGHT | changes).items() if name in (*runtimes, "torch")}

        monkeypatch.setattr(trial, "try_all", answer)
        monkeypatch.setattr("deltasr.engines.export.export", lambda model: exported_small_net)
        return trials

    return use


@pytest.fixture
def absent(monkeypatch):
    """Takes packages away."""

    def take(*names: str) -> None:
        monkeypatch.setattr(choice, "installed", lambda name: None if name in names else "1.0")

    return take


def test_auto_is_the_fastest(tried, small_net):
    pytest.importorskip("openvino")
    tried()
    model, note = choice.run_by(small_net, "auto", device=CPU)
    assert isinstance(model, ExportedModel)
    assert (model.runtime, note) == ("openvino", None)


def test_auto_passes_over_one_that_crashes(tried, small_net):
    tried(openvino=Verdict(fault="SIGILL"))
    model, note = choice.run_by(small_net, "auto", device=CPU)
    assert (model.runtime, note) == ("onnxruntime", None)


def test_auto_is_torch_where_nothing_else_is_right(tried, absent, small_net):
    tried(openvino=Verdict(fault="SIGILL"), onnxruntime=Verdict(fault="it hangs"))
    absent()
    model, note = choice.run_by(small_net, "auto", device=CPU)
    assert model is small_net
    assert note == "torch runs the network (ONNX Runtime: it hangs; OpenVINO: SIGILL)"


def test_auto_is_torch_where_others_gain_little(tried, small_net):
    tried(openvino=Verdict(seconds=0.95), onnxruntime=Verdict(seconds=2.0))
    assert choice.run_by(small_net, "auto", device=CPU)[0] is small_net


def test_auto_is_torch_where_nothing_else_is_installed(tried, absent, small_net):
    trials = tried()
    absent(*choice.RUNTIMES)
    model, note = choice.run_by(small_net, "auto", device=CPU)
    assert model is small_net
    assert "neither ONNX Runtime nor OpenVINO is installed" in note
    assert trials == []


def test_auto_is_torch_for_a_model_that_cannot_be_exported(small_net):
    noisy = copy.deepcopy(small_net)
    noisy.stochastic = True
    model, note = choice.run_by(noisy, "auto", device=CPU)
    assert model is noisy
    assert "draws noise" in note


def test_auto_is_torch_on_a_gpu(small_net):
    assert choice.run_by(small_net, "auto", device=torch.device("meta")) == (small_net, None)


def test_an_answer_is_remembered_by_later_processes(tried, small_net, monkeypatch, cache):
    trials = tried()
    first = choice.verdicts(small_net)
    assert choice.verdicts(small_net) == first
    monkeypatch.setattr(choice, "_known", {})
    assert choice.verdicts(small_net) == first
    assert len(trials) == 1
    assert (cache / "engines.json").exists()
    choice.verdicts(small_net, refresh=True)
    assert len(trials) == 2


def test_other_weights_types_threads_and_versions_are_other_questions(tried, small_net, monkeypatch):
    pytest.importorskip("openvino")
    trials = tried()
    other = copy.deepcopy(small_net)
    other.first.bias.data[0] += 1
    choice.verdicts(small_net)
    choice.verdicts(other)
    choice.verdicts(small_net, dtype="bfloat16")
    assert trials[-1] == (("openvino",), "bfloat16")
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    choice.verdicts(small_net)
    monkeypatch.setattr(choice, "installed", lambda name: "99")
    choice.verdicts(small_net)
    assert len(trials) == 5


def test_a_child_that_someone_else_ended_is_not_remembered(tried, small_net, cache):
    tried(onnxruntime=Verdict(fault="SIGKILL", lasting=False))
    choice.verdicts(small_net)
    assert not (cache / "engines.json").exists()


def test_a_network_is_exported_once(tried, small_net, exported_small_net, monkeypatch, cache):
    tried()
    made = []
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: made.append(model) or exported_small_net)
    assert choice.exported(small_net).content == choice.exported(small_net).content == exported_small_net.content
    assert choice.exported(small_net).header == exported_small_net.header
    assert len(made) == 1
    choice.exported(small_net, refresh=True)
    assert len(made) == 2
    assert len(list((cache / "exported").iterdir())) == 1


def test_without_a_home_folder_a_network_is_exported_each_time(small_net, exported_small_net, monkeypatch):
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", home)
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: exported_small_net)
    assert choice.exported(small_net).content == choice.exported(small_net, refresh=True).content


def test_few_exported_networks_are_kept(tried, small_net, monkeypatch, cache):
    tried()
    monkeypatch.setattr(choice, "_KEPT", 2)
    for shift in range(4):
        other = copy.deepcopy(small_net)
        other.first.bias.data[0] += shift
        choice.exported(other)
    assert len(list((cache / "exported").iterdir())) == 2


def test_an_engine_that_was_asked_for_and_fails_is_told(tried, small_net):
    tried(onnxruntime=Verdict(fault="SIGILL"))
    with pytest.raises(ModelError, match=r"ONNX Runtime does not run the model small-net.*SIGILL.*torch"):
        choice.run_by(small_net, "onnxruntime", device=CPU)


@pytest.mark.parametrize("engine", choice.RUNTIMES)
def test_a_missing_package_is_named(engine, absent, small_net):
    absent(engine)
    with pytest.raises(ModelError, match=f"pip install {engine}"):
        choice.run_by(small_net, engine, device=CPU)


def test_unknown_engines_devices_and_types_are_refused(small_net):
    for engine in ("tensorrt", "", 3):
        with pytest.raises(SettingError, match="auto, torch, onnxruntime, openvino"):
            choice.run_by(small_net, engine, device=CPU)
    with pytest.raises(SettingError, match="not on meta"):
        choice.run_by(small_net, "onnxruntime", device=torch.device("meta"))
    with pytest.raises(SettingError, match="does not compute in bfloat16"):
        choice.run_by(small_net, "onnxruntime", device=CPU, dtype="bfloat16")


def test_a_file_in_8_bits_is_tried_before_it_is_used(exported_small_net, monkeypatch, cache):
    header = msgspec.structs.replace(exported_small_net.header, weights="int8")
    file = ExportedModel(exported_small_net.content, header, runtime="onnxruntime")
    assert choice.run_by(file, "torch", device=CPU)[0] is file
    assert (cache / "engines.json").exists()
    monkeypatch.setattr(trial, "COMMAND", ["python-that-dies"])
    assert choice.run_by(file, "torch", device=CPU)[0] is file
    monkeypatch.setattr(
        trial, "COMMAND", [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]
    )
    other = ExportedModel(
        exported_small_net.content + b"", msgspec.structs.replace(header, name="b"), runtime="onnxruntime"
    )
    with pytest.raises(ModelError, match=r"does not run b in 8 bits on this machine \(SIGILL\)"):
        choice.run_by(other, "torch", device=CPU)


def test_an_exported_file_changes_hands(exported_small_net):
    pytest.importorskip("openvino")
    file = ExportedModel(exported_small_net.content, exported_small_net.header, runtime="onnxruntime")
    assert choice.run_by(file, "torch", device=CPU)[0] is file
    assert choice.run_by(file, "openvino", device=CPU)[0].runtime == "openvino"


def test_a_file_computes_in_bfloat16_by_openvino_where_that_is_asked_for(exported_small_net, tmp_path, bf16):
    pytest.importorskip("openvino")
    path = tmp_path / "mine.onnx"
    path.write_bytes(exported_small_net.content)
    file = catalogue.load(path)
    with pytest.raises(SettingError, match="in bfloat16; choose one of float32, or the engine openvino"):
        Upscaler(file, dtype="bfloat16", device="cpu")
    with pytest.raises(SettingError, match="in float16; choose one of float32, bfloat16"):
        Upscaler(file, dtype="float16", device="cpu", engine="openvino")
    upscaler = Upscaler(file, dtype="bfloat16", device="cpu", engine="openvino")
    assert (upscaler.model.runtime, upscaler.model.dtype) == ("openvino", "bfloat16")
    exact = Upscaler(file, device="cpu", engine="openvino")
    lr = torch.rand(3, 9, 8, generator=torch.Generator().manual_seed(0))
    off = abs(upscaler.upscale(lr).pixels.astype(int) - exact.upscale(lr).pixels).max() / 257  # of 16 bits
    assert 0 < off <= trial.LEVELS["bfloat16"]


def test_a_file_is_tried_in_bfloat16_before_it_is_used(exported_small_net, monkeypatch):
    pytest.importorskip("openvino")
    file = ExportedModel(exported_small_net.content, exported_small_net.header, runtime="onnxruntime")
    monkeypatch.setattr(
        trial, "COMMAND", [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGILL)"]
    )
    with pytest.raises(ModelError, match=r"run small-net in bfloat16 on this machine \(SIGILL\); use float32"):
        choice.run_by(file, "openvino", device=CPU, dtype="bfloat16")
    assert choice.run_by(file, "openvino", device=CPU)[0].dtype == "float32"


@pytest.fixture
def of_package(monkeypatch):
    """The default model as where torch is not installed, and what puts verdicts in the trial's place."""
    trials = []

    def use(**found: Verdict) -> ExportedModel:
        def answer(model, runtimes, *, dtype):
            trials.append((model.name, dtype))
            return {name: verdict for name, verdict in found.items() if name in runtimes}

        monkeypatch.setattr(trial, "try_package", answer)
        return catalogue.exported_network(catalogue.DEFAULT)

    use.trials = trials
    return use


def test_a_file_of_the_package_is_run_by_the_fastest(of_package):
    pytest.importorskip("openvino")
    model = of_package(onnxruntime=Verdict(seconds=0.6), openvino=Verdict(seconds=0.5))
    for engine in (None, "auto"):
        assert choice.run_by(model, engine, device=CPU)[0].runtime == "openvino"
    assert choice.run_by(model, "onnxruntime", device=CPU)[0].runtime == "onnxruntime"
    assert of_package.trials == [("deltadiff-x4", "float32")]


def test_a_file_of_the_package_is_run_by_what_is_right(of_package):
    pytest.importorskip("openvino")
    model = of_package(onnxruntime=Verdict(seconds=0.6), openvino=Verdict(fault="SIGILL"))
    assert choice.run_by(model, None, device=CPU)[0].runtime == "onnxruntime"
    with pytest.raises(ModelError, match=r"OpenVINO does not run the model deltadiff-x4 rightly .*\(SIGILL\)"):
        choice.run_by(model, "openvino", device=CPU)


def test_where_nothing_runs_a_file_of_the_package_the_reasons_are_told(of_package):
    model = of_package(onnxruntime=Verdict(fault="it hangs"))
    with pytest.raises(ModelError, match=r"Nothing that is installed .*\(ONNX Runtime: it hangs\); pip install torch"):
        choice.run_by(model, None, device=CPU)


def test_a_file_of_the_package_needs_no_export_and_no_gpu(of_package, monkeypatch):
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: pytest.fail("exported"))
    default = catalogue.load()
    assert choice.exported(default).content == of_package().files[0]
    changed = catalogue.load()
    next(changed.parameters()).data += 1
    with pytest.raises(pytest.fail.Exception, match="exported"):
        choice.exported(changed)
    with pytest.raises(SettingError, match="runs on the CPU here, not on meta"):
        choice.run_by(of_package(), None, device=torch.device("meta"))


def test_torch_is_named_where_it_is_asked_for_and_not_installed(of_package, monkeypatch):
    model = of_package(onnxruntime=Verdict(seconds=0.6))
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match="The engine torch needs PyTorch, which is not installed: pip install torch"):
        choice.run_by(model, "torch", device=CPU)


def test_other_peoples_files_stay_with_onnx_runtime():
    class Foreign(ModelInterface):
        takes_arrays, name = True, "foreign"

    model = Foreign()
    for engine in (None, "auto", "torch", "onnxruntime"):
        assert choice.run_by(model, engine, device=CPU) == (model, None)
    with pytest.raises(ModelError, match="foreign is run by ONNX Runtime"):
        choice.run_by(model, "openvino", device=CPU)


def test_another_process_trial_is_waited_for_and_taken_over(monkeypatch, small_net, exported_small_net):
    """Its lock is held by this thread, as another process would."""
    monkeypatch.setattr(trial, "try_all", lambda *_, **__: pytest.fail("the other process has tried it"))
    monkeypatch.setattr("deltasr.engines.export.export", lambda model: exported_small_net)
    found = []
    with user_cache.alone("engines"):
        waiting = threading.Thread(target=lambda: found.append(choice.verdicts(small_net)))
        waiting.start()
        waiting.join(timeout=0.3)
        assert (waiting.is_alive(), found) == (True, [])
        user_cache.remember("engines.json", choice._key(small_net, "float32"), RIGHT)
    waiting.join()
    assert found == [RIGHT]
