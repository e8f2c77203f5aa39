"""Which program runs a model's network on this machine: torch, or one that gives the same results faster."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, cast

from deltasr import processor, user_cache
from deltasr.arguments import shown
from deltasr.devices import require_torch
from deltasr.engines import trial
from deltasr.engines.inputs import sample
from deltasr.engines.trial import Verdict
from deltasr.errors import ModelError, OutputError, SettingError
from deltasr.files import write_whole
from deltasr.models import catalogue
from deltasr.models.array_interpolation import ArrayInterpolation
from deltasr.models.exported import ExportedModel
from deltasr.models.interface import ModelInterface
from deltasr.models.sessions import TITLES

if TYPE_CHECKING:
    from deltasr.devices import Device
    from deltasr.engines.export import Exported
    from deltasr.models.base import Model

RUNTIMES = tuple(TITLES)
ENGINES = ("auto", "torch", *RUNTIMES)
"""The programs that can run a network; `auto` is the fastest whose results were right when it was tried."""

_WORTH_IT = 0.9
"""`auto` takes another engine than torch if it needs at most this share of torch's time."""

_FILE, _TRIAL = "engines.json", "engines"
_FOLDER = "exported"
_KEPT = 20
"""Exported networks that stay in the user's cache folder."""

_known: dict[str, dict[str, Verdict]] = {}


def require_engine(engine: object) -> None:
    """Make sure that there is an engine of a name.

    Raises:
        SettingError: there is none.
    """
    if engine not in ENGINES:
        raise SettingError(f"There is no engine '{shown(engine)}'; choose one of {', '.join(ENGINES)}.")


def require_dtype(model: ModelInterface, engine: str | None, dtype: str) -> None:
    """Make sure that a model computes in a type, by the engine that is asked for.

    Raises:
        SettingError: it does not.
    """
    by_engine = isinstance(model, ExportedModel) and engine in RUNTIMES
    dtypes = supported(cast(str, engine)) if by_engine else model.dtypes
    if dtype in dtypes:
        return
    other = ", or the engine openvino" if isinstance(model, ExportedModel) and dtype in supported("openvino") else ""
    raise SettingError(f"The model {model.name} does not compute in {dtype}; choose one of {', '.join(dtypes)}{other}.")


def run_by(
    model: ModelInterface, engine: str | None, *, device: Device, dtype: str = "float32"
) -> tuple[ModelInterface, str | None]:
    """A model whose network an engine runs, with all the promises of the one it is made of.

    An engine other than torch is tried first, once for a machine, versions and model (`verdicts`).

    Args:
        model: any model, on the CPU or a GPU.
        engine: one of `ENGINES`; None for what the model is made for, which is torch for all but files.
        device: where torch would run it.
        dtype: what it is to compute in.

    Returns:
        The model, which is `model` itself for torch; and a sentence where `auto` is torch for want of another.

    Raises:
        SettingError: there is no such engine, or it has not the device or the type.
        ModelError: the engine is not installed, cannot run the model, or does not run it rightly on this machine.
    """
    if engine is not None:
        require_engine(engine)
    if device.type != "cpu" and (engine in RUNTIMES or model.takes_arrays):
        title = TITLES.get(engine or "", f"The model {model.name}")
        raise SettingError(f"{title} runs on the CPU here, not on {device}; leave the device or the engine out.")
    if isinstance(model, ExportedModel):
        return _file_run_by(model, engine, dtype), None
    if isinstance(model, ArrayInterpolation):
        if engine == "torch":
            require_torch("The engine torch")
        if engine in RUNTIMES:
            raise ModelError(
                f"{TITLES[engine]} runs {model.name} only where PyTorch is installed; leave the engine out."
            )
        return model, None
    if model.takes_arrays:
        if engine == "openvino":
            raise ModelError(f"{model.name} is run by ONNX Runtime; choose the engine onnxruntime.")
        return model, None
    if engine in (None, "torch") or (engine == "auto" and device.type != "cpu"):
        return model, None
    model = cast("Model", model)
    if engine == "auto":
        return _fastest(model, dtype)
    _require(engine, dtype)
    _require_right(model, engine, verdicts(model, dtype=dtype)[engine], "choose the engine torch, or ")
    return _exported_model(model, engine, dtype), None


def _file_run_by(model: ExportedModel, engine: str | None, dtype: str) -> ExportedModel:
    """A file's model, run by an engine; one of the package's files by the fastest unless an engine is asked for."""
    if engine in RUNTIMES:
        _require(engine, dtype)
        model = model.run_by(engine, dtype=dtype)
    if model.expected is None:
        model = model.run_by(model.runtime, dtype=dtype if dtype in model.dtypes else "float32")
        require_running(model)
        return model
    if engine == "torch":
        require_torch("The engine torch")
    found = verdicts(model, dtype=dtype)
    if engine in RUNTIMES:
        _require_right(model, engine, found[engine], "")
        return model
    right = {name: verdict.seconds for name, verdict in found.items() if verdict.seconds is not None}
    if not right:
        faults = "; ".join(f"{TITLES[name]}: {verdict.fault}" for name, verdict in found.items())
        raise ModelError(
            f"Nothing that is installed runs the model {model.name} rightly in {dtype} on this machine"
            f"{f' ({faults})' if faults else ''}; pip install torch."
        )
    return model.run_by(best(found), dtype=dtype)


def _require(runtime: str, dtype: str) -> None:
    """Make sure that a runtime is installed and computes in a type.

    Raises:
        ModelError: it is not installed.
        SettingError: it does not.
    """
    require_installed(runtime)
    if dtype not in supported(runtime):
        raise SettingError(
            f"{TITLES[runtime]} does not compute in {dtype}; choose one of {', '.join(supported(runtime))}."
        )


def _require_right(model: ModelInterface, runtime: str, verdict: Verdict, otherwise: str) -> None:
    """Make sure that a runtime's verdict is good.

    Raises:
        ModelError: it is not.
    """
    if verdict.fault:
        raise ModelError(
            f"{TITLES[runtime]} does not run the model {model.name} rightly on this machine ({verdict.fault}); "
            f"{otherwise}try again by deltasr engines --refresh."
        )


def require_running(model: ExportedModel) -> None:
    """Make sure that a file in 8 bits or bfloat16 runs on this machine; on some its instructions end the program.

    Raises:
        ModelError: it does not.
    """
    types = [kind for kind in (model.header.weights, model.dtype) if kind != "float32"]
    if not types:
        return
    content, weights = model.files
    digest = hashlib.sha256(content + weights).hexdigest()[:12]
    key = ", ".join([model.name, digest, *types, _machine()])
    if key not in _known:
        found = _remembered(key)
        tried = [sample(model, 24, 20)]
        _known[key] = found or {
            model.runtime: trial.try_file(content, weights, model.runtime, tried, dtype=model.dtype)
        }
        if _known[key][model.runtime].lasting:
            user_cache.remember(_FILE, key, _known[key])
    if fault := _known[key][model.runtime].fault:
        instead = "the model that it was exported from" if "int8" in types else "float32"
        named = " and ".join(types).replace("int8", "8 bits")
        raise ModelError(
            f"{TITLES[model.runtime]} does not run {model.name} in {named} on this machine ({fault}); use {instead}."
        )


def _fastest(model: Model, dtype: str) -> tuple[ModelInterface, str | None]:
    if not any(map(installed, RUNTIMES)):
        return model, "torch runs the network, since neither ONNX Runtime nor OpenVINO is installed"
    try:
        found = verdicts(model, dtype=dtype)
    except ModelError as error:
        return model, f"torch runs the network. {error}"
    engine = best(found)
    if engine == "torch":
        faults = [f"{TITLES[name]}: {verdict.fault}" for name, verdict in found.items() if verdict.fault]
        return model, "torch runs the network" + (
            f" ({'; '.join(faults)})" if faults else ", which no other engine does faster"
        )
    return _exported_model(model, engine, dtype), None


def best(found: dict[str, Verdict]) -> str:
    """The engine that `auto` chooses, by the verdicts on all; at least one of them has to be good."""
    right = {name: verdict.seconds for name, verdict in found.items() if verdict.seconds is not None}
    engine = min(right, key=lambda name: right[name])
    return engine if right[engine] <= _WORTH_IT * right.get("torch", math.inf) else "torch"


def installed(runtime: str) -> str | None:
    """The version of an engine's package; None where it is not installed."""
    try:
        return version(runtime)
    except PackageNotFoundError:
        return None


def require_installed(runtime: str) -> None:
    """Make sure that an engine's package is there.

    Raises:
        ModelError: it is not.
    """
    if installed(runtime) is None:
        raise ModelError(f"The engine {runtime} needs {TITLES[runtime]}: pip install {runtime}.")


def supported(runtime: str) -> tuple[str, ...]:
    """The types that a runtime computes in."""
    return ("float32", "bfloat16") if runtime == "openvino" else ("float32",)


def verdicts(model: ModelInterface, *, dtype: str = "float32", refresh: bool = False) -> dict[str, Verdict]:
    """The verdicts on torch and the installed runtimes that compute in a type, for a model on this machine.

    Each is tried once, which takes some seconds. Of several processes one tries and the others wait, since trials at
    the same time would slow each other. The verdict is kept in this process, and for later ones in a file of the user's
    cache folder, by processor, versions, number of threads, type and model. torch is not loaded, and is not among them,
    where the model is a file of the package.

    Raises:
        ModelError: the model cannot be exported.
    """
    runtimes = [name for name in RUNTIMES if installed(name) and dtype in supported(name)]
    key = _key(model, dtype)
    if refresh:
        _known.pop(key, None)
    elif key not in _known and (found := _remembered(key)):
        _known[key] = found
    if key not in _known:
        with user_cache.alone(_TRIAL):
            found = {} if refresh else _remembered(key)
            _known[key] = found or _tried(model, runtimes, dtype, refresh=refresh)
            if not found and all(verdict.lasting for verdict in _known[key].values()):
                user_cache.remember(_FILE, key, _known[key])
    return _known[key]


def _remembered(key: str) -> dict[str, Verdict]:
    """What an earlier process found; empty where none has."""
    return user_cache.remembered(_FILE, dict[str, Verdict]).get(key, {})


def _tried(model: ModelInterface, runtimes: list[str], dtype: str, *, refresh: bool) -> dict[str, Verdict]:
    if isinstance(model, ExportedModel):
        if model.expected is None:
            raise ModelError(f"{model.name} is an exported file; name the model that it was made of.")
        return trial.try_package(model, runtimes, dtype=dtype)
    model = cast("Model", model)
    content = exported(model, refresh=refresh).content if runtimes else b""
    return trial.try_all(model, content, runtimes, dtype=dtype)


def exported(model: Model, *, refresh: bool = False) -> Exported:
    """A model in ONNX's format: from the package, else from the user's cache folder where an earlier process left it.

    Args:
        model: what to export.
        refresh: whether to export it again, if it is not in the package.

    Raises:
        ModelError: it cannot be exported.
    """
    from deltasr.engines.export import Exported, export, header_of, weights_digest

    weights = weights_digest(model)
    if (ours := _of_package(model.name)) is not None and ours.header.sha256 == weights:
        return Exported(ours.files[0], ours.header, {})
    digest = hashlib.sha256(f"{weights} {version('torch')} {version('deltasr')}".encode()).hexdigest()
    name = f"{digest[:32]}.onnx"
    with suppress(OutputError, OSError):
        file = user_cache.folder() / _FOLDER / name
        if refresh:
            file.unlink(missing_ok=True)
        return Exported(file.read_bytes(), header_of(model), {})
    result = export(model)
    with suppress(OutputError, OSError):
        file = user_cache.folder() / _FOLDER / name
        write_whole(file, result.content)
        for old in sorted(file.parent.glob("*.onnx"), key=lambda path: path.stat().st_mtime)[:-_KEPT]:
            old.unlink()
    return result


def _of_package(name: str) -> ExportedModel | None:
    """The package's file of a model of that name, if there is one that can be read."""
    with suppress(ModelError):
        return catalogue.exported_network(name)
    return None


def _exported_model(model: Model, runtime: str, dtype: str) -> ExportedModel:
    known = exported(model)
    return ExportedModel(known.content, known.header, runtime=runtime, dtype=dtype)


def _key(model: ModelInterface, dtype: str) -> str:
    """What the verdicts on a model hang on."""
    if isinstance(model, ExportedModel):
        what = [f"{model.name} of the package", model.header.sha256[:12]]
    else:
        from deltasr.engines.export import weights_digest

        what = [model.name, weights_digest(cast("Model", model))[:12]]
    return ", ".join([*what, dtype, f"{processor.threads()} threads", _machine()])


def _machine() -> str:
    """What verdicts hang on besides the model: versions, processor, and variables that choose its instructions."""
    packages = [f"{name} {installed(name)}" for name in ("deltasr", "torch", *RUNTIMES)]
    chosen = [
        f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(processor.READ_BY_TORCH)
    ]
    machine = hashlib.sha256(f"{processor.description()}\n{platform.platform()}\n{chosen}".encode()).hexdigest()[:12]
    return ", ".join([*packages, machine])
