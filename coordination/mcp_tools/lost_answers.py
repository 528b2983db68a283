"""Whether an error says that a call was refused, or leaves open whether it was carried out.

Bridges whose server died, servers whose vendor did not answer, and libraries that keep their reasons to themselves all
answer with an error. There is no code for it, so their words are read: whoever takes one of them for a refusal makes
the call twice.
"""

import re

_MOST_READ = 1_000
_MOST_READ_AT_END = 500
"""Characters of an error that are looked at: it begins with what went wrong, or, as tracebacks do, ends with it."""

_LONGEST_EMPTY_PHRASE = 300

_GONE = (
    r"(?:unexpectedly |forcibly |already )?"
    r"(?:closed|reset|aborted|lost|dropped|broken|broke|terminated|interrupted|failed)"
)
_SECONDS = r"\d[\d.]* ?(?:ms|msec|milliseconds?|s|secs?|seconds?)\b"
_STATUS = r"5(?:0[0234]|2\d|30)\b"
"""A server failed over the request, or a gateway had no answer; 501 and 505 are refusals."""

_CONNECTION = (
    rf"\bconnection (?:\d+ )?(?:to \S+ )?(?:was |has been |is )?{_GONE}(?! to connect)",
    r"\b(?:closed|closing|lost|dropped|broke) (?:the |its |idle )*(?:connection|pipe|socket)\b",
    r"\bdisconnected\b|\bgone away\b",
    r"\bsocket (?:hang ?up|closed)\b|\bother side closed\b|\bbroken pipe\b|\bnetwork error\b|\btransport is closing\b",
    r"\bfetch failed\b|\bE(?:CONNRESET|CONNABORTED|PIPE|TIMEDOUT|SOCKETTIMEDOUT)\b",
    r"\bUND_ERR_\w*(?:TIMEOUT|SOCKET|ABORTED)",
    r"\b(?:Read|Write|RemoteProtocol|ClientPayload|Abort|Socket|IncompleteRead)Error\b|\bIncompleteRead\b",
    r"\berror sending request for|\berror occurred while sending the request|\bdecoding response body\b",
    rf"\bstream (?:was |has )?(?:ended|removed|{_GONE})|\bstream error: stream ID|\bRST_STREAM\b|\bGOAWAY\b",
    r"\b(?:unexpected|premature|incomplete) (?:EOF|close|end\b)|: EOF\b|\bEOF (?:occurred|detected)",
    r"\bend[- ]of[- ]file\b|\breceived no bytes\b|(?:^|: )terminated\Z",
    r"\b(?:response|connection|body|payload) (?:ended prematurely|is not completed)",
    r"\bcould not receive data from\b|\bunable to read data from\b",
    r"\binvalid response (?:was )?received from the upstream",
)
_TIME = (
    r"\btimed[ -]?out\b",
    r"\btime-?out (?:of \d|on |after \d|exceeded|expired|occurred|reached|error|waiting|awaiting|while)",
    rf"\btimeout {_SECONDS} exceeded|\b(?:i/o|request|read|write|gateway|operation|response|call|tool) time-?out\b",
    r"Time-?out(?:Error|Exception|Expired)\b|\b(?:Read|Write|Pool)Timeout\b|\bno item or terminal signal\b",
    r"\b(?:deadline|maximum total timeout)[ _]?exceeded\b|\bany item or terminal signal within\b",
    "超时|逾時|タイムアウト|시간 초과|Zeitüberschreitung|délai (?:d'attente )?(?:dépassé|expiré)|tiempo de espera",
)
_ENDED = (
    r"\bcontext canceled\b|\bprocess (?:has )?(?:failed|exited|died|crashed|ended|terminated|was killed)",
    r"\b(?:operation|request|task|call) (?:was |is )?(?:aborted|cancel(?:l)?ed)\b|\buser aborted a request\b",
    r"\bsignal is aborted\b|(?:^|: )cancel(?:l)?ed\Z",
    r"\bwithout (?:sending )?(?:a |any )?(?:response|reply|answer)\b|\bfailed to respond\b",
    r"\bno (?:response|reply|answer) (?:from|(?:was )?received|within|in time)",
    r"\b(?:not|n't) (?:answer|respond|reply)\b",
)
_STATUSES = (
    r"\bbad gateway\b|\bservice[ _](?:temporarily )?unavailable\b|\binternal server error\b",
    rf"\b(?:HTTP|status(?:[ _]?code)?|error|code)[\"']?(?:[ :=/]{{1,3}}| code[ :]{{1,2}})(?:1\.1 )?[\"']?{_STATUS}",
    rf"\b(?:returned|got|received) (?:an? )?(?:HTTP )?{_STATUS}|\b{_STATUS} (?:Server Error|Internal)",
    r"\b(?:internal|fatal|server)_error\b",
    r"\b(?:StatusCode\.|code = )(?:UNAVAILABLE|DEADLINE_?EXCEEDED|CANCEL(?:L)?ED|INTERNAL|UNKNOWN)\b",
    r"\b(?:1 CANCELLED|2 UNKNOWN|4 DEADLINE_EXCEEDED|13 INTERNAL|14 UNAVAILABLE):",
)
_RESULT = re.compile(
    r"\boutput validation error\b|\bhas an output schema but\b|\boutputSchema defined but\b"
    r"|\bstructured content (?:does not match|returned by)|\binvalid structured (?:content|output)\b"
    r"|\bnot JSON serializable\b|\bcircular structure to JSON\b|\binvalid (?:tools/call|tool) result\b"
    r"|\bserializ\w+ (?:the )?(?:result|response|output|return value)"
    r"|\b(?:response|result|output) (?:size )?(?:is |was )?(?:too (?:large|long|big)|exceeds)",
    re.IGNORECASE,
)
"""Of the result: so write SDKs after a tool has done its work, if what it returns is not what it declares."""

_LOST = re.compile("|".join((*_CONNECTION, *_TIME, *_ENDED, *_STATUSES)), re.IGNORECASE)

_NAME = r"['\"`]?[\w./-]+['\"`]?"
_SAYS_NOTHING = re.compile(
    r"(?>mcp error -?\d+:|error:|exception:|failed:"
    r"|(?:an? )?(?:unknown |unexpected |unhandled |internal |server |generic )*(?:tool )?(?:error|exception|failure)"
    r"(?: (?:has )?(?:occurred|happened))?"
    rf"(?: (?:while |when |in )?(?:executing|calling|running|invoking) (?:the )?(?:tool )?{_NAME})?"
    rf"|(?:failed to|could not|cannot) (?:execute|call|run|invoke) (?:the )?tool(?: {_NAME})?"
    rf"|tool (?:{_NAME} )?(?:execution |call )?failed|something went wrong|please try again(?: later)?"
    r"|undefined|null|none|\[object \w+\]|\{\}|[\s.:!…-])*+",
    re.IGNORECASE,
)
"""Errors in which nothing is left of what went wrong, as several SDKs write them of whatever their tools did not
expect."""


def tells_of_lost_answer(text: str) -> bool:
    """Whether an error says that its writer waited for an answer in vain, so that the call may have happened."""
    head, tail = text[:_MOST_READ], text[_MOST_READ:][-_MOST_READ_AT_END:]
    return any(_LOST.search(part.strip()) is not None for part in (head, tail))


def gives_no_reason(text: str) -> bool:
    """Whether an error says no more than that there was one: that may have been at the end of what was asked for."""
    return len(text) <= _LONGEST_EMPTY_PHRASE and _SAYS_NOTHING.fullmatch(text) is not None


def leaves_open(text: str) -> bool:
    """Whether an error leaves open whether what was asked for was carried out."""
    return gives_no_reason(text) or tells_of_lost_answer(text) or is_about_the_result(text)


def is_about_the_result(text: str) -> bool:
    """Whether an error is about what a tool returned, so that it has probably done what was asked of it."""
    return _RESULT.search(text[:_MOST_READ]) is not None
