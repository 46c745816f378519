"""The one error tree of the telephony package.

Every error has a stable machine-readable ``reason``, which is also the key of its
sentence in the translations, and the placeholders of that sentence. Errors cross
the process boundary as this pair and come out as the same class.
"""

from __future__ import annotations

from typing import ClassVar


class TelephonyError(Exception):
    """Base of everything that can fail; ``reason`` and ``placeholders`` tell what did."""

    reason: ClassVar[str] = "unknown"
    _by_reason: ClassVar[dict[str, type[TelephonyError]]] = {}

    def __init_subclass__(cls) -> None:
        """Make the class findable by its reason."""
        super().__init_subclass__()
        TelephonyError._by_reason[cls.reason] = cls

    def __init__(self, **placeholders: str) -> None:
        """Keep the placeholders of the sentence; they hold nothing secret."""
        self.placeholders = placeholders
        details = ", ".join(f"{key}={value}" for key, value in placeholders.items())
        super().__init__(f"{self.reason}: {details}" if details else self.reason)

    @staticmethod
    def of_reason(reason: str, placeholders: dict[str, str]) -> TelephonyError:
        """Return the error of a reason that came from the other process."""
        return TelephonyError._by_reason.get(reason, TelephonyError)(**placeholders)


class AddressError(TelephonyError):
    """The gateway's address cannot be used."""

    reason = "address"


class AddressInvalidError(AddressError):
    """Neither an IP address nor a host name. Placeholder: address."""

    reason = "address_invalid"


class AddressLinkLocalError(AddressError):
    """A link-local address, which no SIP URI can carry. Placeholder: address."""

    reason = "address_link_local"


class NameNotResolvedError(AddressError):
    """The host name has no address at all. Placeholder: address."""

    reason = "name_not_resolved"


class FamilyMissingError(AddressError):
    """The gateway has no address of the chosen family. Placeholders: address, family."""

    reason = "family_missing"


class RegistrationError(TelephonyError):
    """The gateway does not take our registration.

    ``retry_after`` is how many seconds it wants to be left alone (RFC 3261 §20.33), ``sent``
    whether a REGISTER went out at all; neither crosses the process boundary.
    """

    reason = "registration"
    retry_after: float | None = None
    sent: bool = True


class GatewayUnreachableError(RegistrationError):
    """No route to the gateway, or its port is closed. Placeholders: address, family."""

    reason = "gateway_unreachable"


class GatewaySilentError(RegistrationError):
    """No answer to a REGISTER. Placeholders: address, family."""

    reason = "gateway_silent"


class GatewayRenumberedError(RegistrationError):
    """Nobody at an IPv6 literal outside of our own network. Placeholders: address, prefix."""

    reason = "gateway_renumbered"


class OnlyIPv4AnswersError(RegistrationError):
    """Silent over IPv6, alive over IPv4. Placeholders: address, other_address."""

    reason = "only_ipv4_answers"


class OnlyIPv6AnswersError(RegistrationError):
    """Silent over IPv4, alive over IPv6. Placeholders: address, other_address."""

    reason = "only_ipv6_answers"


class CredentialsRejectedError(RegistrationError):
    """User ID or password is wrong. Placeholder: user_id."""

    reason = "credentials_rejected"


class ExtensionUnavailableError(RegistrationError):
    """The extension is not set up at the gateway, or in use. Placeholders: extension, code."""

    reason = "extension_unavailable"


class NotSipServerError(RegistrationError):
    """Something answers at the address, and it is not SIP. Placeholder: address."""

    reason = "not_sip_server"


class RegistrationRefusedError(RegistrationError):
    """Refused for another reason. Placeholders: code, phrase."""

    reason = "registration_refused"


class TooManyLinesError(RegistrationError):
    """The back end has no room for another line."""

    reason = "too_many_lines"
    sent = False


class CallError(TelephonyError):
    """A call cannot be placed or changed as asked."""

    reason = "call"


class LineUnknownError(CallError):
    """The engine has no such line. Placeholder: line."""

    reason = "line_unknown"


class LineNotRegisteredError(CallError):
    """The line is not registered at the gateway now."""

    reason = "line_not_registered"


class LineBusyError(CallError):
    """The line already has a call."""

    reason = "line_busy"


class CallUnknownError(CallError):
    """There is no such call, or it has ended."""

    reason = "call_unknown"


class CallNotRingingError(CallError):
    """Only an incoming call that rings can be answered or rejected."""

    reason = "call_not_ringing"


class CallNotConnectedError(CallError):
    """Only a connected call carries sound and digits."""

    reason = "call_not_connected"


class HoldRefusedError(CallError):
    """The far side does not let the call be put on hold, or taken back, now."""

    reason = "hold_refused"


class NumberInvalidError(CallError):
    """Not a number that can be dialled. Placeholder: number."""

    reason = "number_invalid"


class CallForbiddenError(CallError):
    """The owner's settings forbid the call. Placeholder: number."""

    reason = "call_forbidden"


class NumberEmergencyError(CallForbiddenError):
    """Dialling 110, 118 and 119 is not switched on. Placeholder: number."""

    reason = "number_emergency"


class EmergencyFromAutomationError(CallForbiddenError):
    """Automations may not dial emergency numbers. Placeholder: number."""

    reason = "emergency_from_automation"


class NumberBlockedError(CallForbiddenError):
    """The owner blocked the number. Placeholder: number."""

    reason = "number_blocked"


class CostNotAllowedError(CallForbiddenError):
    """The owner does not allow numbers of this cost class. Placeholders: number, cost."""

    reason = "cost_not_allowed"


class NumberNotDialableError(CallError):
    """Hikari Denwa cannot dial the number. Placeholder: number."""

    reason = "number_not_dialable"


class NumberTooShortError(NumberNotDialableError):
    """Digits are missing. Placeholder: number."""

    reason = "number_too_short"


class NumberTooLongError(NumberNotDialableError):
    """There are more digits than such a number has. Placeholder: number."""

    reason = "number_too_long"


class NumberNotInPlanError(NumberNotDialableError):
    """The numbering plan has no such number. Placeholder: number."""

    reason = "number_not_in_plan"


class NumberCarrierSelectError(NumberNotDialableError):
    """The number selects another carrier (00XY). Placeholder: number."""

    reason = "number_carrier_select"


class NumberNotOfferedError(NumberNotDialableError):
    """A service that Hikari Denwa does not connect to. Placeholder: number."""

    reason = "number_not_offered"


class NumberPrefixMisplacedError(NumberNotDialableError):
    """184 or 186 stands where it means nothing. Placeholder: number."""

    reason = "number_prefix_misplaced"


class FamilyConflictError(CallError):
    """No IP family that the line has reaches the callee. Placeholder: number."""

    reason = "family_conflict"


class CalleeNeedsIPv4Error(FamilyConflictError):
    """The callee takes IPv4 alone. Placeholder: number."""

    reason = "callee_needs_ipv4"


class CalleeNeedsIPv6Error(FamilyConflictError):
    """The callee takes IPv6 alone. Placeholder: number."""

    reason = "callee_needs_ipv6"


class EmergencyNeedsIPv4Error(FamilyConflictError):
    """Emergency numbers are reached over IPv4 alone in the East. Placeholder: number."""

    reason = "emergency_needs_ipv4"


class DigitsInvalidError(CallError):
    """Not keypad digits. Placeholder: digits."""

    reason = "digits_invalid"


class StatusInvalidError(CallError):
    """Not a SIP status with which a call can be rejected. Placeholder: code."""

    reason = "status_invalid"


class TooManyCallsError(CallError):
    """The back end has no room for another call."""

    reason = "too_many_calls"


class SoundPortsExhaustedError(CallError):
    """No free pair of UDP ports for the sound of a call."""

    reason = "sound_ports_exhausted"


class SoundError(CallError):
    """Sound cannot be played into a call or on players, or be recorded."""

    reason = "sound"


class MediaUnreadableError(SoundError):
    """The media cannot be read. Placeholders: media, detail."""

    reason = "media_unreadable"


class MediaUnsupportedError(SoundError):
    """Media of a kind that is not played into calls. Placeholder: media."""

    reason = "media_unsupported"


class SpeechFailedError(SoundError):
    """The text-to-speech engine gives no speech. Placeholder: detail."""

    reason = "speech_failed"


class SpeechEngineMissingError(SpeechFailedError):
    """Home Assistant has no text-to-speech engine."""

    reason = "speech_engine_missing"


class FfmpegMissingError(SoundError):
    """There is no ffmpeg that could decode or encode."""

    reason = "ffmpeg_missing"


class EncoderFailedError(SoundError):
    """The encoder ended, or gave nothing that can be used. Placeholder: format."""

    reason = "encoder_failed"


class RecordingError(SoundError):
    """A call cannot be recorded, or a recording not be used."""

    reason = "recording"


class RecordingRunsError(RecordingError):
    """The call is being recorded already."""

    reason = "recording_runs"


class RecordingNotRunningError(RecordingError):
    """The call is not being recorded."""

    reason = "recording_not_running"


class RecordingUnknownError(RecordingError):
    """There is no such recording."""

    reason = "recording_unknown"


class RecordingFolderError(RecordingError):
    """The folder of the recordings cannot be written to. Placeholders: folder, detail."""

    reason = "recording_folder"


class RecordingDiskFullError(RecordingError):
    """There is no room for recordings. Placeholder: folder."""

    reason = "recording_disk_full"


class EngineError(TelephonyError):
    """The engine process fails us."""

    reason = "engine"


class EngineStartError(EngineError):
    """The engine process does not start. Placeholder: detail."""

    reason = "engine_start"


class EngineLostError(EngineError):
    """The connection to the engine process broke; it is being restarted."""

    reason = "engine_lost"


class EngineVersionError(EngineError):
    """The engine speaks another version. Placeholders: ours, theirs."""

    reason = "engine_version"


class EngineTokenError(EngineError):
    """The engine does not accept our token."""

    reason = "engine_token"


class EngineLockedError(EngineError):
    """Too many wrong tokens came from our address. Placeholder: seconds."""

    reason = "engine_locked"


class EngineUrlError(EngineError):
    """Not an address at which an engine can be. Placeholder: url."""

    reason = "engine_url"


class EngineUnreachableError(EngineError):
    """Nobody answers where the engine should be. Placeholder: url."""

    reason = "engine_unreachable"


class EngineForeignError(EngineError):
    """Somebody answers where the engine should be, and it is no engine. Placeholder: url."""

    reason = "engine_foreign"


class EngineCertificateError(EngineError):
    """The engine's certificate is not to be trusted. Placeholders: url, detail."""

    reason = "engine_certificate"


class EngineFamilyError(EngineError):
    """The engine does not speak the IP family that the line needs. Placeholder: family."""

    reason = "engine_family"


class EngineSilentError(EngineError):
    """The engine did not answer a command in time."""

    reason = "engine_silent"


class ProtocolError(EngineError):
    """A message of the engine protocol that cannot be understood. Placeholder: detail."""

    reason = "protocol"


class Pjsua2Error(EngineError):
    """The pjsua2 of an interpreter cannot serve; the reasons are those of its probe."""

    reason = "pjsua2"


class Pjsua2InterpreterError(Pjsua2Error):
    """The path is no Python that starts. Placeholder: interpreter."""

    reason = "pjsua2_interpreter"


class Pjsua2PythonTooOldError(Pjsua2Error):
    """The Python is older than 3.11. Placeholder: interpreter."""

    reason = "pjsua2_python_too_old"


class Pjsua2NotInstalledError(Pjsua2Error):
    """The Python has no module pjsua2. Placeholder: interpreter."""

    reason = "pjsua2_not_installed"


class Pjsua2TooOldError(Pjsua2Error):
    """The pjsua2 is older than 2.14. Placeholders: interpreter, version."""

    reason = "pjsua2_too_old"


class Pjsua2AiohttpMissingError(Pjsua2Error):
    """The Python has pjsua2, but no aiohttp. Placeholder: interpreter."""

    reason = "pjsua2_aiohttp_missing"


class Pjsua2AudioopMissingError(Pjsua2Error):
    """The Python has pjsua2, but no audioop. Placeholder: interpreter."""

    reason = "pjsua2_audioop_missing"


class Pjsua2BrokenError(Pjsua2Error):
    """The pjsua2 does not even place a call over IPv4. Placeholder: interpreter."""

    reason = "pjsua2_broken"


class Pjsua2SilentError(Pjsua2Error):
    """The Python did not tell in time. Placeholder: interpreter."""

    reason = "pjsua2_silent"
