"""Which token is written next: by hand, and against a plain search through all tokens."""
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.decoding import PLAUSIBLE, Permitted, _characters, letters, near, unasked

ARABIC = Permitted(("ARABIC",), "منحت Baltic 415,000 يورو ¾ في ١٨٨٩", {b" Bal", b"tic"})


def may(text, *pieces, permitted=ARABIC):
    return [permitted(text, piece.encode()) for piece in pieces]


def test_latin_letters_and_signs_are_written_as_the_source_has_them():
    assert may("منحت", " يورو", " Bal", "tic", "¾", "،") == [True] * 5
    assert may("منحت", " North", "½", "€", " 5") == [False] * 4


def test_a_number_is_one_of_the_source_to_its_last_digit_in_digits_of_one_kind():
    assert may("في ", "4", "1", "٤", "5", "9") == [True, True, True, False, False]
    assert may("في 41", "5", "٥", "0", " يورو", ".", "\n") == [True, False, False, False, False, False]
    assert may("في ٤١", "5", "٥", "５", "٠") == [False, True, False, False]
    assert may("في ", "４", permitted=Permitted(("ARABIC",), "４")) == [True]
    assert may("في 415", ",", "\n", "0") == [True, True, False]
    assert may("في 415,", "0") == [True]


@pytest.mark.parametrize(
    ("script", "said", "other"),
    [
        ("ARABIC", "٣٬٢١٠، ١٨٪", "١٩"),
        ("ARABIC", "۱۴۰۲", "۱۵"),
        ("DEVANAGARI", "२०२४", "२१"),
        ("THAI", "๒๕๖๗", "๒๖"),
        ("LATIN", "₽", "₼"),
    ],
)
def test_what_has_several_bytes_is_written_as_the_source_has_it_when_they_come_one_by_one(script, said, other):
    source = Permitted((script,), f"{said} ₽")
    assert all(_bytewise(source, said)) and not all(_bytewise(source, other))
    assert not source(said, said.encode()[:1] + b"\n")


def _bytewise(permitted, said):
    for i, byte in enumerate(data := said.encode()):
        text, cut = _characters(data[:i])
        yield permitted(text, cut + bytes([byte]))


def test_bytes_that_lead_to_no_letter_of_the_script_do_not_come():
    assert [Permitted((script,), "١٨")("", b"\xd9") for script in ("ARABIC", "LATIN", "CYRILLIC")] == [True, False, False]
    assert [Permitted((script,), "")("a", "好".encode()[:2]) for script in ("CJK", "CYRILLIC")] == [True, False]
    assert Permitted(("LATIN",), "")("a", "ễ".encode()[:2])


def test_a_number_with_separators_is_written_without_a_space_and_no_two_are_joined():
    source = Permitted(("LATIN",), "12.480 of 12 on 3.10.2021, 2 and 7,5")
    assert may("It has 12.", "4", " ", "5", permitted=source) == [True, True, False]  # "It has 12. 480 …" may begin anew
    assert may("It has 7.", "5", "2", " ", permitted=source) == [True, False, False]
    assert may("It has 2.", "2", "1", " ", permitted=source) == [False, False, True]
    assert may("On 3.", "1", "2", permitted=source) == [True, False] and may("10.", "2", permitted=source) == [True]
    assert may("It has 7,5", ",", "5", permitted=source) == [True, False]
    assert may("It has 1", "2", " 2", permitted=Permitted(("LATIN",), "12 of 1")) == [True, False]


@pytest.mark.parametrize("quoted", ["400 000 m²", "400\u00a0000 m²", "400\u202f000 m²", "400'000 m²"])
def test_thousands_that_the_source_sets_apart_may_be_written_as_another_language_does(quoted):
    source = Permitted(("LATIN",), quoted)
    assert may("It is 400,", "0", "5", permitted=source) == [True, False]
    assert may("It is 400,000", " ", ",", permitted=source) == [True, True]
    assert may("It is 400.000", ".", "0", permitted=source) == [True, False]


def test_a_space_of_its_own_comes_before_a_number_and_a_reply_does_not_begin_with_a_break():
    assert may("في", " ", "  ", "\n") == [True, False, True]
    assert may("في ", " ", " يورو") == [False, False]
    assert may("", "\n", " ", "") == [False, False, False]
    assert may("It was", " ", permitted=Permitted(("LATIN",), "no numbers")) == [False]


def test_a_reply_that_only_asks_the_question_again_does_not_end():
    asked = Permitted(("LATIN",), "", question="Nerede toplanabilirler?")
    ends = ["Nerede", "nerede toplanabilirler", "Nerede toplanabilirler? ", "Nerede toplanabilirler? Londra'da."]
    assert [asked(said, b"\n") for said in ends] == [True, False, False, True]
    assert Permitted(("LATIN",), "", question="?!")("…", b"\n")


@pytest.mark.parametrize(
    ("said", "rest"),
    [
        ("Wer kam? Füchse kamen.", "Füchse kamen."),
        ("wer kam?, Füchse", "Füchse"),
        ("Wer kam?", "Wer kam?"),
        ("Wer", "Wer"),
        ("Wer kam zuerst? Füchse.", "Wer kam zuerst? Füchse."),
        ("Wer kam und ging.", "Wer kam und ging."),
        ("Füchse. Wer kam?", "Füchse. Wer kam?"),
        ("", ""),
    ],
)
def test_of_a_reply_that_asks_the_question_again_only_the_rest_is_said(said, rest):
    pieces = re.findall(r" ?\w+|\W", said)
    assert "".join(unasked(pieces, "Wer kam?")) == rest


def test_in_greek_too():
    assert list(unasked(["Ποιος", " ήρθε", ";", " Η αλεπού"], "Ποιος ήρθε;")) == ["Η αλεπού"]


@given(st.lists(st.text("Ab ?1.", max_size=3), max_size=8), st.text("Ab ?1", max_size=6))
def test_nothing_but_the_question_is_left_out(pieces, question):
    said, whole = "".join(unasked(pieces, question)), "".join(pieces)
    left_out = whole.removesuffix(said) if said else ""
    assert whole == left_out + said or said == whole
    assert not left_out.strip() or letters(left_out) == letters(question)


def test_half_a_character_may_come_where_it_leads_to_the_script():
    half = "م".encode()[:1]
    assert ARABIC("في", half) and not Permitted(("LATIN",), "")("in", half)


@given(st.lists(st.floats(-60, 60, width=32), min_size=1, max_size=80), st.sets(st.integers(0, 79)))
def test_those_near_the_best_are_what_a_search_through_all_finds(values, barred):
    logits = np.array(values, np.float32)
    free = [token for token in np.argsort(-logits, kind="stable").tolist() if token not in barred]
    expected = [token for token in free if logits[token] >= logits[free[0]] - PLAUSIBLE]
    assert near(logits, lambda token: token not in barred) == expected
