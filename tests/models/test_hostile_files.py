"""Files made to take memory, time or a terminal: one sentence each, before anything of their size is built."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from deltasr.errors import CheckpointError, DeltasrError
from deltasr.models import catalogue, checkpoint
from deltasr.models.autoencoder import Autoencoder
from deltasr.models.deltadiff import DeltaDiff
from deltasr.models.pytorch_file import read_tensors
from deltasr.models.resshift import ResShift
from deltasr.models.rrdb import Rrdb

DENOISER = {"model_channels": 32, "channel_mult": [1, 1], "num_res_blocks": [1, 1], "swin_embed_dim": 32}
VQ = {"widths": [32, 32], "blocks": 1, "codes": 16}

ABSURD_WHOLE = [0, -1, 10**6, 10**9, 10**30, 1.5, True, None, "4", [4], {"a": 4}]
ABSURD = [-1, 10**9, 1e308, "4", [4], {"a": 4}]

HOSTILE: list[tuple[str, dict[str, Any]]] = [
    *[("deltadiff", {"steps": value}) for value in ABSURD_WHOLE],
    *[("deltadiff", {"scale": value}) for value in ABSURD_WHOLE],
    *[("deltadiff", {name: value}) for name in ("p", "eta_1", "eta_T", "default_fidelity") for value in ABSURD],
    *[("deltadiff", {name: 2}) for name in ("dial", "restoring", "consistent", "shared", "size", "block", "features")],
    ("deltadiff", {"steps": 1000, "shared": False, "size": "base"}),
    ("deltadiff", {"size": "\x1b[2J\n" * 1000}),
    ("deltadiff", {"\x1b[2J": 1}),
    *[("rrdb", {name: value}) for name in ("blocks", "width") for value in ABSURD_WHOLE],
    ("rrdb", {"blocks": 128, "width": 8192}),
    *[("resshift", {"kappa": value}) for value in ABSURD],
    *[("resshift", {"eta": value}) for value in (None, [], [0], [0, 2], [0, -1], 5, "x", [0] * 10**5, [[0], [1]])],
    *[("resshift", {"first_stage": value}) for value in (None, 5, "x" * 10**6, ["vq"])],
    *[
        ("resshift", {"denoiser": DENOISER | {name: value}})
        for name in (
            "in_channels", "lq_channels", "out_channels", "model_channels", "swin_embed_dim", "swin_depth",
            "num_head_channels", "window_size", "mlp_ratio",
        )
        for value in ABSURD_WHOLE
        if value is not None or name not in ("in_channels", "out_channels")  # where None is the first stage's
    ],
    *[("resshift", {"denoiser": DENOISER | {"image_size": value}}) for value in (0, 10**9, "64")],
    *[("resshift", {"denoiser": DENOISER | {"dropout": value}}) for value in ABSURD],
    *[
        ("resshift", {"denoiser": DENOISER | {name: value}})
        for name in ("channel_mult", "num_res_blocks")
        for value in (None, 5, [], [10**9], [1] * 10**4, [0, 0], [-1, 1], [1.5, 1], [1] * 3, ["1", "1"], [256] * 8)
    ],
    ("resshift", {"denoiser": DENOISER | {"swin_embed_dim": 8192, "model_channels": 8192}}),
    ("resshift", {"denoiser": 5}),
    ("resshift", {"autoencoder": {"widths": [10**9]}}),
    ("resshift", {"first_stage": "vq", "autoencoder": VQ}),
    *[
        ("vq", {"autoencoder": VQ | {"widths": value}})
        for value in (5, [], [10**9], [32] * 1000, [0], [-32, 32], [8192] * 8)
    ],
    *[
        ("vq", {"autoencoder": VQ | {name: value}})
        for name in ("blocks", "latent_channels", "codes")
        for value in ABSURD_WHOLE
    ],
    ("vq", {"autoencoder": [1]}),
    ("\x1b[2J" * 1000, {}),
]  # fmt: skip


def small_models() -> dict[str, Callable[[], Any]]:
    return {
        "deltadiff": DeltaDiff,
        "rrdb": lambda: Rrdb(blocks=1, width=8),
        "resshift": lambda: ResShift(first_stage="pixel-unshuffle", denoiser=DENOISER),
        "vq": lambda: Autoencoder(autoencoder=VQ),
    }


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A sound checkpoint of an architecture."""
    folder, models = tmp_path_factory.mktemp("sound"), small_models()

    def of(architecture: str) -> Path:
        if architecture == "vq":
            pytest.importorskip("diffusers")
        path = folder / f"{architecture}.safetensors"
        if not path.exists():
            checkpoint.save(models[architecture](), path)
        return path

    return of


def with_text(source: Path, target: Path, text: str) -> Path:
    """A checkpoint's weights under another deltasr header."""
    content = source.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    outer = json.loads(content[8 : 8 + length])
    outer["__metadata__"]["deltasr"] = text
    head = json.dumps(outer).encode()
    target.write_bytes(struct.pack("<Q", len(head)) + head + content[8 + length :])
    return target


def header_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return json.loads(json.loads(content[8 : 8 + struct.unpack("<Q", content[:8])[0]])["__metadata__"]["deltasr"])


def refusal(path: Path, load: Callable[[Path], object] = catalogue.load) -> str:
    """The one sentence with which a file is refused."""
    with pytest.raises(DeltasrError) as caught:
        load(path)
    text = str(caught.value)
    assert text.isprintable()
    assert text.endswith(".")
    assert len(text) < 500 + 2 * len(str(path))
    assert str(path) in text
    return text


@pytest.mark.parametrize(
    ("architecture", "arguments"), HOSTILE, ids=lambda value: str(value)[:40].encode("unicode_escape").decode()
)
def test_absurd_headers_are_refused_in_one_sentence(
    weights: Callable[[str], Path], tmp_path: Path, architecture: str, arguments: dict[str, Any]
):
    source = weights(architecture if architecture in small_models() else "rrdb")
    header = header_of(source)
    header["arguments"] = header["arguments"] | arguments
    header["architecture"] = architecture
    path = with_text(source, tmp_path / "hostile.safetensors", json.dumps(header))
    refusal(path)


HEADER = '{"architecture": "%s", "arguments": {%s}, "name": "a", "description": ""}'

TEXTS = {
    "deep lists": "[" * 100_000,
    "deep objects": '{"a":' * 100_000,
    "deep but whole": HEADER % ("rrdb", '"blocks": ' + "[" * 900 + "]" * 900),
    "5,000 digits": HEADER % ("rrdb", '"blocks": ' + "9" * 5000),
    "5,000 digits of the format": '{"format": ' + "9" * 5000 + "}",
    "30 digits of the format": '{"format": ' + "9" * 30 + "}",
    "NaN": HEADER % ("resshift", '"kappa": NaN'),
    "infinity": HEADER % ("resshift", '"kappa": 1e999'),
    "half a pair": HEADER % ("\\ud800", ""),
    "no object": "5",
    "other types": '{"architecture": 5, "arguments": [], "name": {}, "description": null}',
}


def test_brackets_in_texts_are_no_nesting(weights: Callable[[str], Path], tmp_path: Path):
    header = header_of(weights("rrdb")) | {"description": 'a "[' * 100, "training": {"[[" * 100: "{" * 100}}
    path = with_text(weights("rrdb"), tmp_path / "brackets.safetensors", json.dumps(header))
    assert catalogue.load(path).description == ('a "[' * 100)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_malformed_headers_are_refused_in_one_sentence(weights: Callable[[str], Path], tmp_path: Path, text: str):
    refusal(with_text(weights("rrdb"), tmp_path / "hostile.safetensors", text))


WITHIN_A_LIMIT = """
import resource, sys
import torch
from deltasr.errors import DeltasrError
from deltasr.models import catalogue
catalogue.load("rrdb-x4")
taken = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (taken + (600 << 20),) * 2)
for path in sys.argv[1:]:
    try:
        catalogue.load(path)
    except DeltasrError as error:
        print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc and limits of the address space")
def test_the_worst_take_little_memory(weights: Callable[[str], Path], tmp_path: Path):
    """Within 600 MiB beside the libraries, where a network as the header asks for takes 9 GiB and more."""
    worst = {
        "rrdb": [{"blocks": 128, "width": 1024}, {"blocks": 1, "width": 8000}, {"blocks": 10**9}],
        "deltadiff": [{"steps": 10**9}, {"steps": 1000, "shared": False, "size": "base"}],
        "resshift": [
            {"denoiser": DENOISER | {"window_size": 32, "swin_depth": 128}},
            {"denoiser": DENOISER | {"model_channels": 4096}},
        ],
    }
    paths = []
    for architecture, cases in worst.items():
        source = weights(architecture)
        for number, arguments in enumerate(cases):
            header = header_of(source)
            header["arguments"] = header["arguments"] | arguments
            path = tmp_path / f"{architecture}-{number}.safetensors"
            paths.append(str(with_text(source, path, json.dumps(header))))
    done = subprocess.run([sys.executable, "-c", WITHIN_A_LIMIT, *paths], capture_output=True, text=True)
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert [line.split(" in the header of ")[1].split()[0] for line in said] == paths


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("../../elsewhere", "elsewhere"),
        ("..", "checkpoint"),
        ("/etc/passwd", "etc-passwd"),
        ("a\\b", "a-b"),
        ("C:evil", "C-evil"),
        ("\x1b[31mred\x1b[0m\n", "[31mred-[0m"),
        ("n" * 5000, "n" * 100),
        ("", "checkpoint"),
        ("mine, 2nd try (é)", "mine, 2nd try (é)"),
    ],
)
def test_names_are_made_fit_for_files(weights: Callable[[str], Path], tmp_path: Path, name: str, plain: str):
    header = header_of(weights("rrdb")) | {"name": name, "description": "\x1b]0;title\x07one\r\ntwo " + "x" * 10**5}
    path = with_text(weights("rrdb"), tmp_path / "named.safetensors", json.dumps(header))
    model = catalogue.load(path)
    assert model.name == checkpoint.read_header(path).name == plain
    assert model.description.startswith("]0;title one two xxx")
    assert model.description.isprintable()
    assert len(model.description) < 600


def test_names_of_entries_do_not_reach_the_terminal(weights: Callable[[str], Path], tmp_path: Path):
    source = weights("rrdb")
    state = checkpoint.load(source).state_dict()
    header = json.dumps(header_of(source))
    save_file(state | {"\x1b[2J\n": torch.zeros(1)}, tmp_path / "entry.safetensors", metadata={"deltasr": header})
    assert "has no place in it" in refusal(tmp_path / "entry.safetensors")


def test_a_default_device_of_torch_does_not_take_the_weights(weights: Callable[[str], Path], tmp_path: Path):
    path = weights("rrdb")
    torch.save(checkpoint.load(path).state_dict(), tmp_path / "plain.pth")
    torch.set_default_device("meta")
    try:
        model = catalogue.load(path)
        tensors = read_tensors(tmp_path / "plain.pth")
    finally:
        torch.set_default_device(None)
    assert {tensor.device.type for tensor in (*model.parameters(), *model.buffers(), *tensors.values())} == {"cpu"}


def test_loading_draws_in_no_symbolic_mathematics():
    """What building on torch's meta device would import, at over a second for each start."""
    code = "import sys, deltasr; deltasr.load('deltadiff-x4'); print('sympy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def _bomb(path: Path) -> None:
    torch.save({"weight": torch.zeros(8)}, path)
    with zipfile.ZipFile(path) as archive:
        entries = {entry: archive.read(entry) for entry in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, bytes(1 << 26) if name.endswith("data/0") else content)


def _cycle(path: Path) -> None:
    content: dict[str, Any] = {}
    content["params"] = content
    torch.save(content, path)


def _deep(path: Path) -> None:
    path.write_bytes(b"\x80\x02" + b"}X\x01\x00\x00\x00a" * 50_000 + b"}" + b"s" * 50_000 + b".")


def _many(path: Path) -> None:
    weight = torch.zeros(1 << 20)
    torch.save({f"layer.{number}.weight": weight[:] for number in range(200)}, path)


PYTORCH_FILES: dict[str, Callable[[Path], None]] = {
    "compressed": _bomb,
    "expanded": lambda path: torch.save({"weight": torch.zeros(1).expand(10**12)}, path),
    "the same many times": _many,
    "meta": lambda path: torch.save({"weight": torch.empty(10**12, device="meta")}, path),
    "sparse": lambda path: torch.save({"weight": torch.eye(3).to_sparse()}, path),
    "sparse in a list": lambda path: torch.save({"a": [{"b": torch.eye(3).to_sparse()}]}, path),
    "a cycle": _cycle,
    "deep": _deep,
    "a number": lambda path: torch.save(10**5000, path),
    "a function": lambda path: path.write_bytes(pickle.dumps(os.getcwd)),
}


@pytest.mark.filterwarnings("ignore:Sparse")
@pytest.mark.parametrize("write", PYTORCH_FILES.values(), ids=PYTORCH_FILES)
def test_hostile_pytorch_files_are_refused_in_one_sentence(tmp_path: Path, write: Callable[[Path], None]):
    path = tmp_path / "hostile.pth"
    write(path)
    refusal(path)


def test_shared_and_wrapped_weights_are_no_offence(tmp_path: Path):
    weight = torch.ones(300, 300)
    torch.save({"state_dict": {"a": weight, "b": weight, "c": weight.T}, "epoch": 3}, tmp_path / "tied.pth")
    assert set(read_tensors(tmp_path / "tied.pth")["state_dict"]) == {"a", "b", "c"}


def test_refusals_of_checkpoints_are_checkpoint_errors(weights: Callable[[str], Path], tmp_path: Path):
    path = with_text(weights("rrdb"), tmp_path / "hostile.safetensors", TEXTS["deep lists"])
    with pytest.raises(CheckpointError, match=r"is damaged \(it is nested more than 50 levels deep\)\."):
        checkpoint.read_header(path)
