import json
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from rag import Answer, Article, Chat, Citation, Claim, Config, Hit
from rag.export import ABSTAINED, NEVER, OFFSETS, WEAK, Conversation, _block, _inline, to_html, to_json, to_markdown
from rag.testing import CALIBRATION, WordEncoder, WordModel

HOSTILE = (
    "&amp; ![x](http://evil.example/i.png) <script>alert(1)</script> [9] [a](javascript:alert(1)) <b onclick='x()'>\"bold\"</b> "
    "`code` *stars* _lines_ ~~no~~ | a | $x$ \u202egnp.exe\u202c www.evil.example a@evil.example \ud800 \0 {{ 7 * 7 }}."
)
TEXT = f"Moscow refused the request.\r\nرفضت موسكو الطلب.\r\n# {HOSTILE}\r\n1. Not a list.\r\n- Nor this.\r\nNobody answered."
CSP = "default-src 'none'; style-src 'unsafe-inline'"


def cited(article, number, sentence, support=0.8):
    s = article.sentences[sentence]
    return Citation(number, s.start, s.end, s.text, support, sentence, article.page(s.start))


def conversation(body=TEXT, *, asked="Who refused?", question=None, title="Bases", pages=(), **fields):
    article = replace(Article.from_text(body, title=title, author="Ann <Lee>", source="bases.pdf"), pages=pages)
    hits = tuple(Hit(s.index, s.start, s.end, 0.9 - s.index / 10, s.index, 0.25) for s in article.sentences[:2])
    answer = Answer(asked.strip() if question is None else question, hits=hits, **{"confidence": 0.75, **fields})
    return Conversation(article, (answer,), (asked,), "small", "m" * 64, "e5", "e" * 64, "2026-11-24T12:00:00Z")


def answered(c, *sentences, support=0.8, text="Moscow refused."):
    citations = tuple(cited(c.article, n, i, support) for n, i in enumerate(sentences, 1))
    marked = f"{text} {''.join(f'[{x.number}]' for x in citations)}"
    claim = Claim(text, tuple(x.number for x in citations), support)
    answer = replace(c.answers[0], text=marked, answered=True, claims=(claim,), citations=citations)
    return replace(c, answers=(answer,))


class Page(HTMLParser):
    """What a page holds: its tags with their attributes, and the text in each."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(len(self.tags) - 1)

    def handle_endtag(self, tag):
        assert self.tags[self.open.pop()][0] == tag

    def handle_data(self, data):
        self.texts += [(number, data) for number in self.open]

    def all(self, name, **wanted):
        """(attributes, text) of each element of this name that has these attributes."""
        wanted = {key.rstrip("_"): value for key, value in wanted.items()}
        return [
            (attributes, "".join(text for at, text in self.texts if at == number))
            for number, (tag, attributes) in enumerate(self.tags)
            if tag == name and wanted.items() <= attributes.items()
        ]


def shown(markdown):
    """Markdown as a program renders it: the kinds of what it finds in it, and its text."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    return {token.type for token in tokens + inline}, "\n".join(
        "".join("\n" if child.type == "softbreak" else child.content for child in token.children)
        for token in tokens
        if token.type == "inline"
    )


# All three


def test_a_real_answer_is_exported_whole():
    article = Article.default()
    chat = Chat(article, encoder=WordEncoder(), model=WordModel(), calibration=CALIBRATION, config=Config(keep=False))
    asked = (" لماذا رفضت موسكو استخدام القواعد العسكرية في دول آسيا الوسطى؟ ", "What is the capital of France?")
    answers = tuple(chat.ask(question) for question in asked)
    c = Conversation(article, answers, asked, "default", "m" * 64, "default", "e" * 64, "2026-11-24T12:00:00Z")
    found = json.loads(to_json(c))
    assert [a["asked"] for a in found["answers"]] == list(asked)
    assert [a["answered"] for a in found["answers"]] == [True, False]
    quotes = [q for a in found["answers"] for q in a["citations"]]
    assert len(quotes) == 3 and all(article.text[q["start"] : q["end"]] == q["quote"] for q in quotes)
    page = Page(to_html(c))
    assert [text for _, text in page.all("blockquote")] == [q["quote"] for q in quotes]
    assert to_markdown(c).count("\n> ") == 3 and ABSTAINED in to_markdown(c) and ABSTAINED in to_html(c)


@pytest.mark.parametrize("write", [to_json, to_markdown, to_html])
def test_a_file_is_utf_8_whatever_the_article_holds_and_the_same_each_time(write):
    c = answered(conversation(asked=HOSTILE, title=HOSTILE), 2, text=HOSTILE)
    assert write(c) == write(c)
    assert write(c).encode().endswith(b"\n")


@pytest.mark.parametrize("write", [to_json, to_markdown, to_html])
def test_answers_without_their_questions_are_an_error(write):
    with pytest.raises(ValueError, match="shorter|longer"):
        write(replace(conversation(), asked=()))


# JSON


def test_json_holds_everything_under_its_name():
    c = answered(conversation(pages=(0, 29)), 0, 1)
    found = json.loads(to_json(c))
    assert found == {
        "schema": 1,
        "made": "2026-11-24T12:00:00Z",
        "article": {
            "title": "Bases", "author": "Ann <Lee>", "source": "bases.pdf",
            "language": c.article.language, "hash": c.article.hash,
        },
        "model": {"name": "small", "hash": "m" * 64},
        "encoder": {"name": "e5", "hash": "e" * 64},
        "answers": [{"asked": "Who refused?", **c.answers[0].to_dict()}],
    }  # fmt: skip
    assert [q["page"] for q in found["answers"][0]["citations"]] == [1, 2]


def test_an_answer_is_plain_lists_and_says_what_is_weak_and_where_it_stands():
    for support, weak in ((0.49, True), (0.5, False)):
        (answer,) = answered(conversation(pages=(0, 29)), 0, 1, support=support).answers
        found = answer.to_dict()
        assert json.loads(json.dumps(found)) == found
        assert found["weak"] is weak and [claim["weak"] for claim in found["claims"]] == [weak]
        assert [q["where"] for q in found["citations"]] == ["characters 0–27, page 1", "characters 29–46, page 2"]
        assert found["claims"][0]["citations"] == [1, 2] and len(found["hits"]) == 2 and found["timings"]["total"] == 0.0


def test_json_reads_back_to_the_very_text():
    c = answered(conversation(asked=HOSTILE), 2, text=HOSTILE)
    (found,) = json.loads(to_json(c))["answers"]
    assert found["asked"] == HOSTILE and found["text"] == f"{HOSTILE} [1]"
    (quote,) = found["citations"]
    assert c.article.text[quote["start"] : quote["end"]] == quote["quote"]
    assert "رفضت" in to_json(answered(conversation(), 1))


# Markdown


def test_markdown_is_a_transcript():
    c = answered(conversation("Moscow refused.\nرفضت موسكو.", pages=(0, 16)), 0, 1)
    assert to_markdown(c) == f"""\
# Bases

## 1. Who refused?

Moscow refused. \\[1\\]\\[2\\]

Confidence 0.75, support 0.80

**\\[1\\]** characters 0–15, page 1, support 0.80

> Moscow refused.

**\\[2\\]** characters 16–27, page 2, support 0.80

> رفضت موسكو.

---

## Where this comes from

- Article: Bases
- Author: Ann \\<Lee\\>
- File: bases.pdf
- Language: {c.article.language}
- SHA-256 of its text: {c.article.hash}
- Chat model: small
- Hash of the chat model: {"m" * 64}
- Encoder: e5
- Hash of the encoder: {"e" * 64}
- Made: 2026-11-24T12:00:00Z

{OFFSETS}
"""


def test_markdown_says_what_was_understood_what_is_weak_and_what_was_not_finished():
    c = answered(conversation(asked="And why?", question="Why did Moscow refuse?"), 0, support=0.4)
    assert f"Understood as: Why did Moscow refuse?\n\nMoscow refused. \\[1\\]\n\n*{WEAK}*\n\nConfidence" in to_markdown(c)
    stopped = conversation(stage="writing", text="Mosc", answered=True)
    assert f"Mosc\n\n*{NEVER}*\n\n---" in to_markdown(stopped)
    none = conversation(text="", asked=" Who refused?  ")
    assert f"## 1. Who refused?\n\n*{ABSTAINED}*\n\nConfidence 0.75\n\n---" in to_markdown(none)


def test_markdown_of_a_hostile_article_is_nothing_but_its_text():
    c = answered(conversation(asked=HOSTILE, title=HOSTILE), 2, 3, 4, text=HOSTILE)
    kinds, text = shown(to_markdown(c))
    assert kinds == {
        "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text",
        "strong_open", "strong_close", "blockquote_open", "blockquote_close", "hr", "bullet_list_open", "bullet_list_close",
        "list_item_open", "list_item_close",
    }  # fmt: skip
    plain = HOSTILE.replace("\ud800", "\ufffd").replace("\0", "\ufffd")
    assert text.count(plain) == 5  # title, question, answer, quote, title again
    assert "![x](http" not in to_markdown(c) and "http://" not in to_markdown(c) and "www.evil" not in to_markdown(c)


def test_a_quote_of_several_lines_stays_one_quote():
    lines = "\n\n".join(["The committee met\n    ~~~ and decided\n> nothing at all\n==="] * 4)
    c = answered(conversation(lines), 0)
    assert c.answers[0].citations[0].quote.count("\n") == 3
    assert "> The committee met\n> \\~\\~\\~ and decided\n> \\> nothing at all\n> \\===\n" in to_markdown(c)


@given(st.text(alphabet=st.characters() | st.sampled_from("\r\n\t \\`*_{}[]<>()#+-.!|~&=:1\ud800\u202e"), max_size=60))
def test_any_text_is_shown_by_markdown_as_it_is(text):
    plain = {ord(c): "\ufffd" for c in text if c in "\x0b\x0c\x1c\x1d\x1e\x1f\x7f" or c < "\t" or "\x0e" <= c < " "}
    plain |= {ord(c): "\ufffd" for c in text if "\x80" <= c <= "\x9f" or "\ud800" <= c <= "\udfff"}
    line = " ".join(text.split())
    if line:
        assert shown(f"# {_inline(text)}")[1] == line.translate(plain)
    lines = [part.strip() for part in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    kinds, found = shown("\n".join(f"> {part}".rstrip() for part in _block(text)))
    assert [part for part in found.split("\n") if part] == [part.translate(plain) for part in lines if part]
    assert kinds <= {"blockquote_open", "blockquote_close", "paragraph_open", "paragraph_close", "inline", "text", "softbreak"}


# HTML


def test_html_shows_each_part_in_its_language_and_direction():
    page = Page(to_html(answered(conversation("رفضت موسكو الطلب.\nهذا كل شيء.", asked="Who refused?", language="ru"), 0)))
    assert page.all("h1") == [({"lang": "ar", "dir": "rtl"}, "Bases")]
    assert page.all("h2") == [({"lang": "en", "dir": "ltr"}, "Who refused?")]
    assert page.all("p", class_="answer") == [({"class": "answer", "lang": "ru", "dir": "ltr"}, "Moscow refused. [1]")]
    assert page.all("blockquote") == [({"lang": "ar", "dir": "rtl"}, "رفضت موسكو الطلب.")]
    assert page.all("html") == [({"lang": "en", "dir": "ltr"}, page.all("html")[0][1])]


@pytest.mark.parametrize(("language", "direction"), [("ar", "rtl"), ("fa", "rtl"), ("he", "rtl"), ("ur", "rtl"), ("ja", "ltr")])
def test_arabic_persian_hebrew_and_urdu_run_from_the_right(language, direction):
    page = Page(to_html(answered(conversation(language=language), 0)))
    assert page.all("p", class_="answer")[0][0] == {"class": "answer", "lang": language, "dir": direction}


def test_html_links_each_marker_to_its_quote_and_no_other_brackets():
    c = answered(conversation(), 0, 1, text="Moscow [9] refused [12345678901].")
    page = Page(to_html(replace(c, answers=c.answers * 2, asked=c.asked * 2)))
    assert [(a["href"], text) for a, text in page.all("a")] == [
        ("#quote-1-1", "[1]"), ("#quote-1-2", "[2]"), ("#quote-2-1", "[1]"), ("#quote-2-2", "[2]"),
    ]  # fmt: skip
    assert [a["id"] for a, _ in page.all("figure")] == ["quote-1-1", "quote-1-2", "quote-2-1", "quote-2-2"]
    assert page.all("p", class_="answer")[0][1] == "Moscow [9] refused [12345678901]. [1][2]"


def test_html_says_where_quotes_stand_how_well_they_support_and_what_was_looked_at():
    page = Page(to_html(answered(conversation(pages=(0, 29)), 0, 1)))
    assert [text for _, text in page.all("figcaption")] == [
        "[1] characters 0–27, page 1, support 0.80", "[2] characters 29–46, page 2, support 0.80",
    ]  # fmt: skip
    assert [text for _, text in page.all("p", class_="faint")] == ["confidence 0.75, support 0.80", OFFSETS]
    assert [" ".join(text.split()) for _, text in page.all("li")] == [
        "characters 0–27, score 0.900, of which words in common 0.250 Moscow refused the request.",
        "characters 29–46, score 0.800, of which words in common 0.250 رفضت موسكو الطلب.",
    ]
    facts = dict(zip((t for _, t in page.all("dt")), (t for _, t in page.all("dd")), strict=True))
    assert facts["Hash of the chat model"] == "m" * 64 and facts["Hash of the encoder"] == "e" * 64
    assert facts["Made"] == "2026-11-24T12:00:00Z" and facts["SHA-256 of its text"] == conversation().article.hash
    assert facts["Article"] == "Bases" and facts["Author"] == "Ann <Lee>" and facts["File"] == "bases.pdf"


def test_html_marks_weak_support_abstentions_and_what_was_not_finished():
    def notes(c):
        page = Page(to_html(c))
        return [(a["class"], t) for a, t in page.all("p") if a.get("class") in ("weak", "none")]

    assert notes(answered(conversation(), 0, support=0.49)) == [("weak", WEAK)]
    assert notes(answered(conversation(), 0, support=0.5)) == []
    assert notes(conversation(text="The article does not say.")) == [("none", ABSTAINED)]
    assert notes(conversation(stage="writing")) == [("none", NEVER)]


def test_html_says_how_a_follow_up_was_understood():
    c = conversation(asked="ولماذا؟", question="لماذا رفضت موسكو؟")
    page = Page(to_html(c))
    assert ({"lang": "ar", "dir": "rtl"}, "لماذا رفضت موسكو؟") in page.all("p")
    assert "Understood as" not in to_html(conversation(asked="Who?  ", question="Who?"))


def test_html_of_a_hostile_article_has_no_tag_attribute_or_address_of_it():
    plain = answered(conversation("One.\r\nTwo.\r\nThree.", asked="Who?"), 2, text="Four.")
    hostile = conversation(f"One.\r\nTwo.\r\n{HOSTILE}", asked=HOSTILE, title=HOSTILE, question=HOSTILE)
    hostile = answered(hostile, 2, text=HOSTILE)
    hostile = replace(hostile, model=HOSTILE, made=HOSTILE, article=replace(hostile.article, author=HOSTILE, source=HOSTILE))
    expected, page = Page(to_html(plain)), Page(to_html(hostile))
    languages = ("lang", "dir")
    assert [(tag, {k: v for k, v in a.items() if k not in languages}) for tag, a in page.tags] == [
        (tag, {k: v for k, v in a.items() if k not in languages}) for tag, a in expected.tags
    ]
    values = [(name, value) for _, attributes in page.tags for name, value in attributes.items()]
    assert {name for name, _ in values} == {"lang", "dir", "charset", "http-equiv", "content", "name", "class", "href", "id"}
    assert [value for name, value in values if name == "href"] == ["#quote-1-1"]
    assert {value for name, value in values if name == "lang"} <= {"en", "ar", "vi", "id", "fr", "de", "it", "es", "nl"}
    style = page.all("style")[0][1]
    assert "url(" not in style and "@import" not in style and "//" not in style
    assert page.all("blockquote")[0][1] == HOSTILE.replace("\ud800", "\ufffd").replace("\0", "\ufffd")
    assert "49" not in page.all("h2")[0][1]  # a template in a text is text


def test_html_keeps_bidi_overrides_but_isolates_what_holds_them():
    page = Page(to_html(answered(conversation(asked="Who \u202e?"), 2, text="He \u202e\u2069 did")))
    assert page.all("h2")[0][1] == "Who \u202e?"
    assert "\u202e" in page.all("blockquote")[0][1] and "\u202e\u2069" in page.all("p", class_="answer")[0][1]
    holders = {page.tags[number][0] for number, text in page.texts if "\u202e" in text}
    assert holders <= {"html", "body", "main", "section", "figure", "h2", "p", "blockquote"}
    assert "h1, h2, h3, p, blockquote, li, dd { unicode-bidi: isolate" in page.all("style")[0][1]


def test_html_needs_nothing_else_and_may_load_nothing_else():
    html = to_html(answered(conversation(), 0, 1))
    page = Page(html)
    assert html.startswith("<!doctype html>\n<html")
    assert ("meta", {"http-equiv": "Content-Security-Policy", "content": CSP}) in page.tags
    assert not {tag for tag, _ in page.tags} & {"script", "img", "link", "iframe", "object", "embed", "base", "form", "svg"}
    assert not {name for _, a in page.tags for name in a} & {"src", "srcset", "style", "action", "data", "poster"}
    assert "@media print" in page.all("style")[0][1]


def test_a_carriage_return_reads_back_from_html():
    c = answered(conversation("\n\n".join(["The committee met\r\nand left."] * 4)), 0)
    assert c.answers[0].citations[0].quote == "The committee met\r\nand left."
    assert "<blockquote lang=\"en\" dir=\"ltr\">The committee met&#13;\nand left.</blockquote>" in to_html(c)
