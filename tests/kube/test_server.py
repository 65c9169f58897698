"""Tests of the rig itself: the API server is real, and does what other tests count on."""

import pytest

from tests.kube.server import USERS, KubeServer, Reply
from tests.needs import KUBERNETES, needs

pytestmark = needs("etcd", "kube-apiserver")


def test_it_is_the_version_that_we_asked_for(kube: KubeServer) -> None:
    assert kube.request("GET", "/version").body["gitVersion"] == KUBERNETES


@pytest.mark.parametrize("user", USERS)
def test_every_user_has_a_token(kube: KubeServer, user: str) -> None:
    said = who_am_i(kube, user=user)
    assert said.body["status"]["userInfo"]["username"] == user


def test_an_unknown_token_is_refused(kube: KubeServer) -> None:
    assert kube.request("GET", "/version", token="stolen").status == 401


def test_what_was_written_outlives_a_crash_of_both(kube: KubeServer, namespace: str) -> None:
    kube.kill()
    kube.start()
    assert kube.request("GET", f"/api/v1/namespaces/{namespace}").status == 200


def test_a_frozen_server_goes_on_when_it_is_thawed(kube: KubeServer) -> None:
    kube.etcd.freeze()
    kube.apiserver.freeze()
    kube.start()
    assert kube.request("GET", "/version").status == 200


@pytest.mark.parametrize("seconds", [3600, 30])
def test_a_service_account_gets_a_token(kube: KubeServer, namespace: str, seconds: int) -> None:
    make_account(kube, namespace)
    said = who_am_i(kube, token=kube.service_token(namespace, "peer", seconds))
    assert said.body["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:peer"


def test_a_token_whose_time_is_over_is_refused(kube: KubeServer, namespace: str) -> None:
    make_account(kube, namespace)
    assert who_am_i(kube, token=kube.service_token(namespace, "peer", seconds=-1)).status == 401


def make_account(kube: KubeServer, namespace: str) -> None:
    made = kube.request(
        "POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "peer"}}
    )
    assert made.status == 201


def who_am_i(kube: KubeServer, *, user: str = "admin", token: str = "") -> Reply:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    return kube.request("POST", path, review, user=user, token=token)
