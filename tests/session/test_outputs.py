"""What a machine asks for and tells, as values."""

import pytest

from tests.ice.link import candidate
from warren.messages import CandidateType, Credentials, Message
from warren.session.outputs import Path, Publish, UfragAdded, UfragRemoved


@pytest.mark.parametrize(
    ("local", "remote", "relayed"),
    [
        (CandidateType.HOST, CandidateType.SERVER_REFLEXIVE, False),
        (CandidateType.RELAY, CandidateType.HOST, True),
        (CandidateType.HOST, CandidateType.RELAY, True),
    ],
)
def test_path_is_relayed_where_either_end_is(
    local: CandidateType, remote: CandidateType, relayed: bool
) -> None:
    path = Path(local=candidate(local, "192.0.2.1", 1), remote=candidate(remote, "192.0.2.2", 1), rtt=0.1)
    assert path.relayed is relayed


def test_secrets_do_not_print() -> None:
    message = Message(credentials=Credentials("secretufrag", "secretpassword" * 2))
    for output in (Publish(message), UfragAdded("secretufrag"), UfragRemoved("secretufrag")):
        assert "secret" not in repr(output)
