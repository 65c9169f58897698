"""What warren raises: one root and its few children."""

__all__ = ["ConfigurationError", "NotConnected", "SignalingError", "WarrenError"]


class WarrenError(Exception):
    """Root of everything that warren raises on purpose; the text says what to do."""


class ConfigurationError(WarrenError, ValueError):
    """What our user asked for cannot be: a wrong URL, key file, option or missing library."""


class SignalingError(WarrenError):
    """A signaling backend could not be reached or did not take an envelope."""


class NotConnected(WarrenError):
    """The session has no path, or could not get one; the text gives the reason in words."""
