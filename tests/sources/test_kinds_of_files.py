"""What kind a file is, and what is said of files that cannot be read."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from pathlib import Path

import pytest

from importer.errors import SourceError
from importer.settings import SourceOptions
from importer.sources import file_sha256, open_source
from importer.sources.detect import REFUSALS, Kind, detect
from importer.sources.inputfile import InputFile
from tests.support.compound import compound_file

NOISE = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(200))
PLAIN = bytes(n if n < 128 else n - 128 for n in range(256))


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in members.items():
            opened.writestr(name.replace("__", "/").replace("_DOT_", "."), content)
    return buffer.getvalue()


def refusal(path: Path) -> SourceError:
    with pytest.raises(SourceError) as caught:
        open_source(path, SourceOptions())
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2
    return caught.value


@pytest.mark.parametrize(
    ("content", "kind", "said"),
    [
        (
            compound_file({"EncryptionInfo": b"", "EncryptedPackage": NOISE}),
            Kind.ENCRYPTED,
            "password",
        ),
        (compound_file({"WordDocument": NOISE, "1Table": b""}), Kind.OFFICE, "office document"),
        (compound_file({"PowerPoint Document": NOISE}), Kind.OFFICE, "office document"),
        (compound_file({"__properties_version1.0": NOISE}), Kind.OFFICE, "office document"),
        (b"\r\n" + archive(xl__workbook_DOT_xml=b""), Kind.PREFIXED, "stand before"),
        (b"\xef\xbb\xbf" + archive(a_DOT_csv=b"Name\n"), Kind.PREFIXED, "stand before"),
        (b"<br />Warning" + archive(xl__workbook_DOT_xml=b""), Kind.PREFIXED, "stand before"),
        (b"\n" + compound_file({"Workbook": NOISE}), Kind.PREFIXED, "stand before"),
        (archive(word__document_DOT_xml=b""), Kind.OFFICE, "office document"),
        (archive(Index__Document_DOT_iwa=b""), Kind.NUMBERS, "Numbers"),
        (bytes(257) + b"ustar\x0000" + bytes(300), Kind.ARCHIVE, "archive"),
        (b"%PDF-1.7\n", Kind.PDF, "PDF"),
        (b"\xef\xbb\xbf\n <!DOCTYPE html><html>", Kind.HTML, "HTML"),
        (b"<table><tr><td>Name</td></tr></table>", Kind.HTML, "HTML"),
        (b'<?xml version="1.0"?><Workbook/>', Kind.XML, "XML"),
        (b'[\n  {"name": "Ann"}]', Kind.JSON, "JSON"),
        (b"7z\xbc\xaf\x27\x1c", Kind.ARCHIVE, "archive"),
        (b"\x89PNG\r\n\x1a\n", Kind.IMAGE, "image"),
        (b"PAR1", Kind.PARQUET, "Parquet"),
        (b"SQLite format 3\x00", Kind.SQLITE, "SQLite"),
        (b"{\\rtf1}", Kind.RTF, "RTF"),
    ],
)
def test_a_kind_not_read_is_named_with_what_to_do(
    tmp_path: Path, content: bytes, kind: Kind, said: str
) -> None:
    """Its name does not matter: it may well be called .csv."""
    path = tmp_path / "leads.csv"
    path.write_bytes(content)
    assert detect(InputFile.at(path)) is kind
    assert said in refusal(path).message


def test_every_kind_is_read_or_refused() -> None:
    read = {Kind.TEXT, Kind.XLSX, Kind.XLS, Kind.XLSB, Kind.ODS, Kind.GZIP, Kind.ZIP}
    assert set(Kind) == set(REFUSALS) | read
    assert not read & set(REFUSALS)


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04 and no more", b"PK\x05\x06", archive(a=b"x")[:60]]
)
def test_a_damaged_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_bytes(content)
    assert "damaged" in refusal(path).message


@pytest.mark.parametrize("content", [bytes(range(256)) * 40, NOISE, NOISE.translate(PLAIN)])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "leads.csv"
    path.write_bytes(b"\x01\x02" + content)
    refusal(path)


def test_text_named_as_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "leads.xlsx"
    path.write_text("Name,Phone\nAnn,1\n", encoding="utf-8")
    with open_source(path, SourceOptions()) as source:
        assert source.info.kind == "csv"


def test_a_missing_file_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    (tmp_path / "leads_vienna.csv").write_text("a\nb\n", encoding="utf-8")
    error = refusal(tmp_path / "leads_viena.csv")
    assert "no such file" in error.message
    assert "leads_vienna.csv" in str(error.hint)
    refusal(tmp_path / "none" / "leads.csv")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "folder" in refusal(tmp_path).message


def test_a_name_that_no_file_can_have_is_refused() -> None:
    refusal(Path("a\0b"))


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() == 0, reason="needs a file that this user may not read"
)
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "leads.csv"
    path.write_text("a\nb\n", encoding="utf-8")
    path.chmod(0)
    assert "may not be read" in refusal(path).message


def test_permission_denied_by_the_system_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another program's lock on Windows, or for users other than root."""
    path = tmp_path / "leads.csv"
    path.write_text("a\nb\n", encoding="utf-8")

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert "may not be read" in refusal(path).message


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(b"abc" * 700_000)
    assert file_sha256(path) == hashlib.sha256(b"abc" * 700_000).hexdigest()
    with pytest.raises(SourceError, match="cannot be read"):
        file_sha256(tmp_path / "none")
