"""Upscaling on a Ray cluster of two nodes, each a raylet with processes of its own, and from and to an object store."""

from __future__ import annotations

import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs Ray (make test-cluster)")
pytest.importorskip("upath", reason="needs universal_pathlib (make test-cluster)")
pytest.importorskip("s3fs", reason="needs s3fs (make test-cluster)")
pytest.importorskip("moto", reason="needs moto's server (make test-cluster)")

from moto.server import ThreadedMotoServer
from ray.cluster_utils import Cluster

from deltasr.cli import main
from deltasr.distribution.cluster import cluster_pool
from deltasr.distribution.places import place
from deltasr.distribution.settings import UpscalerSettings
from deltasr.errors import SettingError
from deltasr.imaging import Picture, encode_picture
from deltasr.inference.batch import Request

PATIENCE = 300.0
NODE: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """An S3 bucket on this machine, whose address is in the environment of this process and the cluster's."""
    with pytest.MonkeyPatch.context() as patch:
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
        server.start()
        host, port = server.get_host_and_port()
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "NO_PROXY": host,
            "RAY_USAGE_STATS_ENABLED": "0",
        }.items():
            patch.setenv(name, value)
        place("s3://pictures").mkdir()
        yield "s3://pictures"
        server.stop()


@pytest.fixture(scope="module")
def cluster(store: str) -> Iterator[Cluster]:
    """A head node and, while a test runs, another."""
    found = Cluster(
        initialize_head=True,
        head_node_args={
            **NODE,
            "include_dashboard": False,
            "_system_config": {"health_check_period_ms": 500, "health_check_failure_threshold": 3},
        },
    )
    yield found
    found.shutdown()


@pytest.fixture
def second(cluster: Cluster) -> Iterator[Any]:
    node = cluster.add_node(**NODE, num_gpus=1)
    yield node
    if node in cluster.worker_nodes:
        cluster.remove_node(node)


def _picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 20, 3), dtype=np.uint8)
    return encode_picture(Picture(pixels=pixels))


def _upscale(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["upscale", *map(str, arguments), "--tile", "64", "--device", "cpu"])
    return int(exit_.value.code or 0)


def _statuses(ledger: Path) -> dict[str, list[str]]:
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    return {Path(line["source"]).name: [o["status"] for o in lines if o["source"] == line["source"]] for line in lines}


@pytest.mark.timeout(PATIENCE)
def test_the_bytes_order_and_messages_of_one_machine(
    cluster: Cluster, second: Any, tmp_path: Path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("in/deep").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.png", "deep/c.png", "d.png")):
        Path("in", name).write_bytes(_picture(number))
    Path("in/bad.png").write_bytes(b"nothing")
    assert _upscale("in", "-o", "one") == 1
    expected = capsys.readouterr()
    assert _upscale("in", "-o", "many", "--cluster", cluster.address) == 1
    printed = capsys.readouterr()
    results = [file.relative_to("one") for file in sorted(Path("one").rglob("*.png"))]
    assert len(results) == 4
    assert [Path("many", file).read_bytes() == Path("one", file).read_bytes() for file in results] == [True] * 4
    shown = [line.partition(" (")[0].replace("many", "one") for line in printed.out.splitlines()[:-1]]
    assert shown == [line.partition(" (")[0] for line in expected.out.splitlines()[:-1]]
    assert printed.out.splitlines()[-1].startswith("4 done, 0 skipped, 1 failed; ")
    assert printed.err.startswith("deltasr: ")
    assert printed.err.count("\n") == expected.err.count("\n") == 1
    assert "in/bad.png is not a PNG" in printed.err


@pytest.mark.timeout(PATIENCE)
def test_a_node_that_dies_half_way_loses_nothing_and_does_nothing_twice(cluster: Cluster, second: Any, tmp_path: Path):
    """Both workers read from named pipes when one of them goes with its node."""
    source, target = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pipes = [source / name for name in ("a.png", "b.png")]
    for pipe in pipes:
        os.mkfifo(pipe)
    for number in range(6):
        (source / f"c{number}.png").write_bytes(_picture(number))
    killed, over = threading.Event(), threading.Event()

    def kill_and_feed() -> None:
        writers: dict[Path, int] = {}
        while len(writers) < len(pipes) and not over.wait(0.05):
            for pipe in set(pipes) - writers.keys():  # of which each holds a worker
                with suppress(OSError):
                    writers[pipe] = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        cluster.remove_node(second, allow_graceful=False)
        killed.set()
        while writers or not over.wait(0.1):  # the first time what is open, and then what is opened again
            for pipe in pipes:
                if pipe not in writers:
                    with suppress(OSError):
                        writers[pipe] = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            for writer in writers.values():
                with suppress(OSError):
                    os.write(writer, _picture(9))
                os.close(writer)
            writers.clear()

    thread = threading.Thread(target=kill_and_feed)
    thread.start()
    options = ("--model", "nearest", "--ledger", tmp_path / "run.jsonl", "--cluster", cluster.address)
    try:
        assert _upscale(source, "-o", target, *options) == 0
    finally:
        over.set()
        thread.join()
    assert killed.is_set()
    names = [pipe.name for pipe in pipes] + [f"c{number}.png" for number in range(6)]
    assert sorted(file.name for file in target.iterdir() if not file.name.startswith(".")) == sorted(names)
    assert _statuses(tmp_path / "run.jsonl") == {name: ["done"] for name in names}


@pytest.mark.timeout(PATIENCE)
def test_an_object_store(cluster: Cluster, second: Any, store: str, tmp_path: Path, capsys, monkeypatch):
    folder, near = place(f"{store}/in"), tmp_path / "in"
    for number, name in enumerate(("a.png", "b.png", "deep/c.png")):
        (folder / name).write_bytes(_picture(number))
        (near / name).parent.mkdir(parents=True, exist_ok=True)
        (near / name).write_bytes(_picture(number))
    (folder / "bad.png").write_bytes(b"nothing")
    (folder / "readme.txt").write_bytes(b"text")
    options = ("--cluster", cluster.address, "--ledger", tmp_path / "run.jsonl", "--map", "determined")
    assert _upscale(f"{store}/in", "-o", f"{store}/out", *options) == 1
    printed = capsys.readouterr()
    assert _upscale(near, "-o", tmp_path / "out", "--map", "determined") == 0
    results = sorted(file.relative_to(tmp_path / "out").as_posix() for file in (tmp_path / "out").rglob("*.png"))
    assert len(results) == 9
    out = place(f"{store}/out")
    assert all((out / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in results)
    assert f"{store}/in/deep/c.png -> {store}/out/deep/c.png (80x96, " in printed.out
    assert "3 done, 0 skipped, 1 failed, 1 not pictures; " in printed.out
    assert printed.err.startswith(f"deltasr: {store}/in/bad.png is not a PNG")

    (folder / "new.png").write_bytes(_picture(7))
    (folder / "bad.png").write_bytes(_picture(8))
    looked = Counter[str]()
    exists = type(out).exists
    monkeypatch.setattr(type(out), "exists", lambda self: looked.update([self.name]) or exists(self))
    capsys.readouterr()
    assert _upscale(f"{store}/in", "-o", f"{store}/out", "--skip-existing", *options) == 0
    assert "2 done, 3 skipped, 0 failed" in capsys.readouterr().out
    assert set(looked) & {"a.png", "b.png", "c.png"} == set()  # the ledger is enough
    counts = Counter(status for found in _statuses(tmp_path / "run.jsonl").values() for status in found)
    assert counts == {"done": 5, "failed": 1}


@pytest.mark.timeout(PATIENCE)
def test_several_workers_share_a_gpu(cluster: Cluster, second: Any):
    """The node says that it has a GPU; nothing is computed on it."""

    def pool(**asked: Any) -> Any:
        settings = UpscalerSettings(model="nearest", device="cpu")
        given = {"workers": None, "cpus": 0, "gpus": 0.25, "jobs": 9, "settled": lambda job: None, **asked}
        return cluster_pool(settings, Request(), address=cluster.address, replace_maps=False, **given)

    with pool() as found:
        assert found.size == 4
        assert found.note() is None
    with pool(gpus=None, cpus=1) as found:  # the device is not a GPU
        assert found.size == 2
    with pytest.raises(SettingError, match="No machine of the cluster has 1 CPUs and 2 GPUs"), pool(cpus=1, gpus=2):
        pass


def test_there_is_no_cluster(tmp_path: Path, capsys):
    (tmp_path / "a.png").write_bytes(_picture(0))
    assert _upscale(tmp_path / "a.png", "-o", tmp_path / "b.png", "--cluster", "127.0.0.1:1") == 1
    error = capsys.readouterr().err
    assert error.startswith("deltasr: There is no Ray cluster at 127.0.0.1:1")
    assert error.count("\n") == 1
