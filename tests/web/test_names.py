"""Names that users give: shown and sent back, harmless."""

from __future__ import annotations

import pytest

from deltasr.web.names import attachment, result_name, safe_name, unique


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", "picture"),
        ("..", "picture"),
        ("", "picture"),
        (None, "picture"),
        ("a\r\nSet-Cookie: x.png", "aSet-Cookie_ x.png"),
        ("nul\0l.png", "null.png"),
        ('q"uote*.png', "q_uote_.png"),
        ("\u202egnp.exe", "gnp.exe"),
        ("Überfahrt 1.png", "Überfahrt 1.png"),
        ("x" * 500 + ".jpeg", "x" * 115 + ".jpeg"),
    ],
)
def test_names_become_harmless(given, safe):
    assert safe_name(given) == safe


def test_results_are_named_after_their_pictures():
    assert result_name("holiday.photo.jpg", "x4", ".png") == "holiday.photo-x4.png"


def test_a_header_offers_any_name():
    header = attachment('bä"d\\.png')
    assert header == "attachment; filename=\"b__d_.png\"; filename*=UTF-8''b%C3%A4%22d%5C.png"
    header.encode("latin-1")


def test_names_in_an_archive_differ_whatever_their_case():
    assert unique(["a.png", "A.png", "b.png", "a.png", "a-2.png"]) == [
        "a.png",
        "A-2.png",
        "b.png",
        "a-3.png",
        "a-2-2.png",
    ]
