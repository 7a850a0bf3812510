import copy
import logging
import pickle
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_deploy.core.keys import Secret, StoredKey, matches, mint_key, read_key

NOW = 1_800_000_000.0


def stored(minted, **fields):
    return StoredKey(minted.key_id, "crm", minted.digest, ("churn",), **fields)


@given(st.binary(min_size=32, max_size=32))
def test_a_minted_key_is_read_back_and_matches(seed):
    minted = mint_key(lambda size: seed[:size])
    key_id, digest = read_key(minted.text.reveal())
    assert key_id == minted.key_id
    assert matches(stored(minted), digest, NOW)


def test_a_key_has_the_documented_form():
    text = mint_key(secrets.token_bytes).text.reveal()
    prefix, kind, key_id, rest = text.split("_")
    assert (prefix, kind, len(key_id), len(rest)) == ("jd", "live", 12, 49)


def test_two_keys_differ():
    assert mint_key(secrets.token_bytes).digest != mint_key(secrets.token_bytes).digest


@given(st.integers(min_value=8, max_value=69), st.sampled_from("0aZ_"))
def test_a_typing_error_is_no_key(position, character):
    text = mint_key(secrets.token_bytes).text.reveal()
    changed = text[:position] + character + text[position + 1 :]
    assert changed == text or read_key(changed) is None


@given(st.text())
def test_what_is_not_a_key_is_no_key(text):
    assert read_key(text) is None


def test_the_secret_is_not_in_what_is_stored():
    minted = mint_key(secrets.token_bytes)
    secret = minted.text.reveal().split("_")[3][:43]
    assert secret not in repr(minted)
    assert secret not in repr(stored(minted))


def test_an_unknown_key_never_matches():
    assert not matches(None, "0" * 64, NOW)
    assert not matches(None, mint_key(secrets.token_bytes).digest, NOW)


def test_a_key_ends_when_it_expires():
    minted = mint_key(secrets.token_bytes)
    key = stored(minted, expires_at=NOW)
    assert matches(key, minted.digest, NOW - 0.001)
    assert not matches(key, minted.digest, NOW)


def test_after_a_rotation_the_old_secret_is_good_until_the_overlap_ends():
    old = mint_key(secrets.token_bytes)
    new = mint_key(secrets.token_bytes, key_id=old.key_id)
    key = replace(stored(new), previous_digest=old.digest, previous_until=NOW + 60)
    assert new.key_id == old.key_id
    assert matches(key, new.digest, NOW)
    assert matches(key, old.digest, NOW + 59)
    assert not matches(key, old.digest, NOW + 60)
    assert matches(key, new.digest, NOW + 60)


def test_a_key_without_an_earlier_secret_does_not_match_the_empty_digest():
    key = stored(mint_key(secrets.token_bytes), previous_until=NOW + 60)
    assert not matches(key, "0" * 64, NOW)


def test_a_secret_cannot_be_printed_formatted_logged_or_pickled(caplog):
    secret = Secret("open sesame")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", secret, secret)
    shown = [str(secret), repr(secret), f"{secret}", f"{secret:>40}", repr([secret]), caplog.text]
    assert not any("sesame" in text for text in shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        copy.copy(secret)
