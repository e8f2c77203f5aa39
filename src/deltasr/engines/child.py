"""The child process of `engines.trial`: python -m deltasr.engines.child RUNTIME DTYPE THREADS FOLDER.

It runs the network of a folder on the inputs that lie there, leaves the results beside them, and then runs the last
input again for each line that it reads. What crashes or hangs here harms nothing else. It does not load torch.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from deltasr.errors import DeltasrError
from deltasr.models.sessions import OnnxRuntimeSession, OpenvinoSession, Session


def main() -> None:
    """Say `ran` when the results are there, or `failed` and why; then a line with the seconds of each further run."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass
    runtime, dtype, threads, folder = sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4])
    arrays: dict[str, np.ndarray] = {}
    try:
        session = _opened(runtime, dtype, threads, folder)
        for number, file in enumerate(sorted(folder.glob("input-*.npz"))):
            arrays = dict(np.load(file))
            first, second = session.run(arrays), session.run(arrays)
            if not np.array_equal(first, second, equal_nan=True):
                print("failed results differ from run to run", flush=True)
                return
            np.save(folder / f"result-{number}.npy", first)
    except (DeltasrError, MemoryError) as error:
        print("failed", error, flush=True)
        return
    print("ran", flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        session.run(arrays)
        print(time.perf_counter() - started, flush=True)


def _opened(runtime: str, dtype: str, threads: int, folder: Path) -> Session:
    content, weights = (folder / "network").read_bytes(), (folder / "weights").read_bytes()
    if runtime == "onnxruntime":
        return OnnxRuntimeSession(content, source="the network", threads=threads)
    return OpenvinoSession(content, weights=weights, source="the network", threads=threads, dtype=dtype)


if __name__ == "__main__":
    main()
