"""Parts that come one by one, and packages that a machine lacks."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest


def test_parts_come_one_by_one(machine: ModuleType, packed: Path, pictures: Path, tmp_path: Path):
    log: list[str] = []
    work, carried = tmp_path / "work", tmp_path / "carried"
    for number, missing in ((2, ["01", "03"]), (1, ["03"]), (3, [])):
        shutil.rmtree(carried, ignore_errors=True)
        carried.mkdir()
        for name in ("manifest.json", f"pictures-0{number}.tar"):
            shutil.copyfile(packed / name, carried / name)
        assert machine.bring(carried, work, log.append) == [f"pictures-{number}.tar" for number in missing]
    assert log == [f"unpacked pictures-0{number}.tar" for number in (2, 1, 3)]
    assert machine.bring(packed, work, log.append) == machine.bring(None, work, log.append) == []
    assert len(log) == 3
    found = {path.relative_to(work / "pictures"): path.read_bytes() for path in work.rglob("*.png")}
    assert found == {path.relative_to(pictures): path.read_bytes() for path in pictures.rglob("*.png")}


def test_a_damaged_part_is_not_unpacked(machine: ModuleType, parts: ModuleType, packed: Path, tmp_path: Path):
    part = packed / "pictures-02.tar"
    part.write_bytes(part.read_bytes()[::-1])
    with pytest.raises(parts.PartsError, match=r"pictures-02\.tar is not the part"):
        machine.bring(packed, tmp_path / "work", print)
    assert len(list((tmp_path / "work" / "unpacked").iterdir())) == 1


def test_parts_of_other_pictures_are_not_mixed_in(
    machine: ModuleType, pack: ModuleType, parts: ModuleType, packed: Path, pictures: Path, tmp_path: Path
):
    machine.bring(packed, tmp_path / "work", print)
    (pictures / "a.png").unlink()
    pack.main(pictures, tmp_path / "others", networks=[], wheels=[], python="3.12")
    with pytest.raises(parts.PartsError, match="holds what came of other parts"):
        machine.bring(tmp_path / "others", tmp_path / "work", print)


def test_a_package_that_is_nowhere_is_named(
    machine: ModuleType, parts: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(machine, "_PACKAGES", ("sys", "no_such_package"))
    with pytest.raises(parts.PartsError, match=r"This Python has no no_such_package; .*pack\.py --wheels"):
        machine.install(tmp_path, print)


def test_a_wheel_for_another_python_is_a_sentence(machine: ModuleType, parts: ModuleType, tmp_path: Path):
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "no_such_package-1-cp27-cp27m-win32.whl").write_bytes(b"")
    with pytest.raises(parts.PartsError, match=r"cannot be installed \(.*\); pack those for this Python"):
        machine.install(tmp_path, print)
