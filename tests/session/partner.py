"""A peer that a test plays itself, word by word and check by check."""

import random
from collections.abc import Callable

from tests.ice.link import candidate
from tests.session.side import ALICE, BOB, B, Said, Side
from warren.ice import stun
from warren.ice.candidate import priority
from warren.ice.timing import Pacer
from warren.ice.transport import Address
from warren.keys import PublicKey
from warren.messages import Candidate, CandidateType, Credentials, Message, SessionDescription
from warren.session.config import Config
from warren.session.generation import Generation
from warren.session.succession import Means


class Partner:
    """One generation of a peer that a test plays itself."""

    def __init__(
        self,
        number: int,
        *,
        ours: PublicKey = BOB,
        theirs: PublicKey = ALICE,
        address: Address = (B.address, B.port),
        others: tuple[Address, ...] = (),
    ) -> None:
        self.f = number
        self.ours, self.theirs, self.address = ours, theirs, address
        self.addresses = (address, *others)
        self.credentials = Credentials(f"ufrag{number}", f"password{number}".ljust(24, "x"))
        self.candidate = candidate(CandidateType.HOST, *address)
        self._answered = 0
        self._dice = random.Random(number)

    def says(
        self,
        t: int = 0,
        *,
        revision: int = 1,
        peer_revision: int = 0,
        asks: bool = False,
        need: bool = False,
        candidates: tuple[Candidate, ...] | None = None,
        ended: bool = True,
    ) -> Message:
        """A message with field 100: (f, t)."""
        description = SessionDescription(
            sender=self.ours,
            recipient=self.theirs,
            session_id=self.f,
            peer_session_id=t,
            candidates=(self.candidate,) if candidates is None else candidates,
            end_of_candidates=ended,
            revision=revision,
            peer_revision=peer_revision,
            wants_answer=asks,
        )
        credentials = Credentials(self.credentials.ufrag, self.credentials.pwd, need)
        return Message(credentials=credentials, session=description)

    def tells(self, *, need: bool = False, candidate: bool = False) -> Message:
        """Credentials as a peer tells them that does not know field 100, alone or with a candidate."""
        credentials = Credentials(self.credentials.ufrag, self.credentials.pwd, need)
        return Message(credentials=credentials, candidate=self.candidate if candidate else None)

    def checks(
        self, side: Side, theirs: Credentials, *, ufrag: str = "", pwd: str = "", nominates: bool = True
    ) -> None:
        """Send a check to a generation of the side's."""
        controlling = self.ours < self.theirs
        data = stun.binding_request(
            self._dice.randbytes(12),
            stun.check_attributes(
                username=f"{theirs.ufrag}:{ufrag or self.credentials.ufrag}",
                priority=priority(CandidateType.PEER_REFLEXIVE, 100),
                controlling=controlling,
                tie_breaker=7,
                use_candidate=controlling and nominates,
                nomination=1 if controlling and nominates else None,
            ),
            stun.prepare_key(pwd or theirs.pwd),
        )
        side.receives(data, self.address)

    def answers(self, side: Side) -> int:
        """Answer the checks of the side's that have come since the last time; returns how many."""
        key = stun.prepare_key(self.credentials.pwd)
        count, todo = 0, side.sent[self._answered :]
        self._answered = len(side.sent)
        for _, transmit in todo:
            packet = stun.parse(transmit.data)
            parts = packet.username_parts
            if packet.cls is not stun.Class.REQUEST or transmit.destination not in self.addresses:
                continue
            if parts is not None and parts[0] == self.credentials.ufrag:
                # A connection that was opened has a port that the system chose.
                source = (transmit.base.address, transmit.base.port or 50000)
                side.receives(stun.success(packet, source, key), transmit.destination, transmit.base)
                count += 1
        return count


def connected(side: Side, partner: Partner) -> Said:
    """Open the session and connect it with the partner; returns what our generation said first."""
    if not side.published:
        side.open(side.now)
    ours = side.said[0]
    side.hears(partner.says(ours.f, peer_revision=ours.session.revision))
    partner.answers(side)
    if partner.ours < partner.theirs:
        partner.checks(side, ours.credentials)
    return ours


def generations(side: Side, *, early: bool = True) -> Callable[[int], Generation]:
    """Make generations as the side's session makes them, but by themselves: each with this session id."""
    means = Means(
        session=side.machine,
        controlling=True,
        transactions=side.transactions,
        pacer=Pacer(),
        dice=side.dice,
        config=Config(early_candidates=early),
    )
    return lambda session_id: means.generation(session_id, 0.0, warren=True)
