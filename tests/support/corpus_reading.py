"""Text files of the corpus that are not written as most are, and files that are no lists."""

from __future__ import annotations

from tests.support.corpus_rows import lines

_PAGE = (
    "<table><tr><td>Name</td><td>City</td><td>Phone</td></tr>"
    "<tr><td>Ann</td><td>Vac</td><td>06301234567</td></tr></table>"
)

READING: dict[str, bytes] = {
    "formats/sylk.xls": lines(
        "ID;PWXL;N;E",
        "P;PGeneral",
        "B;Y2;X3",
        'C;Y1;X1;K"Name"',
        'C;X2;K"City"',
        'C;X3;K"Phone"',
        'C;Y2;X1;K"Ann"',
        'C;X2;K"Vac"',
        'C;X3;K"06301234567"',
        "E",
    ),
    "formats/first_header_is_id.csv": lines("ID;Name;City;Phone", "1;Ann;Vac;06301234567"),
    "formats/web_page_with_its_parts.xls": lines(
        "MIME-Version: 1.0",
        "X-Document-Type: Workbook",
        'Content-Type: multipart/related; boundary="----=_B"',
        "",
        "------=_B",
        "Content-Location: file:///C:/x.htm",
        'Content-Type: text/html; charset="us-ascii"',
        "",
        f"<html><body>{_PAGE}</body></html>",
        "------=_B--",
    ),
    "formats/web_page_of_a_division.xls": f"< div >\r\n\t{_PAGE}</div>".encode(),
    "formats/web_page_of_a_style.xls": (
        f'<style>td{{mso-number-format:"\\@"}}</style>{_PAGE}'.encode()
    ),
    "text/backslash_quotes.csv": lines(
        "Name,City,Phone",
        r'"ACME \"Best\" Kft",Vác,06301234567',
        r'"Kis \"és\" Nagy, Bt",Pécs,06301234568',
        '"Hotel "Arany" Kft",Vác,06301234569',
    ),
    "text/lines_in_quotes.csv": (
        '"Name;City;Phone"\r\n"Ann Fay;Vác;06301234567"\r\n"Bob Ray;Pécs;06301234568"\r\n'.encode()
    ),
    "text/more_titles_than_rows.csv": lines(
        "Campaign report",
        "Exported by the CRM on 2024-05-17",
        "Owner: sales team",
        "Status: open",
        "Filter: none",
        "Name,Phone,City",
        "Anna Kovács,+36301234567,Győr",
        "Béla Nagy,+36209876543,Pécs",
        "Csilla Tóth,+36703334444,Eger",
    ),
    "text/prose_with_commas.csv": lines(
        "Leads of May, for the team in Pécs, Hungary",
        "Confidential, not to be shared, copied, or printed",
        "",
        "Name;City;Phone",
        "Ann;Vác;06301234567",
        "Bob;Pécs;06301234568",
    ),
    "text/divided_by_tildes.csv": lines(
        "Name~City~Phone", "Ann~Vác~06301234567", "Bob~Pécs~06301234568"
    ),
    "text/divided_by_carets.csv": lines("Name^City^Phone", "Ann^Vác^06301234567"),
    "text/texts_in_formulas.csv": lines(
        "Name,City,Zip,Phone",
        'Ann,Vác,="0123",="06301234567"',
        'Bob,Pécs,="2600",="06301234568"',
        '="Cid",="Vác","=""2601""","=""06301234569"""',
    ),
    "text/line_break_without_quotes.csv": (
        "Name,City,Phone\r\nAnn,Vác,06301234567\r\nBob,Fő u. 1\nPécs,06301234568\r\n"
        "Cid,Vác,06301234569\r\n"
    ).encode(),
    "text/row_of_another_delimiter.csv": lines(
        "Name;City;Phone", "Ann,Vác,06301234567", "Bob;Pécs;06301234568", "Cid;Vác;06301234569"
    ),
}
