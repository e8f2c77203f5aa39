"""What children find out of runtimes on this machine, also those that crash, hang or lie."""

from __future__ import annotations

import sys

import pytest

from deltasr.engines import trial
from deltasr.engines.choice import RUNTIMES
from deltasr.models import catalogue

BEGIN = """
import os, signal, sys, time
import numpy as np
from deltasr.engines import child
from deltasr.models.sessions import OnnxRuntimeSession
run = OnnxRuntimeSession.run
"""
END = "\nchild.main()\n"
DIES = "os.kill(os.getpid(), signal.SIGILL)"
KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
HANGS = "time.sleep(600)"
OFF = "OnnxRuntimeSession.run = lambda self, arrays: run(self, arrays) + np.float32(0.01)"
NO_NUMBERS = "OnnxRuntimeSession.run = lambda self, arrays: run(self, arrays) * np.float32('nan')"
ANOTHER_SIZE = "OnnxRuntimeSession.run = lambda self, arrays: run(self, arrays)[..., 1:]"
RANDOM = "OnnxRuntimeSession.run = lambda self, arrays: run(self, arrays) + 1e-5 * np.random.random()"
DIES_LATER = """
made = 0
def counted(self, arrays):
    global made
    made += 1
    if made > 7:
        os.kill(os.getpid(), signal.SIGILL)
    return run(self, arrays)
OnnxRuntimeSession.run = counted
"""


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch):
    """Puts a child with a fault in the true one's place."""

    def use(code: str) -> None:
        monkeypatch.setattr(trial, "COMMAND", [sys.executable, "-P", "-c", BEGIN + code + END])

    return use


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_true_runtime_is_right_and_timed(runtime, small_net, exported_small_net):
    pytest.importorskip(runtime)
    found = trial.try_all(small_net, exported_small_net.content, [runtime])
    assert list(found) == ["torch", runtime]
    assert found[runtime].fault == ""
    assert 0 <= found[runtime].levels < 0.01
    assert 0 < found[runtime].seconds < 60
    assert 0 < found["torch"].seconds < 60


def test_bfloat16_may_be_some_levels_off(small_net, exported_small_net, bf16):
    pytest.importorskip("openvino")
    found = trial.try_all(small_net, exported_small_net.content, ["openvino"], dtype="bfloat16")["openvino"]
    assert found.fault == ""
    assert 0 < found.levels < 16


@pytest.mark.parametrize(
    ("code", "why", "lasting"),
    [
        (DIES, "SIGILL", True),
        (KILLED, "SIGKILL", False),
        (OFF, "levels of 255 off torch", True),
        (NO_NUMBERS, "nan levels", True),
        (ANOTHER_SIZE, "another size", True),
        (RANDOM, "differ from run to run", True),
        (DIES_LATER, "SIGILL", True),
    ],
    ids=["dies", "killed", "off", "no numbers", "another size", "random", "dies later"],
)
def test_a_runtime_with_a_fault_is_not_to_be_used(code, why, lasting, fault, small_net, exported_small_net):
    fault(code)
    found = trial.try_all(small_net, exported_small_net.content, ["onnxruntime"])
    assert why in found["onnxruntime"].fault
    assert found["onnxruntime"].seconds is None
    assert found["onnxruntime"].lasting is lasting
    assert found["torch"].seconds > 0


def test_a_runtime_that_hangs_is_not_to_be_used(fault, small_net, exported_small_net, monkeypatch):
    fault(HANGS)
    monkeypatch.setattr(trial, "PATIENCE", 1.0)
    assert trial.try_all(small_net, exported_small_net.content, ["onnxruntime"])["onnxruntime"].fault == "it hangs"


def test_one_that_dies_leaves_the_others(fault, small_net, exported_small_net):
    pytest.importorskip("openvino")
    fault(f"if sys.argv[1] == 'openvino':\n    {DIES}\n")
    found = trial.try_all(small_net, exported_small_net.content, RUNTIMES)
    assert found["openvino"].fault == "SIGILL"
    assert found["onnxruntime"].seconds > 0


def test_a_file_that_a_runtime_cannot_load_is_its_fault(small_net):
    found = trial.try_all(small_net, b"no network", ["onnxruntime"])["onnxruntime"]
    assert "cannot load the network" in found.fault
    assert found.lasting


def test_without_a_python_to_start_nothing_is_used(small_net, exported_small_net, monkeypatch, tmp_path):
    monkeypatch.setattr(trial, "COMMAND", [str(tmp_path / "absent")])
    found = trial.try_all(small_net, exported_small_net.content, ["onnxruntime"])["onnxruntime"]
    assert (found.fault, found.lasting) == ("FileNotFoundError", False)


def test_files_of_the_package_are_tried_by_the_result_that_they_hold(fault):
    model = catalogue.exported_network("deltadiff-x4", "onnxruntime")
    found = trial.try_package(model, ["onnxruntime"])["onnxruntime"]
    assert (found.fault, found.lasting) == ("", True)
    assert 0 <= found.levels < 0.1
    assert found.seconds > 0
    fault(OFF)
    assert "levels of 255 off torch" in trial.try_package(model, ["onnxruntime"])["onnxruntime"].fault
