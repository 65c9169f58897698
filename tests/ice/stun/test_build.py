import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.ice.stun.vectors import KEY, REQUEST, RESPONSE_IPV4, RESPONSE_IPV6, TRANSACTION_ID
from warren.ice import stun
from warren.ice.stun import Attribute, Class, Method

PASSWORD = b"VOkJxbRl1RmTxUk/WvJxBt"


def check(*, controlling: bool = True, use_candidate: bool = False, nomination: int | None = None) -> bytes:
    return stun.binding_request(
        TRANSACTION_ID,
        stun.check_attributes(
            username="theirs:ours",
            priority=0x6E0001FF,
            controlling=controlling,
            tie_breaker=0x932FF9B151263B36,
            use_candidate=use_candidate,
            nomination=nomination,
        ),
        KEY,
    )


def test_check_carries_what_ice_asks_for_and_nothing_behind_the_fingerprint() -> None:
    request = stun.parse(check())
    assert list(request.attributes) == [
        Attribute.USERNAME,
        Attribute.PRIORITY,
        Attribute.ICE_CONTROLLING,
        Attribute.MESSAGE_INTEGRITY,
        Attribute.FINGERPRINT,
    ]
    assert request.username_parts == ("theirs", "ours")
    assert request.priority == 0x6E0001FF
    assert request.controlling == 0x932FF9B151263B36
    assert stun.verify(request, KEY)


def test_controlled_check_says_so() -> None:
    request = stun.parse(check(controlling=False))
    assert request.controlled == 0x932FF9B151263B36
    assert request.controlling is None


def test_nominating_check_is_proved_with_what_nominates() -> None:
    request = stun.parse(check(use_candidate=True, nomination=0x1010203))
    assert request.use_candidate
    assert request.attributes[Attribute.NOMINATION] == b"\0\1\2\3"
    assert stun.verify(request, KEY)


def test_request_of_rfc_5769_is_built_to_the_byte_but_for_its_padding() -> None:
    attributes = list(stun.parse(REQUEST).attributes.items())[:-2]
    built = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, attributes)
    padded_with_spaces = REQUEST[20:-32]
    assert built[20:-8] == padded_with_spaces.replace(b"h6vY   ", b"h6vY\0\0\0")


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("192.0.2.1", 32853), RESPONSE_IPV4),
        (("2001:db8:1234:5678:11:2233:4455:6677", 32853), RESPONSE_IPV6),
    ],
)
def test_success_names_the_source_as_rfc_5769_does(address: tuple[str, int], expected: bytes) -> None:
    request = stun.parse(REQUEST)
    response = stun.parse(stun.success(request, address, KEY))
    kind = Attribute.XOR_MAPPED_ADDRESS
    assert response.attributes[kind] == stun.parse(expected).attributes[kind]
    assert response.cls == Class.SUCCESS
    assert response.transaction_id == TRANSACTION_ID
    assert stun.verify(response, KEY)


def test_success_of_another_method_answers_that_method() -> None:
    request = stun.parse(stun.build(Method.REFRESH, Class.REQUEST, TRANSACTION_ID, []))
    response = stun.parse(stun.success(request, ("192.0.2.1", 1), None))
    assert (response.method, response.cls) == (Method.REFRESH, Class.SUCCESS)
    assert not response.has_integrity


def test_error_names_code_reason_and_unknown_attributes() -> None:
    request = stun.parse(REQUEST)
    response = stun.parse(stun.error(request, 420, "Unknown Attribute", KEY, (0x0007, 0x7FFF, 0x0003)))
    assert response.cls == Class.ERROR
    assert response.error == (420, "Unknown Attribute")
    assert response.attributes[Attribute.UNKNOWN_ATTRIBUTES] == bytes.fromhex("00077fff0003")
    assert stun.verify(response, KEY)


def test_error_may_go_without_proof() -> None:
    response = stun.parse(stun.error(stun.parse(REQUEST), 487, "Role Conflict"))
    assert response.error == (487, "Role Conflict")
    assert not response.has_integrity
    assert Attribute.UNKNOWN_ATTRIBUTES not in response.attributes


def test_request_to_a_server_is_bare() -> None:
    request = stun.parse(stun.server_request(TRANSACTION_ID))
    assert (request.method, request.cls) == (Method.BINDING, Class.REQUEST)
    assert list(request.attributes) == [Attribute.FINGERPRINT]


def test_fingerprint_can_be_left_out() -> None:
    data = stun.build(Method.BINDING, Class.INDICATION, TRANSACTION_ID, [], fingerprint=False)
    assert data == bytes.fromhex("001100002112a442") + TRANSACTION_ID


def test_integrity_without_fingerprint_verifies() -> None:
    data = stun.build(Method.BINDING, Class.REQUEST, TRANSACTION_ID, [], KEY, fingerprint=False)
    assert stun.verify(stun.parse(data), KEY)


@given(
    st.sampled_from(Method),
    st.sampled_from(Class),
    st.binary(min_size=12, max_size=12),
    st.dictionaries(
        st.integers(0, 0xFFFF).filter(lambda kind: kind not in (0x0008, 0x001C, 0x8028)),
        st.binary(max_size=40),
    ),
)
def test_what_is_built_is_parsed(
    method: Method, cls: Class, transaction_id: bytes, attributes: dict[int, bytes]
) -> None:
    message = stun.parse(stun.build(method, cls, transaction_id, list(attributes.items()), KEY))
    assert (message.method, message.cls, message.transaction_id) == (method, cls, transaction_id)
    assert list(message.attributes.items())[:-2] == list(attributes.items())
    assert stun.verify(message, KEY)


def test_aioice_reads_and_verifies_a_check() -> None:
    message = aioice.stun.parse_message(check(use_candidate=True))
    assert message.attributes["USERNAME"] == "theirs:ours"
    assert message.attributes["ICE-CONTROLLING"] == 0x932FF9B151263B36
    assert "USE-CANDIDATE" in message.attributes
    assert message.check_message_integrity(PASSWORD)


def test_aioice_reads_and_verifies_a_response() -> None:
    message = aioice.stun.parse_message(stun.success(stun.parse(REQUEST), ("2001:db8::7", 5000), KEY))
    assert message.attributes["XOR-MAPPED-ADDRESS"] == ("2001:db8::7", 5000)
    assert message.check_message_integrity(PASSWORD)


def test_check_of_aioice_is_read_and_verified() -> None:
    message = aioice.stun.Message(
        message_method=aioice.stun.Method.BINDING,
        message_class=aioice.stun.Class.REQUEST,
        attributes={"USERNAME": "a:b", "PRIORITY": 7, "ICE-CONTROLLED": 9, "USE-CANDIDATE": None},
    )
    message.add_message_integrity(PASSWORD)
    request = stun.parse(bytes(message))
    assert (request.username_parts, request.priority, request.controlled) == (("a", "b"), 7, 9)
    assert stun.verify(request, KEY)
