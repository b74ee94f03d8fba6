"""What a reply means for its row: one table, total over everything that can happen. Pure.

Adding a record is not idempotent. So a row is tried again only if it surely did not arrive, is
created or rejected only if the service says so in its own words, and is uncertain otherwise.

====================================================  ========================================
what happened                                         verdict
====================================================  ========================================
nothing was sent (name, refused, no connection, TLS)  Retry with back-off, as long as the run lets
sent, no whole reply (lost, reset, timed out)         Uncertain
an answer with another one behind it                  Uncertain, the ids kept
a numberid, no errors, HTTP 200 or 201                Done
a numberid with errors or with any other status       Uncertain, the ids kept
429; 503 with Retry-After                             Retry after it, everybody waits
a status the user listed in `retry_on`                Retry with back-off; used up: Uncertain
401, 403, 404, 407, 410, any 3xx                      Stop: it is about us, not the row
400, 405, 413, 417, 422                               Rejected, with the service's message
200 with errors                                       Rejected, with the service's message
200 not in the service's form, or with neither        Uncertain
every other status (201, 204, 408, 409, 5xx, …)       Uncertain
====================================================  ========================================

The first line that fits decides. 408 is here because proxies send it for servers that may have
got the request; other 4xx because nothing says at which stage they were made up. That a service
cannot be reached is about all rows, so its end is a matter of time and not of one row's tries:
whoever sends stops after `RetryPolicy.give_up_after` seconds of it.
"""

from __future__ import annotations

from importer.model import (
    MAY_EXIST,
    Done,
    Rejected,
    Reply,
    ReplyError,
    Retry,
    Stop,
    Uncertain,
    Verdict,
    Wire,
)
from importer.settings import RetryPolicy

STRAY_CODE = "stray_answer"
"""The code of rows whose answer may be another's."""
_CREATED = frozenset({200, 201})
_REFUSES_ROW = frozenset({400, 405, 413, 417, 422})

_REFUSES_US = {
    401: "Check VCC_CUSTOMER and VCC_API_KEY, and that this machine's public IP address is "
    "registered for the API.",
    403: "Check that this machine's public IP address is registered for the API, and that the "
    "key may add records to this project.",
    404: "Check the project id, and that the base URL ends in /v2.",
    407: "A proxy wants credentials: check HTTPS_PROXY, or set NO_PROXY for the service's host.",
    410: "Check that the project still exists, and its id.",
}
_REDIRECT = (
    "Redirects are not followed, since they would carry the API key elsewhere: check the base "
    "URL, and that no login page or proxy stands in between."
)

_HINTS = {
    "error.unknown_field": "The project has no such field: mend the field's name in the mapping.",
    "error.unknown_value": "The field has no value with that id: use a valueid of this field, or "
    "the value's name.",
    "error.invalid_contact": "A contact has a number from 1 to 9 and a phone; its other keys are "
    "name, title and email.",
    "error.invalid_phone_field": "phone_field is phone1 to phone9 and names a contact of this "
    "record.",
    "error.invalid_disposition": "Check dispositionid and userid, and next_calldate for call-backs "
    "(YYYY-MM-DD HH:MM:SS).",
    "error.form_required": "The mapping gives this row no form field.",
    "error.invalid_json": "The service could not read the body: report this with the row number.",
    "error.body_too_large": "The row's texts are too long together: shorten them.",
}


def judge(
    reply: Reply, attempt: int, policy: RetryPolicy, jitter: float, throttles: int = 0
) -> Verdict:
    """What becomes of a row after this reply.

    `attempt` is 1 for the first try; tries that were throttled are not counted in it but in
    `throttles`, nor are those for which nothing was sent. For one of these, `attempt` says which
    try in a row it is at reaching the service, whatever the rows. `jitter` is uniform in [0, 1).
    Every wait is between 0 and the policy's caps.
    """
    match reply.wire:
        case Wire.NOT_SENT:
            after = _backoff(attempt, policy) * jitter
            return Retry(after, "unreachable", reply.detail or "the service was not reached")
        case Wire.LOST:
            detail = f": {reply.detail}" if reply.detail else ""
            return Uncertain("lost", f"sent, but the answer was lost{detail}", hint=MAY_EXIST)
        case Wire.ANSWERED:
            return _judge_answer(reply, attempt, policy, jitter, throttles)


def _judge_answer(
    reply: Reply, attempt: int, policy: RetryPolicy, jitter: float, throttles: int
) -> Verdict:
    status = reply.http_status
    if reply.stray:
        message = f"more than one answer came to its request, one of them: {_words(reply)}"
        return Uncertain(STRAY_CODE, message, reply.numberids, MAY_EXIST)
    if reply.numberids:
        if status in _CREATED and reply.understood and not reply.errors:
            return Done(reply.numberids)
        message = f"the service gave a numberid and yet: {_words(reply)}"
        return Uncertain("partial", message, reply.numberids, MAY_EXIST)
    match status:
        case 429 | 503 if status == 429 or reply.retry_after is not None:
            return _throttled(reply, policy, jitter, throttles)
        case int() if status in policy.retry_on and attempt <= policy.retries:
            return Retry(_backoff(attempt, policy) * jitter, f"http_{status}", _words(reply))
        case int() if status in _REFUSES_US:
            message = f"the service refuses: {_words(reply)}"
            return Stop(f"http_{status}", message, _REFUSES_US[status])
        case int() if 300 <= status < 400:
            return Stop(f"http_{status}", f"the service redirects: {_words(reply)}", _REDIRECT)
        case int() if status in _REFUSES_ROW:
            return _rejected(reply)
        case 200 if reply.understood and reply.errors:
            return _rejected(reply)
        case 200 if reply.understood:
            return Uncertain(
                "no_numberid", "the service gave no numberid and no error", hint=MAY_EXIST
            )
        case 200:
            message = f"the reply is not in the service's form: {_words(reply)}"
            return Uncertain("not_understood", message, hint=MAY_EXIST)
        case _:
            message = f"the service did not say what it did: {_words(reply)}"
            return Uncertain(f"http_{status}", message, hint=MAY_EXIST)


def _throttled(reply: Reply, policy: RetryPolicy, jitter: float, throttles: int) -> Retry:
    if reply.retry_after:
        after = min(reply.retry_after, policy.give_up_after)
    else:
        # At least half of it, and also for `Retry-After: 0`: who is throttled does not rush.
        after = _backoff(throttles + 1, policy) * (1 + jitter) / 2
    return Retry(after, "throttled", f"the service asks to wait: {_words(reply)}", throttled=True)


def _rejected(reply: Reply) -> Rejected:
    codes = dict.fromkeys(error.message or error.code for error in reply.errors)
    hints = dict.fromkeys(_HINTS[code] for code in codes if code in _HINTS)
    code = "|".join(filter(None, codes)) or f"http_{reply.http_status}"
    return Rejected(code, _words(reply), " ".join(hints) or None)


def _words(reply: Reply) -> str:
    """What the service said, as people read it: ``417 error.unknown_field city``."""
    if reply.errors:
        return "; ".join(filter(None, map(_error_words, reply.errors))) or _status_words(reply)
    return _status_words(reply)


def _error_words(error: ReplyError) -> str:
    return " ".join(filter(None, (error.code, error.message, error.property)))


def _status_words(reply: Reply) -> str:
    return reply.detail or f"HTTP {reply.http_status}"


def _backoff(attempt: int, policy: RetryPolicy) -> float:
    """The longest wait before the try after this one, in seconds: doubling, up to the cap."""
    # The exponent is bounded: a float overflows long after the cap was reached.
    return min(policy.cap, policy.base * 2.0 ** min(attempt - 1, 64))
