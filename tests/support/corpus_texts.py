"""The text files of the corpus, byte for byte; names are relative to its folder."""

from __future__ import annotations

import gzip
import io
import zipfile
from typing import TypeAlias

from tests.support.corpus_reading import READING
from tests.support.corpus_rows import SHEETS_OF_TEXT, lines

PEOPLE = [
    ("Ágnes Tőkés", "Győr", "06301234567"),
    ("Béla Szűcs", "Pécs", "+36 20 123 4567"),
    ("Cili Őry", "Budapest", "06-70/123-4567"),
]


def table(mark: str = ",", end: str = "\n") -> str:
    """Three people as text, divided by `mark`."""
    lines = [("Name", "City", "Phone"), *PEOPLE]
    return "".join(mark.join(line) + end for line in lines)


def zipped(members: dict[str, bytes]) -> bytes:
    """A ZIP archive of these files, of a fixed time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (2024, 5, 17, 0, 0, 0))
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    """The content as gzip has it, without a time."""
    return gzip.compress(content, mtime=0)


Unpacked: TypeAlias = "bytes | list[tuple[str, Unpacked]]"
"""What a file holds: of an archive, its members with their names, in order."""


def unpacked(content: bytes) -> Unpacked:
    """What a file holds, whether it is packed or not, and packed in what is packed as well."""
    if content.startswith(b"\x1f\x8b"):
        return unpacked(gzip.decompress(content))
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return [(name, unpacked(archive.read(name))) for name in archive.namelist()]
    return content


def coded(code_page: str, *rows: str, end: str = "\r\n") -> bytes:
    """Lines in a code page, as a spreadsheet program saves them."""
    return "".join(row + end for row in rows).encode(code_page)


HUNGARIAN = (
    "Name;City;Phone",
    "Ágnes Tőkés;Győr;06301234567",
    "Béla Szűcs;Pécs;06301234568",
    "Cili Őry;Hódmezővásárhely;06301234569",
    "Dóra Kövér;Székesfehérvár;06301234570",
)
CODE_PAGES: dict[str, bytes] = {
    "text/cp852_of_excel.csv": coded("cp852", *HUNGARIAN),
    "text/mac_latin2_of_excel.csv": coded("mac_latin2", *HUNGARIAN),
    "text/cp1251_russian.csv": coded(
        "cp1251",
        "Name;City;Phone",
        "Иван Тестов;Москва;+74951234567",
        "Ольга Пробная;Санкт-Петербург;+78121234567",
    ),
    "text/cp1251_few_words.csv": coded(
        "cp1251",
        "Name;City;Phone",
        "Иван Петров;Москва;+74951234567",
        "Ольга Смирнова;Казань;+78432345678",
        "Пётр Кузнецов;Пермь;+73422345678",
    ),
    "text/cp1253_greek.csv": coded(
        "cp1253",
        "Name;City;Phone",
        "Γιώργος Παπαδόπουλος;Αθήνα;+302101234567",
        "Μαρία Νικολάου;Θεσσαλονίκη;+302310123456",
        "Ελένη Δημητρίου;Πάτρα;+302610123456",
    ),
    "text/cp1252_french_graves.csv": coded(
        "cp1252",
        "Nom;Ville;Adresse",
        "Hélène Lefèvre;Genève;Allée des Bruyères 4",
        "Geneviève Moulière;Besançon;Rue de la Rivière 12",
        "François Barrère;Orléans;Place Molière 1",
        "Thérèse Ferrière;Saint-Étienne;Avenue du 8 août 3",
        "Irène Deschênes;Angoulême;Chemin des Fougères 9",
        "Agnès Brière;Armentières;Impasse de la Fontaine-aux-Frères",
        "Michèle Verrière;Asnières;Rue Honoré de Balzac 7",
    ),
    "text/cp1252_pound_sign.csv": coded(
        "cp1252", "Name,Budget", "John Smith,£250", "Mary Jones,£1200", "Paul Brown,£99"
    ),
    "text/cp1252_copyright_sign.csv": coded(
        "cp1252", "Name,Source", "Acme,© Acme Ltd", "Beta,© Beta Kft."
    ),
    "text/encoding_unsure.csv": coded("cp1250", "Name;City;Phone", "Anna Kiss;Győr;06301234567"),
    "text/encoding_unknown.csv": coded(
        "cp1256",
        "Name;City;Phone",
        "محمد علي;القاهرة;+20221234567",
        "فاطمة حسن;الإسكندرية;+20321234567",
    ),
    "text/half_utf8.csv": "Name;City;Phone\nÁgnes Tőkés;Győr;06301234567\n".encode()
    + coded("cp1250", "Béla Szűcs;Pécs;06301234568", end="\n"),
    "text/cut_in_a_character.csv": "Name;City;Phone\nBéla Szűcs;Pécs;06301234568\n"
    "Ágnes Tőkés;Győr".encode()[:-2],
    "text/encoded_twice.csv": (
        "Name;City;Phone;Notes\n"
        "SzÅ±cs BÃ©la;GyÅ‘r;06301234567;x\n"
        "KovĂˇcs Ăgnes;PĂ©cs;06301234568;x\n"
        "João Conceição;GÖDÖLLŐ;06301234569;GyÅ‘r\n"
        "Kov\ufffdcs;Wien–Österreich;06301234570;x\n"
    ).encode(),
    "text/program.csv": b"MZ\x90\x00\x03\x00\x00\x00\x04\x00\x00\x00\xff\xff" + bytes(200),
}

TEXTS: dict[str, bytes] = {
    # formats
    "formats/csv.csv": table().encode(),
    "formats/tsv.tsv": table("\t").encode(),
    "formats/txt.txt": table("|").encode(),
    "formats/gzip.csv.gz": gzipped(table().encode()),
    "formats/gzip_without_its_suffix.csv": gzipped(table(";").encode("cp1250")),
    "formats/zip.zip": zipped({"list.csv": table(";").encode()}),
    "formats/zip_of_gzip.zip": zipped({"list.csv.gz": gzipped(table().encode())}),
    "formats/zip_of_two.zip": zipped({"a.csv": table().encode(), "b.csv": table().encode()}),
    "formats/zip_from_a_mac.zip": zipped(
        {"list.csv": table().encode(), "__MACOSX/._list.csv": b"\x00\x05\x16\x07"}
    ),
    "formats/stdin.csv": table(";").encode("cp1250"),
    "formats/named_as_a_workbook.xlsx": table("\t").encode("utf-16"),
    "formats/web_page.xls": b"<html><body><table><tr><td>Name</td></tr></table></body></html>",
    "formats/one.csv": table().encode(),
    "formats/two.tsv": lines("Name\tCity\tPhone", "Dóra Kis\tVác\t06309999999"),
    # text
    "text/utf8_with_mark.csv": table(";").encode("utf-8-sig"),
    "text/utf16_of_excel.csv": table("\t", "\r\n").encode("utf-16"),
    "text/utf16_big_endian.csv": b"\xfe\xff" + table().encode("utf-16-be"),
    "text/utf16_without_mark.csv": table().encode("utf-16-le"),
    "text/cp1250_hungarian.csv": table(";", "\r\n").encode("cp1250"),
    "text/cp1252_french.csv": (
        "Name;City;Phone\nHélène Forêt;Nîmes;+33 1 70 18 99 00\n"
        "Françoise Noël;Orléans;+33 1 70 18 99 01\n"
        "Benoît Crème;Château-Thierry;+33 1 70 18 99 02\n"
    ).encode("cp1252"),
    "text/iso8859_2_slovak.csv": "Name;City;Phone\nĽubomír Škoda;Žilina;+421 905 000 672\n"
    "Mária Šťastná;Košice;+421 905 000 673\nŽofia Ťapáková;Piešťany;+421 905 000 674\n".encode(
        "iso8859-2"
    ),
    "text/broken_utf8.csv": table().encode() * 9 + b"Nagy \xf5,P\xe9cs,06301234567\n",
    "text/commas_in_semicolons.csv": lines(
        "Name;City;Phone",
        "Ann Fay;Budapest, Fő u. 1, 2/b;06301234567",
        "Bob Ray;Pécs, Kis u. 2, 1;06301234568",
    ),
    "text/quotes_and_line_breaks.csv": lines(
        "Name,City,Phone",
        '"Fay, Ann ""Annie""","Buda\npest",06301234567',
        'Bob "the B" Ray,Pécs,06301234568',
        '"","",06301234569',
    ),
    "text/line_ends_cr.csv": table(",", "\r").encode(),
    "text/line_ends_mixed.csv": b"Name,City,Phone\rAnn,Vac,06301234567\r\nBob,Vac,06301234568\n"
    b"Cid,Vac,06301234569",
    "text/ragged_rows.csv": lines(
        "Name,City,Phone",
        "Ann,Budapest, Fő u. 1,06301234567",
        "Bob,Pécs",
        "Cid,Vác,06301234569,,,",
        "Dan,Győr,06301234570",
    ),
    "text/nul_bytes.csv": b"Name,City,Phone\nAnn\x00,Vac,06301234567\nBob,Vac,06301234568\n",
    "text/blank_lines.csv": lines(
        "",
        "Name,City,Phone",
        "",
        "Ann,Vác,06301234567",
        ",,",
        " ,\u00a0,\u200b",
        "Bob,,06301234568",
    )
    + b"\n\r\n,,\n  \n\x1a",
    "text/sep_line.csv": b"sep=;\r\nName;City;Phone\r\nAnn, Fay;Vac;06301234567\r\n",
    "text/quote_never_closed.csv": lines(
        "Name,City,Phone", "Ann,Vác,06301234567", '"Bob,Vác,06301234568', "Cid,Vác,06301234569"
    ),
    "text/invisible_characters.csv": "\u00a0Name\u200b,City ,\ufeffPhone\n"
    "\u2009Ann\u00a0,\u200bVác\u00ad,06\u00a030\u200b 123\u202f4567\u200e\n"
    "Zsuzsa\u00a0Kis,Pe\u0301cs,+36\u00ad20\u2060123\u30004567\n".encode(),
    "text/header_only.csv": b"Name,City,Phone\n,,\n",
    "text/empty.csv": b"\xef\xbb\xbf\r\n\r\n",
    "text/no_break_space_in_header.csv": (
        "Full\u00a0Name,City,Phone  number\nAnn,Vác,06301234567\n".encode()
    ),
    "text/line_break_in_header.csv": (
        'Name,City,"Phone\r\nnumber"\r\nAnn,Vác,06301234567\r\n'.encode()
    ),
    "text/headers_alike.csv": (
        "Name,Phone\u00a0number,PHONE number\nAnn,06301234567,06301234568\n".encode()
    ),
    "text/of_another_mapping.csv": lines("A,B,C", "Ann,Vác,06301234567"),
    "text/titles_above.csv": lines(
        "Leads of October,,", "Exported:,2024-10-01,", "", "Name,City,Phone", "Ann,Vác,06301234567"
    ),
    "text/no_header.csv": lines("06301234567,2024-01-01,1", "06301234568,2024-01-02,2"),
    "types/phones_that_lost_their_plus.csv": lines(
        "Name,City,Phone",
        *(f"N{n},C,{4915123456700 + 37 * n}" for n in range(12)),
        *(f"N{n},C,{49309018200 + 31 * (n - 12)}" for n in range(12, 18)),
        "N90,C,49(0)345 279580",
    ),
    "types/phones_with_a_zero_in_brackets.csv": lines(
        "Name,City,Phone",
        "N0,C,+44 (0)20 7946 0018",
        "N1,C,+49 (0)30 901820",
        "N2,C,+39 (0)6 69812345",
        "N3,C,+36 (0)30 123 4567",
        "N4,C,+36 (06) 30 123 4567",
        "N5,C,+48 (0)50 123 45 67",
        "N6,C,+34 (0)91 234 56 78",
        "N7,C,+1 (0)212 555 0123",
        "N8,C,0036(0)30/1234567",
        "N9,C,(+49)(0)30 901820",
    ),
    "text/one_column.csv": lines("Phone", "06301234567", "+36 20 123 4567"),
    "text/not_text.csv": bytes(range(1, 256)) * 40,
    "text/encoding_named.csv": "Name,City,Phone\nÞórður,Vík,+354 410 4000\n".encode("cp1252"),
    "text/wrong_encoding_named.csv": b"Name,City,Phone\nAnn,V\x81c,06301234567\n",
    **CODE_PAGES,
    **SHEETS_OF_TEXT,
    **READING,
}
