"""The text files of the corpus whose cells matter: damage, types, rows, project, readiness."""

from __future__ import annotations


def lines(*rows: str) -> bytes:
    """UTF-8 lines."""
    return "".join(f"{row}\n" for row in rows).encode()


_DATES_BY_COLUMN = lines(
    "Name,Phone,Signed",
    "Ann,06301234567,03/04/2024",
    "Bob,06301234568,25/04/2024",
    "Cid,06301234569,05/05/2024",
    "Dan,06301234570,11/12/2024",
)
_BIRTHS = lines(
    "Name,Phone,Born",
    "Ann,06301234567,3.3.42",
    "Bob,06301234568,02.02.1941",
    "Cid,06301234569,3.3.71",
    "Dan,06301234570,3.3.24",
)
_SWAPPED = [
    *(f"{day:02}/{5 + day % 3:02}/2024" for day in range(13, 27)),
    *(f"2024-{day:02}-{5 + day % 3:02}" for day in range(1, 13)),
]
"""Dates of days 13 to 26 are left as texts; of days 1 to 12, day and month were exchanged."""
_ZIPS = (
    4032,
    6720,
    1011,
    9021,
    8000,
    3300,
    7621,
    5000,
    2400,
    1138,
    6722,
    4400,
    7400,
    1052,
    3525,
    987,
    8200,
)

SHEETS_OF_TEXT: dict[str, bytes] = {
    # damage
    "damage/scientific_phones.csv": lines(
        "Name,Phone",
        "Ann,3.63E+10",
        "Bob,36301234568",
        "Cid,3.6301234569E+10",
        "Dan,3.63012E+10",
        "Eve,36301234571.0",
        '"Fay","3,6301234572E+10"',
    ),
    "damage/scientific_phones_repaired.csv": lines(
        "Name,Phone", "Ann,3.6301234569E+10", "Bob,36301234571.0", "Cid,3.63E+10"
    ),
    "damage/lost_zeros_of_phones.csv": lines(
        "Name,Phone", "Ann,06301234567", "Bob,301234568", "Cid,06301234569", "Dan,06 20 123 4570"
    ),
    "damage/lost_plus_of_phones.csv": lines(
        "Name,Phone", "Ann,+36301234567", "Bob,36301234568", "Cid,+36301234569", "Dan,+36201234570"
    ),
    "damage/lost_zeros_of_codes.csv": lines(
        "Name,ZIP,Phone",
        *(f"Person {n},{zip_},0630123{4500 + n}" for n, zip_ in enumerate(_ZIPS)),
    ),
    "damage/lost_zeros_of_codes_repaired.csv": lines(
        "Name,ZIP,Phone",
        *(f"Person {n},{zip_},0630123{4500 + n}" for n, zip_ in enumerate(_ZIPS)),
    ),
    "damage/digits_beyond_fifteen.csv": lines(
        "Name,Account,Phone",
        "Ann,1176300112345670,06301234567",
        "Bob,1177301298765430,06301234568",
        "Cid,1040012355555550,06301234569",
        "Dan,1201987612345670,06301234570",
    ),
    "damage/swapped_dates.csv": lines(
        "Name,Signed,Phone",
        *(f"Person {n},{date},0630123{4500 + n}" for n, date in enumerate(_SWAPPED)),
    ),
    "damage/swapped_dates_repaired.csv": lines(
        "Name,Signed,Phone",
        *(f"Person {n},{date},0630123{4500 + n}" for n, date in enumerate(_SWAPPED)),
    ),
    "damage/phones_that_became_dates.csv": lines(
        "Name,Phone", "Ann,06301234567", "Bob,2024-06-30", "Cid,06301234569", "Dan,06301234570"
    ),
    "damage/serial_dates.csv": lines(
        "Name,Signed,Phone", "Ann,2024-05-17,06301234567", "Bob,45429,06301234568"
    ),
    "damage/serial_dates_repaired.csv": lines(
        "Name,Signed,Phone", "Ann,2024-05-17,06301234567", "Bob,45429.5,06301234568"
    ),
    "damage/error_texts.csv": lines(
        "Name,City,Phone,Note",
        "Ann,#N/A,06301234567,x",
        "Bob,Vác,#REF!,x",
        "Cid,Vác,06301234569,#DIV/0!",
        "Dan,# 5 Main St,06301234570,#1",
    ),
    # types
    "types/phones_of_many_kinds.csv": lines(
        "Name,Phone",
        "Ann,06 30 123",
        "Bob,06-30-O12-3456",
        "Cid,0664 000 2188",
        "Dan,+36 30 123 4567 ext. 12",
        'Eve,"06301234568, 06301234569"',
        "Fay,0036 20 123 4567",
        "Gil,+43 664 0002188",
        "Hal,",
        "Ida,112",
        "Jon,+999 123456",
        "Kim,(06-1) 123 4567",
        "Lea,+36 (30) 123-4570",
        "Max,none",
        "Ned,0630 123 45678",
    ),
    "types/phones_without_region.csv": lines(
        "Name,Phone", "Ann,06301234567", "Bob,+36301234567", "Cid,0043 664 0002188"
    ),
    "types/phones_of_rows_regions.csv": lines(
        "Name,Phone,Mobile,Third,Fourth",
        "Ann,0664 0002188,06301234567,0676 0002188,+43 676 0002189",
    ),
    "types/many_phones_in_a_cell.csv": lines(
        "Name,Phone,Others",
        "Ann,06301234567,06301234568; 06301234569 / 06301234568",
        "Bob,06301234570,06301234571; none",
        "Cid,," + ";".join(f"063012346{n:02}" for n in range(9)),
        "Dan,06301234590,",
    ),
    "types/emails.csv": lines(
        "Name,Phone,E-mail",
        "Ann,06301234567,ann@example.com",
        "Bob,06301234568,bob.example.com",
        'Cid,06301234569,"cid@example,com"',
        "Dan,06301234570, DAN@Example.COM ",
        "Eve,06301234571,eve@exa mple.com",
        "Fay,06301234572,fáy@példa.hu",
        "Gil,06301234573,gil@@example.com",
        "Hal,06301234574,",
    ),
    "types/dates_by_column.csv": _DATES_BY_COLUMN,
    "types/births_of_short_years.csv": _BIRTHS,
    "types/births_within_bounds.csv": _BIRTHS,
    "types/dates_ambiguous.csv": lines(
        "Name,Phone,Signed",
        "Ann,06301234567,03/04/2024",
        "Bob,06301234568,05/05/2024",
        "Cid,06301234569,2024-05-06",
    ),
    "types/dates_contradicting.csv": lines(
        "Name,Phone,Signed",
        "Ann,06301234567,03/04/2024",
        "Bob,06301234568,25/04/2024",
        "Cid,06301234569,04/25/2024",
    ),
    "types/dates_declared.csv": lines(
        "Name,Phone,Signed",
        "Ann,06301234567,03.04.2024",
        "Bob,06301234568,31.02.2024",
        "Cid,06301234569,2024-04-05",
        "Dan,06301234570,tomorrow",
        "Eve,06301234571, 3. 4. 2024",
    ),
    "types/dates_of_many_forms.csv": lines(
        "Name,Phone,Signed",
        "Ann,06301234567,2024. 05. 17.",
        "Bob,06301234568,17.5.2024",
        "Cid,06301234569,2024/05/17",
        "Dan,06301234570,17/05/2024 10:26",
        "Eve,06301234571,05/17/2024",
        "Fay,06301234572,17.05.24",
        "Gil,06301234573,0024-05-17",
    ),
    "rows/footer_of_a_report.csv": (
        '"Name","City","Phone"\n'
        + "".join(f'"N{n}","Vác","0630123456{n}"\n' for n in range(9))
        + '\n\n"Leads by city"\n'
        '"Copyright (c) 2000-2024 example.com, inc. All rights reserved."\n'
        '"Confidential Information - Do Not Distribute"\n"Generated By: X 2024-01-01 10:00"\n'
    ).encode(),
    "rows/total.csv": lines(
        "Name;City;Phone", "Ann;Vác;06301234567", "Bob;Pécs;06301234568", "Total;2;"
    ),
    "types/quoted_values.csv": lines(
        "Name;Phone;Likes",
        'Ann;06301234567;"""Home, garden"", Sport"',
        'Bob;06301234568;"[""Home, garden"",""Sport""]"',
        'Cid;06301234569;"""Home, garden"',
        "Dan;06301234570;[Home, garden]",
        'Eve;06301234571;"TV 55"", Sport"',
    ),
    "types/time_zone_named.csv": lines(
        "Name,Phone,At",
        'N0,+36301234000,"2030-05-17 10:26:55 UTC"',
        'N1,+36301234001,"2030-05-17 10:26:55+00:00"',
        'N2,+36301234002,"2030-05-17 12:26:55 CEST"',
        'N3,+36301234003,"2030-05-17 10:26:55 CET"',
    ),
    "types/time_zone_in_the_format.csv": lines(
        "Name,Phone,At",
        'N0,+36301234000,"17/05/2030 10:26:55Z"',
        'N1,+36301234001,"17/05/2030 10:26 GMT"',
    ),
    "types/time_zone_undeclared.csv": lines(
        "Name,Phone,At",
        'N0,+36301234000,"2030-05-17 10:26:55 UTC"',
        'N1,+36301234001,"20300517T102655,1234567Z"',
        'N2,+36301234002,"2030-05-17 10:26:55"',
        'N3,+36301234003,"2030-05-17 24:00:00"',
        'N4,+36301234004,"2030-W20-5"',
    ),
    "types/short_offsets.csv": lines(
        "Name,Phone,At",
        'N0,+36301234000,"2030-05-17 10:26:55+02"',
        'N1,+36301234001,"2030-05-17 10:26:55.123+00"',
        'N2,+36301234002,"2030-05-17 10:26:55-05"',
        'N3,+36301234003,"2030-05-17 10:26:55+02:00"',
    ),
    "types/short_offset_declared.csv": lines(
        "Name,Phone,At", 'N0,+36301234000,"2030-05-17 10:26:55+02"'
    ),
    "types/call_backs.csv": lines(
        "Name,Phone,When",
        "Ann,06301234567,2099-05-17 10:30",
        "Bob,06301234568,2099-05-17T10:30:00+00:00",
        "Cid,06301234569,2001-05-17 10:30",
        "Dan,06301234570,",
        "Eve,06301234571,2099-05-17 25:30",
    ),
    "types/numbers.csv": lines(
        "Name;Phone;Price;Units",
        "Ann;06301234567;1 234,50;3",
        "Bob;06301234568;12.345,6;3,0",
        "Cid;06301234569;99,9 Ft;x",
        "Dan;06301234570;-5,25;2.5",
    ),
    "types/numbers_by_column.csv": lines(
        "Name;Phone;Price", "Ann;06301234567;1,234", "Bob;06301234568;0,5", "Cid;06301234569;12,25"
    ),
    "types/numbers_ambiguous.csv": lines(
        "Name;Phone;Price", "Ann;06301234567;1,234", "Bob;06301234568;12"
    ),
    "types/yes_and_no.csv": lines(
        "Name,Phone,Ok,Site,Plan",
        "Ann,06301234567,igen,https://example.com/x,G",
        "Bob,06301234568,Nein,example.com,S",
        "Cid,06301234569,maybe,http://exa mple.com,Gold",
        "Dan,06301234570,,,Sliver",
    ),
    "types/many_values.csv": lines(
        "Name,Phone,Likes,Hobbies",
        'Ann,06301234567,"sports; music, sports",reading',
        "Bob,06301234568,rock|pop,",
        'Cid,06301234569," ; , ",',
    ),
    "types/limits_of_texts.csv": lines(
        "Name,Phone,Code,Note",
        "Ann,06301234567,AB-123,short",
        "Bob,06301234568,ab123," + "x" * 40,
        "Cid,06301234569,,",
    ),
    # rows
    "rows/duplicates.csv": lines(
        "Name,City,Phone",
        "Ann,Vác,12",
        "Ann,Vác,06301234567",
        "Ann again,Vác,+36 30 123-4567",
        "Bob,Vác,06301234568",
        "Ann once more,Vác,0036301234567",
        ",,",
    ),
    "rows/duplicates_rejected.csv": lines(
        "Name,City,Phone", "Ann,Vác,06301234567", "ANN,Vác,06301234567", "Ann,Vác,+36301234567"
    ),
    "rows/duplicates_by_two.csv": lines(
        "Name,City,Phone",
        "Ann,Vác,06301234567",
        "Bob,Vác,06301234567",
        "Ann,Vác,06301234568",
        "Ann,Győr,06301234567",
        ",Vác,06301234567",
        ",Vác,06301234567",
    ),
    "rows/october.csv": lines("Name,City,Phone", "Ann,Vác,06301234567", "Bob,Vác,06301234568"),
    "rows/november.csv": lines("Name,City,Phone", "Cid,Vác,06301234569", "Ann,Vác,+36301234567"),
    "rows/phone_in_two_contacts.csv": lines(
        "Name,Phone,Mobile", "Ann,06301234567,+36301234567", "Bob,06301234568,06301234569"
    ),
    "rows/phone_in_many_rows.csv": lines(
        "Name,Phone,Mobile",
        "Ann,06301234567,",
        "Bob,06301234568,06 30 123 4567",
        "Cid,06301234567,",
    ),
    "rows/robinson.csv": lines(
        "Number;Since", "+36 30 123 4567;2020-01-01", "06301234569;2021-01-01"
    ),
    "rows/do_not_call.csv": lines(
        "Name,Phone,Mobile",
        "Ann,0630/123-4567,",
        "Bob,06301234568,",
        "Cid,06301234570,06301234569",
        "Dan,12,06301234567",
    ),
    "rows/do_not_call_drops.csv": lines(
        "Name,Phone,Mobile",
        "Ann,0630/123-4567,",
        "Bob,06301234568,",
        "Cid,06301234570,06301234569",
    ),
    "rows/bad_robinson.csv": lines("Number", "06301234567", "ask Eve", "06 30 1"),
    "rows/do_not_call_unreadable.csv": lines("Name,Phone", "Ann,06301234567", "Bob,06301234568"),
    "rows/do_not_call_missing.csv": lines("Name,Phone", "Ann,06301234567"),
    "rows/filtered.csv": lines(
        "Name,Phone,Do not call",
        "Ann,06301234567,",
        "Bob,12, X ",
        "Cid,06301234569,Igen",
        "Dan,06301234570,maybe",
    ),
    # project
    "project/new_values.csv": lines(
        "Name,City,Phone",
        "Ann,Budapset,06301234567",
        "Bob,Budapset,06301234568",
        "Cid,Budapest,06301234569",
        "Dan,Budaörs,06301234570",
        "Eve,budapest,06301234571",
    ),
    "project/new_values_allowed.csv": lines(
        "Name,City,Phone", "Ann,Budaörs,06301234567", "Bob,Pécs,06301234568"
    ),
    "project/fields_that_do_not_exist.csv": lines("Name,City,Phone", "Ann,Budapest,06301234567"),
    "project/many_values_in_a_single_field.csv": lines(
        "Name,City,Likes,Phone", 'Ann,Budapest,"sports,music",06301234567'
    ),
    "project/dispositions.csv": lines(
        "Name,Phone,State,Agent,When",
        "Ann,06301234567,1,7,2099-01-01 10:00",
        "Bob,06301234568,9,7,2099-01-01 10:00",
        "Cid,06301234569,1,99,2099-01-01 10:00",
        "Dan,06301234570,1,7,2001-01-01 10:00",
    ),
    # readiness
    "readiness/whom_to_call.csv": lines(
        "Name,Phone 1,Phone 2,Phone 3,Comment",
        "Ann,06301234567,06301234568,,",
        "Bob,06301234569,,,",
        "Cid,,,,only a name",
        "Dan,12,06301234570,,",
        "Eve,06301234567,,,",
    ),
    "readiness/nobody_to_call.csv": lines("Name,City", "Ann,Vác", "Bob,"),
}
