"""How to get to the service and prove who asks: credentials, proxies, certificates."""

from __future__ import annotations

import base64
import ssl
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import getproxies, proxy_bypass

from importer.api.request import is_loopback
from importer.errors import UsageError
from importer.settings import Target


def basic_credentials(target: Target) -> str:
    """The value of the Authorization header; raises UsageError for a customer it cannot hold."""
    if ":" in target.customer:
        raise UsageError(
            "the customer holds a colon, which Basic authentication cannot send",
            "Check VCC_CUSTOMER.",
        )
    pair = f"{target.customer}:{target.api_key.reveal()}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def proxy_for(base_url: str) -> tuple[str | None, dict[str, str] | None]:
    """The environment's proxy for the service, and the headers it wants; loopback has none."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if is_loopback(host) or proxy_bypass(host):
        return None, None
    proxies = getproxies()
    text = proxies.get(parts.scheme) or proxies.get("all")
    if not text:
        return None, None
    hint = "Mend HTTPS_PROXY, as http://proxy.example:3128, or set NO_PROXY for the service's host."
    try:
        proxy = urlsplit(text if "://" in text else f"http://{text}")
        port = proxy.port
    except ValueError as error:
        raise UsageError("the proxy in the environment cannot be read", hint) from error
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise UsageError("the proxy in the environment is not an HTTP proxy", hint)
    name = f"[{proxy.hostname}]" if ":" in proxy.hostname else proxy.hostname
    place = name if port is None else f"{name}:{port}"
    headers = None
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
        headers = {"Proxy-Authorization": f"Basic {base64.b64encode(pair).decode()}"}
    return urlunsplit((proxy.scheme, place, "", "", "")), headers


def tls_context(target: Target) -> ssl.SSLContext:
    """Verified TLS, by the target's own CA file if it has one; raises UsageError for a bad one."""
    try:
        return ssl.create_default_context(cafile=target.ca_file)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"the CA file {target.ca_file} cannot be used: {error}",
            "It is a PEM file with one or more certificates (-----BEGIN CERTIFICATE-----).",
        ) from error
