"""The encoders: one function for each format, from a picture that fits the format to bytes in an open file.

Each takes a quality from 1 to 100, which the lossless ones ignore, and returns a sentence for each thing
that could not be stored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from deltasr import interruption
from deltasr.imaging import jpeg, libvips, png, tiff
from deltasr.imaging.picture import Picture, interleaved

if TYPE_CHECKING:
    import pyvips

_LOSSLESS = 100
_LARGEST_CLASSIC_TIFF = 3 << 30


def _png(picture: Picture, file: BinaryIO, _quality: int) -> list[str]:
    _encode(
        lambda target: _vips_image(picture).pngsave_target(target, keep="none", filter="paeth", compression=6),
        file,
        lambda head: png.with_metadata(head, picture.metadata),
    )
    return []


def _jpeg(picture: Picture, file: BinaryIO, quality: int) -> list[str]:
    _encode(
        lambda target: _vips_image(picture).jpegsave_target(target, keep="none", Q=quality, subsample_mode="off"),
        file,
        lambda head: jpeg.with_metadata(head, picture.metadata),
    )
    return []


def _encode(
    save: Callable[[pyvips.TargetCustom], None],
    file: BinaryIO,
    rewrite_head: Callable[[bytes], bytes | None],
) -> None:
    """Stream libvips' bytes into `file`, the first ones through `rewrite_head` as soon as it has enough."""
    head: bytes | None = b""

    def write(piece: bytes) -> int:
        nonlocal head
        if head is None:
            file.write(piece)
            return len(piece)
        head += piece
        rewritten = rewrite_head(head)
        if rewritten is not None:
            file.write(rewritten)
            head = None
        return len(piece)

    _stream(save, write=write)


def _stream(save: Callable[[pyvips.TargetCustom], None], **handlers: Callable[..., Any]) -> None:
    """Run a libvips encoder on a target with the given handlers: `write`, and `read` and `seek` where it needs them.

    Raises:
        OSError: raised by a handler, or made from libvips' error.
    """
    pyvips = libvips.load()
    failure: OSError | None = None

    def guarded(handler: Callable[..., Any], failed: object) -> Callable[..., Any]:
        # An exception must not leave a callback that C code calls: it would be printed and forgotten.
        def call(*arguments: Any) -> Any:
            nonlocal failure
            if interruption.asked():
                return failed
            try:
                return handler(*arguments)
            except OSError as error:
                failure = error
                return failed

        return call

    target = pyvips.TargetCustom()
    for name, handler in handlers.items():
        getattr(target, f"on_{name}")(guarded(handler, b"" if name == "read" else -1))
    try:
        save(target)
    except pyvips.Error as error:
        interruption.check()
        raise failure or _as_os_error(error) from error
    if failure is not None:
        raise failure


def _tiff(picture: Picture, file: BinaryIO, _quality: int) -> list[str]:
    pyvips = libvips.load()
    metadata = picture.metadata
    image = _vips_image(picture)
    if metadata.resolution:
        image = image.copy(xres=metadata.resolution[0], yres=metadata.resolution[1])
    for key, value in (("icc-profile-data", metadata.icc), ("xmp-data", metadata.xmp)):
        if value:
            image.set_type(pyvips.GValue.blob_type, key, value)
    _stream(
        lambda target: image.tiffsave_target(
            target,
            compression="deflate",
            predictor="horizontal",
            bigtiff=picture.pixels.nbytes * 4 // 3 > _LARGEST_CLASSIC_TIFF,
            resunit="inch",
            keep=pyvips.ForeignKeep.ICC | pyvips.ForeignKeep.XMP,
        ),
        write=lambda piece: file.write(piece),
        read=lambda size: file.read(size),
        seek=lambda offset, whence: file.seek(offset, whence),
    )
    if tiff.add_tags(file, metadata.exif, resolution_known=metadata.resolution is not None):
        return []
    return ["TIFF over 4 GB cannot hold the EXIF data."] if metadata.exif else []


def _webp(picture: Picture, file: BinaryIO, quality: int) -> list[str]:
    from PIL import Image

    pixels = np.repeat(picture.pixels, 3, axis=2) if picture.channels == 1 else picture.pixels
    metadata = picture.metadata
    Image.fromarray(interleaved(pixels, picture.alpha)).save(
        file,
        "WEBP",
        quality=quality,
        lossless=quality == _LOSSLESS,
        exact=True,
        method=4,
        icc_profile=metadata.icc or b"",
        exif=metadata.exif or b"",
        xmp=metadata.xmp or b"",
    )
    return []


def _bmp(picture: Picture, file: BinaryIO, _quality: int) -> list[str]:
    from PIL import Image

    resolution = picture.metadata.resolution
    dpi = {"dpi": (resolution[0] * 25.4, resolution[1] * 25.4)} if resolution else {}
    Image.fromarray(interleaved(picture.pixels, None)).save(file, "BMP", **dpi)
    return []


def _vips_image(picture: Picture) -> pyvips.Image:
    """The picture as a libvips image that shares its memory."""
    pyvips = libvips.load()
    image = pyvips.Image.new_from_array(np.ascontiguousarray(picture.pixels))
    if picture.alpha is not None:
        image = image.bandjoin(pyvips.Image.new_from_array(np.ascontiguousarray(picture.alpha)))
    names = {(1, 8): "b-w", (1, 16): "grey16", (3, 8): "srgb", (3, 16): "rgb16"}
    return image.copy(interpretation=names[picture.channels, picture.bits])


def _as_os_error(error: pyvips.Error) -> OSError:
    lines = [line.strip() for line in error.detail.splitlines() if line.strip()]
    return OSError(lines[-1].split(": ")[-1] if lines else "libvips could not encode the picture")


ENCODERS: dict[str, Callable[[Picture, BinaryIO, int], list[str]]] = {
    "png": _png,
    "jpeg": _jpeg,
    "webp": _webp,
    "tiff": _tiff,
    "bmp": _bmp,
}
"""Format name to encoder."""
