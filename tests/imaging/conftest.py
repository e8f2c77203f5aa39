"""Pictures and metadata made by Pillow and tifffile, so that reading and writing are not tested against themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1"/></rdf:RDF></x:xmpmeta>'
)


@dataclass(frozen=True)
class Samples:
    """Noise of size 20 x 30, so that any swap of rows, columns or channels shows."""

    rgb8: np.ndarray
    rgb16: np.ndarray
    grey8: np.ndarray
    grey16: np.ndarray
    alpha8: np.ndarray
    alpha16: np.ndarray


@pytest.fixture(scope="session")
def samples() -> Samples:
    random = np.random.default_rng(7)

    def noise(*shape: int, bits: int) -> np.ndarray:
        values = random.integers(0, 2**bits, shape)
        values.flat[:2] = 0, 2**bits - 1
        return values.astype(f"uint{bits}")

    return Samples(
        rgb8=noise(20, 30, 3, bits=8),
        rgb16=noise(20, 30, 3, bits=16),
        grey8=noise(20, 30, 1, bits=8),
        grey16=noise(20, 30, 1, bits=16),
        alpha8=noise(20, 30, bits=8),
        alpha16=noise(20, 30, bits=16),
    )


@pytest.fixture(scope="session")
def icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture
def exif() -> Image.Exif:
    """Orientation 6, sizes, a maker note, a comment and a place."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    exif[0x0132] = "2020:01:02 03:04:05"
    exif[0x8298] = "Anna"
    inner = exif.get_ifd(0x8769)
    inner[0x927C] = b"MAKERNOTE\0\1\2\3"
    inner[0x9286] = b"ASCII\0\0\0a comment"
    inner[0x829A] = TiffImagePlugin.IFDRational(1, 250)
    inner[0xA002], inner[0xA003] = 30, 20
    exif.get_ifd(0x8825).update({1: "N", 2: (51.0, 30.0, 12.5)})
    return exif


@pytest.fixture(scope="session")
def xmp() -> bytes:
    return XMP
