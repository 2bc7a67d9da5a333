"""Secrets in text that a person chose to share are masked: on the agent's machine, and once more at the server.

What a secret is, nobody knows for certain: what is named one, what has the shape of a well-known one, and what no
person would write by hand. Masking twice is the same as once, and makes no text longer.
"""

from __future__ import annotations

import re

MASK = "…"
LONGEST = 200
# Of what is longer the rest is not looked at: it would cost the time that an agent waits.
_LOOKED_AT = 4000

# Bounded, so that no text takes more than a moment.
_NAMED = (
    r"[\w.-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|credential|api[_-]?key"
    r"|(?:access|private|auth|_)[_-]?key)[\w.-]{0,40}"
)
_VALUE = r"(?:\"[^\"]*\"?|'[^']*'?|[^\s\"'&;|,])[^\s\"'&;|,]*"
_SHAPES = (
    # A key in PEM, to its end or the text's (RFC 7468).
    (r"-----BEGIN [A-Z ]*-----.*?(?:-----END [A-Z ]*-----|$)", MASK),
    # https://user:secret@host, and `curl -u user:secret`.
    (r"(\w://[^\s/:@]*:)[^\s/@]+(?=@)", rf"\1{MASK}"),
    (r"((?:^|\s)(?:-u|--user)[ =]?['\"]?[^\s:'\"]+:)[^\s'\"]+", rf"\1{MASK}"),
    # Authorization: Bearer …; the scheme alone, too.
    (r"(\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?(?:\w+\s+)?)[^\s'\",]+", rf"\1{MASK}"),
    (r"(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}", rf"\1{MASK}"),
    (r"((?:x-)?\bcookie['\"]?\s*[:=]\s*).*", rf"\1{MASK}"),
    # name=value, name: value, --name value.
    (rf"(\b{_NAMED}['\"]?(?:\s*[:=]+>?\s*|\s+is\s+)){_VALUE}", rf"\1{MASK}"),
    (rf"((?:^|\s)--?{_NAMED}\s+){_VALUE}", rf"\1{MASK}"),
    # sshpass -p SECRET, mysql -pSECRET.
    (r"(\bsshpass\s+-p\s*)\S+", rf"\1{MASK}"),
    (r"(\bmysql\w*\b[^|;&]{0,200}?\s-p)[^\s\"']+", rf"\1{MASK}"),
    # Ours, and others whose makers gave them a beginning.
    (r"\b(ody_|sk-|[sr]k_live_|gh[opsur]_|github_pat_|glpat-|npm_|pypi-|xox[a-z]-|xapp-|hf_)[\w-]{6,}", rf"\1{MASK}"),
    (r"\b(AKIA|ASIA|AIza|ya29\.)[\w-]{8,}", rf"\1{MASK}"),
    (r"\beyJ[\w-]{4,}(?:\.[\w-]+)*", MASK),
    # Letters and digits that no word has: a key, a digest.
    (r"(?<![\w+])(?=[a-z+]*\d)(?=[\d+]*[a-z])[a-z0-9+]{24,}={0,2}", MASK),
)
_PATTERNS = tuple((re.compile(shape, re.IGNORECASE), instead) for shape, instead in _SHAPES)


def masked(text: str) -> str:
    """The text with a `…` in the place of each secret."""
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def one_line(text: str) -> str:
    """What may be shared of a question: one line of at most LONGEST characters, secrets masked."""
    if len(text) > _LOOKED_AT:
        # Half a secret has no shape: the last word, which may be one, goes.
        text = (text[:_LOOKED_AT].rsplit(None, 1) or [""])[0]
    line = masked("".join(char for char in " ".join(text.split()) if char.isprintable()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + MASK
