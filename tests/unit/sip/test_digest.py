"""Digest answers, against the RFCs' own examples and an independent computation."""

import hashlib

import pytest

from custom_components.hikari_denwa.telephony.engine.sip.digest import (
    MAX_NONCES,
    Challenge,
    DigestClient,
    parse_challenges,
    strongest,
)

RFC_7616 = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
UNSUPPORTED = 'Digest realm="x", nonce="2", algorithm=SHA-512-256'
GATEWAY = 'Digest realm="192.168.1.1",domain="sip:domain",nonce="5f3c",algorithm=MD5'


def _client(password: str = "Circle of Life", cnonce: str = "c0") -> DigestClient:
    """Make the RFCs' client."""
    return DigestClient("Mufasa", password, lambda: cnonce)


def _parameters(value: str | None) -> dict[str, str]:
    """Take an answer apart, quotes included."""
    assert value is not None
    scheme, _, rest = value.partition(" ")
    assert scheme == "Digest"
    return dict(pair.split("=", 1) for pair in rest.split(", "))


def _md5(text: str) -> str:
    """Give MD5 in hexadecimal."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_rfc_7616_example(algorithm: str, response: str) -> None:
    """RFC 7616 §3.9.1."""
    client = _client(cnonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ")
    challenge = Challenge.parse(RFC_7616.format(algorithm))
    assert _parameters(client.authorization(challenge, "GET", "/dir/index.html")) == {
        "username": '"Mufasa"',
        "realm": '"http-auth@example.org"',
        "uri": '"/dir/index.html"',
        "algorithm": algorithm,
        "nonce": '"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"',
        "nc": "00000001",
        "cnonce": '"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"',
        "qop": "auth",
        "response": f'"{response}"',
        "opaque": '"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    }


def test_rfc_2617_example() -> None:
    """RFC 2617 §3.5, without an algorithm and with an unknown quality of protection beside."""
    challenge = Challenge.parse(
        'digest  Realm = "testrealm@host.com" ,qop="token,auth",stale=FALSE,\t'
        'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    client = _client("Circle Of Life", "0a4f113b")
    found = _parameters(client.authorization(challenge, "GET", "/dir/index.html"))
    assert found["response"] == '"6629fae49393a05397450978507c4ef1"'
    assert "algorithm" not in found
    assert not challenge.stale


def test_without_quality_of_protection() -> None:
    """RFC 2069's example as its erratum corrects it: no cnonce, no count."""
    challenge = Challenge.parse(
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    )
    found = _parameters(_client("CircleOfLife").authorization(challenge, "GET", "/dir/index.html"))
    assert found["response"] == '"1949323746fe6a43ef61f9606e7febea"'
    assert set(found) == {"username", "realm", "nonce", "uri", "response"}


def test_gateway() -> None:
    """The placeholder in `domain` is not taken for the URI (home-gateway facts §1.2)."""
    client = DigestClient("0003", "secret")
    uri = "sip:[2001:db8:0:100::1]"
    found = _parameters(client.answer([GATEWAY], "REGISTER", uri))
    response = _md5(f"{_md5('0003:192.168.1.1:secret')}:5f3c:{_md5(f'REGISTER:{uri}')}")
    assert found == {
        "username": '"0003"',
        "realm": '"192.168.1.1"',
        "nonce": '"5f3c"',
        "uri": f'"{uri}"',
        "algorithm": "MD5",
        "response": f'"{response}"',
    }


def test_session_variant() -> None:
    """MD5-sess hashes nonce and cnonce into the secret and keeps them for the nonce's life."""
    challenge = Challenge.parse('Digest realm="r", nonce="n", algorithm=md5-sess, qop="auth"')
    client = _client("p", "c")
    ha1 = _md5(f"{_md5('Mufasa:r:p')}:n:c")
    for count in ("00000001", "00000002"):
        found = _parameters(client.authorization(challenge, "INVITE", "sip:h"))
        assert found["response"] == f'"{_md5(f"{ha1}:n:{count}:c:auth:{_md5('INVITE:sip:h')}")}"'
        assert (found["nc"], found["cnonce"], found["algorithm"]) == (count, '"c"', "md5-sess")
    plain = Challenge.parse('Digest realm="r", nonce="n2", algorithm=SHA-256-sess')
    found = _parameters(client.authorization(plain, "INVITE", "sip:h"))
    assert (found["cnonce"], "nc" in found, len(found["response"])) == ('"c"', False, 66)


def test_integrity_of_the_body() -> None:
    """auth-int is used when nothing else is offered."""
    challenge = Challenge.parse('Digest realm="r", nonce="n", qop="auth-int"')
    found = _parameters(_client("p", "c").authorization(challenge, "INVITE", "sip:h", b"body"))
    ha2 = _md5(f"INVITE:sip:h:{_md5('body')}")
    assert found["response"] == f'"{_md5(f"{_md5('Mufasa:r:p')}:n:00000001:c:auth-int:{ha2}")}"'
    assert found["qop"] == "auth-int"


def test_strongest_of_several() -> None:
    """SHA-256 is chosen before MD5, what is unsupported or malformed is passed over."""
    values = [
        'Basic realm="b", Digest realm="m", nonce="1", algorithm=MD5',
        UNSUPPORTED + ', Digest realm="s", nonce="3", algorithm=SHA-256',
        'Digest nonce="4"',
        "Digest",
        'Digest realm="broken',
    ]
    assert [each.realm for each in parse_challenges(values)] == ["m", "x", "s"]
    chosen = strongest(parse_challenges(values))
    assert chosen is not None
    assert chosen.realm == "s"
    assert 'realm="s"' in (_client().answer(values, "REGISTER", "sip:h") or "")


@pytest.mark.parametrize(
    "value",
    [
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", algorithm=AKAv1-MD5',
        'Digest realm="r", nonce="n", qop="other"',
    ],
)
def test_unsupported(value: str) -> None:
    """What cannot be answered is not answered."""
    client = _client()
    assert client.authorization(Challenge.parse(value), "REGISTER", "sip:h") is None
    assert client.answer([value], "REGISTER", "sip:h") is None


@pytest.mark.parametrize("value", ["", "Basic realm=x", "Digest realm=x", 'Digest realm="', ",,"])
def test_no_challenge(value: str) -> None:
    """What is no Digest challenge is told."""
    with pytest.raises(ValueError, match="no Digest challenge"):
        Challenge.parse(value)


def test_raw_text_comes_back() -> None:
    """Realm, nonce and opaque are given back to the letter; stale is read without case."""
    challenge = Challenge.parse(
        r'Digest realm="a\"b, c", nonce="n,=\\", opaque="", algorithm="MD5", stale=True'
    )
    assert challenge.stale
    found = _client().authorization(challenge, "REGISTER", "sip:h")
    assert found is not None
    assert r'realm="a\"b, c", nonce="n,=\\"' in found
    assert 'opaque=""' in found
    secret = _md5('Mufasa:a"b, c:Circle of Life')
    assert _md5(rf"{secret}:n,=\\:{_md5('REGISTER:sip:h')}") in found


def test_counts_belong_to_a_nonce() -> None:
    """Each nonce has its own count and cnonce; old nonces are forgotten."""
    cnonces = iter("abcdefghijkl")
    client = DigestClient("u", "p", lambda: next(cnonces))

    def ask(nonce: int) -> tuple[str, str]:
        """Answer a challenge and give count and cnonce."""
        challenge = Challenge(realm="r", nonce=str(nonce), qop=("auth",))
        found = _parameters(client.authorization(challenge, "REGISTER", "sip:h"))
        return found["nc"], found["cnonce"]

    assert [ask(1), ask(2), ask(1)] == [
        ("00000001", '"a"'),
        ("00000001", '"b"'),
        ("00000002", '"a"'),
    ]
    for nonce in range(3, 2 + MAX_NONCES):
        ask(nonce)
    assert ask(1)[0] == "00000001"


def test_nothing_secret_shows() -> None:
    """The password shows neither in the client nor in its answers."""
    client = DigestClient("0003", "hunter2")
    shown = repr(client) + str(client.answer([GATEWAY], "REGISTER", "sip:h")) + repr(client)
    assert "hunter2" not in shown


def test_cnonces_differ() -> None:
    """Cnonces are made at random."""
    challenge = Challenge(realm="r", nonce="n", qop=("auth",))
    first, second = (
        _parameters(DigestClient("u", "p").authorization(challenge, "REGISTER", "sip:h"))["cnonce"]
        for _ in range(2)
    )
    assert first != second
    assert len(first) == 34


def test_user_name_is_quoted() -> None:
    """A quote in a user name does not end it."""
    challenge = Challenge(realm="r", nonce="n")
    found = DigestClient('a"b', "p").authorization(challenge, "REGISTER", "sip:h")
    assert (found or "").startswith(r'Digest username="a\"b", realm')
