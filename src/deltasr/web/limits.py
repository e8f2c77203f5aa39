"""What one user, and all of them together, may take of the machine."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 1_000_000
GIGABYTE = 1_000_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a server.

    Attributes:
        upload_bytes: of one request.
        upload_seconds: that one request may take to arrive.
        pixels: that an uploaded picture may state; compared before anything is decoded.
        result_pixels: that a result may have.
        preview_pixels: of the source, that a preview shows at most.
        waiting: jobs in the queue, of all users together.
        waiting_per_user: jobs of one user among them.
        job_seconds: that one picture may be worked on.
        session_seconds: after which an unused session is removed, with its files.
        sessions: at once.
        disk_bytes: of all uploads and results together.
        session_bytes: of the uploads and results of one session.
    """

    upload_bytes: int = 100 * MEGABYTE
    upload_seconds: float = 300.0
    pixels: int = 50_000_000
    result_pixels: int = 400_000_000
    preview_pixels: int = 192 * 192
    waiting: int = 32
    waiting_per_user: int = 16
    job_seconds: float = 3600.0
    session_seconds: float = 900.0
    sessions: int = 1000
    disk_bytes: int = 8 * GIGABYTE
    session_bytes: int = 4 * GIGABYTE
