"""One API server for all tests here (one for each worker), and a namespace for each."""

from collections.abc import Iterator

import pytest

from tests.kube.installed import install
from tests.kube.server import KubeServer, kube_server


@pytest.fixture(scope="session")
def running_kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeServer]:
    """The API server; it may have been killed or frozen by a test."""
    with kube_server(tmp_path_factory.mktemp("kube")) as server:
        yield server


@pytest.fixture
def kube(running_kube: KubeServer) -> KubeServer:
    """An API server that serves, whatever the test before did to it."""
    running_kube.start()
    return running_kube


@pytest.fixture
def namespace(kube: KubeServer) -> str:
    """A namespace of its own."""
    return kube.make_namespace()


@pytest.fixture
def installed(kube: KubeServer, namespace: str) -> str:
    """A namespace with all that `warren k8s manifests` prints."""
    install(kube, namespace)
    return namespace
