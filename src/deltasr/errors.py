"""The errors that are meant for people: one sentence each, saying what was wrong, where, and what to do."""


class DeltasrError(Exception):
    """Base of every error that deltasr raises on purpose; the command line prints its text without a traceback."""


class PictureError(DeltasrError):
    """A picture cannot be read, or a result cannot be written."""


class ModelError(DeltasrError):
    """A model does not exist, cannot be built, or cannot do what was asked of it."""


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
    """What another library's exception says, in one line without a full stop, to stand inside a sentence of ours."""
    words = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return words if len(words) <= _LONGEST_REASON else f"{words[:_LONGEST_REASON].rstrip()} ..."
