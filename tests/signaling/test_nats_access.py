"""Tests of how the NATS carrier gets into a real nats-server: TLS, credentials, permissions, limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from tests.needs import needs
from tests.server.certificates import issue, write
from tests.signaling.nats_keys import Operator, public, seed
from tests.signaling.nats_server import NatsServerProcess, nats_server
from tests.signaling.people import ALICE, BOB, CAROL, sealed
from tests.signaling.test_nats import carrier_to
from warren.errors import SignalingError
from warren.keys import PrivateKey, PublicKey
from warren.signaling.carrier import Identity
from warren.signaling.nats import subject_of

pytestmark = needs("nats")


@asynccontextmanager
async def server_with(folder: Path, text: str) -> AsyncIterator[NatsServerProcess]:
    config = folder / "nats.conf"
    config.write_text(text)
    async with nats_server(config) as server:
        yield server


async def use(url: str, key: PrivateKey = BOB) -> None:
    """Subscribe, publish, and hear it."""
    async with carrier_to(url) as carrier, carrier.subscribe(Identity(key)) as stream:
        envelope = sealed(ALICE, key.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope


async def refusal(url: str) -> str:
    """Try to use it; what is said, without the name of the server."""
    with pytest.raises(SignalingError) as caught:
        await use(url)
    text = str(caught.value)
    assert text.startswith("no route to NATS server nats://127.0.0.1:")
    return text.partition(": ")[2]


# TLS


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A server's certificate in `cert.pem` and `key.pem`; returns the certificate of who vouches for it."""
    made = trustme.CA()
    issue(made, tmp_path)
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    made.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "client.pem"
    )
    return tmp_path / "ca.pem"


def tls(folder: Path, more: str = "") -> str:
    return f'tls {{ cert_file: "{folder}/cert.pem", key_file: "{folder}/key.pem"\n{more} }}\n'


async def test_server_is_trusted_by_its_authority(tmp_path: Path, authority: Path) -> None:
    async with server_with(tmp_path, tls(tmp_path)) as server:
        await use(f"{server.url}?ca={authority}")


async def test_server_of_another_authority_is_refused(tmp_path: Path, authority: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    async with server_with(tmp_path, tls(tmp_path)) as server:
        said = await refusal(f"{server.url}?ca={tmp_path}/other.pem")
    assert said == "its certificate is not trusted; one of your own authority is by ?ca=FILE"


async def test_system_does_not_trust_it_either(tmp_path: Path, authority: Path) -> None:
    async with server_with(tmp_path, tls(tmp_path)) as server:
        assert "is not trusted" in await refusal(server.url)
        assert "is not trusted" in await refusal(f"{server.url}?tls=true")


async def test_server_of_another_name_is_refused(tmp_path: Path) -> None:
    made = trustme.CA()
    issue(made, tmp_path, "elsewhere.example.org")
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with server_with(tmp_path, tls(tmp_path)) as server:
        said = await refusal(f"{server.url}?ca={tmp_path}/ca.pem")
    assert said == "its certificate is for another name; use the name that it is for"


async def test_expired_certificate_is_named_so(tmp_path: Path) -> None:
    made = trustme.CA()
    old = made.issue_cert("127.0.0.1", not_after=datetime.now(UTC) - timedelta(days=1))
    write(tmp_path, old.cert_chain_pems[0].bytes(), old.private_key_pem.bytes())
    made.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with server_with(tmp_path, tls(tmp_path)) as server:
        assert await refusal(f"{server.url}?ca={tmp_path}/ca.pem") == "its certificate has expired"


async def test_who_insists_on_tls_tells_a_server_without_it_nothing(authority: Path) -> None:
    async with nats_server() as server:
        said = await refusal(f"{server.url}?ca={authority}")
    assert said == "it offers no TLS; without it, leave out ?tls=true, ?ca= and ?cert="


async def test_server_that_only_offers_tls_is_asked_for_it(tmp_path: Path, authority: Path) -> None:
    async with server_with(tmp_path, tls(tmp_path) + "allow_non_tls: true\n") as server:
        await use(server.url)
        assert "is not trusted" in await refusal(f"{server.url}?tls=true")
        await use(f"{server.url}?ca={authority}")


async def test_server_may_ask_for_a_certificate_of_ours(tmp_path: Path, authority: Path) -> None:
    async with server_with(tmp_path, tls(tmp_path, f'ca_file: "{authority}"\nverify: true')) as server:
        said = await refusal(f"{server.url}?ca={authority}")
        assert said == "it wants a certificate of ours: ?cert=FILE and ?key=FILE"
        trustme.CA().issue_cert("x.example").private_key_and_cert_chain_pem.write_to_path(tmp_path / "x.pem")
        said = await refusal(f"{server.url}?ca={authority}&cert={tmp_path}/x.pem")
        # With TLS 1.3 the refusal may come when it has hung up already.
        assert said in ("it refused our certificate", "it closed the connection; its log may say why")
        await use(f"{server.url}?ca={authority}&cert={tmp_path}/client.pem")


async def test_frozen_server_does_not_hold_who_closes_over_tls(tmp_path: Path, authority: Path) -> None:
    async with (
        server_with(tmp_path, tls(tmp_path)) as server,
        carrier_to(f"{server.url}?ca={authority}") as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        server.freeze()
        async with asyncio.timeout(5):
            await carrier.aclose()
        assert asyncio.all_tasks() - {asyncio.current_task()} == set(server.tasks)


# Credentials


@pytest.mark.parametrize(
    ("config", "good", "bad", "said"),
    [
        ("user: u, password: p@:,", "u:p%40%3A%2C@", "u:wrong@", "it refused the user and password"),
        ("token: s3cret", "s3cret@", "wrong@", "it refused the token"),
    ],
)
async def test_what_stands_before_the_host_is_shown(
    tmp_path: Path, config: str, good: str, bad: str, said: str
) -> None:
    config = config.replace("p@:,", '"p@:,"')
    async with server_with(tmp_path, f"authorization {{ {config} }}") as server:
        await use(server.url.replace("//", f"//{good}"))
        assert await refusal(server.url.replace("//", f"//{bad}")) == said
        assert await refusal(server.url) == (
            "it wants to know who we are: user:password@ before the host, ?token=, ?creds=FILE or ?nkey=FILE"
        )


async def test_token_may_be_an_option(tmp_path: Path) -> None:
    async with server_with(tmp_path, "authorization { token: s3cret }") as server:
        await use(f"{server.url}?token=s3cret")
        assert await refusal(f"{server.url}?token=wrong") == "it refused the token"


async def test_credentials_file_lets_us_in(tmp_path: Path) -> None:
    operator = Operator()
    operator.write_creds(tmp_path / "good.creds")
    Operator().write_creds(tmp_path / "bad.creds")
    async with server_with(tmp_path, operator.config) as server:
        await use(f"{server.url}?creds={tmp_path}/good.creds")
        assert (
            await refusal(f"{server.url}?creds={tmp_path}/bad.creds")
            == "it refused the credentials of ?creds="
        )


async def test_nkey_lets_us_in(tmp_path: Path) -> None:
    good, bad = seed("user"), seed("user")
    (tmp_path / "good.nk").write_text(good + "\n")
    (tmp_path / "bad.nk").write_text(bad)
    async with server_with(tmp_path, f"authorization {{ users: [ {{ nkey: {public(good)} }} ] }}") as server:
        await use(f"{server.url}?nkey={tmp_path}/good.nk")
        assert await refusal(f"{server.url}?nkey={tmp_path}/bad.nk") == "it refused the nkey of ?nkey="


# Permissions and limits


def only(subscribe: PublicKey, publish: PublicKey) -> str:
    hear, say = (subject_of("warren.v1", key) for key in (subscribe, publish))
    may = f'{{ subscribe: "{hear}", publish: "{say}" }}'
    return f"authorization {{ default_permissions: {may}, users: [ {{ user: u, password: p }} ] }}"


async def test_subject_that_we_may_not_hear_cannot_be_entered(tmp_path: Path) -> None:
    async with (
        server_with(tmp_path, only(BOB.public, BOB.public)) as server,
        carrier_to(server.url.replace("//", "//u:p@")) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        with pytest.raises(SignalingError, match="refused us: 'permissions violation for subscription"):
            async with carrier.subscribe(Identity(CAROL)):
                pass
        envelope = sealed(ALICE, BOB.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope, "others on the connection suffer"


async def test_subject_on_which_we_may_not_publish_is_an_error(tmp_path: Path) -> None:
    async with (
        server_with(tmp_path, only(BOB.public, BOB.public)) as server,
        carrier_to(server.url.replace("//", "//u:p@")) as carrier,
    ):
        good, bad = await asyncio.gather(
            carrier.publish(sealed(ALICE, BOB.public)),
            carrier.publish(sealed(ALICE, CAROL.public)),
            return_exceptions=True,
        )
        assert good is None
        assert isinstance(bad, SignalingError)
        assert "refused us: 'permissions violation for publish" in str(bad)


async def test_right_that_is_taken_away_ends_the_subscription(tmp_path: Path) -> None:
    async with (
        server_with(tmp_path, only(BOB.public, BOB.public)) as server,
        carrier_to(server.url.replace("//", "//u:p@")) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        (tmp_path / "nats.conf").write_text(only(CAROL.public, BOB.public))
        server.reload()
        async with asyncio.timeout(10):
            with pytest.raises(SignalingError, match=r"permissions violation|lost NATS server"):
                await anext(stream)


async def test_server_that_takes_less_than_an_envelope_says_how_much(tmp_path: Path) -> None:
    envelope = sealed(ALICE, BOB.public)
    size = len(envelope.serialize())
    async with (
        server_with(tmp_path, f"max_payload: {size - 1}") as server,
        carrier_to(server.url) as carrier,
    ):
        assert carrier.max_envelope == 16 * 1024
        with pytest.raises(SignalingError, match=f"takes {size - 1} bytes at most"):
            await carrier.publish(envelope)
        assert carrier.max_envelope == size - 1
        with pytest.raises(SignalingError, match=f"{size} bytes is too large: at most {size - 1}"):
            await carrier.publish(envelope)


async def test_server_that_is_full_says_so(tmp_path: Path) -> None:
    async with (
        server_with(tmp_path, "max_connections: 1") as server,
        carrier_to(server.url) as carrier,
        carrier.subscribe(Identity(BOB)),
    ):
        assert await refusal(server.url) in (
            "it has as many connections as it may have",
            "it closed the connection; its log may say why",
        )


async def test_server_that_allows_no_more_subscriptions_refuses_one_and_keeps_the_others(
    tmp_path: Path,
) -> None:
    async with (
        server_with(tmp_path, "max_subscriptions: 1") as server,
        carrier_to(server.url) as carrier,
        carrier.subscribe(Identity(BOB)) as stream,
    ):
        with pytest.raises(SignalingError, match="refused us: 'maximum subscriptions exceeded'"):
            async with carrier.subscribe(Identity(CAROL)):
                pass
        envelope = sealed(ALICE, BOB.public)
        await carrier.publish(envelope)
        assert await anext(stream) == envelope
