"""TURN (RFC 8656): addresses of ours at a server, which passes on what peers send there."""
