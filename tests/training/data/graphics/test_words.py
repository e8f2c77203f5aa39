"""Text that is made up: in languages that fonts can write, and the same from the same generator."""

from __future__ import annotations

import string
from random import Random

import pytest

from deltasr.training.data.graphics.fonts import ALPHABETS
from deltasr.training.data.graphics.words import LANGUAGES, Writer


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_letter_of_a_language_is_asked_of_its_fonts(language):
    alphabet, words = LANGUAGES[language]
    asked = set(ALPHABETS[alphabet]) | set(string.ascii_letters) | {" "}
    assert set(words.lower().replace("i\u0307", "i")) <= asked


def test_a_font_without_an_alphabet_gets_no_language_that_needs_it():
    plain = {Writer.for_alphabets(Random(seed), ("ascii",)).language for seed in range(40)}
    assert plain == {"english"}
    several = {Writer.for_alphabets(Random(seed), ("ascii", "latin", "greek")).language for seed in range(200)}
    assert several == {"english", "german", "french", "spanish", "polish", "turkish", "greek"}


def test_the_same_generator_makes_the_same_text():
    def text(seed: int) -> list[object]:
        writer = Writer(Random(seed), "german")
        made = [writer.sentence(), writer.title(), writer.label(), writer.number(), writer.date(), writer.value()]
        return [*made, writer.paragraph(2), writer.code(), writer.command(), writer.identifier()]

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_sentences_begin_and_end_as_such():
    for seed in range(30):
        sentence = Writer(Random(seed)).sentence()
        assert sentence[0] == sentence[0].upper()
        assert sentence[-1] in ".?!:"
        assert len(sentence.split()) >= 4
