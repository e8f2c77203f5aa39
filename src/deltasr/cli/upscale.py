"""`deltasr upscale`: pictures and folders of pictures, upscaled."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

if TYPE_CHECKING:
    from deltasr.inference.batch import Job, Outcome, Plan
    from deltasr.models.base import Model


def upscale_command(
    *inputs: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    model: str = "deltadiff-x4",
    blend: float | None = None,
    blend_with: str | None = None,
    fidelity: float | None = None,
    steps: int | None = None,
    scale: float | None = None,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    tile: int | None = None,
    consistency: bool | None = None,
    ensemble: Annotated[bool, Parameter(negative=())] = False,
    seed: int = 0,
    output_format: str | None = None,
    quality: int | None = None,
    strip: Annotated[bool, Parameter(negative=())] = False,
    skip_existing: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Upscale pictures, and folders of pictures with all that is below them.

    Colour profile, EXIF, XMP, PNG text, alpha and 16 bits are kept. A file that cannot be read is named, the
    others go on, and the exit status is 1.

    Parameters
    ----------
    inputs
        Pictures and folders: PNG, JPEG, WebP, TIFF and BMP.
    output
        Folder for the results, in which the trees of input folders are mirrored; or, for a single picture, a
        file.
    model
        Name in the catalogue (see `deltasr models`), checkpoint, file of another model that spandrel
        recognises, such as ESRGAN or SwinIR (.pth, .safetensors), ONNX file, or folder of a latent diffusion
        pipeline.
    blend
        Mix the weights of two models of the same network: 0 is the first alone, 1 the second alone. rrdb-x4
        and rrdb-gan-x4 are a pair: --model names either, and the share is that of the GAN.
    blend_with
        The second model of --blend, where --model is none of that pair.
    fidelity
        For a model with a dial, from 0, the most natural picture, to 1, the most faithful one. By default the
        model's own, which `deltasr models` and `deltasr info` show.
    steps
        Denoising steps of latent diffusion, 100 by default; fewer are faster. Other models have their own.
    scale
        Any factor above 0. By default the model's own; others are resized from it, with anti-aliasing.
    device
        auto, cpu, cuda or mps.
    dtype
        What the network computes in.
    tile
        Pixels a side of the tiles that a picture is cut into; 0 for the whole picture at once. By default as
        large as the free memory allows.
    consistency
        Project results onto the pictures that downscale to the input. By default as the model asks.
    ensemble
        Take the mean of what the model makes of the picture turned and mirrored in eight ways: a little truer,
        and eight times the time. For models without noise.
    seed
        Which noise a model with noise (ResShift, latent diffusion) draws: the same seed, the same picture.
        Others draw none.
    output_format
        png, jpeg, webp, tiff or bmp. By default that of the input.
    quality
        1 to 100, for JPEG and WebP; 95 by default.
    strip
        Leave out profile, EXIF, XMP and text.
    skip_existing
        Leave out pictures whose result is there already.
    overwrite
        Replace results that are there already.
    """
    from deltasr.errors import SettingError

    if not inputs:
        raise SettingError("There is nothing to upscale; name pictures or folders.")
    if skip_existing and overwrite:
        raise SettingError("--skip-existing and --overwrite exclude each other; choose one of them.")
    if quality is not None and not 1 <= quality <= 100:
        raise SettingError(f"--quality {quality} is out of range; it goes from 1 to 100.")

    from deltasr.environment import let_bf16_run

    if dtype == "bfloat16":
        let_bf16_run()
    from deltasr.inference.batch import plan_jobs, run_jobs
    from deltasr.inference.conditions import require_fidelity
    from deltasr.inference.upscaler import Upscaler

    plan = plan_jobs(inputs, output, output_format=output_format)
    loaded = _load(model, blend=blend, blend_with=blend_with, steps=steps)
    require_fidelity(loaded, fidelity)
    upscaler = Upscaler(loaded, device=device, dtype=dtype, tile=tile, consistency=consistency, ensemble=ensemble)
    if upscaler.note is not None:
        print(f"note: {upscaler.note}")
    outcomes = list(plan.failures)
    for failure in plan.failures:
        _tell(failure)
    with _progress(len(plan.jobs)) as (advance, next_file):
        for outcome in run_jobs(
            upscaler,
            plan.jobs,
            scale=scale,
            seed=seed,
            fidelity=fidelity,
            output_format=output_format,
            quality=quality,
            strip=strip,
            existing="skip" if skip_existing else "overwrite" if overwrite else "fail",
            progress=advance,
        ):
            _tell(outcome)
            outcomes.append(outcome)
            next_file()
    print(_summary(plan, outcomes))
    return int(any(outcome.status == "failed" for outcome in outcomes))


def _load(name: str, *, blend: float | None, blend_with: str | None, steps: int | None) -> Model:
    """The model, or the blend of two, with its number of steps."""
    from deltasr.errors import SettingError
    from deltasr.models import catalogue
    from deltasr.models.blend import load_blended
    from deltasr.models.ldm import LatentDiffusion

    if blend is None and blend_with is not None:
        raise SettingError(f"--blend-with {blend_with} needs the share of that model; give it by --blend, from 0 to 1.")
    model = catalogue.load(name) if blend is None else load_blended(name, blend, other=blend_with)
    if steps is None:
        return model
    if not isinstance(model, LatentDiffusion):
        raise SettingError(f"--steps is for latent diffusion; {name} has steps of its own, so leave it out.")
    model.use_steps(steps)
    return model


def _tell(outcome: Outcome) -> None:
    """A line for each file, on standard error if it failed."""
    if outcome.status == "failed":
        print(f"deltasr: {outcome.reason}", file=sys.stderr)
    elif outcome.status == "skipped":
        print(f"{outcome.source}: skipped, {outcome.target} is there already")
    else:
        height, width = outcome.size
        print(f"{outcome.source} -> {outcome.target} ({width}x{height}, {outcome.seconds:.1f} s)", flush=True)
        for note in outcome.notes:
            print(f"  note: {note}")


def _summary(plan: Plan, outcomes: list[Outcome]) -> str:
    """One line: 3 done, 1 skipped, 0 failed; 12.6 megapixels in 8.1 s."""
    count = {name: sum(o.status == name for o in outcomes) for name in ("done", "skipped", "failed")}
    megapixels = sum(outcome.size[0] * outcome.size[1] for outcome in outcomes) / 1e6
    seconds = sum(outcome.seconds for outcome in outcomes)
    ignored = f", {plan.ignored} not pictures" if plan.ignored else ""
    counts = ", ".join(f"{number} {name}" for name, number in count.items())
    return f"{counts}{ignored}; {megapixels:.1f} megapixels in {seconds:.1f} s"


@contextmanager
def _progress(files: int) -> Iterator[tuple[Callable[[Job, float], None], Callable[[], None]]]:
    """Two bars on a terminal's standard error, one of the file and one of all files; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
        redirect_stdout=sys.stdout.isatty(),
    ) as bars:
        whole = bars.add_task(f"{files} files", total=files, visible=files > 1)
        current = bars.add_task("", total=1.0)
        finished = 0

        def advance(job: Job, share: float) -> None:
            bars.update(current, description=job.source.name, completed=share)
            bars.update(whole, completed=finished + share)

        def next_file() -> None:
            nonlocal finished
            finished += 1
            bars.update(whole, completed=finished)
            bars.reset(current)

        yield advance, next_file
