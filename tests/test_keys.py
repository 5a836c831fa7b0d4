from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from service import keys
from service.callers import Caller, Limits
from service.cli import cli
from service.errors import KeyFileError
from service.keys import Denied, KeyRing, create, load, revoke, rotate

NOTHING = Limits()


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).timestamp()

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def test_token_is_found_as_its_caller(path: Path) -> None:
    limits = Limits(requests_per_minute=60)
    key, token = create(path, "cms", ["summaries", "purge"], limits)
    assert KeyRing(path).find(token) == Caller(key.id, "cms", frozenset({"summaries", "purge"}), limits)
    assert token.startswith(f"sf_{key.id}_")


def test_file_holds_no_secret_and_is_its_owners_alone(path: Path) -> None:
    _, token = create(path, "cms", ["summaries"], NOTHING)
    assert token.rpartition("_")[2] not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("change", ["", "x", "sf_", "sf_0_x", "other"])
def test_what_is_no_token_is_not_known(path: Path, change: str) -> None:
    _, token = create(path, "cms", ["summaries"], NOTHING)
    ring = KeyRing(path)
    assert ring.find(change) == Denied("this key is not known here")
    assert ring.find(token[:-1]) == Denied("this key is not known here")
    assert ring.find(f"{token}x") == Denied("this key is not known here")
    assert ring.find(f"xx_{token[3:]}") == Denied("this key is not known here")


def test_key_expires(path: Path) -> None:
    clock = Clock()
    _, token = create(path, "cms", ["summaries"], NOTHING, timedelta(days=1))
    ring = KeyRing(path, clock)
    assert isinstance(ring.find(token), Caller)
    clock.now += 86_401
    assert ring.find(token) == Denied("this key has expired")


def test_revoked_key_ends_within_seconds_in_a_running_process(path: Path) -> None:
    clock = Clock()
    key, token = create(path, "cms", ["summaries"], NOTHING)
    ring = KeyRing(path, clock)
    revoke(path, "cms")
    clock.now += keys.REREAD_S
    assert ring.find(token) == Denied("this key was revoked")
    assert load(path)[0].id == key.id


def test_rotated_key_has_two_secrets_until_the_older_ends(path: Path) -> None:
    clock = Clock()
    key, old = create(path, "cms", ["summaries"], NOTHING)
    ring = KeyRing(path, clock)
    rotated, new = rotate(path, key.id, timedelta(hours=1))
    clock.now += keys.REREAD_S
    assert ring.find(old) == ring.find(new)
    assert rotated.id == key.id
    clock.now += 3601
    assert ring.find(old) == Denied("this key has expired")
    assert isinstance(ring.find(new), Caller)


def test_rotating_twice_does_not_lengthen_the_life_of_the_oldest(path: Path) -> None:
    create(path, "cms", ["summaries"], NOTHING)
    first = rotate(path, "cms", timedelta(hours=1))[0].secrets[0].expires_at
    assert rotate(path, "cms", timedelta(hours=9))[0].secrets[0].expires_at == first


def test_expired_secrets_are_dropped_from_the_file(path: Path) -> None:
    create(path, "cms", ["summaries"], NOTHING)
    rotate(path, "cms", timedelta(0))
    assert len(rotate(path, "cms", timedelta(hours=1))[0].secrets) == 2


@pytest.mark.parametrize(
    "content", [None, b"", b"{", b'{"version":2,"keys":[]}', b"\xff", b'{"keys":[{"id":"-"}]}']
)
def test_gone_or_damaged_file_leaves_the_keys_valid_and_is_told(path: Path, content: bytes | None) -> None:
    clock = Clock()
    _, token = create(path, "cms", ["summaries"], NOTHING)
    good, ring = path.read_bytes(), KeyRing(path, clock)
    path.unlink() if content is None else path.write_bytes(content)
    clock.now += keys.REREAD_S
    assert isinstance(ring.find(token), Caller)
    assert ring.problem is not None
    path.write_bytes(good)
    clock.now += keys.REREAD_S
    ring.find(token)
    assert ring.problem is None


def test_names_are_taken_once_while_they_are_valid(path: Path) -> None:
    create(path, "cms", ["summaries"], NOTHING)
    with pytest.raises(KeyFileError, match="rotate it"):
        create(path, "cms", ["summaries"], NOTHING)
    revoke(path, "cms")
    create(path, "cms", ["summaries"], NOTHING)
    assert [key.revoked_at is None for key in load(path)] == [False, True]


def test_unknown_key_cannot_be_changed(path: Path) -> None:
    create(path, "cms", ["summaries"], NOTHING)
    with pytest.raises(KeyFileError, match="no valid key 'dms'"):
        revoke(path, "dms")


def test_link_to_a_file_elsewhere_stays_a_link(path: Path, tmp_path: Path) -> None:
    create(path, "cms", ["summaries"], NOTHING)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    rotate(link, "cms", timedelta(0))
    assert link.is_symlink()
    assert load(link) == load(path)


def test_keys_made_at_once_are_all_kept(path: Path) -> None:
    makers = [
        threading.Thread(target=create, args=(path, f"cms{n}", ["summaries"], NOTHING)) for n in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert {key.name for key in load(path)} == {f"cms{n}" for n in range(8)}


def test_command_makes_lists_rotates_and_revokes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDFIRST_KEYS_FILE", str(path))
    run = CliRunner().invoke
    made = run(cli, ["keys", "create", "cms", "--requests-per-minute", "60", "--expires-in-days", "9"])
    token = made.stdout.strip()
    caller = KeyRing(path).find(token)
    assert isinstance(caller, Caller)
    assert caller.scopes == {"summaries", "batches"}
    assert "requests_per_minute=60" in run(cli, ["keys", "list"]).stdout
    assert run(cli, ["keys", "rotate", "cms", "--overlap-hours", "0"]).stdout.strip() != token
    assert run(cli, ["keys", "revoke", "cms"]).exit_code == 0
    listed = run(cli, ["keys", "list"]).stdout
    assert "revoked" in listed
    assert token not in listed


def test_command_wants_to_know_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STANDFIRST_KEYS_FILE", raising=False)
    error = CliRunner().invoke(cli, ["keys", "list"]).exception
    assert str(error) == "STANDFIRST_KEYS_FILE: name the file that holds the keys"
