"""Files in a bucket of a real S3 server on this machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("s3fs", reason="the extra `remote` is not installed")
pytest.importorskip("moto.server", reason="moto's server is not installed")

import botocore.session  # type: ignore[import-untyped]
from moto.server import ThreadedMotoServer

from importer.errors import SourceError, UsageError
from importer.operations.remote import StillArrivingError, remote_place

LEADS = b"name,phone\nAnna,3612345678\n"
_NUMBERS = count()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def environment(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key-of-the-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-of-the-test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


@pytest.fixture
def s3(endpoint: str, environment: None) -> Any:
    return botocore.session.get_session().create_client("s3", endpoint_url=endpoint)


@pytest.fixture
def bucket(s3: Any) -> str:
    name = f"leads-{next(_NUMBERS)}"
    s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=name, Key="inbox/leads.csv", Body=LEADS)
    return name


def keys(s3: Any, bucket: str) -> set[str]:
    return {item["Key"] for item in s3.list_objects_v2(Bucket=bucket).get("Contents", [])}


def test_objects_that_fit_a_pattern_are_listed_with_size_and_time(s3: Any, bucket: str) -> None:
    for key in ("inbox/other.xlsx", "inbox/deep/more.csv", "inbox/.hidden.csv", "inbox/"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    with remote_place(f"s3://{bucket}/inbox/*.csv") as place:
        (file,) = place.list()
    assert (file.url, file.name) == (f"s3://{bucket}/inbox/leads.csv", "leads.csv")
    assert file.size == len(LEADS)
    assert file.modified is not None


def test_a_file_is_fetched_whole_its_owner_s_alone(bucket: str, tmp_path: Path) -> None:
    with remote_place(f"s3://{bucket}/inbox/*.csv") as place:
        (file,) = place.list()
        path = place.fetch(file, tmp_path / "here")
    assert path.read_bytes() == LEADS
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_another_than_was_listed_is_left_for_later(
    s3: Any, bucket: str, tmp_path: Path
) -> None:
    with remote_place(f"s3://{bucket}/inbox/*.csv") as place:
        (file,) = place.list()
        s3.put_object(Bucket=bucket, Key="inbox/leads.csv", Body=LEADS * 2)
        with pytest.raises(StillArrivingError, match="still being written"):
            place.fetch(file, tmp_path / "here")
    assert list((tmp_path / "here").glob("*")) == []


def test_a_move_takes_the_file_away_and_replaces_nothing(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="done/leads.csv", Body=b"of yesterday")
    with remote_place(f"s3://{bucket}/inbox/*.csv") as place:
        (file,) = place.list()
        moved = place.move(file, "../done")
    assert moved is not None
    assert moved != f"s3://{bucket}/done/leads.csv"
    left = keys(s3, bucket)
    assert "inbox/leads.csv" not in left
    assert len(left) == 2
    body = s3.get_object(Bucket=bucket, Key="done/leads.csv")["Body"].read()
    assert body == b"of yesterday"


def test_a_file_that_was_replaced_since_it_was_fetched_is_not_moved(
    s3: Any, bucket: str, tmp_path: Path
) -> None:
    with remote_place(f"s3://{bucket}/inbox/*.csv") as place:
        (file,) = place.list()
        place.fetch(file, tmp_path / "here")
        s3.put_object(Bucket=bucket, Key="inbox/leads.csv", Body=LEADS * 2)
        with pytest.raises(StillArrivingError):
            place.move(file, "../done")
    assert keys(s3, bucket) == {"inbox/leads.csv"}


def test_a_bucket_that_is_missing_is_told_with_its_address() -> None:
    with (
        remote_place("s3://nobody-s-bucket/inbox/*.csv") as place,
        pytest.raises(SourceError, match="s3://nobody-s-bucket") as error,
    ):
        place.list()
    assert "secret-of-the-test" not in str(error.value)


def test_an_endpoint_in_the_clear_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://files.example")
    with pytest.raises(UsageError, match="in the clear"):
        remote_place("s3://bucket/inbox/*.csv").__enter__()


def test_no_credentials_are_told_with_their_names(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with (
        pytest.raises(SourceError, match="no credentials") as error,
        remote_place(f"s3://{bucket}/inbox/*.csv") as place,
    ):
        place.list()
    assert "AWS_ACCESS_KEY_ID" in str(error.value.hint)
