from __future__ import annotations

import subprocess
import sys

import pytest

from deltasr.errors import PictureError, SettingError
from deltasr.imaging import READABLE_SUFFIXES, WRITABLE_FORMATS, libvips
from deltasr.imaging.formats import format_named, result_suffix


def test_importing_the_package_loads_no_heavy_library():
    code = (
        "import sys, deltasr.imaging as i; i.READABLE_SUFFIXES; "
        "print({'numpy', 'torch', 'pyvips', 'PIL'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"


def test_every_exported_name_exists():
    import deltasr.imaging as imaging

    for name in imaging.__all__:
        assert getattr(imaging, name) is not None
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        imaging.nothing_of_the_kind  # noqa: B018


def test_formats_and_suffixes_agree():
    assert list(WRITABLE_FORMATS) == ["png", "jpeg", "webp", "tiff", "bmp"]
    assert set(WRITABLE_FORMATS.values()) <= READABLE_SUFFIXES
    assert format_named("JPG").name == format_named(".jpeg").name == "jpeg"
    with pytest.raises(SettingError, match="'xyz' is not a format that can be written; choose one of png, jpeg"):
        format_named("xyz")


@pytest.mark.parametrize("suffix", [".gif", ".avif", ".heic", ".heif"])
def test_formats_that_are_only_read(suffix):
    assert suffix in READABLE_SUFFIXES
    assert suffix not in WRITABLE_FORMATS.values()
    assert result_suffix(suffix.upper()) == ".png"
    with pytest.raises(SettingError, match="is read but not written; choose one of png"):
        format_named(suffix)


def test_results_keep_the_suffix_of_their_source_where_it_can_be_written():
    assert result_suffix(".JPG") == ".JPG"
    assert result_suffix(".tif") == ".tif"
    assert result_suffix("") == ".png"


def test_forked_processes_are_told_instead_of_hanging(monkeypatch):
    libvips.load()
    monkeypatch.setattr("os.getpid", lambda: 0)
    with pytest.raises(PictureError, match="'spawn'"):
        libvips.load()
