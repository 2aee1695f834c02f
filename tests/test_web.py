"""Articles from the pages of news sites: what stands beside their paragraphs."""
from rag import Article
from rag.context import needed
from tests.test_documents import PROSE, of_html, page


def test_the_times_of_a_live_blog_are_read_and_shown_with_what_happened_then():
    entries = ["<a href=#1><time>18:05 GMT</time></a>", "<h3><time>5:20 p.m.</time> Power</h3>"]
    said = "<p>It is back in 1,400 homes. {} are left.</p>"
    blog = "".join(f"<div>{entry}{said.format(number)}</div>" for number, entry in enumerate(entries))
    article = Article.from_bytes(page(f"<article><p>{PROSE * 3}</p>{blog}</article>"), "a.html")
    assert [s.text for s in article.sentences][3:] == [
        "18:05 GMT", "It is back in 1,400 homes.", "0 are left.",
        "5:20 p.m.", "Power", "It is back in 1,400 homes.", "1 are left.",
    ]  # fmt: skip
    assert [needed(article, i) for i in range(10)] == [None, None, None, None, 3, 3, None, 6, 6, 6]


def test_a_time_within_a_paragraph_stays_before_what_it_says():
    times = "<p><time>17:20</time> A bridge fell in the south.</p><p>It opens at <a href=#1><time>18:05</time></a> again.</p>"
    assert of_html(f"<article><p>{PROSE * 3}</p>{times}</article>").text.splitlines()[1:] == [
        "17:20 A bridge fell in the south.", "It opens at 18:05 again.",
    ]  # fmt: skip


def test_the_one_time_of_a_page_is_when_it_was_published():
    prose = (PROSE * 3).strip()
    assert of_html(f"<article><h1>Talks</h1><time>18:05</time><p>{prose}</p></article>").text == f"Talks\n{prose}"


def test_a_number_above_the_line_is_not_part_of_the_number_before_it():
    raised = "It cost €64<sup><a href=#2>2</a></sup> and 10<sup>−6</sup> m<sup>2</sup>, the 1<sup>st</sup> of 4 CO<sub>2</sub>."
    text = of_html(f"<article><p>{PROSE}</p><p>{raised}<sup>1, 3</sup> {PROSE}</p></article>").text.splitlines()[-1]
    assert text == f"It cost €64² and 10⁻⁶ m², the 1st of 4 CO2.¹, ³ {PROSE.strip()}"


def test_what_a_table_is_called_is_not_its_first_row():
    table = "<table><caption>In <i>millions</i></caption><tr><th>Year<th>Cost<tr><td>2021<td>4</table>"
    article = Article.from_bytes(page(f"<article><p>{PROSE * 3}</p>{table}</article>"), "a.html")
    assert [s.text for s in article.sentences][3:] == ["In millions", "| Year | Cost |", "| 2021 | 4 |"]
    assert needed(article, 5) == 4


def test_what_a_box_of_facts_counts_is_in_the_line_of_what_it_is():
    facts = "<dl><dt>Homeless</dt><dd><b>48,147</b> people</dd><dt>Cost:<dd>4 billion<dt>Who pays?<dd>All.<dt>None</dl>"
    assert of_html(f"<article><p>{PROSE * 3}</p>{facts}</article>").text.splitlines()[1:] == [
        "- Homeless: 48,147 people", "- Cost: 4 billion", "- Who pays? All.", "- None",
    ]  # fmt: skip
