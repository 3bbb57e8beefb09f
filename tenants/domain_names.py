"""One spelling for each domain name: ASCII (IDNA 2008), lower case, no trailing dot (no models)."""

import re

import idna

LONGEST = 253
_FORBIDDEN_IN_LOCAL_PART = re.compile(r"[\s\x00-\x1f\x7f-\x9f\"\\(),:;<>\[\]]")


def ascii_domain(text: str) -> str:
    """Return a domain name in the spelling that is stored and compared.

    Nothing is guessed: look-alike characters, full-width forms and other dots are refused or stay what they are, so
    that two names are equal only when DNS takes them for the same.

    Args:
        text: the name in any case of letters, as people write it (``bücher.de``) or as DNS has it
            (``xn--bcher-kva.de``).

    Raises:
        ValueError: it is no domain name; the message says why.
    """
    lowered = text.lower()
    if lowered.isascii() != text.isascii():  # the Kelvin sign becomes a k
        raise ValueError("it has characters that domain names do not have")
    if len(lowered) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    if lowered.endswith("."):
        raise ValueError("it ends in a dot")
    try:
        name = idna.encode(lowered, strict=True, std3_rules=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as error:
        raise ValueError(str(error)[:1].lower() + str(error)[1:]) from error
    if len(name) > LONGEST:
        raise ValueError(f"it is longer than {LONGEST} characters")
    return name


def mail_domain(email: str) -> str | None:
    """Return the domain of an e-mail address in the spelling that is stored, None when the address is not a plain one.

    Quoted local parts, several @, white space, address literals and trailing dots are legal somewhere and read
    differently by different programs; whoever trusts an address must not be the one that reads it wrongly.
    """
    local, at, domain = email.partition("@")
    if not at or not local or "@" in domain or _FORBIDDEN_IN_LOCAL_PART.search(local):
        return None
    try:
        name = ascii_domain(domain)
    except ValueError:
        return None
    return name if "." in name else None
