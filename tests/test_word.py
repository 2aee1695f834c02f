"""Articles from Word files."""
import io
import zipfile

import pytest

from rag import ArticleError
from rag.documents import WORD, Extracted, read
from tests.test_documents import word, word_of


def of_word(body, **options):
    return read(word_of(body, **options), "a.docx", WORD)


def test_paragraphs_and_the_rows_of_a_table_stand_in_order():
    found = read(word("First.", "", "Second  \t one.", table=[("a", "b"), ("c", "d")]), "a.docx", WORD)
    assert found.text == "First.\nSecond one.\n| a | b |\n| c | d |"


def test_what_was_inserted_is_read_and_what_was_deleted_is_not():
    run = b"<w:r><w:t>%s</w:t></w:r>"
    body = b"<w:p>%s<w:ins>%s</w:ins><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:moveFrom>%s</w:moveFrom></w:p>" % (
        run % b"It ", run % b"refused.", run % b"moved",
    )  # fmt: skip
    body += b"<w:sdt><w:sdtContent><w:p>%s<w:r><w:br/></w:r>%s</w:p></w:sdtContent></w:sdt>" % (run % b"One.", run % b"Two.")
    assert of_word(body) == Extracted("It refused.\nOne.\nTwo.")


def test_a_number_above_the_line_is_not_part_of_the_number_before_it():
    high = b"<w:r><w:rPr><w:vertAlign w:val='superscript'/></w:rPr><w:t>%s</w:t></w:r>"
    runs = b"<w:r><w:t>It cost 64</w:t></w:r>%s<w:r><w:t> euros on the 1</w:t></w:r>%s" % (high % b"2", high % b"st")
    assert of_word(b"<w:p>%s<w:r><w:t> of 10</w:t></w:r></w:p>" % runs).text == "It cost 64² euros on the 1st of 10"


def test_a_text_box_is_read_once_after_its_paragraph():
    box = b"<w:txbxContent><w:p><w:r><w:t>Boxed.</w:t></w:r></w:p></w:txbxContent>"
    mc = b'<mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">%s</mc:AlternateContent>'
    both = mc % (b"<mc:Choice>%s</mc:Choice><mc:Fallback>%s</mc:Fallback>" % (box, box))
    assert of_word(b"<w:p><w:r><w:t>Be</w:t>%s<w:t>fore.</w:t></w:r></w:p>" % both).text == "Before.\nBoxed."


ENTITIES = b"<!DOCTYPE w [<!ENTITY a '%s'>%s]>" % (
    b"x" * 100,
    b"".join(b"<!ENTITY %c '%s'>" % (98 + i, b"&%c;" % (97 + i) * 50) for i in range(8)),
)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (word_of(b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>" % (b" " * 30_000_000)), "unpacks to 30,.*ZIP bomb"),
        (word_of(b"<w:p><w:r><w:t>One.</w:t></w:r></w:p>", method=zipfile.ZIP_BZIP2), "compressed in a way"),
        (word_of(b"<w:p><w:r><w:t>One &a;</w:t></w:r></w:p>", before=b"<!DOCTYPE w [<!ENTITY a 'two.'>]>"), "defines entities"),
        (word_of(b"<w:p><w:r><w:t>&a;</w:t></w:r></w:p>", before=b"<!DOCTYPE w [<!ENTITY a SYSTEM '/etc/hosts'>]>"), "entities"),
        (word_of(b"<w:p><w:r><w:t>One &i;</w:t></w:r></w:p>", before=ENTITIES), "entit"),
        (word_of(b"<w:p w:x='&i;'><w:r><w:t>One</w:t></w:r></w:p>", before=ENTITIES), "entit"),
        (word_of(b"<w:p>" * 50_000), "Excessive depth"),
        (word_of(b"<w:p><w:r>"), "damaged"),
        (word("One.")[:-200], "damaged"),
        (word("One.").replace(b"\x14\0\0\0\x08\0", b"\x14\0\1\0\x08\0"), "damaged|encrypted"),
        (word("").replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0"), "is encrypted"),
    ],
)
def test_a_word_file_that_cannot_be_read_says_why(data, says):
    with pytest.raises(ArticleError, match=says):
        read(data, "a.docx", WORD)


def test_a_size_that_lies_does_not_let_more_out(monkeypatch):
    """Each member is read to the size it says, whatever it holds."""
    text = b"<w:p><w:r><w:t>%s</w:t></w:r></w:p>" % (b" " * 30_000_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", text)
    true = len(text).to_bytes(4, "little")
    said = (1000).to_bytes(4, "little")
    lying = out.getvalue().replace(true, said)
    assert lying.count(said) == 2
    asked = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda file, n=-1: asked.append(n) or original(file, n))
    with pytest.raises(ArticleError, match="damaged"):
        read(lying, "a.docx", WORD)
    assert asked == [1000]
