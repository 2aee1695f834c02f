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
