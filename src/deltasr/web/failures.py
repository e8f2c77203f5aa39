"""What goes wrong, as an HTTP status and a sentence."""

from __future__ import annotations

from deltasr.errors import DeltasrError, PictureTooLargeError

CLIENT_CLOSED_REQUEST = 499
"""The client has disconnected; the status that nginx logs in this case."""


class WebError(DeltasrError):
    """A request is refused.

    Attributes:
        status: of the response.
        headers: of the response.
    """

    def __init__(self, status: int, sentence: str, *, headers: dict[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers or {}


class CancelledError(WebError):
    """A job was cancelled before its end."""

    def __init__(self, sentence: str = "This job was cancelled.", *, status: int = CLIENT_CLOSED_REQUEST) -> None:
        super().__init__(status, sentence)


def as_web_error(error: BaseException) -> WebError:
    """The response to any exception; one without a message for users becomes a 500 without details."""
    if isinstance(error, WebError):
        return error
    if isinstance(error, PictureTooLargeError):
        return WebError(413, str(error))
    if isinstance(error, DeltasrError):
        return WebError(422, str(error))
    if isinstance(error, MemoryError):
        return WebError(
            503,
            "The server has not enough memory for this picture now; try again later, or give a smaller one.",
            headers={"Retry-After": "30"},
        )
    return WebError(500, "An internal error occurred; the server's log has the details.")
