"""`deltasr upscale`: pictures, folders of pictures, and a picture on its way through a pipe."""

from __future__ import annotations

import difflib
import inspect
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from deltasr.cli.messages import plain, tell

if TYPE_CHECKING:
    from deltasr.inference.batch import Request
    from deltasr.inference.upscaler import Upscaler
    from deltasr.models.base import Model
    from deltasr.models.facts import Facts
    from deltasr.planning import Existing, Job, Outcome, Plan

STANDARD = Path("-")
"""Standard input where a picture is read, standard output where one is written."""


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
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] = "torch",
    tile: int | None = None,
    consistency: bool | None = None,
    ensemble: Annotated[bool, Parameter(negative=())] = False,
    seed: int = 0,
    output_format: str | None = None,
    quality: int | None = None,
    strip: Annotated[bool, Parameter(negative=())] = False,
    max_pixels: int | None = None,
    skip_existing: Annotated[bool, Parameter(negative=())] = False,
    overwrite: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Upscale pictures, and folders of pictures with all that is below them.

    Colour profile, EXIF, XMP, PNG text, alpha and 16 bits are kept. A file that cannot be read is named, the
    others go on, and the exit status is 1.

    Parameters
    ----------
    inputs
        Pictures and folders: PNG, JPEG, WebP, TIFF and BMP. - is a picture on standard input.
    output
        Folder for the results, in which the trees of input folders are mirrored; or, for a single picture, a
        file, or - for standard output. By default results lie beside their inputs: photo-x4.png beside photo.png,
        the folder holiday-x4 beside the folder holiday, and standard input's result on standard output.
    model
        Name in the catalogue (see `deltasr models`), checkpoint, folder of a training run, file of another model
        that spandrel recognises, such as ESRGAN or SwinIR (.pth, .safetensors), ONNX file, or folder of a latent
        diffusion pipeline.
    blend
        Mix the weights of two models of the same network: 0 is the first alone, 1 the second alone. rrdb-x4
        and rrdb-gan-x4 are a pair: --model names either, and the share is that of the GAN.
    blend_with
        The second model of --blend, where --model is none of that pair.
    fidelity
        For a model with a dial, from 0, the most natural picture, to 1, the most faithful one. By default the
        model's own, which `deltasr models` and `deltasr info` show.
    restoration
        For a model that restores, how degraded the pictures are, from 0 (clean) over 0.5 (a JPEG of quality 30) to 1
        (ruined by blur, noise and JPEG). auto estimates it from each file, and says what it found.
    steps
        Denoising steps of latent diffusion, 100 by default; fewer are faster. Other models have their own.
    scale
        Any factor above 0. By default the model's own. A smaller one takes as long as the model's own: its result is
        made and then resized, with anti-aliasing. A larger one runs the model again on its result.
    width
        Width of the result in pixels, in place of a scale; the height follows, unless --height is given too: then
        the result has exactly that size, whatever the picture's aspect ratio.
    height
        Height of the result in pixels; the width follows, unless --width is given too.
    max_side
        Pixels of the result's longer side, in place of a scale; the other side follows.
    device
        auto, cpu, cuda or mps.
    dtype
        What the network computes in.
    engine
        What runs the network: torch; onnxruntime or openvino, which are faster on CPUs and within one 8-bit level of
        torch; or auto, the fastest that is installed and has been tried on this machine. See `deltasr engines`.
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
    max_pixels
        The most pixels that an input may have, by the size that its file states; 1,073,741,824 by default.
    skip_existing
        Leave out pictures whose result is there already.
    overwrite
        Replace results that are there already.
    dry_run
        Say what would be written, with sizes, and write nothing.
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
    )

    if dtype == "bfloat16":
        let_bf16_run()

    def upscaler() -> Upscaler:
        from deltasr.inference.conditions import require_fidelity, require_restoration
        from deltasr.inference.upscaler import Upscaler

        loaded = _load(model, blend=blend, blend_with=blend_with, steps=steps)
        require_fidelity(loaded, fidelity)
        require_restoration(loaded, restoration)
        return Upscaler(
            loaded, device=device, dtype=dtype, engine=engine, tile=tile, consistency=consistency, ensemble=ensemble
        )

    if STANDARD in inputs or output == STANDARD:
        if dry_run:
            raise SettingError("A --dry-run is for files; leave it out with standard input and output.")
        return _through_pipe(inputs, output, request, existing, upscaler)
    return _files(inputs, output, request, existing, model, None if dry_run else upscaler)


def _require_no_option(path: Path) -> None:
    """Refuse an option that does not exist, which stands where paths do since one of them may be -.

    Raises:
        SettingError: the path begins with a hyphen, and is more than that.
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
    upscaler: Callable[[], Upscaler] | None,
) -> int:
    """Upscale files, or say what would be done where there is no upscaler. Returns the status.

    The model, and torch with it, is loaded only where there is something to upscale.
    """
    from deltasr.inference.batch import foresee_file, upscale_files
    from deltasr.planning import plan_jobs, run_jobs, settled

    facts = _facts(model, needed=upscaler is None or output is None)
    mark = "" if facts is None else request.mark(facts.scale)
    plan = plan_jobs(inputs, output, output_format=request.output_format, mark=mark)
    outcomes: list[Outcome] = []

    def take(found: Iterable[Outcome], then: Callable[[], None] = lambda: None) -> None:
        for outcome in found:
            _tell(outcome)
            outcomes.append(outcome)
            then()

    at_once = [outcome for job in plan.jobs if (outcome := settled(job, existing)) is not None]
    ready = upscaler() if upscaler is not None and len(at_once) < len(plan.jobs) else None
    if ready is not None and ready.note is not None:
        print(f"note: {ready.note}")
    take(plan.failures)
    if ready is not None:
        with _progress(len(plan.jobs)) as (advance, next_file):
            take(upscale_files(ready, plan.jobs, request, existing=existing, progress=advance), next_file)
    elif upscaler is not None or facts is None:
        take(at_once)
    else:
        take(run_jobs(plan.jobs, partial(foresee_file, model=facts, request=request), existing=existing))
    print(_summary(plan, outcomes, dry=upscaler is None))
    return int(any(outcome.status == "failed" for outcome in outcomes))


def _facts(model: str, *, needed: bool) -> Facts | None:
    """What is known of a model, which is loaded only where that is needed and cannot be told otherwise."""
    from deltasr.models import catalogue
    from deltasr.models.facts import told_by

    facts = catalogue.facts(model)
    return told_by(catalogue.load(model)) if facts is None and needed else facts


def _through_pipe(
    inputs: tuple[Path, ...],
    output: Path | None,
    request: Request,
    existing: Existing,
    upscaler: Callable[[], Upscaler],
) -> int:
    """Upscale one picture that comes from standard input, goes to standard output, or both. Returns the status.

    Raises:
        SettingError: there are several inputs, a result without a name, or a terminal where a picture belongs.
        PictureError: the picture cannot be read, or the result not be written.
    """
    from deltasr.errors import SettingError
    from deltasr.imaging import read_picture, write_picture
    from deltasr.inference.batch import upscale_picture
    from deltasr.planning import Job, Outcome, settled

    source, target = inputs[0], STANDARD if output is None else output
    if len(inputs) > 1 or source.is_dir():
        raise SettingError("Standard input and output, -, hold one picture each; name a single input.")
    if target == STANDARD and sys.stdout.isatty():
        raise SettingError("A picture cannot be printed on a terminal; name a file by --output, or pipe the output.")
    if source == STANDARD and sys.stdin.isatty():
        raise SettingError("There is no picture on standard input, which is a terminal; name a file, or pipe one in.")
    if target != STANDARD and (target.is_dir() or not target.suffix):
        raise SettingError(f"A picture from standard input has no name to bear in the folder {target}; name a file.")
    if target != STANDARD and (there := settled(Job(source=source, target=target), existing)) is not None:
        _tell(there)
        return int(there.status == "failed")
    content = _StandardInput(sys.stdin.buffer.read()) if source == STANDARD else source
    picture = read_picture(content, max_pixels=request.max_pixels)
    format_name = request.output_format or (_format_of(content) if target == STANDARD else target.suffix)
    ready = upscaler()
    result = upscale_picture(picture, upscaler=ready, request=request, format_name=format_name)
    save = partial(write_picture, result, format=format_name, quality=request.quality, strip=request.strip)
    if target == STANDARD:
        whole = io.BytesIO()
        lost = save(whole)
        _print_bytes(whole.getbuffer())
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        lost = save(target)
    size = result.height, result.width
    notes = (*([] if ready.note is None else [ready.note]), *result.notes, *lost)
    _tell(Outcome(source=source, target=target, status="done", notes=notes, size=size), to_errors=target == STANDARD)
    return 0


def _print_bytes(content: memoryview) -> None:
    """Write a result to standard output.

    Raises:
        PictureError: it does not take all of it.
    """
    from deltasr.errors import PictureError

    try:
        with open(sys.stdout.fileno(), "wb", buffering=0, closefd=False) as standard:
            while content:
                content = content[standard.write(content) or 0 :]
    except OSError as error:
        raise PictureError(f"The result cannot be written to standard output ({error.strerror}).") from error


class _StandardInput(io.BytesIO):
    """All that came in, under the name that messages call it."""

    name = "Standard input"


def _format_of(content: _StandardInput | Path) -> str:
    """The format of a picture's file, if that can be written; else PNG."""
    from deltasr.imaging.formats import HEAD_SIZE, WRITABLE_FORMATS, format_of_content

    if isinstance(content, Path):
        with content.open("rb") as file:
            head = file.read(HEAD_SIZE)
    else:
        head = content.getvalue()[:HEAD_SIZE]
    found = format_of_content(head)
    return found if found in WRITABLE_FORMATS else "png"


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


def _tell(outcome: Outcome, *, to_errors: bool = False) -> None:
    tell(outcome, detail=f"{outcome.seconds:.1f} s" if outcome.seconds else "", to_errors=to_errors)


def _summary(plan: Plan, outcomes: list[Outcome], *, dry: bool) -> str:
    """One line: 3 done, 1 skipped, 0 failed; 12.6 megapixels in 8.1 s."""
    count = {name: sum(o.status == name for o in outcomes) for name in ("done", "planned", "skipped", "failed")}
    megapixels = sum(outcome.size[0] * outcome.size[1] for outcome in outcomes) / 1e6
    seconds = sum(outcome.seconds for outcome in outcomes)
    ignored = f", {plan.ignored} not pictures" if plan.ignored else ""
    begun = f"{count['planned']} to do" if dry else f"{count['done']} done"
    took = "" if dry else f" in {seconds:.1f} s"
    return f"{begun}, {count['skipped']} skipped, {count['failed']} failed{ignored}; {megapixels:.1f} megapixels{took}"


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
            bars.update(current, description=plain(job.source.name), completed=share)
            bars.update(whole, completed=finished + share)

        def next_file() -> None:
            nonlocal finished
            finished += 1
            bars.update(whole, completed=finished)
            bars.reset(current)

        yield advance, next_file
