"""What a worker does, on this machine or on another: load a model once, and upscale one file after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from deltasr import environment
from deltasr.distribution.places import upscale_anywhere
from deltasr.distribution.settings import UpscalerSettings
from deltasr.inference.batch import Request
from deltasr.planning import Job, Outcome, run_jobs


class Upscaling:
    """A loaded model with a request, in the process that computes.

    Attributes:
        note: a sentence of the upscaler for the user, or None.
    """

    def __init__(self, settings: UpscalerSettings, request: Request, *, threads: int) -> None:
        """Load the model, with so many threads.

        Raises:
            ModelError, SettingError: as `UpscalerSettings.load`.
        """
        environment.use_threads(threads)
        environment.let_threads_sleep()
        if settings.dtype == "bfloat16":
            environment.let_bf16_run()
        self._upscaler = settings.load(request)
        self._request = request
        self.note = self._upscaler.note

    def outcome(
        self, job: Job, *, replace_maps: bool, progress: Callable[[Job, float], None] = lambda job, share: None
    ) -> Outcome:
        """Upscale a file; its result replaces one that is there, which the pool has looked for.

        Raises:
            SettingError: a setting is wrong for every file.
        """
        work = partial(
            upscale_anywhere,
            upscaler=self._upscaler,
            request=self._request,
            progress=progress,
            replace_maps=replace_maps,
        )
        (outcome,) = run_jobs([job], work, existing="overwrite")
        return outcome
