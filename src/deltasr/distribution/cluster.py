"""Workers on the machines of a Ray cluster. Places of files travel to them, never pixels."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any, cast

from deltasr.distribution.places import is_remote
from deltasr.distribution.pool import Pool, WorkerEndedError
from deltasr.distribution.settings import UpscalerSettings
from deltasr.distribution.worker import Upscaling
from deltasr.errors import DeltasrError, ModelError, SettingError, reason
from deltasr.inference.batch import Request
from deltasr.planning import Job, Outcome

_PATIENCE = 10.0
"""Seconds to wait for an answer from the address of a cluster."""


@contextmanager
def cluster_pool(
    settings: UpscalerSettings,
    request: Request,
    *,
    address: str,
    workers: int | None,
    cpus: float,
    gpus: float | None,
    jobs: int,
    settled: Callable[[Job], Outcome | None],
    replace_maps: bool,
) -> Iterator[Pool]:
    """A pool of workers on a Ray cluster, which this process leaves at the end of the `with`.

    Args:
        settings, request: for all workers. A `device` of `auto` is a GPU where workers have some of one.
        address: of the cluster, HOST:PORT; `auto` for the one that this machine belongs to.
        workers: how many; None for as many as fit. Those that do not fit wait for machines to join.
        cpus, gpus: what each of them reserves; a fraction of a GPU lets several share it. None for a whole GPU where
            the cluster has some, or else none.
        jobs: how many pictures there are; there are not more workers.
        settled, replace_maps: as `Pool` takes them.

    Raises:
        ModelError: Ray is not installed.
        SettingError: there is no cluster at that address, or no machine in it has what a worker reserves.
    """
    try:
        import ray
    except ImportError as error:
        raise ModelError("A cluster needs Ray: pip install -e '.[ray]'.") from error
    try:
        _reach(address)
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except (OSError, RuntimeError, ValueError) as error:
        raise SettingError(
            f"There is no Ray cluster at {address} ({reason(error)}); start one by `ray start --head`."
        ) from error
    try:
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if gpus is None:
            gpus = float(settings.device != "cpu" and any("GPU" in machine for machine in machines))
        if settings.device == "auto" and not gpus:
            settings = replace(settings, device="cpu")
        fit = sum(_fitting(machine, cpus, gpus) for machine in machines)
        if workers is None and not fit:
            raise SettingError(
                f"No machine of the cluster has {cpus:g} CPUs and {gpus:g} GPUs for a worker; ask for less."
            )
        start = partial(RayWorker, settings, request, cpus=cpus, gpus=gpus)
        with Pool([start] * max(1, min(workers or fit, jobs)), settled=settled, replace_maps=replace_maps) as pool:
            yield pool
    finally:
        ray.shutdown()


class RayWorker:
    """A `Worker` on any machine of the cluster that has room for it."""

    def __init__(self, settings: UpscalerSettings, request: Request, *, cpus: float, gpus: float) -> None:
        """Ask for it, with so many CPUs and GPUs."""
        import ray

        actor = cast(Any, ray.remote(_Actor)).options(num_cpus=cpus, num_gpus=gpus)
        self._actor = actor.remote(settings, request, threads=max(1, int(cpus)))

    def ready(self) -> str | None:
        return cast("str | None", _answer(self._actor.load.remote()))

    def work(self, job: Job, *, replace_maps: bool) -> Outcome:
        absolute = Job(source=_everywhere(job.source), target=_everywhere(job.target))
        outcome = cast(Outcome, _answer(self._actor.outcome.remote(absolute, replace_maps)))
        return replace(outcome, source=job.source, target=outcome.target and job.target)

    def kill(self) -> None:
        import ray

        with suppress(ray.exceptions.RayError, ValueError):
            ray.kill(self._actor)

    def close(self) -> None:
        """Nothing: the cluster frees what an actor had."""


class _Actor:
    """The process on a machine of the cluster; errors for the user are answers, so that they arrive as they are."""

    def __init__(self, settings: UpscalerSettings, request: Request, *, threads: int) -> None:
        self._make = partial(Upscaling, settings, request, threads=threads)

    def load(self) -> str | DeltasrError | None:
        try:
            self._upscaling = self._make()
        except DeltasrError as error:
            return error
        return self._upscaling.note

    def outcome(self, job: Job, replace_maps: bool) -> Outcome | DeltasrError:
        try:
            return self._upscaling.outcome(job, replace_maps=replace_maps)
        except DeltasrError as error:
            return error


def _answer(reference: Any) -> object:
    """What an actor answers.

    Raises:
        WorkerEndedError: it died, its machine did, or it met with an error that is not for the user.
        DeltasrError: this was its answer.
    """
    import ray

    try:
        answer = ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise WorkerEndedError(f"{type(error.cause).__name__}: {reason(error.cause)}") from error
    except ray.exceptions.RayError as error:
        raise WorkerEndedError(reason(error)) from error
    if isinstance(answer, DeltasrError):
        raise answer
    return answer


def _reach(address: str) -> None:
    """Make sure that something listens at HOST:PORT; Ray itself would wait for that for minutes.

    Raises:
        OSError: nothing does.
    """
    host, separator, port = address.rpartition(":")
    if separator and port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()


def _fitting(machine: dict[str, float], cpus: float, gpus: float) -> int:
    """How many workers a machine has room for."""
    rooms = [machine.get(name, 0.0) / share for name, share in (("CPU", cpus), ("GPU", gpus)) if share > 0]
    return int(min(rooms, default=1) + 1e-9)


def _everywhere(path: Any) -> Any:
    """A path as other processes have to name it."""
    return path if is_remote(path) else path.absolute()
