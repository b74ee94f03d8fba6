"""URLs of the Add record call."""

from __future__ import annotations

import pytest

from importer.api.request import (
    base_url_for,
    checked_base_url,
    project_url,
    records_url,
)
from importer.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://acme.asp.virtual-call-center.eu/v2", None),
        ("https://example.com:8443/v2/", "https://example.com:8443/v2"),
        ("https://example.com//", "https://example.com"),
        ("HTTPS://Example.com/v2", "https://example.com/v2"),
        ("http://localhost:8080/v2", None),
        ("http://127.0.0.1:8080/v2", None),
        ("http://127.8.9.1/v2", None),
        ("http://[::1]:8080/v2/", "http://[::1]:8080/v2"),
    ],
)
def test_a_base_url_that_may_carry_credentials_loses_only_its_last_slashes(
    text: str, expected: str | None
) -> None:
    assert checked_base_url(text) == (expected or text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.com/v2",
        "ftp://example.com/v2",
        "https:///v2",
        "https://",
        "http://example.com/v2",
        "http://10.0.0.1/v2",
        "http://localhost.example.com/v2",
        "http://127.0.0.1.example.com/v2",
        "http://[::2]/v2",
        "http://0.0.0.0/v2",
        "https://user:secret@example.com/v2",
        "https://secret@example.com/v2",
        "https://@example.com/v2",
        "https://example.com/v2?key=secret",
        "https://example.com/v2?",
        "https://example.com/v2#secret",
        "https://example.com:0/v2",
        "https://example.com:99999/v2",
        "https://example.com:secret/v2",
        "https://exa mple.com/v2",
        "https://example.com/v 2",
        "https://example.com\\@secret.example/v2",
        "https://[::1/v2",
        "https://a..b/v2",
    ],
)
def test_any_other_base_url_is_refused_without_repeating_what_may_be_secret(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_base_url(text)
    assert "secret" not in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("customer", ["acme", "A1", "a-b", "x" * 63])
def test_a_customer_is_the_subdomain(customer: str) -> None:
    url = f"https://{customer.lower()}.asp.virtual-call-center.eu/v2"
    assert base_url_for(customer) == url
    assert checked_base_url(url) == url


@pytest.mark.parametrize("customer", ["", "a.b", "-a", "a-", "a/b", "a@b", "é", "x" * 64, "a\n"])
def test_a_customer_that_is_no_dns_label_is_refused(customer: str) -> None:
    with pytest.raises(UsageError):
        base_url_for(customer)


def test_urls_of_a_project() -> None:
    assert project_url("https://h/v2", 134) == "https://h/v2/projects/134"
    assert records_url("https://h/v2", 134) == "https://h/v2/projects/134/records"
