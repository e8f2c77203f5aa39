"""`deltasr upscale`: pictures, folders of pictures, and one picture in a pipe."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import file_bars, tell
from deltasr.cli.parameters import Flag
from deltasr.cli.pipe import STANDARD, upscale_through_pipe

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.facts import Facts
    from deltasr.models.interface import ModelInterface
    from deltasr.planning import Existing, Outcome, Plan


def upscale_command(
    *inputs: Annotated[Path, Parameter(allow_leading_hyphen=True)],
    output: Annotated[Path | None, Parameter(name=["--output", "-o"], allow_leading_hyphen=True)] = None,
    model: str = "deltadiff-x4",
    blend: float | None = None,
    blend_with: str | None = None,
    fidelity: float | None = None,
    restoration: float | Literal["auto"] = "auto",
    steps: int | None = None,
    scale: Annotated[float | None, Parameter(name=["--scale", "-s"])] = None,
    width: int | None = None,
    height: int | None = None,
    max_side: int | None = None,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] | None = None,
    tile: int | None = None,
    consistency: bool | None = None,
    ensemble: Flag = False,
    map: Literal["error", "determined"] | None = None,
    seed: int = 0,
    output_format: str | None = None,
    quality: int | None = None,
    strip: Flag = False,
    max_pixels: int | None = None,
    skip_existing: Flag = False,
    overwrite: Flag = False,
    dry_run: Flag = False,
) -> int:
    """Upscale pictures and folders of pictures.

    Colour profile, EXIF, XMP, PNG text, transparency and 16 bits are kept. If a picture cannot be read or
    written, the others are still upscaled, and the exit status is 1.

    Parameters
    ----------
    inputs
        Pictures, and folders, which are searched with their subfolders. PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF
        and HEIC (with the extra heic) can be read. - is a picture on standard input.
    output
        Folder for the results, with the same subfolders as an input folder; or, for a single picture, a file,
        or - for standard output. By default results are written beside their inputs: photo-x4.png beside
        photo.png, the folder holiday-x4 beside the folder holiday; for standard input, to standard output.
    model
        Name in the catalogue (see `deltasr models`), checkpoint, folder of a training run, file of another model
        that spandrel can load, such as ESRGAN or SwinIR (.pth, .safetensors), ONNX file, folder of a latent
        diffusion pipeline, or hf://owner/name for a checkpoint on the Hugging Face Hub.
    blend
        Mix the weights of two models of the same network: 0 is the first model, 1 the second. For rrdb-x4 and
        rrdb-gan-x4, --model can be either, and the value is the share of rrdb-gan-x4.
    blend_with
        The second model of --blend, unless --model is one of those two.
    fidelity
        For models with a dial, from 0 (most natural) to 1 (most faithful to the input). The default depends on the
        model; `deltasr models` and `deltasr info` show it.
    restoration
        For models that restore, how degraded the pictures are: 0 is clean, 0.5 a JPEG of quality 30, 1 strong
        blur, noise and JPEG. auto estimates it for each picture and prints the estimate.
    steps
        Denoising steps of latent diffusion, 100 by default; fewer are faster. Other models have a fixed number.
    scale
        Any factor above 0. By default the model's own. For a smaller factor the model's result is resized with
        anti-aliasing, which is not faster. For a larger one the model runs again on its own result.
    width
        Width of the result in pixels, instead of a scale. The height keeps the aspect ratio, unless --height is
        given too: then the result has exactly that size.
    height
        Height of the result in pixels, instead of a scale. The width keeps the aspect ratio, unless --width is
        given too.
    max_side
        The longer side of the result in pixels, instead of a scale. The other side keeps the aspect ratio.
    device
        auto, cpu, cuda or mps.
    dtype
        Floating-point type that the network computes in.
    engine
        What runs the network: torch; onnxruntime or openvino, which are faster on CPUs and within one 8-bit level of
        torch; or auto, the fastest engine that is installed and was tried on this machine. See `deltasr engines`.
        By default torch, or auto where torch is not installed.
    tile
        Pixels per side of the tiles that a picture is divided into; 0 for the whole picture at once. By default
        what fits into the free memory.
    consistency
        Correct results so that, downscaled again, they are the input. The default depends on the model.
    ensemble
        Average the results of the picture rotated and mirrored in eight ways: slightly more accurate, and eight
        times slower. For models without noise.
    map
        Write two more pictures beside each result. error: photo-x4-map.png, 16 bits, how far each pixel may be from
        the truth with 90 % probability, in 1/256 of a level, and photo-x4-map-overlay.png, the same in colours.
        determined: photo-x4-determined.png, the part that the input determines, and photo-x4-added.png, the rest.
    seed
        Seed of the noise in models that use noise (ResShift, latent diffusion). The same seed gives the same result.
    output_format
        png, jpeg, webp, tiff or bmp. By default the input's format, or png if that cannot be written.
    quality
        1 to 100, for JPEG and WebP; 95 by default. WebP is lossless at 100.
    strip
        Leave out colour profile, EXIF, XMP and text.
    max_pixels
        Refuse inputs with more pixels than this, by the size in their header; 1,073,741,824 by default.
    skip_existing
        Skip pictures whose result already exists.
    overwrite
        Replace results that already exist.
    dry_run
        Print what would be written, with sizes, and write nothing.
    """
    from deltasr.environment import let_bf16_run
    from deltasr.errors import SettingError
    from deltasr.imaging.limits import DEFAULT_MAX_PIXELS
    from deltasr.inference.batch import Request

    for path in (*inputs, *([] if output is None else [output])):
        _require_no_option(path)
    if not inputs:
        raise SettingError("There is nothing to upscale; name pictures or folders.")
    if skip_existing and overwrite:
        raise SettingError("--skip-existing and --overwrite exclude each other; choose one of them.")
    existing: Existing = "skip" if skip_existing else "overwrite" if overwrite else "fail"
    request = Request(
        scale=scale,
        width=width,
        height=height,
        max_side=max_side,
        seed=seed,
        fidelity=fidelity,
        restoration=restoration,
        output_format=output_format,
        quality=quality,
        strip=strip,
        max_pixels=DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels,
        map=map,
    )

    if dtype == "bfloat16":
        let_bf16_run()

    def load_upscaler() -> Upscaler:
        from deltasr.inference.conditions import require_fidelity, require_restoration
        from deltasr.inference.upscaler import Upscaler

        loaded = _load(model, blend=blend, blend_with=blend_with, steps=steps, engine=engine)
        require_fidelity(loaded, fidelity)
        require_restoration(loaded, restoration)
        upscaler = Upscaler(
            loaded, device=device, dtype=dtype, engine=engine, tile=tile, consistency=consistency, ensemble=ensemble
        )
        if map == "error":
            upscaler.load_error_map()  # so that a model without one is refused before any picture is read
        return upscaler

    if STANDARD in inputs or output == STANDARD:
        if dry_run:
            raise SettingError("A --dry-run is for files; leave it out with standard input and output.")
        if map is not None:
            raise SettingError(
                "A --map is written beside a result's file; leave it out with standard input and output."
            )
        return upscale_through_pipe(inputs, output, request, existing, load_upscaler)
    return _files(inputs, output, request, existing, model, None if dry_run else load_upscaler)


def _require_no_option(path: Path) -> None:
    """Make sure that a path is not a mistyped option; paths may begin with a hyphen, since - is standard input.

    Raises:
        SettingError: it begins with a hyphen and is longer.
    """
    from deltasr.errors import SettingError

    if path == STANDARD or not str(path).startswith("-"):
        return
    options = [f"--{name.replace('_', '-')}" for name in inspect.signature(upscale_command).parameters]
    near = difflib.get_close_matches(str(path), options, n=1)
    hint = f"did you mean {near[0]}?" if near else f"write a file of that name as ./{path}."
    raise SettingError(f"There is no option {path} here; {hint}")


def _files(
    inputs: tuple[Path, ...],
    output: Path | None,
    request: Request,
    existing: Existing,
    model: str,
    load_upscaler: Callable[[], Upscaler] | None,
) -> int:
    """Upscale files, or print what would be done if there is no `load_upscaler`. Returns the exit status.

    The model, and torch with it, is only loaded if there is something to upscale.
    """
    from deltasr.inference.batch import foresee_file, upscale_files
    from deltasr.planning import plan_jobs, run_jobs, settled

    facts = _facts(model, needed=load_upscaler is None or output is None)
    mark = "" if facts is None else request.mark(facts.scale)
    plan = plan_jobs(inputs, output, output_format=request.output_format, mark=mark)
    outcomes: list[Outcome] = []

    def take(found: Iterable[Outcome], then: Callable[[], None] = lambda: None) -> None:
        for outcome in found:
            tell(outcome)
            outcomes.append(outcome)
            then()

    without_work = [outcome for job in plan.jobs if (outcome := settled(job, existing)) is not None]
    upscaler = load_upscaler() if load_upscaler is not None and len(without_work) < len(plan.jobs) else None
    if upscaler is not None and upscaler.note is not None:
        print(f"note: {upscaler.note}")
    take(plan.failures)
    if upscaler is not None:
        with file_bars(len(plan.jobs)) as (advance, next_file):
            take(upscale_files(upscaler, plan.jobs, request, existing=existing, progress=advance), next_file)
    elif load_upscaler is not None or facts is None:
        take(without_work)
    else:
        take(run_jobs(plan.jobs, partial(foresee_file, model=facts, request=request), existing=existing))
    print(_summary(plan, outcomes, dry=load_upscaler is None))
    return int(any(outcome.status == "failed" for outcome in outcomes))


def _facts(model: str, *, needed: bool) -> Facts | None:
    """The facts of a model; if only loading it can give them, None unless they are needed."""
    from deltasr.models import catalogue
    from deltasr.models.facts import told_by

    facts = catalogue.facts(model)
    return told_by(catalogue.load(model)) if facts is None and needed else facts


def _load(
    name: str, *, blend: float | None, blend_with: str | None, steps: int | None, engine: str | None
) -> ModelInterface:
    """The model, or the blend of two; of latent diffusion with the number of steps; without torch where that can be.

    Raises:
        ModelError: the model cannot be loaded.
        SettingError: an option does not apply to it.
    """
    from deltasr.errors import SettingError
    from deltasr.models import catalogue

    if blend is None and blend_with is not None:
        raise SettingError(f"--blend-with {blend_with} needs a share for that model; set --blend, from 0 to 1.")
    if blend is None:
        runtime = engine if engine in ("onnxruntime", "openvino") else None
        model = catalogue.load(name, runtime=runtime)
    else:
        from deltasr.models.blend import load_blended

        model = load_blended(name, blend, other=blend_with)
    if steps is None:
        return model
    from deltasr.models.ldm import LatentDiffusion

    if not isinstance(model, LatentDiffusion):
        raise SettingError(f"--steps is for latent diffusion; {name} has a fixed number of steps, so leave it out.")
    model.use_steps(steps)
    return model


def _summary(plan: Plan, outcomes: list[Outcome], *, dry: bool) -> str:
    """One line such as `3 done, 1 skipped, 0 failed; 12.6 megapixels in 8.1 s`."""
    count = {name: sum(o.status == name for o in outcomes) for name in ("done", "planned", "skipped", "failed")}
    megapixels = sum(outcome.size[0] * outcome.size[1] for outcome in outcomes) / 1e6
    seconds = sum(outcome.seconds for outcome in outcomes)
    ignored = f", {plan.ignored} not pictures" if plan.ignored else ""
    begun = f"{count['planned']} to do" if dry else f"{count['done']} done"
    took = "" if dry else f" in {seconds:.1f} s"
    return f"{begun}, {count['skipped']} skipped, {count['failed']} failed{ignored}; {megapixels:.1f} megapixels{took}"
