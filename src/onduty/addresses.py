"""From which address a request comes. Forwarded headers count only from proxies that are trusted, hop by hop."""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


def networks(trusted: Iterable[str]) -> Networks:
    """Addresses and networks as the settings hold them, ready to be compared with."""
    return tuple(ipaddress.ip_network(one) for one in trusted)


def caller_address(peer: str, forwarded: Sequence[bytes], trusted: Networks) -> str:
    """The rightmost hop that is not trusted: `peer`, or what a trusted one says of whom it speaks for.

    `forwarded` are the X-Forwarded-For headers in order. Each proxy adds on the right whom it heard from, so whatever
    stands to the left of the first untrusted hop is only that hop's word. A hop that is no address ends the walk; where
    all are trusted the leftmost is it. Empty where the peer has no address.
    """
    known = _address(peer)
    if known is None or not _is_trusted(known, trusted):
        return peer if known is None else str(known)
    for hop in reversed(b",".join(forwarded).decode("latin-1").split(",")):
        before = _address(hop.strip())
        if before is None:
            break
        known = before
        if not _is_trusted(known, trusted):
            break
    return str(known)


@lru_cache(1024)
def _address(text: str) -> Address | None:
    """An address, with a port or in brackets too; one of IPv4 inside IPv6 as the former. None if it is none."""
    host = text
    if text.startswith("["):
        host = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        host = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _is_trusted(address: Address, trusted: Networks) -> bool:
    return any(address in network for network in trusted)
