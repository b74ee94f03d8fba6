"""What a header means, by its words in English, German and Hungarian.

Of ten other languages the words are known that nearly every list of people has: names, phones,
e-mail, company, address.

Headers are compared without accents and case, cut into words at blanks, signs, digits and
capitals within a word. A phrase stands for words in a row; ``telefon*`` is any word that begins
like this, ``*nummer`` any that ends so. Where a header meets several meanings, the first counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a column is for; the value is the conventional name of a field for it."""

    DO_NOT_CALL = "do_not_call"
    MAYBE_DO_NOT_CALL = "blocked"
    MAY_CALL = "consent"
    CALL_BACK = "call_back"
    FAX = "fax"
    EMAIL = "email"
    BIRTH = "birth_date"
    MOBILE = "mobile"
    PHONE = "phone"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    COMPANY = "company"
    NAME = "name"
    CITY = "city"
    ZIP = "zip"
    STREET = "street"
    ADDRESS = "address"
    COUNTRY = "country"
    TITLE = "title"
    COMMISSION = "commission"
    PRICE = "price"
    NOTE = "note"
    URL = "website"
    INTERESTS = "interests"
    DATE = "date"
    AMOUNT = "amount"
    COUNT = "count"
    ID = "id"


_PHRASES: dict[Role, dict[str, str]] = {
    Role.DO_NOT_CALL: {
        "en": "do not call*, dont call, don t call, dnc, do not contact, do not phone, robinson*, "
        "no calls",
        "de": "nicht anrufen, nicht kontaktieren, kein anruf, keine anrufe, anrufsperre, "
        "robinsonliste, werbesperre",
        "hu": "ne hivd*, ne hivj*, nem hivhato*, tiltolista*, hivastiltas*, robinson lista",
    },
    Role.MAYBE_DO_NOT_CALL: {
        "en": "opt out, optout, blocked, blacklist*, unsubscribed",
        "de": "sperre, gesperrt, sperrliste, widerspruch",
        "hu": "tiltott, tiltas, letiltva, leiratkozott",
    },
    Role.MAY_CALL: {
        "en": "consent*, opt in, optin, may call, callable, gdpr",
        "de": "einwilligung*, zustimmung*, anrufbar, dsgvo, werbeeinwilligung",
        "hu": "hozzajarul*, hivhato*, gdpr",
    },
    Role.CALL_BACK: {
        "en": "call back*, callback*, next call*, recall*",
        "de": "ruckruf*, rueckruf*, wiedervorlage*",
        "hu": "visszahiv*, kovetkezo hivas*",
    },
    Role.FAX: {"en": "fax*", "de": "telefax*", "hu": "telefax*"},
    Role.EMAIL: {
        "en": "email*, e mail*, mail, mail address",
        "de": "mailadresse, emailadresse",
        "hu": "email cim, e mail cim, drotposta",
        "fr": "courriel, adresse mail",
        "es": "correo, correo electronico",
        "it": "posta elettronica",
        "pt": "correio eletronico",
        "pl": "adres mail, adres email",
        "cs": "adresa mail",
    },
    Role.BIRTH: {
        "en": "birth*, date of birth, dob, born",
        "de": "geburts*, geboren*",
        "hu": "szuletes*, szul",
    },
    Role.MOBILE: {
        "en": "mobile*, cell, cellphone, cellular",
        "de": "mobil, mobiltelefon, mobilnummer, mobilfunk*, handy*",
        "hu": "mobil, mobilszam*, mobiltelefon*, maroktelefon",
        "fr": "portable, telephone portable",
        "it": "cellulare*",
        "es": "movil*, celular*",
        "pt": "telemovel*, celular*",
        "pl": "komorka, komorkowy, tel komorkowy",
        "cs": "mobil, mobilni",
        "sk": "mobil, mobilny",
        "ro": "mobil",
        "nl": "gsm, mobiel*",
        "hr": "mobitel*",
        "sl": "mobitel*, gsm",
    },
    Role.PHONE: {
        "en": "phone*, telephone*, tel, landline*, dial number",
        "de": "telefon, telefonnummer*, telefonnr, tel nr, telnr, rufnummer*, festnetz*, *telefon",
        "hu": "telefon, telefonszam*, tel szam, telszam, vezetekes*, hivoszam*",
        "fr": "telephone*, tel",
        "it": "telefono*, recapito telefonico",
        "es": "telefono*",
        "pt": "telefone*",
        "pl": "telefon, telefonu",
        "cs": "telefon, telefonni",
        "sk": "telefon, telefonne",
        "ro": "telefon, telefonul",
        "nl": "telefoon*",
        "hr": "telefon",
        "sl": "telefon, telefonska",
    },
    Role.FIRST_NAME: {
        "en": "first name*, firstname, given name*, forename*",
        "de": "vorname*",
        "hu": "keresztnev*, utonev*",
        "fr": "prenom*",
        "ro": "prenume*",
        "pl": "imie, imiona",
        "cs": "krestni jmeno",
        "sk": "krstne meno",
        "nl": "voornaam*",
        "es": "primer nombre",
    },
    Role.LAST_NAME: {
        "en": "last name*, lastname, surname*, family name*",
        "de": "nachname*, familienname*, zuname*",
        "hu": "vezeteknev*, csaladnev*, csaladi nev",
        "fr": "nom de famille",
        "it": "cognome*",
        "es": "apellido*",
        "pt": "sobrenome, apelido*",
        "pl": "nazwisko",
        "cs": "prijmeni",
        "sk": "priezvisko",
        "ro": "nume de familie",
        "nl": "achternaam*",
        "hr": "prezime",
        "sl": "priimek",
    },
    Role.COMPANY: {
        "en": "company*, organization*, organisation, business name, account name, employer",
        "de": "firma, firmenname*, unternehmen*, arbeitgeber",
        "hu": "ceg, cegnev*, ceg neve, vallalat*, munkahely",
        "fr": "societe, entreprise, raison sociale",
        "it": "azienda, ragione sociale, ditta",
        "es": "empresa, razon social",
        "pt": "empresa",
        "pl": "firma, nazwa firmy",
        "cs": "firma, spolecnost, nazev firmy",
        "sk": "firma, spolocnost",
        "ro": "firma, companie, societate",
        "nl": "bedrijf*",
        "hr": "tvrtka",
        "sl": "podjetje",
    },
    Role.CITY: {
        "en": "city, town",
        "de": "stadt, wohnort, ort",
        "hu": "varos, telepules*, helyseg*",
        "fr": "ville, commune, localite",
        "it": "citta, comune, localita",
        "es": "ciudad, poblacion, municipio, localidad",
        "pt": "cidade, localidade, municipio",
        "pl": "miasto, miejscowosc",
        "cs": "mesto, obec",
        "sk": "mesto, obec",
        "ro": "oras, orasul, localitate*",
        "nl": "woonplaats, plaats",
        "hr": "grad, mjesto",
        "sl": "mesto, kraj",
    },
    Role.ZIP: {
        "en": "zip*, postcode*, postal code*, post code*",
        "de": "plz, postleitzahl*",
        "hu": "iranyitoszam*, irsz, ir szam",
        "fr": "code postal, cp",
        "it": "cap",
        "es": "codigo postal",
        "pt": "codigo postal, cep",
        "pl": "kod pocztowy",
        "cs": "psc",
        "sk": "psc",
        "ro": "cod postal",
        "hr": "postanski broj",
        "sl": "postna stevilka",
    },
    Role.STREET: {
        "en": "street*, address line*, house number",
        "de": "strasse*, hausnummer, hausnr",
        "hu": "utca*, kozterulet*, hazszam",
        "fr": "rue",
        "es": "calle",
        "pt": "rua",
        "pl": "ulica",
        "cs": "ulice",
        "sk": "ulica",
        "ro": "strada",
        "nl": "straat*",
        "hr": "ulica",
        "sl": "ulica",
    },
    Role.TITLE: {
        "en": "job title*, position, contact title",
        "de": "funktion, berufsbezeichnung, stellung",
        "hu": "beosztas*, pozicio, munkakor",
    },
    Role.COMMISSION: {"en": "commission*", "de": "provision*", "hu": "jutalek*"},
    Role.INTERESTS: {
        "en": "interests, likes, hobby, hobbies, tags, topics",
        "de": "interessen*, hobbys, schlagworte*, themen",
        "hu": "erdeklodes*, hobbi*, cimkek, kedvencek",
    },
    Role.NOTE: {
        "en": "note, notes, comment*, remark*",
        "de": "notiz*, bemerkung*, anmerkung*, kommentar*, hinweis*",
        "hu": "megjegyzes*, jegyzet*, komment*",
    },
    Role.URL: {
        "en": "url, website*, web, homepage, web page, link",
        "de": "webseite*, internetseite, internet",
        "hu": "weboldal*, honlap*, weblap",
    },
    Role.DATE: {
        "en": "date, *date, day, signed*, created*, since, until",
        "de": "datum, *datum, seit, am, bis",
        "hu": "datum*, *datum, *datuma, kelt, idopont*",
    },
    Role.COUNT: {
        "en": "count, quantity, age, employees, number of, years",
        "de": "anzahl, menge, alter, mitarbeiter",
        "hu": "darab*, db, letszam, eletkor, mennyiseg",
    },
    Role.AMOUNT: {
        "en": "amount, sum, total, income, salary, revenue, balance, fee, rate, percent",
        "de": "betrag, summe, einkommen, umsatz, gehalt, gebuhr, prozent",
        "hu": "osszeg*, jovedelem*, fizetes*, arbevetel*, egyenleg*, szazalek",
    },
    Role.ID: {
        "en": "id, ids, code, codes, no, nr, number, ref, reference, key, sku, iban, bic, vat",
        "de": "nummer, *nummer, *nr, kennung, kennzeichen, kennzahl, schlussel",
        "hu": "azonosito*, *azonosito, kod, *kod, szam, *szam, sorszam, iktatoszam",
    },
}
"""Phrases that may stand anywhere in a header."""

_WHOLE: dict[Role, dict[str, str]] = {
    Role.NAME: {
        "en": "name, full name, fullname, customer name, client name, contact name, lead name, "
        "contact person, contact, person, name of contact",
        "de": "name, vor und nachname, kundenname, kontaktname, name des kunden, kontakt, "
        "ansprechpartner*, ansprechperson, kontaktperson, vollstandiger name",
        "hu": "nev, teljes nev, ugyfel neve, ugyfelnev, ugyfel nev, kapcsolattarto*, kontakt, "
        "kapcsolattarto neve, kapcsolattarto nev, kontakt nev, kapcsolat neve, partner neve",
        "fr": "nom, nom complet, nom et prenom, prenom et nom, nom prenom, prenom nom",
        "it": "nome, nome e cognome, nome cognome, cognome e nome, nominativo",
        "es": "nombre, nombre completo, nombre y apellidos, nombre y apellido",
        "pt": "nome, nome completo",
        "pl": "imie i nazwisko, nazwisko i imie, imie nazwisko",
        "cs": "jmeno, jmeno a prijmeni, cele jmeno",
        "sk": "meno, meno a priezvisko, cele meno",
        "ro": "nume, nume si prenume, nume prenume, nume complet",
        "nl": "naam, volledige naam",
        "hr": "ime, ime i prezime",
        "sl": "ime, ime in priimek",
    },
    Role.ADDRESS: {
        "en": "address, full address, home address, postal address, mailing address",
        "de": "adresse, anschrift, postanschrift, wohnadresse",
        "hu": "cim, lakcim, postacim, teljes cim, levelezesi cim",
        "fr": "adresse",
        "it": "indirizzo",
        "es": "direccion, domicilio",
        "pt": "morada, endereco",
        "pl": "adres",
        "cs": "adresa",
        "sk": "adresa",
        "ro": "adresa",
        "nl": "adres",
        "hr": "adresa",
        "sl": "naslov",
    },
    Role.COUNTRY: {
        "en": "country, country code",
        "de": "land, staat",
        "hu": "orszag, orszagkod",
        "fr": "pays",
        "it": "paese, nazione",
        "es": "pais",
        "pt": "pais",
        "pl": "kraj",
        "cs": "zeme",
        "sk": "krajina",
        "ro": "tara",
        "nl": "land",
        "hr": "drzava",
        "sl": "drzava",
    },
    Role.TITLE: {"en": "title, role", "de": "titel, rolle", "hu": "titulus"},
    Role.PRICE: {
        "en": "price, price per lead, lead price, unit price",
        "de": "preis, leadpreis, preis pro lead",
        "hu": "ar, lead ar, dij",
    },
}
"""Phrases that are a meaning only as the whole header, its numbers apart."""

Phrases = tuple[tuple[Role, str, tuple[str, ...]], ...]


def _compiled(table: dict[Role, dict[str, str]]) -> Phrases:
    return tuple(
        (role, language, tuple(phrase.split()))
        for role, languages in table.items()
        for language, phrases in languages.items()
        for phrase in phrases.split(", ")
    )


_ANYWHERE_PHRASES, _WHOLE_PHRASES = _compiled(_PHRASES), _compiled(_WHOLE)
_LETTERS = str.maketrans({"ß": "ss", "ø": "o", "ł": "l", "đ": "d", "æ": "ae", "œ": "oe", "ı": "i"})
_PIECE = re.compile(r"[0-9]+|[^\W\d_]+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAME_LENGTH = 40


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a header says: its role, the number in it, and the languages that it may be in.

    `stem` is the header with its number replaced by ``{n}``, None where it has not exactly one.
    """

    role: Role | None
    number: int | None
    stem: str | None
    languages: frozenset[str]


def words_of(text: str) -> list[str]:
    """The words of a header in ASCII as far as they can be, lower case, numbers apart."""
    parted = _HUMP.sub(" ", text).casefold().translate(_LETTERS)
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", parted) if not unicodedata.combining(c)
    )
    return _PIECE.findall(plain)


def meaning_of(header: str) -> Meaning:
    """Tell what a header means."""
    words = words_of(header)
    number, stem = _number(header)
    role, languages = _role([word for word in words if not word.isdigit()])
    return Meaning(role, number, stem, languages)


def _number(header: str) -> tuple[int | None, str | None]:
    found = list(re.finditer(r"[0-9]+", header))
    if len(found) != 1 or "{n}" in header or len(found[0][0]) > 2:
        return None, None
    start, end = found[0].span()
    return int(found[0][0]), f"{header[:start]}{{n}}{header[end:]}"


def _role(words: Sequence[str]) -> tuple[Role | None, frozenset[str]]:
    """The first role whose phrase the words hold, and the languages in which they say so."""
    found = [
        (role, language)
        for role, language, phrase in _WHOLE_PHRASES
        if len(phrase) == len(words) and _begins(words, phrase)
    ] or [
        (role, language)
        for role, language, phrase in _ANYWHERE_PHRASES
        if any(_begins(words[i:], phrase) for i in range(len(words)))
    ]
    if not found:
        return None, frozenset()
    first = found[0][0]
    return first, frozenset(language for role, language in found if role is first)


def _begins(words: Sequence[str], phrase: Sequence[str]) -> bool:
    return len(phrase) <= len(words) and all(map(_fits, words, phrase))


def _fits(word: str, pattern: str) -> bool:
    if pattern.endswith("*"):
        return word.startswith(pattern[:-1])
    return word.endswith(pattern[1:]) if pattern.startswith("*") else word == pattern


def field_name(text: str) -> str:
    """A header as the name of a field: lower case ASCII with underscores; blank if none is left."""
    name = "_".join(words_of(text)).encode("ascii", "ignore").decode()
    name = re.sub("_+", "_", name).strip("_")[:_NAME_LENGTH].rstrip("_")
    return f"field_{name}" if name[:1].isdigit() else name
