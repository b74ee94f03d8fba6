"""Code pages: lists of many languages, in each code page that people save them in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.model import SourceInfo
from importer.settings import SourceOptions
from importer.sources import encoding, open_source
from tests.support.code_page_lists import LANGUAGES, List, lists
from tests.support.sheets import cells_of


def read(path: Path, **options: object) -> tuple[SourceInfo, list[list[str]]]:
    """What the file is, and its cells."""
    with open_source(path, SourceOptions(**options)) as source:  # type: ignore[arg-type]
        return source.info, [row for batch in source.batches() for row in cells_of(batch)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "leads.csv"


def unsure(info: SourceInfo) -> list[str]:
    """The messages about close calls."""
    return [problem.message for problem in info.problems if problem.code == "encoding_unsure"]


def outcome(case: List, file: Path) -> str:
    """What becomes of a list: right, wrong or refused, and whether a doubt is told."""
    file.write_bytes(case.content)
    try:
        info, rows = read(file, delimiter=";", header_row=1)
    except SourceError:
        return "refused"
    lines = [line.split(";") for line in case.text.splitlines()]
    right = list(info.headers) == lines[0] and rows == lines[1:]
    return ("right" if right else "wrong") + (" with a warning" if unsure(info) else "")


Found = dict[int, Counter[str]]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Found]:
    """What becomes of the lists of a language, of 3 rows and of 20."""

    @cache
    def count(language: str) -> Found:
        file = tmp_path_factory.mktemp("lists") / "leads.csv"
        became = {3: Counter[str](), 20: Counter[str]()}
        for case in lists(5, (3, 20), (language,)):
            became[case.rows][outcome(case, file)] += 1
        return became

    return count


@pytest.mark.parametrize("language", LANGUAGES)
def test_lists_are_read_rightly_or_a_doubt_is_told(
    language: str, found: Callable[[str], Found]
) -> None:
    """None is wrong without a word, or refused; with a doubt told, one, or two of 3 rows."""
    for size, became in found(language).items():
        count = became.total()
        few = {3: 2, 20: 1}[size]
        assert became["wrong"] == became["refused"] == 0, became
        assert became["wrong with a warning"] <= max(few, 0.04 * count), (size, became)
        assert became["right"] >= (0.5 if language == "at" else 0.7) * count, (size, became)


def test_hardly_any_list_is_read_wrongly_with_a_doubt_told(found: Callable[[str], Found]) -> None:
    """Of all languages; see the docstring of `codepage` for more lists."""
    for size in (3, 20):
        became = sum((found(language)[size] for language in LANGUAGES), Counter[str]())
        assert became["wrong with a warning"] <= 0.015 * became.total(), became
        assert became["right"] >= 0.88 * became.total(), became


def test_a_doubt_names_the_words_and_how_to_settle_it(file: Path) -> None:
    file.write_bytes("Name;City\nAnna Kiss;Győr\n".encode("cp1250"))
    info, _ = read(file)
    [problem] = [problem for problem in info.problems if problem.code == "encoding_unsure"]
    assert "'Győr'" in problem.message
    assert "'Gyõr'" in problem.message
    assert problem.hint is not None
    assert "--encoding cp1250" in problem.hint
    assert "--encoding cp1252" in problem.hint
    assert "source: {encoding:" in problem.hint
    for name, city in (("cp1250", "Győr"), ("cp1252", "Gyõr")):
        info, rows = read(file, encoding=name)
        assert (unsure(info), rows) == ([], [["Anna Kiss", city]])


def test_languages_that_read_alike_are_no_doubt(file: Path) -> None:
    file.write_bytes("Name;City\nMüller;Köln\nJäger;Gießen\nSöder;Fürth\n".encode("cp1252"))
    assert unsure(read(file)[0]) == []


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1255", "דוד כהן;ירושלים\nשרה לוי;חיפה"),
        ("cp1256", "محمد علي;القاهرة\nفاطمة حسن;دمشق"),
        ("cp874", "สมชาย ใจดี;กรุงเทพ\nสมหญิง รักไทย;เชียงใหม่"),
        ("cp932", "山田太郎;東京都\n鈴木花子;大阪府"),
        ("cp949", "김철수;서울특별시\n이영희;부산광역시"),
        ("gb18030", "王小明;北京市\n李红;上海市"),
    ],
)
@pytest.mark.parametrize("times", [1, 60])
def test_what_no_code_page_makes_words_of_is_refused_with_the_likely_encoding(
    file: Path, codec: str, text: str, times: int
) -> None:
    file.write_bytes(("Name;City\n" + f"{text}\n" * times).encode(codec))
    with pytest.raises(SourceError, match="encoding of this file is not known") as caught:
        read(file)
    assert f"--encoding {codec}" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp862", "דוד כהן;ירושלים\nשרה לוי;חיפה"),
        ("cp720", "محمد علي;القاهرة\nفاطمة حسن;دمشق"),
        ("kz1048", "Нұрсұлтан;Қарағанды\nӘйгүл Өтеген;Түркістан\nҚайрат Әлиев;Шығыс"),
        ("ptcp154", "Нұрсұлтан;Қарағанды\nӘйгүл Өтеген;Түркістан\nҚайрат Әлиев;Шығыс"),
        ("hp-roman8", "Müller;Köln\nJäger;Gießen"),
        ("cp869", "Γιώργος Παπαδόπουλος;Αθήνα\nΜαρία Νικολάου;Θεσσαλονίκη"),
        ("cp855", "Јован Ђорђевић;Београд\nМилица Љубичић;Ниш"),
    ],
)
def test_what_is_in_a_code_page_that_is_not_looked_for_is_refused(
    file: Path, codec: str, text: str
) -> None:
    """The nearest one would make letters of it, but no words."""
    file.write_bytes(f"Name;City\n{text}\n".encode(codec))
    with pytest.raises(SourceError, match="encoding of this file is not known"):
        read(file)


@pytest.mark.parametrize(
    ("codec", "names"),
    [
        ("cp1252", "Benoît,Nîmes,Châlons,Lemaître,Mâcon,Forêt,Angoulême"),
        ("mac-roman", "Benoît,Nîmes,Châlons,Lemaître,Mâcon,Forêt"),
        ("cp1252", "Jérôme,Jacôme,Antônio,Verônica,Mônica,Câmara"),
        ("cp1252", "Zoë,Loïc,Anaïs,Gaël,Maïté"),
        ("cp1254", "Âdem,Kâmil,Kâzım,Lâle,Hâkim"),
        ("cp1257", "Ķirsis,Ģirts,Ņina,Ģertrūde,Ķekava,Čaka"),
        ("iso8859-2", "Ďurica,Ťapák,Ľubovňa,Vaľko,Ľudmila,Ťažký"),
        ("cp1250", "Fűzfő,Tűzoltó,Szűcs,Győző,Őry,Kőműves"),
    ],
)
def test_words_with_the_rarer_letters_of_a_language_are_words(
    file: Path, codec: str, names: str
) -> None:
    file.write_bytes("\n".join(["Name", *names.split(","), ""]).encode(codec))
    assert [row[0] for row in read(file)[1]] == names.split(",")


def test_words_far_down_are_judged_though_many_stand_before_them(file: Path) -> None:
    """The first thousands of words read alike in two code pages; the last ones do not."""
    alike = "".join(f"Müller{n:05};Köln\n" for n in range(40_000))
    file.write_bytes(f"Name;City\n{alike}Szűcs Győző;Kőszeg\nŐry;Fűzfő\n".encode("cp1250"))
    info, rows = read(file)
    assert info.encoding == "cp1250"
    assert rows[-1] == ["Őry", "Fűzfő"]


@pytest.mark.parametrize("block", [64, 100, 1000])
def test_a_word_that_two_blocks_share_changes_nothing(
    file: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BLOCK", block)
    [case] = [case for case in lists(1, (200,), ("hu",)) if (case.kind, case.code_page) == MIXED]
    assert outcome(case, file) == "right"


MIXED = ("mixed", "cp852")


@pytest.mark.parametrize(
    ("given", "codec"),
    [
        ("windows-1250", "cp1250"),
        ("Windows1250", "cp1250"),
        ("win-1251", "cp1251"),
        ("1252", "cp1252"),
        ("ISO 8859-2", "iso8859-2"),
        ("iso-8859-15", "iso8859-15"),
        ("Latin2", "iso8859-2"),
        ("x-mac-ce", "mac-latin2"),
        ("macroman", "mac-roman"),
        ("Macintosh", "mac-roman"),
        ("mac_cyrillic", "mac-cyrillic"),
        ("IBM852", "cp852"),
        ("MS-DOS 850", "cp850"),
        ("KOI8-R", "koi8-r"),
        ("Unicode", "utf-16"),
        ("UTF8", "utf-8"),
    ],
)
def test_an_encoding_is_known_by_the_names_that_programs_give_it(
    file: Path, given: str, codec: str
) -> None:
    file.write_bytes("Name\nAnna\n".encode(codec))
    info, rows = read(file, encoding=given)
    assert (info.encoding, rows) == (codec, [["Anna"]])


@pytest.mark.parametrize("name", ["ANSI", "MS-DOS", "Mac", "OEM", "ISO-8859"])
def test_a_name_of_several_encodings_is_refused_with_these(file: Path, name: str) -> None:
    file.write_bytes(b"Name\nAnna\n")
    with pytest.raises(SourceError, match="can be several") as caught:
        read(file, encoding=name)
    assert "(Central Europe)" in str(caught.value.hint)


def test_lines_of_another_encoding_in_utf8_are_named(file: Path) -> None:
    good = "Ágnes Tőkés;Győr\n".encode()
    file.write_bytes(b"Name;City\n" + good * 30 + b"B\xe9la;P\xe9cs\n" + good * 5 + b"\xd5ry;Vac\n")
    with pytest.raises(SourceError, match=r"for 3 bytes that are not: line 32 \(0xe9\), line 38"):
        read(file)


def test_a_named_encoding_that_fails_says_what_the_file_looks_like(file: Path) -> None:
    file.write_bytes("Név;Város\nŐry Ágnes;Győr\nSzűcs Éva;Pécs\n".encode("cp1250"))
    with pytest.raises(SourceError, match="line 1 ") as caught:
        read(file, encoding="utf-8")
    assert "--encoding cp1250" in str(caught.value.hint)
    assert "Győr" in str(caught.value.hint) or "Név" in str(caught.value.hint)


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Имя;Город\nИван Петров;Москва\n", "Név;Város\nŐry;Győr\n"])
def test_utf16_without_a_mark_is_found_in_any_alphabet(file: Path, codec: str, text: str) -> None:
    file.write_bytes(text.encode(codec))
    info, rows = read(file)
    assert (info.encoding, rows) == (codec, [text.splitlines()[1].split(";")])
