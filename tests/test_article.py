from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag import Article, ArticleError

ANY = st.text(alphabet=st.characters() | st.sampled_from("\r\n.؟؛«»()\u200f\u202e\ud800é\u0301😀"), max_size=300)


@settings(deadline=None)  # the first call loads the language model
@given(ANY)
def test_sentences_and_omissions_are_verbatim_ordered_and_apart(text):
    try:
        article = Article.from_text(text)
    except ArticleError:
        assert not any(c.isalnum() for c in text)
        return
    assert article.text == text
    for span in article.sentences + article.omitted:
        assert text[span.start : span.end] == span.text
    spans = sorted((s.start, s.end) for s in article.sentences + article.omitted)
    assert all(a[1] <= b[0] for a, b in pairwise(spans))


def test_default_article_leaves_out_boilerplate_and_the_pull_quote():
    article = Article.default()
    assert article.language == "ar"
    assert len(article.sentences) == 25
    assert [o.reason for o in article.omitted] == ["boilerplate", "repeat", "byline", "handle or address"]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("J. K. Rowling wrote it. He paid 3.5 million.", 2),
        ("هل رفضت موسكو؟ نعم رفضت.", 2),
        ("他来了。她走了。", 2),
        ("Он жил в г. Москве. Потом уехал.", 2),
        ("First line\r\nSecond line", 2),
    ],
)
def test_sentence_ends(text, sentences):
    assert len(Article.from_text(text).sentences) == sentences


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1256"])
def test_encodings(tmp_path, encoding):
    text = "رفضت موسكو الطلب الأمريكي.\r\nوهذا كل شيء."
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))
    assert Article.open(tmp_path / "a.txt").text == text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"ab\0cd", "binary"),
        (b"\x81\xff\x00\x9d", "neither|binary"),
        (b"x" * 5_000_001, "at most"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, data, says):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ArticleError, match=says):
        Article.open(tmp_path / "a.txt")


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ArticleError, match="nowhere.txt"):
        Article.open(tmp_path / "nowhere.txt")


def test_a_name_that_no_file_can_have_is_an_article_error():
    for name in ("a\0b.txt", "\ud800.txt"):
        with pytest.raises(ArticleError, match="Can't read"):
            Article.open(name)


def test_a_run_of_marks_ends_one_sentence():
    article = Article.from_text('Really?!… "No..." He left.... So')
    assert [s.text for s in article.sentences] == ["Really?!…", '"No..."', "He left....", "So"]


def test_the_pieces_of_a_long_sentence_have_no_space_around_them():
    article = Article.from_text("word " * 400 + "," + " " * 900 + "end")
    assert all(s.text == s.text.strip() for s in article.sentences)
    assert "".join("".join(s.text.split()) for s in article.sentences) == "word" * 400 + ",end"


def test_what_stands_again_in_a_longer_line_is_left_out_and_of_lines_that_are_the_same_all_but_the_first():
    said = "the gates of the old harbour stay open at night until the last boat is in"
    wind = "Wind and rain came over the sea. " * 2
    article = Article.from_text("\n".join([said, wind, f"He said that {said} in summer.", wind, "Rain fell.", wind]))
    assert [article.text[: o.start].count("\n") for o in article.omitted] == [0, 3, 5]
    assert {o.reason for o in article.omitted} == {"repeat"}


def test_the_language_of_an_article_decides_how_its_ordinals_are_read():
    german = "Am 3. Oktober 1990 wurde das Land vereint. Die Menschen feierten in den Straßen der Stadt."
    assert [s.text[:8] for s in Article.from_text(german).sentences] == ["Am 3. Ok", "Die Mens"]
    assert len(Article.from_text("He was born on the 3. October was cold that year in the north.").sentences) == 2
