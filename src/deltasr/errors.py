"""The errors that are meant for people: one sentence each, saying what was wrong, where, and what to do."""


class DeltasrError(Exception):
    """Base of every error that deltasr raises on purpose; the command line prints its text without a traceback."""


class PictureError(DeltasrError):
    """A picture cannot be read, or a result cannot be written."""


class PictureTooLargeError(PictureError):
    """A picture states more pixels than are allowed, or than fit into memory."""


class VideoError(DeltasrError):
    """A video cannot be read, or a result cannot be written."""


class ModelError(DeltasrError):
    """A model does not exist, cannot be built, or does not support what it is used for."""


class CheckpointError(ModelError):
    """A weights file is missing, damaged, of another format, or does not fit the model it names."""


class SettingError(DeltasrError, ValueError):
    """A setting has an unknown name, a wrong type, or a value outside its range."""


class TrainingError(DeltasrError):
    """Training cannot start or go on; the message names the file, the loss term or the state at fault."""


class OutputError(DeltasrError):
    """A report, a table or a plot cannot be written."""


_LONGEST_REASON = 200


def reason(error: BaseException) -> str:
    """The message of another library's exception, in one line without a full stop, for use inside a sentence."""
    return one_line(str(error).rstrip(". \n"), longest=_LONGEST_REASON) or type(error).__name__


def one_line(text: str, *, longest: int) -> str:
    """A text from outside in one line, cut to so many characters, without those that steer a terminal."""
    words = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return words if len(words) <= longest else f"{words[:longest].rstrip()} ..."
