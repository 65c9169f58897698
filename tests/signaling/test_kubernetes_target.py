import base64
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.signaling.scripted_kubernetes import write_kubeconfig
from warren.errors import ConfigurationError
from warren.signaling.kubernetes_target import KubernetesTarget
from warren.signaling.url import BackendUrl

IN_POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
SECRET = "hunter2"


def parse(url: str, *, environ: dict[str, str] | None = None, pod: Path = Path("/none")) -> KubernetesTarget:
    return KubernetesTarget.parse(BackendUrl.parse(url), environ=environ or {}, service_account=pod)


def refused(url: str, **where: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse(url, **where)
    assert SECRET not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    return write_kubeconfig(tmp_path / "config", "https://kube:6443")


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """What a pod finds of its service account."""
    folder = tmp_path / "pod"
    folder.mkdir()
    (folder / "token").write_text("pod-token")
    (folder / "namespace").write_text("pod-ns")
    trustme.CA().cert_pem.write_to_path(folder / "ca.crt")
    return folder


def edit(kubeconfig: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change what a kubeconfig says."""
    content = json.loads(kubeconfig.read_text())
    change(content)
    kubeconfig.write_text(json.dumps(content))


# A kubeconfig


async def test_kubeconfig_gives_server_token_and_namespace(kubeconfig: Path) -> None:
    target = parse(f"k8s://{kubeconfig}")
    configuration = await target.load()
    assert (configuration.host, target.namespace) == ("https://kube:6443", "ns")
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer token-1"


def test_option_names_another_namespace(kubeconfig: Path) -> None:
    assert parse(f"k8s://{kubeconfig}?namespace=other").namespace == "other"


def test_context_without_a_namespace_means_the_default_one(kubeconfig: Path) -> None:
    edit(kubeconfig, lambda content: content["contexts"][0]["context"].pop("namespace"))
    assert parse(f"k8s://{kubeconfig}").namespace == "default"


async def test_option_names_another_context(kubeconfig: Path) -> None:
    there = {"cluster": "d", "user": "u", "namespace": "far"}
    edit(kubeconfig, lambda content: content["contexts"].append({"name": "there", "context": there}))
    cluster = {"server": "https://other"}
    edit(kubeconfig, lambda content: content["clusters"].append({"name": "d", "cluster": cluster}))
    target = parse(f"k8s://{kubeconfig}?context=there")
    assert ((await target.load()).host, target.namespace) == ("https://other", "far")


def test_without_a_path_the_usual_places_are_looked_at(kubeconfig: Path) -> None:
    assert parse("k8s:", environ={"KUBECONFIG": f"/none{os.pathsep}{kubeconfig}"}).namespace == "ns"


def test_without_any_the_default_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/none")
    assert "there is no kubeconfig ~/.kube/config: name one by" in refused("k8s:")


def test_path_may_be_percent_encoded(tmp_path: Path) -> None:
    write_kubeconfig(tmp_path / "my config", "https://kube")
    assert parse(f"k8s://{tmp_path}/my%20config").namespace == "ns"


async def test_program_that_gives_credentials_is_run(kubeconfig: Path) -> None:
    version = "client.authentication.k8s.io/v1"
    given = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": "given"}}
    command = {
        "apiVersion": version,
        "command": sys.executable,
        "args": ["-c", f"print({json.dumps(given)!r})"],
    }
    edit(kubeconfig, lambda content: content["users"][0].update(user={"exec": command}))
    configuration = await parse(f"k8s://{kubeconfig}").load()
    assert await configuration.get_api_key_with_prefix("BearerToken") == "Bearer given"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("k8s://host", "there is no place for a host; write k8s: or k8s:///path/to/kubeconfig"),
        ("k8s:config", "begins with a slash"),
        ("k8s:///none", "there is no kubeconfig /none: name one by k8s:///path/to/kubeconfig or $KUBECONFIG"),
        ("k8s:?namespace=Big", "must be the name of a namespace"),
        ("k8s:?namespace=", "must be the name of a namespace"),
        ("k8s:?name=x", "unknown option 'name'; k8s knows ?namespace=, ?context="),
    ],
)
def test_wrong_url_says_what_is_right(url: str, words: str) -> None:
    assert words in refused(url)


def test_unknown_context_lists_the_known_ones(kubeconfig: Path) -> None:
    assert "has no context 'there'; it knows here" in refused(f"k8s://{kubeconfig}?context=there")


def user(**content: Any) -> str:
    """Write a kubeconfig whose user has a secret."""
    whole = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "y", "user": "u"}}],
        "clusters": [{"name": "y", "cluster": {"server": "https://h"}}],
        "users": [{"name": "u", "user": {"token": SECRET}}],
    }
    return json.dumps(whole | content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is no kubeconfig; does `kubectl config view` take it?"),
        ("hello", "it is no kubeconfig"),
        ("- 1", "it is no kubeconfig"),
        ("contexts: 3", "it is no kubeconfig"),
        (f"token: {SECRET}\n  wrong: [", "it is no YAML (line 2)"),
        ("{}", "has no current context: name one by ?context="),
        (user(clusters=[]), "Expected object with name y"),
        (user(contexts=[{"name": "x"}]), "Expected key context"),
        (user(contexts=[{"name": "x", "context": SECRET}]), "it is no kubeconfig"),
        (user(users=[{"user": {"token": SECRET}}]), "is not usable"),
    ],
)
def test_kubeconfig_that_is_none_is_refused_and_shows_no_secret(
    tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "config").write_text(content)
    assert words in refused(f"k8s://{tmp_path}/config")


def test_kubeconfig_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert "Is a directory" in refused(f"k8s://{tmp_path}")


async def test_kubeconfig_that_names_a_missing_file_is_refused_on_loading(kubeconfig: Path) -> None:
    cluster = {"server": "https://h", "certificate-authority": "/none"}
    edit(kubeconfig, lambda content: content["clusters"][0].update(cluster=cluster))
    with pytest.raises(ConfigurationError, match="File does not exists: /none"):
        await parse(f"k8s://{kubeconfig}").load()


async def test_certificates_may_stand_in_the_kubeconfig(kubeconfig: Path) -> None:
    pem = trustme.CA().cert_pem.bytes()
    cluster = {"server": "https://h", "certificate-authority-data": base64.b64encode(pem).decode()}
    edit(kubeconfig, lambda content: content["clusters"][0].update(cluster=cluster))
    configuration = await parse(f"k8s://{kubeconfig}").load()
    with open(configuration.ssl_ca_cert, "rb") as file:  # noqa: ASYNC230 - a small file of a test
        assert file.read() == pem


# A pod


async def test_pod_needs_no_option(pod: Path) -> None:
    target = parse("k8s:", environ=IN_POD, pod=pod)
    configuration = await target.load()
    assert (configuration.host, target.namespace) == ("https://10.0.0.1:443", "pod-ns")
    assert await configuration.get_api_key_with_prefix("BearerToken") == "bearer pod-token"


def test_pod_may_name_another_namespace(pod: Path) -> None:
    assert parse("k8s:?namespace=other", environ=IN_POD, pod=pod).namespace == "other"


def test_pod_may_name_a_kubeconfig(pod: Path, kubeconfig: Path) -> None:
    assert parse(f"k8s://{kubeconfig}", environ=IN_POD, pod=pod).namespace == "ns"


def test_pod_has_no_contexts(pod: Path) -> None:
    assert "in a pod there are no contexts" in refused("k8s:?context=x", environ=IN_POD, pod=pod)


def test_pod_without_a_namespace_is_asked_for_one(pod: Path) -> None:
    (pod / "namespace").unlink()
    assert "give one by ?namespace=" in refused("k8s:", environ=IN_POD, pod=pod)


def test_pod_without_an_authority_is_refused(pod: Path) -> None:
    (pod / "ca.crt").unlink()
    told = refused("k8s:", environ=IN_POD, pod=pod)
    assert told.startswith("the service account of this pod cannot be used: Service certification file")


def test_printing_a_target_names_where_its_credentials_are(pod: Path, kubeconfig: Path) -> None:
    assert str(parse("k8s:", environ=IN_POD, pod=pod)) == "the service account of this pod"
    assert str(parse(f"k8s://{kubeconfig}?context=here")) == f"kubeconfig {kubeconfig}, context here"
