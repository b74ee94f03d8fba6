"""The verdict table, line by line, and what must hold for anything that can happen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from importer.api.verdict import judge
from importer.model import (
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

POLICY = RetryPolicy(retries=3, base=0.5, cap=4.0, give_up_after=60.0)
UNKNOWN_FIELD = ReplyError("417", "error.unknown_field", "city")


def answered(
    status: int,
    *,
    ids: tuple[str, ...] = (),
    errors: tuple[ReplyError, ...] = (),
    understood: bool = True,
    retry_after: float | None = None,
) -> Reply:
    return Reply(Wire.ANSWERED, status, understood, ids, errors, retry_after)


def html(status: int) -> Reply:
    return Reply(Wire.ANSWERED, status, detail=f"HTTP {status}, text/html, 99 bytes")


def after(reply: Reply, attempt: int = 1, throttles: int = 0, jitter: float = 0.5) -> Verdict:
    return judge(reply, attempt, POLICY, jitter, throttles)


class TestNothingWasSent:
    not_sent = Reply(Wire.NOT_SENT, detail="127.0.0.1:9: Connection refused")

    def test_it_is_tried_again_after_full_jitter_over_a_doubling_wait(self) -> None:
        waits = []
        for attempt in (1, 2, 3):
            verdict = after(self.not_sent, attempt, jitter=0.5)
            assert isinstance(verdict, Retry)
            assert not verdict.throttled
            waits.append(verdict.after)
        assert waits == [0.25, 0.5, 1.0]

    def test_waits_are_capped(self) -> None:
        policy = RetryPolicy(retries=10**6, base=0.5, cap=4.0)
        for attempt in (4, 5, 100, 10**6):
            verdict = judge(self.not_sent, attempt, policy, 0.999)
            assert isinstance(verdict, Retry)
            assert verdict.after == pytest.approx(4.0 * 0.999)

    def test_it_never_stops_the_run_by_itself_since_that_is_a_matter_of_time(self) -> None:
        verdict = after(self.not_sent, 10_000)
        assert isinstance(verdict, Retry)
        assert "Connection refused" in verdict.message


class TestSentAndNoWholeReply:
    @pytest.mark.parametrize("status", [None, 200, 429, 503])
    def test_it_is_uncertain_whatever_status_was_seen(self, status: int | None) -> None:
        verdict = after(Reply(Wire.LOST, status, detail="no answer in time", retry_after=1.0))
        assert isinstance(verdict, Uncertain)
        assert verdict.code == "lost"
        assert "no answer in time" in verdict.message


class TestNumberids:
    @pytest.mark.parametrize("status", [200, 201])
    def test_numberids_without_errors_mean_created(self, status: int) -> None:
        assert after(answered(status, ids=("6", "7"))) == Done(("6", "7"))

    @pytest.mark.parametrize("status", [200, 417, 429, 503])
    def test_with_errors_it_is_uncertain_and_the_ids_are_kept(self, status: int) -> None:
        reply = answered(status, ids=("6",), errors=(UNKNOWN_FIELD,), retry_after=1.0)
        verdict = after(reply)
        assert isinstance(verdict, Uncertain)
        assert verdict.numberids == ("6",)
        assert "error.unknown_field" in verdict.message

    @pytest.mark.parametrize("status", [202, 204, 302, 400, 401, 429, 500, 503])
    def test_with_any_other_status_it_is_uncertain_and_the_ids_are_kept(self, status: int) -> None:
        verdict = after(answered(status, ids=("6",), retry_after=1.0))
        assert isinstance(verdict, Uncertain)
        assert verdict.numberids == ("6",)


class TestThrottling:
    @pytest.mark.parametrize("status", [429, 503])
    def test_everybody_waits_as_long_as_asked(self, status: int) -> None:
        verdict = after(answered(status, retry_after=7.0))
        assert isinstance(verdict, Retry)
        assert (verdict.after, verdict.throttled) == (7.0, True)

    def test_the_wait_is_capped(self) -> None:
        verdict = after(answered(429, retry_after=86400.0))
        assert isinstance(verdict, Retry)
        assert verdict.after == 60.0

    def test_throttles_never_use_up_the_retries(self) -> None:
        for throttles in range(50):
            verdict = after(answered(429), attempt=POLICY.retries + 1, throttles=throttles)
            assert isinstance(verdict, Retry)

    @pytest.mark.parametrize("retry_after", [None, 0.0])
    def test_a_429_that_names_no_wait_waits_longer_each_time_and_never_nothing(
        self, retry_after: float | None
    ) -> None:
        waits = []
        for throttles in range(5):
            verdict = after(answered(429, retry_after=retry_after), throttles=throttles, jitter=0.0)
            assert isinstance(verdict, Retry)
            waits.append(verdict.after)
        assert waits == [0.25, 0.5, 1.0, 2.0, 2.0]

    def test_a_503_that_names_no_wait_is_uncertain(self) -> None:
        assert isinstance(after(html(503)), Uncertain)


class TestDeclaredSafe:
    policy = RetryPolicy(retries=2, retry_on=frozenset({502}))

    def test_a_status_the_user_declares_safe_is_tried_again(self) -> None:
        assert isinstance(judge(html(502), 1, self.policy, 0.5), Retry)
        assert isinstance(judge(html(500), 1, self.policy, 0.5), Uncertain)

    def test_until_retries_are_used_up(self) -> None:
        assert isinstance(judge(html(502), 3, self.policy, 0.5), Uncertain)


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 403, 404, 407, 410, 300, 301, 302, 303, 307, 308, 399])
    def test_what_is_about_us_stops_the_run_and_says_what_to_check(self, status: int) -> None:
        for reply in (html(status), answered(status, errors=(UNKNOWN_FIELD,))):
            verdict = after(reply)
            assert isinstance(verdict, Stop)
            assert verdict.code == f"http_{status}"
            assert verdict.hint

    def test_what_to_check_is_the_key_the_address_and_the_project(self) -> None:
        refusals = {status: after(html(status)) for status in (401, 403, 404)}
        hints = {status: v.hint for status, v in refusals.items() if isinstance(v, Stop)}
        assert "VCC_API_KEY" in hints[401]
        assert "IP address" in hints[401]
        assert "IP address" in hints[403]
        assert "project id" in hints[404]

    @pytest.mark.parametrize("status", [200, 400, 405, 413, 417, 422])
    def test_what_is_about_the_row_rejects_it_in_the_services_words(self, status: int) -> None:
        verdict = after(answered(status, errors=(UNKNOWN_FIELD,)))
        assert isinstance(verdict, Rejected)
        assert verdict.code == "error.unknown_field"
        assert verdict.message == "417 error.unknown_field city"
        assert verdict.hint is not None
        assert "mapping" in verdict.hint

    @pytest.mark.parametrize("status", [400, 405, 413, 417, 422])
    def test_it_is_rejected_without_words_too(self, status: int) -> None:
        verdict = after(html(status))
        assert isinstance(verdict, Rejected)
        assert verdict.code == f"http_{status}"
        assert "text/html" in verdict.message

    def test_all_errors_are_told_and_each_hint_once(self) -> None:
        errors = (
            UNKNOWN_FIELD,
            ReplyError("417", "error.unknown_field", "town"),
            ReplyError("417", "error.name_must_be_between", "name"),
            ReplyError("500", ""),
        )
        verdict = after(answered(417, errors=errors))
        assert isinstance(verdict, Rejected)
        assert verdict.code == "error.unknown_field|error.name_must_be_between|500"
        assert verdict.message == (
            "417 error.unknown_field city; 417 error.unknown_field town; "
            "417 error.name_must_be_between name; 500"
        )
        assert verdict.hint is not None
        assert verdict.hint.count("no such field") == 1


class TestNothingIsGuessed:
    def test_a_200_that_is_not_the_envelope_is_uncertain(self) -> None:
        verdict = after(html(200))
        assert isinstance(verdict, Uncertain)
        assert verdict.code == "not_understood"

    def test_a_200_with_neither_error_nor_numberid_is_uncertain(self) -> None:
        verdict = after(answered(200))
        assert isinstance(verdict, Uncertain)
        assert verdict.code == "no_numberid"

    @pytest.mark.parametrize(
        "status", [101, 201, 202, 204, 206, 402, 406, 408, 409, 418, 451, 500, 502, 504, 511, 599]
    )
    def test_every_other_status_is_uncertain(self, status: int) -> None:
        for reply in (html(status), answered(status), answered(status, errors=(UNKNOWN_FIELD,))):
            verdict = after(reply)
            assert isinstance(verdict, Uncertain)
            assert verdict.code == f"http_{status}"


texts = st.text(max_size=8)
replies = st.builds(
    Reply,
    wire=st.sampled_from(Wire),
    http_status=st.none() | st.integers(100, 599),
    understood=st.booleans(),
    numberids=st.lists(st.integers(1, 99).map(str), max_size=2).map(tuple),
    errors=st.lists(
        st.builds(ReplyError, texts, texts, st.none() | texts, st.none() | st.integers()),
        max_size=2,
    ).map(tuple),
    retry_after=st.none() | st.floats(0, 1e12),
    detail=texts,
)
policies = st.builds(
    RetryPolicy,
    retries=st.integers(0, 6),
    base=st.floats(0.01, 10),
    cap=st.floats(0.01, 60),
    give_up_after=st.floats(0.01, 600),
    retry_on=st.frozensets(st.sampled_from([500, 502, 503, 504]), max_size=3),
)
jitters = st.floats(0, 1, exclude_max=True)


@given(replies, st.integers(1, 100), policies, jitters, st.integers(0, 5000))
def test_the_table_is_total_and_every_wait_is_bounded(
    reply: Reply, attempt: int, policy: RetryPolicy, jitter: float, throttles: int
) -> None:
    verdict = judge(reply, attempt, policy, jitter, throttles)
    match verdict:
        case Retry(after=wait, throttled=throttled):
            assert 0 <= wait <= (max(policy.cap, policy.give_up_after) if throttled else policy.cap)
            assert reply.wire is not Wire.LOST
            assert reply.wire is Wire.NOT_SENT or not reply.numberids
        case Done(ids):
            assert reply.wire is Wire.ANSWERED
            assert ids == reply.numberids != ()
            assert reply.understood
            assert not reply.errors
        case Rejected(code, message):
            assert reply.wire is Wire.ANSWERED
            assert not reply.numberids
            assert code
            assert message
        case Uncertain(code, message, ids):
            assert reply.wire is not Wire.NOT_SENT
            assert ids == (() if reply.wire is Wire.LOST else reply.numberids)
            assert code
            assert message
        case Stop(code, message, hint):
            assert reply.wire is not Wire.LOST
            assert not (reply.wire is Wire.ANSWERED and reply.numberids)
            assert code
            assert message
            assert hint


@given(st.lists(replies, min_size=1, max_size=40), policies, jitters)
def test_over_any_run_of_events_tries_that_count_never_exceed_the_retries(
    events: list[Reply], policy: RetryPolicy, jitter: float
) -> None:
    counted = throttles = 0
    for reply in events:
        verdict = judge(reply, counted + 1, policy, jitter, throttles)
        if not isinstance(verdict, Retry):
            break
        assert reply.wire is not Wire.LOST
        throttles += verdict.throttled
        counted += not verdict.throttled and reply.wire is not Wire.NOT_SENT
    assert counted <= policy.retries
