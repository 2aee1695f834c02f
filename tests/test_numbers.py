"""Numbers and currencies, in digits and in words: which of a claim stand in its source."""
import pytest

from rag.numbers import amounts, numbers_stand


def test_numbers_are_compared_whole_and_in_any_digits():
    assert numbers_stand("1,5 and ٢٠", "en", "٢٠ or 1.5", "en")
    assert not numbers_stand("15", "en", "5 and 1", "en")


STAND = [
    ("de", "20,9 Millionen Euro", "de", "20,9 Mio. Euro"),
    ("en", "$3 billion", "en", "$3bn"),
    ("en", "5 thousand", "ru", "5 тыс."),
    ("en", "£14 million", "en", "£14m"),
    ("en", "14 metres", "en", "14 m"),
    ("el", "5,6 εκατομμύρια", "el", "5,6 εκατ."),
    ("en", "28.6 billion yuan", "zh", "286亿元"),
    ("en", "12,000", "zh", "1.2万"),
    ("zh", "三百万", "zh", "300万"),
    ("en", "30 million", "hi", "3 करोड़"),
    ("en", "300,000", "ko", "30만"),
    ("en", "50 thousand", "it", "50mila"),
    ("en", "5 million", "en", "5 to 40 million"),
    ("en", "5,000,000", "ar", "5مليون"),
    ("en", "5 million", "en", "| (millions) | 5 |"),
    ("en", "1,234,567", "fr", "1\u202f234\u202f567"),
    ("en", "1234567", "de", "1'234'567"),
    ("en", "123456", "hi", "1,23,456"),
    ("en", "10:30", "de", "10.30 Uhr"),
    ("en", "300 came", "en", "On May 5 300 came"),
    ("fr", "23 418,67 livres", "en", "£23,418.67"),
    ("en", "0.05", "en", "p < .05"),
    ("en", "48,312", "tr", "48 bin 312 seyirci"),
    ("en", "48,312", "ar", "48 ألفا و312 متفرجا"),
    ("en", "312 others", "ar", "48 ألفا و312 آخرين"),
    ("en", "1,250,300", "tr", "1 milyon 250 bin 300 lira"),
    ("en", "123 million", "zh", "1亿2300万"),
    ("en", "5 years ago", "en", "3 million 5 years ago"),
    ("en", "45 thousand billion", "fa", "۴۵ هزار میلیارد"),
    ("en", "45 trillion", "fa", "۴۵ هزار میلیارد"),
    ("en", "₹5 lakh crore", "hi", "5,00,000 करोड़"),
    ("en", "3 billion", "en", "300 crore"),
    ("de", "96,3 Mio. Euro", "de", "| in Mio. € | 2023 | | EBIT | 96,3 |"),
    ("en", "£7.5 million", "en", "| £m | 2023 | | Income | 7.5 |"),
    ("en", "article 3", "ko", "제3조"),
    ("ja", "アイドル", "en", "a singer"),
    ("ko", "추억", "en", "memory"),
    ("zh", "亿万富翁", "en", "a rich man"),
    ("vi", "tỷ phú", "en", "rich"),
    ("en", "350 million", "zh", "3.5億"),
    ("en", "3 trillion", "zh", "3萬億"),
    ("en", "100,000", "ar", "100 الف"),
    ("en", "3 million", "fa", "3 ميليون"),
    ("en", "20 million", "hi", "2 करोड"),
    ("en", "20 million", "ro", "20 de milioane"),
    ("tr", "3 milyonluk", "en", "3 million"),
    ("en", "3,000", "tr", "3 bine yakın"),
    ("es", "3 millardos", "en", "3 billion"),
    ("en", "$3B", "en", "$3 billion"),
    ("pl", "5 milionach", "en", "5 million"),
    ("ja", "1億2000万", "en", "120 million"),
]
FALL = [
    ("en", "30 dollars", "en", "30 million dollars"),
    ("en", "5 million", "en", "5 billion trees and 3 million people"),
    ("zh", "30人", "zh", "30万人"),
    ("de", "3 Mrd.", "de", "3 Mio."),
    ("ja", "3兆", "ja", "3億"),
    ("en", "$5bn", "en", "$5m"),
    ("fr", "234", "fr", "1\u202f234\u202f567"),
    ("hi", "23", "hi", "1,23,456"),
    ("en", "125", "en", "0.125"),
    ("en", "400 metres", "fr", "400 000 m²"),
    ("fr", "2 341 867 livres", "en", "£23,418.67"),
    ("en", "5", "en", "p < .05"),
    ("en", "312 fans", "tr", "48 bin 312 seyirci"),
    ("tr", "48 bin 999", "tr", "48 bin 312 seyirci"),
    ("en", "45,000", "fa", "۴۵ هزار میلیارد"),
    ("en", "$48M", "en", "$48K"),
    ("en", "42 euros", "fr", "42 M€"),
    ("en", "5", "zh", "5萬"),
    ("en", "100", "ar", "100 الف"),
    ("ja", "1億2000万", "en", "100 million"),
    ("de", "96,3 Mrd. Euro", "de", "| in Mio. € | 2023 | | EBIT | 96,3 |"),
]


@pytest.mark.parametrize(("one", "stands"), [(one, True) for one in STAND] + [(one, False) for one in FALL])
def test_a_number_is_as_great_as_the_word_that_counts_it_makes_it(one, stands):
    language, claim, source_language, source = one
    assert numbers_stand(claim, language, source, source_language) is stands


def test_the_sign_of_a_currency_is_compared_as_its_name_is():
    assert numbers_stand("€5 billion", "en", "خصص 5 مليار يورو", "ar") and numbers_stand("5 dollars", "en", "$5", "en")
    assert not numbers_stand("$5 billion", "en", "خصص 5 مليار يورو", "ar")


BILLION = {
    "ar": "بمليار يورو", "de": "Milliarden Euro", "el": "ένα δισεκατομμύριο", "en": "a billion euros", "es": "mil millones",
    "fa": "یک میلیارد", "fr": "un milliard d'euros", "he": "מיליארד אירו", "hi": "एक बिलियन", "id": "satu miliar",
    "it": "miliardi", "ja": "十億ユーロ",
    "ko": "십억 유로", "nl": "miljard euro", "pl": "miliard euro", "pt": "mil milhões", "ro": "un miliard",
    "ru": "миллиардов евро", "sv": "en miljard", "th": "หนึ่งพันล้านยูโร", "tr": "bir milyar", "vi": "một tỷ euro", "zh": "十亿欧元",
}  # fmt: skip


DOLLARS = {
    "ar": "بالدولار", "de": "Dollar", "el": "δολάρια", "en": "dollars", "es": "dólares", "fa": "دلار", "fr": "dollars",
    "he": "דולרים", "hi": "डॉलर", "id": "dolar", "it": "dollari", "ja": "米ドル", "ko": "미국 달러", "nl": "dollar",
    "pl": "dolarów", "pt": "dólares", "ro": "dolari", "ru": "долларов", "sv": "dollar", "th": "ดอลลาร์สหรัฐ", "tr": "doları",
    "vi": "đô la Mỹ", "zh": "美元",
}  # fmt: skip


@pytest.mark.parametrize("language", BILLION)
def test_an_amount_in_words_stands_where_the_source_names_one_as_great(language):
    source = "خصص الاتحاد الأوروبي مليار يورو"
    assert amounts(BILLION[language], language) - {"EUR"} == {"9"}
    assert numbers_stand(BILLION[language], language, source, "ar")
    assert not numbers_stand(BILLION[language], language, source.replace("مليار", "مليون"), "ar")
    assert numbers_stand(BILLION[language], language, "1 000 000 000 → €1,000,000,000", "en")


@pytest.mark.parametrize("language", DOLLARS)
def test_dollars_stand_where_the_source_names_dollars(language):
    assert amounts(DOLLARS[language], language) == {"USD"}
    assert not numbers_stand(DOLLARS[language], language, "مئة مليون يورو", "ar")
    assert numbers_stand(DOLLARS[language], language, "مئة مليون دولار أمريكي", "ar")
    assert numbers_stand(DOLLARS[language], language, "worth $400,000,000", "en")


def test_words_that_hold_an_amounts_letters_are_none():
    assert amounts("تتألف من مؤلفين", "ar") == amounts("la familia", "es") == amounts("bina", "tr") == set()
    assert amounts("기억 자유로운 이유로 유로파", "ko") == amounts("European", "en") == amounts("यूरोप", "hi") == set()
    assert amounts("خمسة آلاف والملايين", "ar") == {"3", "6"} and amounts("tỷ lệ", "vi") == amounts("million", "xx") == set()
