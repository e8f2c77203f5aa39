"""`deltasr upscale`: pictures, folders of pictures, and one picture in a pipe."""

from __future__ import annotations

import difflib
import inspect
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, Token

from deltasr.cli.messages import file_bars, tell
from deltasr.cli.parameters import Flag
from deltasr.cli.pipe import STANDARD, upscale_through_pipe

if TYPE_CHECKING:
    from deltasr.distribution.pool import Pool
    from deltasr.distribution.settings import UpscalerSettings
    from deltasr.inference.batch import Request
    from deltasr.models.facts import Facts
    from deltasr.planning import Existing, Job, Outcome, Plan


def _path_or_url(type_: object, tokens: Sequence[Token]) -> Path | str:
    """A path, or as text the URL of something in an object store, which a path would shorten."""
    text = tokens[0].value
    return text if "://" in text else Path(text)


def upscale_command(
    *inputs: Annotated[Path | str, Parameter(converter=_path_or_url, allow_leading_hyphen=True)],
    output: Annotated[
        Path | str | None, Parameter(name=["--output", "-o"], converter=_path_or_url, allow_leading_hyphen=True)
    ] = None,
    model: str = "deltadiff-x4",
    blend: float | None = None,
    blend_with: str | None = None,
    fidelity: float | None = None,
    restoration: float | Literal["auto"] = "auto",
    steps: int | None = None,
    eta: float | None = None,
    scale: Annotated[float | None, Parameter(name=["--scale", "-s"])] = None,
    width: int | None = None,
    height: int | None = None,
    max_side: int | None = None,
    device: str = "auto",
    dtype: Literal["float32", "bfloat16", "float16"] = "float32",
    engine: Literal["auto", "torch", "onnxruntime", "openvino"] | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    worker_cpus: float = 1,
    worker_gpus: float | None = None,
    ledger: Path | None = None,
    tile: int | None = None,
    consistency: bool | None = None,
    ensemble: Flag = False,
    map: Literal["error", "determined"] | None = None,
    reference: Flag = False,
    seed: int | None = None,
    output_format: str | None = None,
    quality: int | None = None,
    crf: float | None = None,
    codec: Literal["h264", "hevc", "av1"] | None = None,
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
        and HEIC (with the extra heic) can be read. - is a picture on standard input. With the extra ray also
        URLs, such as s3://bucket/folder. Or videos, with the extra video: MP4, MOV, Matroska, WebM, and most others.
    output
        Folder for the results, with the same subfolders as an input folder; or, for a single picture, a file,
        or - for standard output. By default results are written beside their inputs: photo-x4.png beside
        photo.png, the folder holiday-x4 beside the folder holiday; for standard input, to standard output.
    model
        Name in the catalogue (see `deltasr models`), checkpoint, folder of a training run, file of another model
        that spandrel can load, such as ESRGAN or SwinIR (.pth, .safetensors), ONNX file, folder of a latent
        diffusion pipeline, hf://owner/name for a checkpoint on the Hugging Face Hub, or openmodeldb://NAME for a
        model of OpenModelDB.
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
    eta
        Noise that latent diffusion adds after each step, from 0 (the default: none) to 1 (as much as DDPM adds, and
        as ResShift's paper runs it).
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
        auto, cpu, cuda or mps. Several, such as cuda:0,cuda:1, have a worker process each.
    dtype
        Floating-point type that the network computes in.
    engine
        What runs the network: torch; onnxruntime or openvino, which are faster on CPUs and within one 8-bit level of
        torch; or auto, the fastest engine that is installed and was tried on this machine. See `deltasr engines`.
        By default torch, or auto where torch is not installed.
    jobs
        How many pictures are upscaled at once, each by a worker process with its share of the cores; by default one
        per device, and on a cluster as many as fit.
    cluster
        Upscale on the machines of a Ray cluster: auto for the one that this machine belongs to, or its address,
        HOST:PORT. Inputs and the output must be where all machines see them, under the same names.
    worker_cpus
        CPUs that each worker on a cluster reserves.
    worker_gpus
        GPUs that each worker on a cluster reserves, such as 0.25 for four of them on one GPU. By default a whole GPU
        where the cluster has some.
    ledger
        File to which a line is appended for each picture that is done or failed. With --skip-existing, pictures
        that are done in it are skipped without looking for their results.
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
    reference
        For imported ResShift checkpoints: pad, cut into tiles and draw noise as ResShift's released program does,
        which gives its results to one level of 8 bits.
    seed
        Seed of the noise in models that use noise (ResShift, latent diffusion). The same seed gives the same result.
        0 by default, or 12345, the released program's, with --reference.
    output_format
        png, jpeg, webp, tiff or bmp. By default the input's format, or png if that cannot be written.
    quality
        1 to 100, for JPEG and WebP; 95 by default. WebP is lossless at 100.
    crf
        Constant rate factor of a video's result: smaller is better, and a larger file. By default 18 for h264, 20 for
        hevc and 25 for av1.
    codec
        Codec of a video's result. By default h264, hevc for more than 8 bits, and av1 in WebM.
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
    from deltasr.distribution.places import place
    from deltasr.distribution.settings import UpscalerSettings
    from deltasr.environment import let_bf16_run
    from deltasr.errors import SettingError
    from deltasr.imaging.limits import DEFAULT_MAX_PIXELS
    from deltasr.inference.batch import Request
    from deltasr.video.formats import is_video

    sources = tuple([place(path) for path in inputs])
    target = None if output is None else place(output)
    for path in (*sources, *([] if target is None else [target])):
        _require_no_option(path)
    if not sources:
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
    settings = UpscalerSettings(
        model=model,
        blend=blend,
        blend_with=blend_with,
        steps=steps,
        eta=eta,
        device=device,
        dtype=dtype,
        engine=engine,
        tile=tile,
        consistency=consistency,
        ensemble=ensemble,
        reference=reference,
    )
    workers = Workers(jobs=jobs, cluster=cluster, cpus=worker_cpus, gpus=worker_gpus, devices=device.split(","))

    if dtype == "bfloat16":
        let_bf16_run()

    if crf is not None or codec is not None or any(is_video(path) for path in sources):
        from deltasr.cli.video import upscale_videos
        from deltasr.video.formats import Encoding

        if workers.several or ledger is not None:
            raise SettingError("Videos are upscaled one after the other; leave out what is for many pictures.")
        encoding = Encoding(codec=codec, crf=crf)
        load = None if dry_run else partial(settings.load, request)
        return upscale_videos(sources, target, request, encoding, existing, model, load)
    if STANDARD in sources or target == STANDARD:
        if dry_run:
            raise SettingError("A --dry-run is for files; leave it out with standard input and output.")
        if map is not None:
            raise SettingError(
                "A --map is written beside a result's file; leave it out with standard input and output."
            )
        if workers.several or ledger is not None:
            raise SettingError("Standard input and output hold one picture; leave out what is for many.")
        return upscale_through_pipe(sources, target, request, existing, partial(settings.load, request))
    return _files(sources, target, request, existing, settings, workers, ledger, dry=dry_run)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """How many processes upscale, and where; `devices` are those on this machine.

    Raises:
        SettingError: a number is not possible.
    """

    jobs: int | None
    cluster: str | None
    cpus: float
    gpus: float | None
    devices: list[str]

    def __post_init__(self) -> None:
        from deltasr.errors import SettingError

        if self.jobs is not None and self.jobs < 1:
            raise SettingError(f"--jobs is {self.jobs}; give 1 or more.")
        if self.cpus < 0 or (self.gpus is not None and self.gpus < 0):
            raise SettingError("What a worker reserves cannot be below 0.")
        if self.cluster is not None and len(self.devices) > 1:
            raise SettingError("On a cluster --worker-gpus says what each worker gets; name one device, or auto.")

    @property
    def several(self) -> bool:
        """Whether other processes than this one are asked for."""
        return self.cluster is not None or (self.jobs or 1) > 1 or len(self.devices) > 1


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
    settings: UpscalerSettings,
    workers: Workers,
    ledger: Path | None,
    *,
    dry: bool,
) -> int:
    """Upscale files, or print what would be done. Returns the exit status.

    The model, and torch with it, is only loaded if there is something to upscale.
    """
    from deltasr.distribution.ledger import Ledger
    from deltasr.distribution.places import is_remote
    from deltasr.errors import SettingError
    from deltasr.inference.batch import foresee_file, require_possible
    from deltasr.planning import plan_jobs, run_jobs, settled

    remote = any(map(is_remote, (*inputs, output or Path())))
    if dry and remote:
        raise SettingError("A --dry-run reads pictures, on this machine; it is not for URLs.")
    facts = _facts(settings.model, needed=dry or output is None)
    mark = "" if facts is None else request.mark(facts.scale)
    plan = plan_jobs(inputs, output, output_format=request.output_format, mark=mark)
    outcomes: list[Outcome] = []
    seconds = 0.0

    with ExitStack() as stack:
        book = None if ledger is None else stack.enter_context(Ledger(ledger, write=not dry))

        def known(job: Job) -> Outcome | None:
            skipped = book.skipped(job) if book is not None and existing == "skip" else None
            return skipped or settled(job, existing)

        def take(found: Iterable[Outcome], then: Callable[[Outcome], None] = lambda outcome: None) -> None:
            for outcome in found:
                tell(outcome)
                outcomes.append(outcome)
                if book is not None:
                    book.record(outcome)
                then(outcome)

        if dry and facts is not None:
            require_possible(facts, request)
            take(plan.failures)
            foresee = partial(foresee_file, model=facts, request=request)
            take(known(job) or next(run_jobs([job], foresee, existing="overwrite")) for job in plan.jobs)
        elif all(known(job) is not None for job in plan.jobs):
            take(plan.failures)
            take(filter(None, map(known, plan.jobs)))
        else:
            advance, next_file = stack.enter_context(file_bars(len(plan.jobs)))
            apart = workers.several or book is not None or remote
            begun = stack.enter_context(
                _apart(plan.jobs, request, existing, settings, workers, known, advance)
                if apart
                else _here(plan.jobs, request, existing, settings, advance)
            )
            take(plan.failures)
            started = time.monotonic()
            take(begun, next_file)
            seconds = time.monotonic() - started
    print(_summary(plan, outcomes, seconds, dry=dry))
    return int(any(outcome.status == "failed" for outcome in outcomes))


@contextmanager
def _here(
    jobs: list[Job],
    request: Request,
    existing: Existing,
    settings: UpscalerSettings,
    progress: Callable[[Job, float], None],
) -> Iterator[Iterator[Outcome]]:
    """The outcomes of an upscale in this process."""
    from deltasr.inference.batch import upscale_files

    upscaler = settings.load(request)
    _tell_note(upscaler.note)
    yield upscale_files(upscaler, jobs, request, existing=existing, progress=progress)


@contextmanager
def _apart(
    jobs: list[Job],
    request: Request,
    existing: Existing,
    settings: UpscalerSettings,
    workers: Workers,
    known: Callable[[Job], Outcome | None],
    progress: Callable[[Job, float], None],
) -> Iterator[Iterator[Outcome]]:
    """The outcomes of an upscale by other processes, which are ended at the end of the `with`."""
    from deltasr.distribution.cluster import cluster_pool
    from deltasr.distribution.processes import local_pool

    pool: AbstractContextManager[Pool]
    if workers.cluster is None:
        pool = local_pool(
            settings,
            request,
            devices=workers.devices,
            workers=min(workers.jobs or len(workers.devices), len(jobs)),
            settled=known,
            progress=progress,
            replace_maps=existing == "overwrite",
        )
    else:
        pool = cluster_pool(
            settings,
            request,
            address=workers.cluster,
            workers=workers.jobs,
            cpus=workers.cpus,
            gpus=workers.gpus,
            jobs=len(jobs),
            settled=known,
            replace_maps=existing == "overwrite",
        )
    with pool as running:
        _tell_note(running.note())
        yield running.outcomes(jobs)


def _tell_note(note: str | None) -> None:
    if note is not None:
        print(f"note: {note}")


def _facts(model: str, *, needed: bool) -> Facts | None:
    """The facts of a model; if only loading it can give them, None unless they are needed."""
    from deltasr.models import catalogue
    from deltasr.models.facts import told_by

    facts = catalogue.facts(model)
    return told_by(catalogue.load(model)) if facts is None and needed else facts


def _summary(plan: Plan, outcomes: list[Outcome], seconds: float, *, dry: bool) -> str:
    """One line such as `3 done, 1 skipped, 0 failed; 12.6 megapixels in 8.1 s`."""
    count = {name: sum(o.status == name for o in outcomes) for name in ("done", "planned", "skipped", "failed")}
    megapixels = sum(outcome.size[0] * outcome.size[1] for outcome in outcomes) / 1e6
    ignored = f", {plan.ignored} not pictures" if plan.ignored else ""
    begun = f"{count['planned']} to do" if dry else f"{count['done']} done"
    took = "" if dry else f" in {seconds:.1f} s"
    return f"{begun}, {count['skipped']} skipped, {count['failed']} failed{ignored}; {megapixels:.1f} megapixels{took}"
