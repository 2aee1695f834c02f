from app import build_app, evidence
from rag import Answer, Article, Citation


class Opened:
    """As much of a Chat as the page needs to be drawn."""

    article = Article.from_text("One <script>. رفضت موسكو. Three.", title="t")


def test_evidence_is_escaped_and_the_cited_sentence_marked():
    s = Opened.article.sentences[0]
    shown = evidence(Opened, Answer("q", citations=(Citation(1, s.start, s.end, s.text, 0.5, 0),)))
    assert "<mark>One &lt;script&gt;.</mark>" in shown
    assert "<script" not in shown


def test_the_page_can_be_built():
    assert build_app(Opened).title == "Sanad"
