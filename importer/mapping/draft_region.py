"""Where the phones of a sheet are at home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from importer.mapping.draft_contacts import Read
from importer.mapping.draft_kinds import fit
from importer.mapping.draft_words import Role
from importer.mapping.draft_yaml import UNSURE

_PLAUSIBLE = 0.5
_SURE = 0.9
_TRIED = 200
_HOMES = {"hu": ("HU",), "de": ("DE", "AT", "CH"), "en": ("GB", "US")}
_ELSEWHERE = ("SK", "CZ", "PL", "RO", "SI", "HR", "FR", "IT", "ES", "NL")
_ABROAD = ("+", "00")


def guess_region(columns: Sequence[Read], language: str | None) -> tuple[str | None, str | None]:
    """Where phones without a country's code are at home, and how sure that is.

    Each candidate is tried on these phones; among equals the country wins that most of the
    international phones belong to, then those where the headers' language is spoken.
    """
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    texts = [
        text
        for column, meaning in columns
        if meaning.role in {Role.PHONE, Role.MOBILE}
        for text in column.texts
    ]
    home = [text for text in texts if not text.startswith(_ABROAD)][:_TRIED]
    if not home:
        return None, None
    abroad = [text for text in texts if text.startswith("+")][:_TRIED]
    prefixes: Counter[str] = Counter()
    for value in fit(abroad, "phone").values:
        for length in (1, 2, 3) if value else ():
            regions = COUNTRY_CODE_TO_REGION_CODE.get(int(str(value)[:length]))
            if regions:
                prefixes[regions[0]] += 1
                break
    spoken = _HOMES.get(language or "", ())
    others = [region for regions in _HOMES.values() for region in regions]
    candidates = dict.fromkeys([*dict(prefixes.most_common(8)), *spoken, *others, *_ELSEWHERE])
    fits = {region: fit(home, "phone", region) for region in candidates}
    order = list(candidates)
    best = max(
        order,
        key=lambda region: (
            round(fits[region].good / len(home), 2),
            region in spoken,
            prefixes[region],
            -order.index(region),
        ),
    )
    if fits[best].share < _PLAUSIBLE:
        return None, f"{UNSURE}{len(home):,} phones have no country code: name the country's region"
    rivals = [
        region
        for region in order
        if region != best and fits[region].good >= fits[best].good * _SURE
    ][:3]
    also = f", as they would be in {' or '.join(rivals)}" if rivals else ""
    figures = f"{fits[best].good:,} of {len(home):,} phones without a country code are valid there"
    return best, f"{UNSURE}{figures}{also}"
