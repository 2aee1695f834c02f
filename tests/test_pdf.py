"""Articles from PDF files."""
import io

import pypdf
import pytest

from rag import Article, ArticleError, documents
from rag.context import needed
from rag.documents import PDF, Extracted, read
from rag.pdf import _in_rows, page_lines
from rag.tables import tables
from tests.test_documents import file, of_pdf, pdf, stream


def test_hard_wrapped_lines_become_paragraphs_and_cut_words_whole():
    found = of_pdf([
        "A heading", "The committee that met on Tues-", "day decided nothing, and it", "adjourned.",
        "Then the members (all of them)", "went home, Mr. Smith among them,", "to their well-known families.",
    ])  # fmt: skip
    assert found.text.split("\n") == [
        "A heading",
        "The committee that met on Tuesday decided nothing, and it adjourned.",
        "Then the members (all of them) went home, Mr. Smith among them, to their well-known families.",
    ]


def test_a_number_above_the_line_is_not_part_of_the_number_before_it():
    row = [(50, 710, "2023"), (100, 713, " 188"), (150, 710, " million of all")]
    found = of_pdf([(50, 750, "It cost 64"), (110, 754, "2"), (116, 750, " million in the year 2023."), *row])
    assert found.text == "It cost 64² million in the year 2023. 2023 188 million of all"


TABLE = [("", "2022", "2023 a"), ("Income", "5 m", "6.1 m"), ("Debt", "", "2 m"), ("Ships", "180,000", "98")]


@pytest.mark.parametrize(("behind", "note"), [("", "¹"), (" ", " 1")])
def test_a_row_of_a_table_is_a_line_with_bars_between_its_cells_as_they_stand(behind, note):
    cells = [(50 + 150 * i, 720 - 14 * r, cell + behind) for r, row in enumerate(TABLE) for i, cell in enumerate(row) if cell]
    above, below = "The port has published what it earned, and what it owes:", "All of it went into a new quay and into ships."
    cells.insert(-1, (242, 681, "1"))
    found = of_pdf([(50, 734, above), *cells, (50, 664, below)])
    assert found.text.split("\n") == [
        above, "|  | 2022 | 2023 a |", "| Income | 5 m | 6.1 m |", "| Debt |  | 2 m |", f"| Ships | 180,000{note} | 98 |", below,
    ]  # fmt: skip
    article = Article.from_text(found.text)
    assert [needed(article, i) for i in range(6)] == [None, None, 1, 1, 1, None]


def test_what_stands_in_columns_is_no_table_where_the_pdf_draws_one_after_the_other():
    columns = [(50 + 200 * i, 720 - 14 * r, f"Line {r} of column {i}") for i in range(2) for r in range(4)]
    assert "|" not in of_pdf(columns).text


def test_a_heading_between_two_tables_is_of_none_and_a_page_too_wide_has_none():
    first, second = ["a1     b1", "a2     b2", "a3     b3"], ["c1     d1", "c2     d2", "c3     d3"]
    rows = [[["a1", "b1"], ["a2", "b2"], ["a3", "b3"]], [["c1", "d1"], ["c2", "d2"], ["c3", "d3"]]]
    assert list(tables([*first, "", "Fees", *second])) == rows
    assert list(tables(first[:2])) == list(tables([line.replace(" ", " " * 200) for line in first])) == []


def test_a_page_whose_layout_cannot_be_told_is_read_without(monkeypatch):
    page = pypdf.PdfReader(io.BytesIO(pdf([(50, 750, "Moscow refused.")]))).pages[0]
    monkeypatch.setattr(page, "_layout_mode_text", lambda *_, **__: 1 / 0)
    assert page_lines(page) == ["Moscow refused."]


def test_a_row_of_signs_that_are_none_is_no_row():
    layout = ["a     b", "c     d", "e     f", "\x01     \x02"]
    assert _in_rows([("a b", 9), ("c d", 8), ("e f", 7)], layout) == [("| a | b |", 9), ("| c | d |", 8), ("| e | f |", 7)]


def test_a_wide_gap_ends_a_paragraph():
    found = of_pdf([(50, 750, "A heading as wide as its text"), (50, 720, "The committee met on Tuesday,"), (50, 706, "it did.")])
    assert found.text == "A heading as wide as its text\nThe committee met on Tuesday, it did."


def test_headers_and_page_numbers_are_left_out_and_a_sentence_goes_on_over_the_page():
    found = of_pdf(
        ["The Daily", "The committee met on a Tuesday and", "1"],
        ["The Daily", "decided nothing before it went home.", "2"],
        ["The Daily", "Nobody was surprised by any of this.", "3"],
    )
    first, second = "The committee met on a Tuesday and", "decided nothing before it went home."
    assert found == Extracted(f"{first} {second} Nobody was surprised by any of this.", "", None, (0, 35, 72))


def test_a_page_number_is_left_out_where_others_have_none_and_a_number_in_the_text_is_not():
    assert of_pdf(["It was built in", "1889", "and stands.", "7"], ["1889"]).text == "It was built in 1889 and stands.\n1889"


def test_a_page_without_text_begins_where_the_next_one_does():
    article = Article.from_bytes(pdf([], ["One sentence."], [], ["Two sentences."], []), "a.pdf")
    assert article.pages == (0, 0, 14, 14, 28)
    assert [article.page(s.start) for s in article.sentences] == [2, 4]


ARABIC = ["ر", "ف", "ض", "ت", "ﻣ", "ﻮ", "س", "ك", "و", "٢", "١", "لا", "ﻻ", "،", "«", "»"]
"""Letters as fonts name them: joined forms, and lam with alef as one sign that is two letters, or one."""


def signs(text):
    """Letters, in the order in which a PDF draws them, from the left, as codes of a font."""
    return bytes(128 + ARABIC.index(letter) if letter in ARABIC else ord(letter) for letter in text)


@pytest.mark.parametrize(
    ("pieces", "line"),
    [
        (["وكسﻮﻣ تضفر"], "رفضت موسكو"),
        (["وكسﻮﻣ", " ", "تضفر"], "رفضت موسكو"),
        (["NATO", " ", "تضفر"], "رفضت NATO"),
        (["ض", " ", "NATO 12", " ", "تضفر"], "رفضت NATO 12 ض"),
        ([".", "٢١", " ", "تضفر"], "رفضت ٢١."),
        (["٢١ تضفر"], "رفضت ٢١"),
        (["وكسﻮﻣ ٢١ تضفر"], "رفضت ٢١ موسكو"),
        (["وكسﻮﻣ", " «", "تضفر", "»"], "«رفضت» موسكو"),
        (["(", "وكسﻮﻣ", ") ", "تضفر"], "رفضت (موسكو)"),
        (["وكسﻮﻣ", " (NATO) ", "تضفر"], "رفضت (NATO) موسكو"),
    ],
)
def test_arabic_is_read_from_the_right_however_a_pdf_draws_it(pieces, line):
    x, placed = 50, []
    for piece in pieces:
        placed.append((x, 700, signs(piece)))
        x += 6 * len(piece)
    below = (50, 600, signs("وكسﻮﻣ تضفر"))
    for order in (placed, placed[::-1]):
        assert of_pdf([*order, below], letters=ARABIC).text.replace("\n", " ") == f"{line} رفضت موسكو"


@pytest.mark.parametrize(
    ("drawn", "line"),
    [
        ([(200, "2022"), (150, "180"), (100, "12.5")], "2022 180 12.5"),
        ([(200, signs("تضفر")), (150, "180"), (100, "12.5")], "رفضت 180 12.5"),
        ([(200, signs("تضفر")), (100, signs("وكسﻮﻣ"))], "رفضت موسكو"),
        ([(100, "2025"), (124, "-"), (130, "2024"), (154, " "), (160, signs("تضفر"))], "رفضت 2024-2025"),
    ],
)
def test_the_cells_of_an_arabic_row_stay_apart_and_a_range_is_read_from_the_right(drawn, line):
    row = [(x, 700, text) for x, text in drawn]
    found = of_pdf([*row, (50, 600, signs("وكسﻮﻣ تضفر"))], letters=ARABIC)
    assert found.text.replace("\n", " ") == f"{line} رفضت موسكو"


def test_pieces_that_one_text_object_draws_are_put_where_they_begin():
    """A space and a word after it, in one text object, right of a number in another one."""
    word = signs("تضفر").hex()
    content = f"BT /F 10 Tf 50 700 Td (12) Tj ET BT /F 10 Tf 62 700 Td ( ) Tj 6 0 Td <{word}> Tj ET"
    assert read(pdf(stream(content.encode()), letters=ARABIC), "a.pdf", PDF).text == "رفضت 12"


@pytest.mark.parametrize("lam_alef", ["لا", "ﻻ"])
def test_lam_and_alef_drawn_as_one_sign_stay_in_order(lam_alef):
    drawn = bytes([128 + ARABIC.index("س"), 128 + ARABIC.index(lam_alef), 128 + ARABIC.index("و")])
    assert of_pdf([(50, 700, drawn)], letters=ARABIC).text == "ولاس"


def test_an_arabic_word_in_an_english_line_does_not_turn_it():
    found = of_pdf([(50, 700, "He wrote "), (104, 700, signs("تضفر")), (140, 700, " (refused) that day.")], letters=ARABIC)
    assert found.text == "He wrote رفضت (refused) that day."


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (pdf([], []), "holds no text.*OCR"),
        (pdf(b"<</Length 99>>stream\n"), "no text|damaged"),
        (b"%PDF-1.4 and nothing else", "damaged"),
        (b"%PDF-1.4\ntrailer<</Root 1 0 R>>\n%%EOF", "damaged"),
        (pdf(stream(b" " * 76_000_000)), "too much to read"),
        (pdf(b"<</Length 1/Filter[%s]>>stream\n \nendstream" % (b"/FlateDecode" * 20)), "too much to read"),
        (pdf(*[["One."]] * 501), "501 pages; at most 500"),
        (file([b"[" * 50_000] * 5), "nested too deeply|damaged"),
    ],
)
def test_a_pdf_that_cannot_be_read_says_why(data, says):
    with pytest.raises(ArticleError, match=says):
        read(data, "a.pdf", PDF)


def test_an_encrypted_pdf_says_so_and_one_without_a_password_to_read_is_read():
    for password, says in (("secret", "is encrypted"), ("", None)):
        writer, out = pypdf.PdfWriter(io.BytesIO(pdf(["Moscow refused."]))), io.BytesIO()
        writer.encrypt(password, "owner", algorithm="RC4-128")
        writer.write(out)
        if says:
            with pytest.raises(ArticleError, match=says):
                read(out.getvalue(), "a.pdf", PDF)
        else:
            assert read(out.getvalue(), "a.pdf", PDF).text == "Moscow refused."


def test_a_pdf_with_too_much_text_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr(documents, "MAX_TEXT", 20)
    with pytest.raises(ArticleError, match="more than 20 characters"):
        of_pdf(["Moscow refused."], ["Moscow refused."])
