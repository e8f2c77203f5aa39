"""ONNX Runtime and OpenVINO behind one call: what their failures become, and that torch is not needed."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from deltasr.errors import CheckpointError, ModelError
from deltasr.models import catalogue
from deltasr.models.sessions import OnnxRuntimeSession, OpenvinoSession

pytest.importorskip("onnxruntime", reason="needs the extra onnx")

ARRAYS = {
    "lr": np.zeros((1, 3, 4, 4), np.float32),
    "fidelity": np.ones(1, np.float32),
    "restoration": np.zeros(1, np.float32),
}


LARGE = ARRAYS | {"lr": np.random.default_rng(0).random((1, 3, 96, 96), np.float32)}
"""For which ONNX Runtime has the dials as constants."""


def failing(error: Exception):
    def fail(*arguments):
        raise error

    return SimpleNamespace(run=fail, get_outputs=lambda: [SimpleNamespace(name="sr")])


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (RuntimeError("Failed to allocate memory for requested buffer of size 99"), MemoryError),
        (RuntimeError("std::bad_alloc"), MemoryError),
        (MemoryError(), MemoryError),
        (RuntimeError("the shapes do not fit"), ModelError),
    ],
    ids=str,
)
def test_running_out_of_memory_is_told_from_other_failures(error, becomes, exported_small_net):
    """An `Upscaler` takes smaller tiles then."""
    session = OnnxRuntimeSession(exported_small_net.content, source="mine.onnx", threads=1)
    session.session = failing(error)
    with pytest.raises(becomes, match=r"mine\.onnx failed in ONNX Runtime"):
        session.run(ARRAYS)


def test_inputs_that_do_not_fit_are_told(exported_small_net):
    sessions = [OnnxRuntimeSession(exported_small_net.content, source="mine", threads=1)]
    pytest.importorskip("openvino")
    sessions.append(OpenvinoSession(exported_small_net.content, source="mine", threads=1))
    for session in sessions:
        assert session.run(ARRAYS).shape == (1, 3, 8, 8)
        with pytest.raises(ModelError, match="mine failed") as caught:
            session.run(ARRAYS | {"lr": np.zeros((1, 4, 4, 4), np.float32)})
        assert "\n" not in str(caught.value)


def test_large_pictures_come_out_as_parts_of_them_do_wherever_the_dials_stand(exported_small_net):
    """Parts are small, and run by a session that has the dials as inputs."""
    session = OnnxRuntimeSession(exported_small_net.content, source="mine", threads=1)
    lr = np.random.default_rng(0).random((3, 3, 96, 97), np.float32)
    for fidelity, restoration in (([0.1, 0.1, 0.1], [0, 0, 0]), ([0.2, 0.9, 0.2], [1, 0, 1])):
        dials = {"fidelity": np.array(fidelity, np.float32), "restoration": np.array(restoration, np.float32)}
        whole, again = session.run({"lr": lr} | dials), session.run({"lr": lr} | dials)
        part = session.run({"lr": lr[..., 30:60]} | dials)
        np.testing.assert_allclose(whole[..., 70:110], part[..., 10:50], rtol=0, atol=1e-5)
        assert np.array_equal(whole, again)


def test_sessions_stay_open_for_the_places_of_the_dials_in_the_last_run_alone(exported_small_net, monkeypatch):
    """Each keeps the memory that it ran in."""
    session = OnnxRuntimeSession(exported_small_net.content, source="mine", threads=1)
    opened: list[int] = []
    open_ = session._open
    monkeypatch.setattr(session, "_open", lambda content: opened.append(len(content)) or open_(content))
    two = {name: np.repeat(values, 2, axis=0) for name, values in LARGE.items()}
    picture_and_alpha = two | {"restoration": np.array([0.5, 0], np.float32)}
    for arrays, openings in ((LARGE, 1), (LARGE, 1), (two, 1), (picture_and_alpha, 2), (picture_and_alpha, 2)):
        session.run(arrays)
        assert len(opened) == openings
    session.run(LARGE)
    assert len(opened) == 2
    session.run(picture_and_alpha)
    assert len(opened) == 3


@pytest.mark.parametrize(("runtime", "kind"), [("onnxruntime", OnnxRuntimeSession), ("openvino", OpenvinoSession)])
def test_outputs_are_made_by_name_and_the_first_by_itself(runtime, kind):
    """A network of the package with two outputs."""
    pytest.importorskip(runtime)
    model = catalogue.exported_network("deltadiff-x4", runtime)
    session = kind(model.files[0], source="mine", threads=1)
    features, result = session.run_for(ARRAYS, ["features", "sr"])
    assert features.shape[2:] == (4, 4)
    assert np.array_equal(result, session.run(ARRAYS))
    with pytest.raises(ModelError, match="mine failed"):
        session.run_for(ARRAYS, ["other"])


def test_openvino_computes_no_output_that_nobody_asked_for():
    """An output of the features takes time, even where nobody reads it."""
    pytest.importorskip("openvino")
    session = OpenvinoSession(catalogue.exported_network("deltadiff-x4", "openvino").files[0], source="it", threads=1)
    session.run(ARRAYS)
    assert [len(compiled.outputs) for compiled in session._compiled.values()] == [1]


def test_files_that_are_none_are_told():
    session = OnnxRuntimeSession(b"none", source="mine", threads=1)
    with pytest.raises(CheckpointError, match="ONNX Runtime cannot load mine"):
        session.run(ARRAYS)
    with pytest.raises(CheckpointError, match="mine is no ONNX file"):
        session.run(LARGE)
    pytest.importorskip("openvino")
    with pytest.raises(CheckpointError, match="OpenVINO cannot load mine"):
        OpenvinoSession(b"none", source="mine", threads=1)


def test_torch_is_not_loaded():
    asked = "import sys, deltasr.engines.child; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "False\n"


SIGNALLED = """
import faulthandler, os, signal, sys
from pathlib import Path
from deltasr.models.sessions import OpenvinoSession

faulthandler.enable()  # on a stack of its own, which OpenVINO replaces
content = Path(sys.argv[1]).read_bytes()
first = OpenvinoSession(content, source="it", threads=1)
second = OpenvinoSession(content, source="it", threads=1)
del first
del second
signal.signal(signal.SIGUSR1, lambda number, frame: print("handled"))
os.kill(os.getpid(), signal.SIGUSR1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself a signal there")
def test_a_signal_after_the_last_session_of_openvino_is_handled(exported_small_net, tmp_path):
    pytest.importorskip("openvino")
    network = tmp_path / "network.onnx"
    network.write_bytes(exported_small_net.content)
    done = subprocess.run([sys.executable, "-c", SIGNALLED, network], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "handled\n")
