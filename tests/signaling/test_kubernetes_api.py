import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from tests.signaling.scripted_kubernetes import (
    ScriptedKubernetes,
    ScriptedWatch,
    refuse,
    reply,
    write_kubeconfig,
)
from warren.errors import SignalingError
from warren.signaling import kubernetes_api
from warren.signaling.kubernetes_api import ApiError, KubernetesApi
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

PATH = "/apis/signaling.warren.dev/v1/namespaces/ns/mailboxes"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ScriptedKubernetes]:
    async with ScriptedKubernetes(tmp_path) as server:
        yield server


@pytest.fixture
async def api(server: ScriptedKubernetes) -> AsyncIterator[KubernetesApi]:
    api = server.api()
    yield api
    await api.aclose()


def api_at(folder: Path, url: str, **cluster: Any) -> KubernetesApi:
    """Make what asks another server than the scripted one."""
    path = write_kubeconfig(folder / "other", url)
    content = json.loads(path.read_text())
    content["clusters"][0]["cluster"] |= cluster
    path.write_text(json.dumps(content))
    return KubernetesApi(KubernetesTarget.parse(BackendUrl.parse(f"k8s://{path}")), timeout=2.0)


async def told(api: KubernetesApi) -> str:
    """Ask in vain, and say what came of it."""
    try:
        await api.ask("list", PATH)
    except SignalingError as error:
        return str(error)
    finally:
        await api.aclose()
    raise AssertionError("it succeeded")


# Asking


async def test_answer_is_its_json(server: ScriptedKubernetes, api: KubernetesApi) -> None:
    server.script["list"].append(reply({"items": [3]}))
    assert (await api.ask("list", PATH)).data == {"items": [3]}


async def test_clock_of_the_server_is_that_of_its_answer_and_goes_on(
    server: ScriptedKubernetes, api: KubernetesApi
) -> None:
    server.script["list"].append(reply({}, headers={"Date": "Thu, 01 Jan 1970 00:16:40 GMT"}))
    clock = (await api.ask("list", PATH)).clock
    assert clock.time(clock.at + 5.0) == 1005.0


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000])
async def test_answer_that_is_no_object_is_refused(server: ScriptedKubernetes, body: bytes) -> None:
    async def answer(request: web.BaseRequest) -> web.Response:
        return web.Response(body=body)

    server.script["list"].append(answer)
    assert "is it an API server?" in await told(server.api())


async def test_server_that_does_not_say_how_late_it_is_is_refused(server: ScriptedKubernetes) -> None:
    server.script["list"].append(reply({}, headers={"Date": "late"}))
    assert "did not say how late it is" in await told(server.api())


async def test_watch_that_does_not_say_how_late_it_is_is_refused(
    server: ScriptedKubernetes, api: KubernetesApi
) -> None:
    server.script["watch"].append(reply({}, headers={"Date": "late"}))
    with pytest.raises(SignalingError, match="did not say how late it is"):
        await api.open(PATH, query={"watch": "true"})


async def test_endless_answer_is_refused(server: ScriptedKubernetes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes_api, "LARGEST", 1000)
    endless = ScriptedWatch()
    endless.send_bytes(b" " * 1001)
    server.script["list"].append(endless)
    assert "more than 1000 bytes" in await told(server.api())


async def test_silent_server_costs_the_time_limit(server: ScriptedKubernetes) -> None:
    server.script["list"].append(ScriptedWatch())
    assert "did not answer within 0.2 s" in await told(server.api(timeout=0.2))


async def test_answer_that_breaks_off_is_told(server: ScriptedKubernetes) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return response

    server.script["list"].append(answer)
    assert "closed the connection" in await told(server.api())


# Credentials


async def test_token_is_read_anew_when_it_is_not_accepted(
    server: ScriptedKubernetes, api: KubernetesApi, tmp_path: Path
) -> None:
    write_kubeconfig(tmp_path / "kubeconfig", server.url, token="old")
    await api.ask("list", PATH)
    write_kubeconfig(tmp_path / "kubeconfig", server.url, token="new")
    server.script["list"].append(refuse(401))
    await api.ask("list", PATH)
    assert [asked.token for asked in server.asked] == ["old", "old", "new"]


async def test_token_that_is_not_accepted_twice_is_told(server: ScriptedKubernetes) -> None:
    server.script["list"] += [refuse(401), refuse(401)]
    assert "does not know us (401): are the credentials of kubeconfig" in await told(server.api())
    assert len(server.asked) == 2


async def test_several_who_are_refused_at_once_read_the_token_once(
    server: ScriptedKubernetes, api: KubernetesApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads = 0
    load = KubernetesTarget.load

    async def counting(target: KubernetesTarget) -> object:
        nonlocal loads
        loads += 1
        return await load(target)

    monkeypatch.setattr(KubernetesTarget, "load", counting)
    server.script["list"] += [refuse(401)] * 4
    await asyncio.gather(*(api.ask("list", PATH) for _ in range(4)))
    assert loads == 2


async def test_connections_with_other_certificates_replace_those_of_a_watch(
    server: ScriptedKubernetes, tmp_path: Path
) -> None:
    api = api_at(tmp_path, server.url, **{"insecure-skip-tls-verify": True})
    response, _ = await api.open(PATH, query={"watch": "true"})
    api_at(tmp_path, server.url)
    server.script["list"].append(refuse(401))
    await api.ask("list", PATH)
    with pytest.raises(aiohttp.ClientConnectionError):
        await response.content.readany()
    await api.aclose()


async def test_configuration_that_has_gone_is_told(server: ScriptedKubernetes, tmp_path: Path) -> None:
    api = server.api()
    (tmp_path / "kubeconfig").unlink()
    assert "there is no kubeconfig" in await told(api)


async def test_certificate_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text("none")
    api = api_at(tmp_path, "https://127.0.0.1:1", **{"certificate-authority": str(tmp_path / "ca.crt")})
    assert "certificates of kubeconfig" in await told(api)


# Waiting when told to


@pytest.mark.parametrize("status", [429, 503])
async def test_later_requests_wait_as_long_as_the_server_asks(
    server: ScriptedKubernetes, api: KubernetesApi, status: int
) -> None:
    server.script["list"].append(refuse(status, headers={"Retry-After": "1"}))
    with pytest.raises(ApiError):
        await api.ask("list", PATH)
    await api.ask("list", PATH)
    first, second = server.asked
    assert second.at - first.at > 0.95


async def test_time_to_wait_that_is_no_number_is_a_second(
    server: ScriptedKubernetes, api: KubernetesApi
) -> None:
    server.script["list"].append(refuse(429, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}))
    with pytest.raises(ApiError):
        await api.ask("list", PATH)
    await api.ask("list", PATH)
    first, second = server.asked
    assert second.at - first.at > 0.95


# No way there


async def test_refused_connection_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        text = await told(api_at(tmp_path, url))
    assert text == f"no route to API server {url}: connection refused; is it running there?"


async def test_server_without_tls_is_told(server: ScriptedKubernetes, tmp_path: Path) -> None:
    assert "does not speak TLS as we do" in await told(api_at(tmp_path, server.url.replace("http", "https")))


async def test_certificate_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    runner = web.ServerRunner(web.Server(reply({})))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port = runner.addresses[0][1]
    text = await told(api_at(tmp_path, f"https://127.0.0.1:{port}"))
    await runner.cleanup()
    assert "its certificate is not trusted" in text
    assert "check certificate-authority in the kubeconfig" in text


async def test_server_that_is_no_url_is_told(tmp_path: Path) -> None:
    assert "that is no URL" in await told(api_at(tmp_path, "http://"))


# Closing


async def test_closed_one_refuses(server: ScriptedKubernetes) -> None:
    api = server.api()
    await api.aclose()
    assert await told(api) == "the Kubernetes carrier is closed"


async def test_request_under_way_learns_that_it_was_closed(server: ScriptedKubernetes) -> None:
    server.script["list"].append(ScriptedWatch())
    api = server.api()
    asking = asyncio.create_task(api.ask("list", PATH))
    await server.until(lambda: server.open == 1)
    await api.aclose()
    with pytest.raises(SignalingError, match="carrier is closed"):
        await asking


async def test_cancelled_request_leaves_no_connection(server: ScriptedKubernetes, api: KubernetesApi) -> None:
    server.script["list"].append(ScriptedWatch())
    asking = asyncio.create_task(api.ask("list", PATH))
    await server.until(lambda: server.open == 1)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await server.until(lambda: server.open == 0)
