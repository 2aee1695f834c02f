from app import build_app, evidence
from rag import Answer, Article, Citation, Claim


class Opened:
    """As much of a Chat as the page needs to be drawn."""

    article = Article.from_text("One <script>. رفضت موسكو. Three.", title="t")


def test_evidence_is_escaped_and_the_cited_sentence_marked():
    s = Opened.article.sentences[0]
    shown = evidence(Opened, Answer("", citations=(Citation(1, s.start, s.end, s.text, 0.5, 0),)))
    assert "<mark>One &lt;script&gt;.</mark>" in shown
    assert "<script" not in shown


def test_a_completed_question_and_weak_support_are_said():
    answer = Answer("Who <b> refused?", text="x [1]", answered=True, claims=(Claim("x", (1,), 0.4),))
    shown = evidence(Opened, answer, "Who?")
    assert "Understood as: <bdi>Who &lt;b&gt; refused?</bdi>" in shown and "Weakly supported" in shown
    surely = Answer("Who?", text="x [1]", answered=True, claims=(Claim("x", (1,), 0.6),))
    assert "Understood" not in evidence(Opened, surely, "Who? ") and "Weakly" not in evidence(Opened, surely, "Who?")


def test_the_page_can_be_built():
    assert build_app(Opened).title == "Sanad"
